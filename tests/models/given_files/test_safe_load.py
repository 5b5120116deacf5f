import os
import pickle
import zipfile
from itertools import product

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import BertModel

from models.given_files.safe_load import (
    ModelFileError,
    NonFiniteError,
    check_weights,
    is_position_index,
    load_arrays,
    load_into,
    load_safetensors,
    load_transformers,
    load_weights,
    read_content,
    weights_of,
)
from tests.tiny_bert import write_tiny_bert


def test_weights_of_a_gpu_are_read_without_one(tmp_path):
    torch.save({"a": torch.arange(5.0)}, tmp_path / "here.pth")
    here, there = (pickle.dumps(where, 2)[2:-3] for where in ("cpu", "cuda:0"))
    with (
        zipfile.ZipFile(tmp_path / "here.pth") as archive,
        zipfile.ZipFile(tmp_path / "a.pth", "w") as other,
    ):
        for name in archive.namelist():
            other.writestr(name, archive.read(name).replace(here, there))
        assert there in other.read("here/data.pkl")
    found = load_weights(tmp_path / "a.pth")["a"]
    assert (found.device.type, found.tolist()) == ("cpu", [0, 1, 2, 3, 4])


class Trap:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        import os

        return os.mkdir, ("trapped",)


def test_code_in_a_pickle_of_arrays_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bua.pkl").write_bytes(pickle.dumps({"model": Trap()}, protocol=2))
    with pytest.raises(ModelFileError, match=r"bua\.pkl.*posix"):
        load_arrays(tmp_path / "bua.pkl")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_arrays_that_any_numpy_pickled_are_read(tmp_path, module):
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones((), np.int64)}
    content = pickle.dumps({"model": arrays}, protocol=2)
    content = content.replace(b"numpy._core.multiarray", module.encode())
    (tmp_path / "bua.pkl").write_bytes(content)
    found = load_arrays(tmp_path / "bua.pkl")["model"]
    np.testing.assert_array_equal(found["a"], [[0, 1, 2], [3, 4, 5]])
    assert found["b"] == 1


@pytest.mark.parametrize("kept", [0, 0.5, 0.999])
def test_a_half_downloaded_pickle_is_refused(tmp_path, kept):
    content = pickle.dumps({"model": {"a": np.ones(1000, np.float32)}}, protocol=2)
    (tmp_path / "bua.pkl").write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ModelFileError, match=r"bua\.pkl"):
        load_arrays(tmp_path / "bua.pkl")


@pytest.mark.parametrize("content", [[torch.ones(1)], torch.ones(1), "text"])
def test_weights_that_are_no_mapping_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(ModelFileError, match=rf"a\.pth.*{type(content).__name__}"):
        load_weights(tmp_path / "a.pth")


def test_weights_come_back_on_the_cpu_with_plain_values_beside(tmp_path):
    torch.save({"w": torch.arange(3.0), "epoch": 7, "a": np.arange(2)}, tmp_path / "a.pth")
    content = load_weights(tmp_path / "a.pth")
    assert (content["w"].tolist(), content["w"].device.type) == ([0, 1, 2], "cpu")
    assert (content["epoch"], content["a"].tolist()) == (7, [0, 1])


@pytest.mark.parametrize("kept", [0, 0.5, 0.99])
def test_weights_that_are_missing_cut_off_or_code_are_refused(tmp_path, monkeypatch, kept):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pth"
    with pytest.raises(ModelFileError, match=r"a\.pth"):
        load_weights(path)
    torch.save({"w": torch.ones(1000)}, path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(ModelFileError, match=r"a\.pth"):
        load_weights(path)
    torch.save({"w": Trap()}, path)
    for word in "01":  # a variable by which torch would run code where nothing else is said
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", word)
        with pytest.raises(ModelFileError, match=r"a\.pth"):
            load_weights(path)
    assert not (tmp_path / "trapped").exists()


def test_text_that_python_2_pickled_is_read(tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02}U\x01aU\x04caf\xe9s.")
    assert load_arrays(tmp_path / "a.pkl") == {"a": "café"}


def test_arrays_must_be_a_mapping_too(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([np.ones(1)], protocol=2))
    with pytest.raises(ModelFileError, match=r"a\.pkl.*list"):
        load_arrays(tmp_path / "a.pkl")


def test_bytes_in_an_old_pickle_are_read_and_other_encodings_are_not(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": b"caf\xe9"}, protocol=2))
    assert load_arrays(tmp_path / "a.pkl") == {"a": b"caf\xe9"}
    content = pickle.dumps({"a": b"caf\xe9"}, protocol=2).replace(b"latin1", b"rot_13")
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"a\.pkl.*rot_13"):
        load_arrays(tmp_path / "a.pkl")


def packed(path, content):
    """Return a copy of a file of torch whose parts are packed, as torch never writes them."""
    torch.save(content, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)


def test_a_packed_file_is_refused_unread(tmp_path):
    packed(tmp_path / "a.pth", {"a": torch.zeros(10**6)})
    assert (tmp_path / "a.pth").stat().st_size < 10**5
    with pytest.raises(ModelFileError, match=r"a\.pth.*packed"):
        load_weights(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "tensor",
    [
        torch.ones(1).expand(2**40),
        torch.zeros(3).as_strided((2**20, 2**20), (0, 0)),
        torch.zeros(2, 3, device="meta"),
        torch.eye(3).to_sparse(),
    ],
)
def test_a_tensor_has_no_more_values_than_its_file(tmp_path, tensor):
    torch.save({"a": {"b": [tensor]}}, tmp_path / "a.pth")
    with pytest.raises(ModelFileError, match=r"a\.pth.*tensor"):
        load_weights(tmp_path / "a.pth")


def test_a_part_of_a_tensor_is_a_tensor(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    torch.save({"a": whole[1:, 2:], "b": whole.T}, tmp_path / "a.pth")
    loaded = load_weights(tmp_path / "a.pth")
    assert torch.equal(loaded["a"], whole[1:, 2:])
    assert torch.equal(loaded["b"], whole.T)


@pytest.mark.parametrize("load", [load_weights, load_arrays])
def test_values_that_name_one_another_over_and_over_are_refused_at_once(tmp_path, load):
    value = [1] * 10
    for _ in range(12):
        value = [value] * 10
    path = tmp_path / "a.pkl"
    if load is load_weights:
        torch.save({"meta": value}, path)
    else:
        path.write_bytes(pickle.dumps({"meta": value}, 2))
    with pytest.raises(ModelFileError, match=r"a\.pkl.*many"):
        load(path)


@pytest.mark.parametrize("load", [load_weights, load_arrays, load_safetensors])
def test_a_pipe_is_no_file(tmp_path, load):
    os.mkfifo(tmp_path / "a")
    with pytest.raises(ModelFileError, match=r"/a: .*pipe"):
        load(tmp_path / "a")


def test_a_weight_that_is_not_finite_is_loaded_into_no_network(tmp_path):
    network = torch.nn.Linear(2, 1)
    state = {"weight": torch.tensor([[1.0, torch.inf]]), "bias": torch.zeros(1)}
    with pytest.raises(ModelFileError, match="weight"):
        load_into(network, state, tmp_path / "w.pth", "arch linear")
    for unfit in ({"bias": torch.zeros(1)}, {**state, "weight": torch.ones(1, 3)}):
        with pytest.raises(ModelFileError, match=r"w\.pth.*arch linear.*weight"):
            load_into(network, unfit, tmp_path / "w.pth", "arch linear")
    state["weight"] = torch.tensor([[1.0, 2.0]])
    load_into(network, state, tmp_path / "w.pth", "arch linear")
    assert network.weight.tolist() == [[1, 2]]


@pytest.mark.parametrize("metadata", [{"": 5}, {"": {"version": "x"}}])
def test_weights_whose_version_is_none_are_refused(tmp_path, metadata):
    network = torch.nn.BatchNorm1d(2)
    state = network.state_dict()
    state._metadata = metadata
    with pytest.raises(ModelFileError, match=r"w\.pth.*arch norm"):
        load_into(network, state, tmp_path / "w.pth", "arch norm")


def test_a_whole_module_or_script_is_refused_without_torch_s_advice(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 3)).save(tmp_path / "x.pth")
    with pytest.raises(ModelFileError) as raised:
        load_weights(tmp_path / "x.pth")
    assert "TorchScript" in str(raised.value)
    assert not any(word in str(raised.value) for word in ("weights_only", "will likely succeed"))


def test_a_model_of_transformers_has_every_weight_of_its_folder_and_no_other(tmp_path):
    whole = write_tiny_bert(tmp_path)
    state = load_safetensors(whole / "model.safetensors")
    found = load_transformers(BertModel, whole, lambda _: False).state_dict()
    assert all(torch.equal(found[name], value) for name, value in state.items())
    pooled = {"add_pooling_layer": False}
    bare = load_transformers(BertModel, whole, lambda name: "pooler" in name, **pooled)
    assert bare.pooler is None
    with pytest.raises(ModelFileError, match=r"left over.*pooler\.dense\.bias"):
        load_transformers(BertModel, whole, lambda _: False, **pooled)
    key = "embeddings.LayerNorm.weight"
    wide = {key: torch.ones(11)}
    for changed, problem in (({}, "missing"), (wide, "shape")):
        rest = {name: value for name, value in state.items() if name != key}
        save_file(rest | changed, whole / "model.safetensors", {"format": "pt"})
        with pytest.raises(ModelFileError, match=rf"{problem}.*{key}"):
            load_transformers(BertModel, whole, lambda _: False, ignore_mismatched_sizes=True)
    (whole / "config.json").write_text("{")
    with pytest.raises(ModelFileError, match=str(whole)):
        load_transformers(BertModel, whole, lambda _: False)


@pytest.mark.parametrize("suffix", [".pkl", ".pth", ".bin", ".safetensors"])
def test_the_suffix_says_how_a_checkpoint_is_read(tmp_path, suffix):
    path, weight = tmp_path / f"a{suffix}", torch.arange(6.0).view(2, 3)
    if suffix == ".pkl":
        path.write_bytes(pickle.dumps({"w": weight.numpy()}, 2))
    elif suffix == ".safetensors":
        save_file({"w": weight}, path)
    else:
        torch.save({"w": weight}, path)
    assert torch.equal(weights_of(read_content(path), path)["w"], weight)
    with pytest.raises(ModelFileError, match=str(path)):
        weights_of({"epoch": 3}, path)


@pytest.mark.parametrize(
    ("dtype", "bad"),
    [
        *product((torch.float64, torch.bfloat16, torch.float8_e5m2), (torch.nan, torch.inf)),
        (torch.float8_e4m3fn, torch.nan),  # it has no infinity
    ],
)
def test_every_number_of_every_floating_point_type_must_be_finite(dtype, bad):
    counts = {"count": torch.tensor([7]), "version": 3}
    good = torch.tensor([0.5, -2.0]).to(dtype)
    check_weights({**counts, "good": good}, "a")
    with pytest.raises(NonFiniteError, match=r"^a: .*\bsecond\b"):
        check_weights({**counts, "good": good, "second": torch.tensor([1, bad]).to(dtype)}, "a")


def test_a_weight_may_be_larger_than_smaller_types_hold():
    check_weights({"a": torch.tensor([1e300], dtype=torch.float64)}, "a")


def test_positions_alone_are_indices_of_positions():
    names = ("embeddings.position_ids", "position_ids.weight", "a.weight")
    assert [is_position_index(name) for name in names] == [True, False, False]
