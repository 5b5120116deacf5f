import hashlib
import socket
import threading
from fnmatch import fnmatch
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import stanza
import torchvision
import yaml
from huggingface_hub import errors

from models.pretrained import hub
from models.pretrained.hub import HASH_IN_NAME, HubError, _fetch_file, _hub_errors, fetch, mmdet_url
from pipeline.caching.atomic import make_folder
from tests.conftest import ROOT

CONTENT = b"weights" * 1000
RIGHT = hashlib.sha256(CONTENT).hexdigest()[:8]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Serve a folder on this machine; torch's cache is empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "served").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "served"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path / "served", f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def in_cache(tmp_path):
    return [file.name for file in (tmp_path / "torch" / "hub" / "checkpoints").glob("*")]


def test_a_file_whose_hash_its_name_tells_is_fetched_once(served, tmp_path):
    folder, address = served
    name = f"net-{RIGHT}.pth"
    (folder / name).write_bytes(CONTENT)
    assert _fetch_file(f"{address}/{name}").read_bytes() == CONTENT
    (folder / name).unlink()
    assert _fetch_file(f"{address}/{name}").read_bytes() == CONTENT


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_a_file_that_arrives_cut_off_is_refused_and_not_kept(served, tmp_path, kept):
    folder, address = served
    name = f"net-{RIGHT}.pth"
    (folder / name).write_bytes(CONTENT[: int(kept * len(CONTENT))])
    with pytest.raises(HubError, match=rf"invalid hash value.*{name}"):  # in torch's words
        _fetch_file(f"{address}/{name}")
    assert in_cache(tmp_path) == []


def test_a_file_that_is_not_there_is_named(served, tmp_path):
    _, address = served
    with pytest.raises(HubError, match=r"path.*http://127.*/no\.pth.*HTTPError"):
        _fetch_file(f"{address}/no.pth")
    assert in_cache(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "hash_"),
    [
        ("resnet50-0676ba61.pth", "0676ba61"),
        ("resnet50-11ad3fa6.pth", "11ad3fa6"),
        ("yolox_tiny_8x8_300e_coco_20211124_171234-b4047906.pth", "b4047906"),
        ("mine-20261125.pth", None),
        ("mine.pth", None),
    ],
)
def test_a_hash_is_read_from_a_name_but_no_date(name, hash_):
    found = HASH_IN_NAME.search(name)
    assert (found and found[1]) == hash_


def test_torchvision_publishes_the_networks_of_docs_weights_under_these_names():
    document = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")
    for version in ("IMAGENET1K_V1", "IMAGENET1K_V2"):
        url = torchvision.models.get_weight(f"ResNet50_Weights.{version}").url
        assert f"`ResNet50_Weights.{version}` | `{url.rpartition('/')[2]}`" in document


def test_mmdet_s_index_names_the_weights_of_a_config():
    metafile = Path(str(files("mmdet"))) / ".mim" / "configs" / "detr" / "metafile.yml"
    model = yaml.safe_load(metafile.read_text())["Models"][0]
    assert mmdet_url(model["Config"].removeprefix("configs/")) == model["Weights"]


@pytest.fixture
def hugging_face(tmp_path, monkeypatch):
    """Write what huggingface_hub's cache holds of a model, its revision `main`."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    folder = tmp_path / "hf" / "models--who--what"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    (folder / "snapshots" / commit).mkdir(parents=True)
    return folder / "snapshots" / commit


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_what_hugging_face_s_cache_holds_is_not_fetched(hugging_face, tmp_path, weights):
    (hugging_face / weights).write_bytes(b"1")
    assert fetch("transformers", "who/what", tmp_path, make_folder) == hugging_face


@pytest.mark.parametrize("hub_name", ["transformers", "timm"])
def test_a_revision_may_follow_the_name_of_a_model(hugging_face, tmp_path, hub_name):
    other = hugging_face.with_name("f" * 40)
    other.mkdir()
    (hugging_face.parents[1] / "refs" / "v1.0").write_text(other.name)
    for folder in (hugging_face, other):
        (folder / "model.safetensors").write_bytes(b"1")
    found = [fetch(hub_name, name, tmp_path, make_folder) for name in ("who/what", "who/what@v1.0")]
    assert [path if path.is_dir() else path.parent for path in found] == [hugging_face, other]


@pytest.mark.parametrize(
    ("published", "fetched"),
    [
        ({"model.safetensors", "pytorch_model.bin"}, {"model.safetensors"}),
        ({"pytorch_model.bin", "config.json"}, {"pytorch_model.bin", "config.json"}),
    ],
)
def test_pickled_weights_are_fetched_only_where_there_are_no_others(
    tmp_path, monkeypatch, published, fetched
):
    def snapshot(_repository, allow_patterns, **_settings):
        for name in published:
            if any(fnmatch(name, pattern) for pattern in allow_patterns):
                (tmp_path / name).touch()
        return str(tmp_path)

    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    assert fetch("transformers", "who/what", tmp_path, make_folder) == tmp_path
    assert {path.name for path in tmp_path.iterdir()} == fetched


def test_a_weight_file_of_timm_in_hugging_face_s_cache_is_not_fetched(hugging_face, tmp_path):
    (hugging_face / "model.safetensors").write_bytes(b"1")
    assert fetch("timm", "who/what", tmp_path, make_folder) == hugging_face / "model.safetensors"


def test_stanza_models_that_were_fetched_are_not_fetched_again(tmp_path):
    (tmp_path / "stanza-combined").mkdir()
    assert fetch("stanza", "combined", tmp_path, make_folder) == tmp_path / "stanza-combined"
    with pytest.raises(HubError, match=r"get what stanza\.download\('en', 'stanza', None, \{"):
        fetch("stanza", "other", tmp_path, make_folder)
    assert not (tmp_path / "stanza-other").exists()


def test_stanza_is_asked_for_the_models_of_three_processors_alone(tmp_path, monkeypatch):
    asked = []

    def download(language, models, *, package, processors, **_):
        asked.append((language, Path(models).parent, package, processors))

    monkeypatch.setattr(stanza, "download", download)
    fetch("stanza", "other_charlm", tmp_path, make_folder)
    wanted = {"tokenize": "combined", "mwt": "combined", "pos": "other_charlm"}
    assert asked == [("en", tmp_path, None, wanted)]


def test_two_runs_that_fetch_stanza_models_at_a_time_do_not_disturb_each_other(
    tmp_path, monkeypatch
):
    begun = []

    def download(_, models, **__):
        begun.append(models)
        (Path(models) / "resources.json").write_text(str(len(begun)))
        if len(begun) == 1:
            fetch("stanza", "combined", tmp_path, make_folder)  # begins later and ends before
        (Path(models) / "en.pt").write_bytes(b"1")

    monkeypatch.setattr(stanza, "download", download)
    folder = fetch("stanza", "combined", tmp_path, make_folder)
    assert {path.name for path in folder.iterdir()} == {"resources.json", "en.pt"}
    assert (folder / "resources.json").read_text() == "2"
    assert [*tmp_path.iterdir()] == [folder]


def test_a_long_cause_is_named_from_its_beginning_on_one_line_and_the_time_out_put_back():
    before = socket.getdefaulttimeout()
    with (
        pytest.raises(HubError, match=r"OSError.*first second x{100}") as refused,
        _hub_errors("http://here", "it"),
    ):
        raise OSError("first\n  second " + "x" * 999)
    assert len(str(refused.value)) < 400
    with _hub_errors("http://here", "it"):
        assert socket.getdefaulttimeout() not in (before, None)
    assert socket.getdefaulttimeout() == before


@pytest.mark.parametrize(
    "kind",
    [
        *(OSError, RuntimeError, ValueError, KeyError),
        *(errors.HFValidationError, errors.LocalEntryNotFoundError),
        partial(errors.HfHubHTTPError, response=SimpleNamespace(headers={}, request=None)),
    ],
)
def test_errors_of_every_hub_name_its_address_and_what_to_get(kind):
    with (
        pytest.raises(HubError, match=r"http://here.*no such thing.*the weights"),
        _hub_errors("http://here", "the weights"),
    ):
        raise kind("no such thing")


def test_what_no_hub_has_is_said():
    with pytest.raises(HubError, match=r"bottom_up_attention.*docs/weights\.md"):
        fetch("none", "bottom_up_attention", Path(), make_folder)


def test_what_torch_s_cache_holds_is_not_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    weights, config = "ResNet50_Weights.IMAGENET1K_V2", "detr/detr_r50_8xb2-150e_coco.py"
    addresses = {
        ("torchvision", weights): torchvision.models.get_weight(weights).url,
        ("mmdet", config): mmdet_url(config),
    }
    for (source, name), address in addresses.items():
        file = cache / address.rpartition("/")[2]
        file.write_bytes(b"1")
        assert fetch(source, name, tmp_path, make_folder) == file


@pytest.mark.parametrize("name", ["ResNet51_Weights.DEFAULT", "ResNet50_Weights.IMAGENET1K_V9"])
def test_weights_that_torchvision_does_not_know_are_refused(name):
    with pytest.raises(HubError, match=name):
        fetch("torchvision", name, Path(), make_folder)


@pytest.mark.parametrize(
    "config",
    [
        *("detr/no.py", "nothing/no.py", "common/lsj-100e_coco-detection.py"),
        "dino/dino-4scale_r50_8xb2-36e_coco.py",  # is in the index, without weights
    ],
)
def test_a_config_without_weights_in_mmdet_s_index_is_refused(config):
    with pytest.raises(HubError, match=config):
        fetch("mmdet", config, Path(), make_folder)


def test_a_network_of_timm_without_its_file_is_refused(hugging_face, tmp_path):
    (hugging_face / "pytorch_model.bin").write_bytes(b"1")
    with pytest.raises(HubError, match=r"who/what.*model\.safetensors"):
        fetch("timm", "who/what@main", tmp_path, make_folder)
