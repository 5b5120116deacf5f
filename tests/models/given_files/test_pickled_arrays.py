import argparse
import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from torch import nn
from transformers import BertModel

from models.given_files.safe_load import (
    ModelFileError,
    load_arrays,
    load_safetensors,
    load_transformers,
    load_weights,
    weights_of,
)
from tests.tiny_bert import write_tiny_bert

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


def test_a_whole_module_or_script_is_refused_without_torch_s_advice(tmp_path):
    torch.jit.script(nn.Linear(2, 3)).save(tmp_path / "x.pth")
    with pytest.raises(ModelFileError) as raised:
        load_weights(tmp_path / "x.pth")
    assert not any(advice in str(raised.value) for advice in FOREIGN)


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


def test_a_model_of_transformers_has_every_weight_of_its_folder(tmp_path):
    whole = write_tiny_bert(tmp_path)
    state = load_safetensors(whole / "model.safetensors")
    found = load_transformers(BertModel, whole, lambda _: False)
    for name, value in state.items():
        torch.testing.assert_close(found.state_dict()[name], value, rtol=0, atol=0)


def test_a_tensor_that_repeats_its_values_is_refused(tmp_path):
    torch.save({"weight": torch.zeros(1).expand(10**9)}, tmp_path / "a.pth")
    with pytest.raises(ModelFileError, match="repeats"):
        load_weights(tmp_path / "a.pth")
