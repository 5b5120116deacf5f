import re
import shutil
import urllib.request
from dataclasses import replace
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import get_args, get_type_hints

import pytest

from pipeline.doctor.findings import Level
from pipeline.doctor.inputs import (
    HOSTS,
    NEEDED,
    OPTIONAL,
    check_dataset,
    check_given,
    check_named,
    check_weights,
)
from pipeline.params.datasets import DatasetSection
from pipeline.params.read import PARAMS_FILE, read_params
from pipeline.params.schema import GivenProposals
from tests.conftest import ROOT
from tests.tiny_bert import write_tiny_bert
from tests.tiny_clip import write_tiny_clip

PARAMS = read_params(ROOT / PARAMS_FILE)
PHOTOGRAPHS = PARAMS.weights["photographs"]


def levels(findings):
    return [finding.level for finding in findings]


def with_part(name, **changes):
    return replace(PHOTOGRAPHS, **{name: replace(getattr(PHOTOGRAPHS, name), **changes)})


def finding_on(section, part):
    found = {
        finding.what.split(":")[0]: finding
        for finding in check_weights("mine", section, "weights.mine")
    }
    return next(finding for key, finding in found.items() if key.startswith(f"weights.mine.{part}"))


@pytest.mark.parametrize(
    ("dataset", "files"),
    [
        ("flickr30k", ("Annotations/1.xml", "Sentences/1.txt", "train.txt")),
        ("refcoco", ("refs(unc).p", "instances.json")),
        ("refcoco", ("refcoco/refs(unc).p", "refcoco/instances.json")),
        ("own", ("train.jsonl",)),
    ],
)
def test_a_dataset_is_there_when_its_files_and_pictures_are(project, dataset, files):
    section = replace(PARAMS.datasets[dataset], root="here", images="pictures")
    found = [*check_dataset(dataset, section)]
    assert levels(found) == [Level.MISSING, Level.MISSING]
    keys = [f"datasets.{dataset}.{key}" for key in ("root", "images")]
    assert [one.what.partition(":")[0] for one in found] == keys
    assert not any(name in found[0].what for name in NEEDED[section.format])
    (project / "pictures").mkdir()
    (project / "pictures" / "._1.jpg").touch()  # a side file of a Mac
    assert levels(check_dataset(dataset, section)) == [Level.MISSING, Level.MISSING]
    for name in (*files[1:], "../pictures/1.jpg"):
        (project / "here" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "here" / name).touch()
    found = [*check_dataset(dataset, section)]
    assert levels(found) == [Level.MISSING, Level.OK]
    absent = [name for name in NEEDED[section.format] if name in found[0].what]
    assert len(absent) == 1
    assert fnmatch(f"/{files[0]}", f"*/{absent[0]}*")
    (project / "here" / files[0]).parent.mkdir(parents=True, exist_ok=True)
    (project / "here" / files[0]).touch()
    found = [*check_dataset(dataset, section)]
    assert levels(found) == [Level.OK, Level.OK]
    assert [one.what.partition(":")[0] for one in found] == keys


def test_what_is_drawn_and_trained_here_needs_no_file():
    (data,) = check_dataset("shapes", PARAMS.datasets["shapes"])
    (weights,) = check_weights("shapes", PARAMS.weights["shapes"], "weights.shapes")
    assert (data.level, data.what.partition(":")[0]) == (Level.OK, "datasets.shapes")
    assert (weights.level, weights.what.partition(":")[0]) == (Level.OK, "weights.shapes")


def test_pictures_at_a_file_are_none(project):
    (project / "pictures").touch()
    section = replace(PARAMS.datasets["own"], root="here", images="pictures")
    found = [*check_dataset("own", section)][1]
    assert (found.level, "pictures" in found.what) == (Level.MISSING, True)


def test_every_format_has_files_that_it_needs():
    kinds = get_args(DatasetSection)
    formats = {name for kind in kinds for name in get_args(get_type_hints(kind)["format"])}
    assert formats == {*NEEDED, "shapes"}


def test_weights_that_cannot_be_fetched_name_part_hub_and_remedy():
    found = finding_on(PHOTOGRAPHS, "classifier")
    assert found.level is Level.MISSING
    assert re.search("ResNet50_Weights.IMAGENET1K_V1.*https://download.pytorch", found.what)
    assert "weights.mine.classifier.path" in found.remedy


@pytest.mark.parametrize("status", [200, 404])
def test_weights_of_a_hub_that_answers_can_be_fetched(monkeypatch, status):
    asked = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

    monkeypatch.setenv("no_proxy", "*")
    with HTTPServer(("127.0.0.1", 0), Hub) as hub:
        address = f"http://127.0.0.1:{hub.server_port}"
        monkeypatch.setitem(HOSTS, "torchvision", address)
        answering = Thread(target=hub.handle_request)
        answering.start()
        found = finding_on(PHOTOGRAPHS, "classifier")
        answering.join()
    assert (found.level, address in found.remedy, len(asked)) == (Level.WARNING, True, 1)


@pytest.mark.parametrize(
    "proxy", ["http://127.0.0.1:9", "http://127.0.0.1:port", "http:/127.0.0.1"]
)
def test_a_hub_behind_a_wrong_proxy_does_not_answer(monkeypatch, proxy):
    monkeypatch.setattr(urllib.request, "_opener", None)  # it has read the environment before
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    assert finding_on(PHOTOGRAPHS, "classifier").level is Level.MISSING


def test_weights_at_a_path_are_there_once_they_look_like_weights(project):
    section = with_part("classifier", path="c.pth")
    assert "c.pth" in finding_on(section, "classifier").what
    (project / "c.pth").write_text("<html>")
    assert finding_on(section, "classifier").level is Level.MISSING
    (project / "c.pth").write_bytes(b"PK\x03\x04")
    assert finding_on(section, "classifier").level is Level.OK


def test_the_vocabulary_of_the_visual_genome_detector_is_needed(project):
    section = with_part("detector", path="d.pth", vocabulary="objects_vocab.txt")
    (project / "d.pth").write_bytes(b"PK\x03\x04")
    found = finding_on(section, "detector")
    assert (found.level, "objects_vocab.txt" in found.what) == (Level.MISSING, True)
    (project / "objects_vocab.txt").touch()
    found = finding_on(section, "detector")
    assert (found.level, "objects_vocab.txt" in found.what) == (Level.MISSING, True)
    (project / "objects_vocab.txt").write_text("cat,kitty\n")
    assert finding_on(section, "detector").level is Level.OK


@pytest.mark.parametrize(
    ("part", "file"),
    [
        ("classifier", "TORCH_HOME/hub/checkpoints/resnet50-0676ba61.pth"),
        (
            "language",
            "HF_HOME/hub/models--google-bert--bert-base-uncased/snapshots/1/model.safetensors",
        ),
        ("tagger", ".work/weights/hub/stanza-combined_charlm/en/pos/combined_charlm.pt"),
    ],
)
def test_what_a_hub_gave_before_is_there(project, part, file):
    found = finding_on(PHOTOGRAPHS, part)
    assert (found.level, f"weights.mine.{part}.path" in found.remedy) == (Level.MISSING, True)
    (project / file).parent.mkdir(parents=True)
    (project / file).touch()
    assert finding_on(PHOTOGRAPHS, part).level is Level.OK


@pytest.mark.parametrize(
    ("variables", "part", "changes", "file"),
    [
        ({"XDG_CACHE_HOME": "c"}, "classifier", {},
         "c/torch/hub/checkpoints/resnet50-0676ba61-x.pth"),
        ({"XDG_CACHE_HOME": "c"}, "language", {"hub": "a/b"},
         "c/huggingface/hub/models--a--b/snapshots/1/model.safetensors"),
        ({"HF_HUB_CACHE": "c"}, "clip", {"hub": "a/b@main"},
         "c/models--a--b/snapshots/1/model.safetensors"),
        ({"HOME": "c"}, "classifier", {"arch": "timm/resnet18.x", "hub": "timm/resnet18.x"},
         "c/.cache/huggingface/hub/models--timm--resnet18.x/snapshots/1/model.safetensors"),
    ],
)  # fmt: skip
def test_hubs_keep_what_they_gave_where_the_environment_says(
    project, monkeypatch, variables, part, changes, file
):
    for name in ("TORCH_HOME", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(project / value))
    section = with_part(part, **changes)
    assert finding_on(section, part).level is Level.MISSING
    (project / file).parent.mkdir(parents=True)
    (project / file).touch()
    assert finding_on(section, part).level is Level.OK


def test_a_file_of_another_hash_is_another_file(project):
    other = project / "TORCH_HOME/hub/checkpoints/resnet50-11ad3fa6.pth"
    other.parent.mkdir(parents=True)
    other.touch()
    assert finding_on(PHOTOGRAPHS, "classifier").level is Level.MISSING


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "weights.mine.detector.path"),  # no hub has it
        ({"format": "mmdet", "config": "rtmdet_tiny"}, "rtmdet_tiny.*openmmlab"),
    ],
)
def test_a_detector_that_is_not_here_is_missing(changes, told):
    found = finding_on(with_part("detector", path="", **changes), "detector")
    assert found.level is Level.MISSING
    assert re.search(told, found.what)


def test_weights_that_were_converted_need_no_source(project):
    manifest = project / "data" / "mine" / "weights" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.touch()
    assert levels(check_weights("mine", PHOTOGRAPHS, "weights.mine")) == [Level.OK]


@pytest.mark.parametrize("part", OPTIONAL)
def test_a_part_is_missing_where_it_is_asked_for_and_not_named(part):
    changes = {"path": ""} if part == "wordnet" else {"path": "", "hub": ""}
    found = check_named(with_part(part, **changes), "weights.mine", part, "somebody asks")
    assert (found.level, found.what.partition(":")[0]) == (Level.MISSING, f"weights.mine.{part}")
    assert "somebody asks" in found.what
    assert check_named(PARAMS.weights["shapes"], "weights.x", part, "").level is Level.MISSING
    assert check_named(with_part(part, path="p"), "weights.x", part, "").level is Level.OK


def test_given_proposals_are_looked_for_by_the_dataset_s_name(project):
    given = GivenProposals("boxes/{dataset}.tsv", "", "", "", 0, 0.0)
    found = check_given("mine", given)
    assert (found.level, "boxes/mine.tsv" in found.what) == (Level.MISSING, True)
    (project / "boxes").mkdir()
    (project / "boxes" / "mine.tsv").touch()
    assert check_given("mine", given).level is Level.OK


@pytest.mark.parametrize(
    ("part", "write", "gone", "name"),
    [
        ("language", write_tiny_bert, ("tokenizer.json", "vocab.txt"), "vocab.txt"),
        ("language", write_tiny_bert, ("model.safetensors",), "model.safetensors"),
        ("clip", write_tiny_clip, ("tokenizer.json",), "vocab.json"),
        ("clip", write_tiny_clip, ("preprocessor_config.json",), "preprocessor_config.json"),
    ],
)
def test_a_folder_without_what_it_needs_is_missing_before_and_after_its_conversion(
    project, part, write, gone, name
):
    write(project / "given")
    section = with_part(part, path="given")
    assert finding_on(section, part).level is Level.OK
    for file in gone:
        (project / "given" / file).unlink()
    found = finding_on(section, part)
    assert (found.level, f"given/{name}" in found.what) == (Level.MISSING, True)
    converted = project / "data" / "mine" / "weights"
    shutil.copytree(project / "given", converted / part)
    (converted / "manifest.json").write_text("{}")
    (found,) = check_weights("mine", section, "weights.mine")
    assert (found.level, name in found.what) == (Level.MISSING, True)
    assert "dvc repro -f weights@mine" in found.remedy
