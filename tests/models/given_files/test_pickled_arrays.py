import argparse
import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from torch import nn

from models.given_files.foreign_values import ValueBudget
from models.given_files.pickled_arrays import (
    PickledArray,
    PickledDtype,
    pickled_scalar,
    with_arrays,
)
from models.given_files.safe_load import (
    ModelFileError,
    load_arrays,
    load_safetensors,
    load_weights,
    unpickle_arrays,
    weights_of,
)

LEGACY = {"_use_new_zipfile_serialization": False}
FOREIGN = ("weights_only", "\x1b", "will likely succeed")


class Evil:
    """Belongs to no library."""


class Trap:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        import os

        return os.mkdir, ("trapped",)


@pytest.mark.parametrize("options", [{}, LEGACY])
def test_what_an_mmengine_runner_saves_beside_the_weights_is_passed_over(tmp_path, options):
    hub = MessageHub.get_instance("of a test")
    hub.update_scalar("train/loss", 0.5)
    hub.update_info("iter", 3)
    network = nn.Linear(2, 3)
    optimizer = torch.optim.AdamW(network.parameters())
    content = {
        "meta": {
            "epoch": np.int64(2),
            "loss": np.float32(0.25),
            "dataset_meta": {"classes": ("a",)},
        },
        "state_dict": network.state_dict(),
        "message_hub": hub.state_dict(),
        "history": HistoryBuffer([1.0, 2.0], [1, 1]),
        "optimizer": optimizer.state_dict(),
        "args": argparse.Namespace(lr=0.1, nested=argparse.Namespace(a=1)),
    }
    torch.save(content, tmp_path / "x.pth", **options)
    found = load_weights(tmp_path / "x.pth")
    assert (found["meta"]["epoch"], found["meta"]["loss"]) == (2, 0.25)
    network.load_state_dict(weights_of(found, tmp_path / "x.pth"))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">f4").reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
        np.arange(3, dtype=np.float16),
        np.array([True, False]),
        np.array(7, np.int64),
        np.zeros((0, 3), np.float32),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_arrays_have_the_values_that_numpy_wrote(tmp_path, array, protocol):
    torch.save({"a": array}, tmp_path / "x.pth")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"a": array}, protocol))
    for found in (load_weights(tmp_path / "x.pth")["a"], load_arrays(tmp_path / "x.pkl")["a"]):
        assert (found.dtype, found.shape) == (array.dtype.newbyteorder("="), array.shape)
        np.testing.assert_array_equal(found, array)
        assert found.flags.c_contiguous


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"a": Evil()}, f"{__name__}.Evil"),
        ({"a": Trap()}, "posix.mkdir"),
        ({"a": nn.Linear(1, 1)}, "torch.nn.modules.linear.Linear"),
        ({"a": slice(1, 2)}, "slice"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".pkl", "legacy.pth"])
def test_what_a_file_asks_for_is_named_and_not_run(tmp_path, monkeypatch, content, name, suffix):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / f"x{suffix}"
    if suffix == ".pkl":
        file.write_bytes(pickle.dumps(content, 2))
    else:
        torch.save(content, file, **(LEGACY if "legacy" in suffix else {}))
    with pytest.raises(ModelFileError) as raised:
        (load_arrays if suffix == ".pkl" else load_weights)(file)
    message = str(raised.value)
    assert name.removeprefix("tests.") in message
    assert file.name in message
    assert not any(advice in message for advice in FOREIGN)
    assert not (tmp_path / "trapped").exists()


def test_a_damaged_array_is_refused_and_leaves_numpy_as_it_was(tmp_path):
    content = pickle.dumps({"a": np.arange(4, dtype=np.float32)}, 2)
    (tmp_path / "x.pkl").write_bytes(content.replace(b"X\x01\x00\x00\x00<", b"X\x01\x00\x00\x00>"))
    assert load_arrays(tmp_path / "x.pkl")["a"][1] != 1
    assert np.dtype("f4").isnative
    (tmp_path / "x.pkl").write_bytes(content.replace(b"K\x04", b"K\x05"))
    with pytest.raises(ModelFileError, match=r"x\.pkl"):
        load_arrays(tmp_path / "x.pkl")


READERS = {".pth": load_weights, ".pkl": load_arrays, ".safetensors": load_safetensors}


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"\0" * 999, "zeros"),
        (b"<html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b'{"error": 1}', "JSON"),
    ],
)
def test_no_weights_are_named(tmp_path, suffix, content, what):
    file = tmp_path / f"x{suffix}"
    file.write_bytes(content)
    with pytest.raises(ModelFileError, match=what) as raised:
        READERS[suffix](file)
    assert file.name in str(raised.value)


def test_a_tensor_that_repeats_its_values_is_refused(tmp_path):
    torch.save({"weight": torch.zeros(1).expand(10**9)}, tmp_path / "a.pth")
    with pytest.raises(ModelFileError, match="repeats"):
        load_weights(tmp_path / "a.pth")


def test_an_array_of_objects_holds_one_or_nothing(tmp_path):
    content = {"a": np.arange(3.0)}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(np.array(content, object), 2))
    np.testing.assert_array_equal(load_arrays(tmp_path / "x.pkl")["a"], [0, 1, 2])
    for objects in ([content, content], []):
        array = np.empty(len(objects), object)
        array[:] = objects
        (tmp_path / "x.pkl").write_bytes(pickle.dumps(array, 2))
        with pytest.raises(ModelFileError, match=r"x\.pkl"):
            load_arrays(tmp_path / "x.pkl")


@pytest.mark.parametrize("values", [np.array(["x"]), np.array([1j]), np.array([None])])
def test_an_array_without_numbers_is_no_weight_and_gives_none(values):
    held = pickle.dumps({"a": values}, 2)
    found = unpickle_arrays(held)["a"]
    assert isinstance(found, PickledArray)
    with pytest.raises(ValueError, match="array"):
        found.numpy()


def test_an_array_without_a_state_has_no_values():
    assert not PickledArray().has_numbers
    for read in (PickledArray().numpy, PickledArray().item):
        with pytest.raises(ValueError, match="array"):
            read()


@pytest.mark.parametrize(("dtype", "raw"), [(PickledDtype("f4"), [1]), ("f4", bytes(4))])
def test_an_array_whose_state_is_damaged_has_no_values(dtype, raw):
    array = PickledArray()
    array.__setstate__((1, (1,), dtype, False, raw))
    with pytest.raises(ValueError, match="array"):
        array.numpy()


@pytest.mark.parametrize("decoded", [False, True])  # as Python 3 and Python 2 pickle it
def test_a_single_number_has_the_value_that_numpy_wrote(decoded):
    raw = np.float32(-2.5).tobytes()
    assert pickled_scalar(PickledDtype("f4"), raw.decode("latin1") if decoded else raw) == -2.5
    assert pickled_scalar(PickledDtype("U1"), raw) is None


@pytest.mark.filterwarnings("ignore")  # torch's, on its own kinds of tensors
@pytest.mark.parametrize(
    "make",
    [
        torch.Tensor.to_sparse,
        lambda tensor: tensor.to("meta"),
        lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
        lambda tensor: torch.nested.nested_tensor([tensor, tensor[:2]]),
    ],
)
def test_a_tensor_of_another_kind_is_no_weight(make):
    plain = torch.arange(3.0)
    assert with_arrays({"a": plain}, ValueBudget(99))["a"] is plain
    with pytest.raises(ValueError, match="tensor"):
        with_arrays({"a": [make(plain)]}, ValueBudget(99))


@pytest.mark.parametrize("pair", [lambda one: [one, one], lambda one: (one, one)])
def test_a_value_that_holds_itself_over_and_over_is_refused(pair):
    value = 1.0
    for _ in range(16):
        value = pair(value)
    with pytest.raises(ValueError, match="values"):
        with_arrays({"a": value}, ValueBudget(99))
