"""Weights that are folders: of transformers and WordNet."""

import json
from dataclasses import replace

import pytest
import torch

from pipeline.params.weights import (
    WordNetFolder,
)
from tests.stages.weights_world import NOTHING, Trap, digests, prepare, refuse, sha256
from tests.tiny_bert import write_tiny_bert
from tests.tiny_clip import write_tiny_clip
from tests.tiny_wordnet import write_tiny_wordnet


@pytest.fixture
def bert(project):
    """Write a small BERT as transformers publishes it, and what nobody loads beside it."""
    write_tiny_bert(project / "bert")
    (project / "bert" / "tf_model.h5").write_text("of another library")
    return project / "bert"


@pytest.fixture
def clip(project):
    """Write a small CLIP, and what nobody loads beside it."""
    write_tiny_clip(project / "clip")
    (project / "clip" / "tf_model.h5").write_text("of another library")
    return project / "clip"


def with_folder(files, name, path="bert", **changes):
    return replace(files, **{name: replace(NOTHING, path=path, **changes)})


COPIED = {
    "bert": {"vocab.txt"},
    "clip": {"preprocessor_config.json"},
}
COMMON = {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}


@pytest.mark.parametrize(("name", "path"), [("language", "bert"), ("clip", "clip")])
def test_a_transformers_folder_is_copied_without_what_nobody_loads(
    files, project, bert, clip, name, path
):
    prepare(with_folder(files, name, path, training_set="books"), project / "weights")
    copied = {file.name for file in (project / "weights" / name).iterdir()}
    assert copied == COMMON | COPIED[path]
    manifest = json.loads((project / "weights" / "manifest.json").read_text())
    assert manifest[name]["training_set"] == "books"


def test_the_sha256_of_a_folder_is_that_of_names_and_bytes(files, project, bert):
    lines = prepare(with_folder(files, "language"), project / "first")
    found = next(line for line in lines if line.startswith("language: bert, sha256 ")).split()[-1]
    prepare(with_folder(files, "language", sha256=found[:12]), project / "second")
    words = (bert / "vocab.txt").read_text()
    (bert / "vocab.txt").write_text(words.replace("blue", "pink"))
    refuse(
        with_folder(files, "language", sha256=found[:12]),
        project / "third",
        rf"weights\.mine\.language\.sha256: bert has sha256 .*, expected {found[:12]}",
    )


def test_a_transformers_folder_without_weights_is_refused(files, project, bert):
    (bert / "model.safetensors").unlink()
    refuse(
        with_folder(files, "language"), project / "weights", r"bert/model\.safetensors is missing"
    )


def test_of_wordnet_the_nouns_are_copied_and_named(files, project):
    write_tiny_wordnet(project / "wn")
    (project / "wn" / "data.verb").write_text("not copied")
    section = replace(files, wordnet=WordNetFolder("wn", "", "by hand", "WordNet"))
    prepare(section, project / "weights")
    copied = digests(project / "weights" / "wordnet")
    assert copied == {name: sha256(project / "wn" / name) for name in ("data.noun", "index.noun")}
    manifest = json.loads((project / "weights" / "manifest.json").read_text())
    assert (manifest["wordnet"]["source"], manifest["wordnet"]["licence"]) == ("wn", "WordNet")


def test_a_wordnet_that_is_cut_off_is_refused(files, project):
    nouns = write_tiny_wordnet(project / "wn") / "data.noun"
    nouns.write_bytes(nouns.read_bytes()[:-200])
    section = replace(files, wordnet=WordNetFolder("wn", "", "", ""))
    refuse(section, project / "weights", r"weights\.mine\.wordnet: wn")


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.99])
def test_half_downloaded_safetensors_are_refused(files, project, bert, kept):
    content = (bert / "model.safetensors").read_bytes()
    (bert / "model.safetensors").write_bytes(content[: int(kept * len(content))])
    refuse(
        with_folder(files, "language"),
        project / "weights",
        r"model\.safetensors: is no whole weight",
    )


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "vocab.txt"])
def test_a_web_page_in_a_transformers_folder_is_refused(files, project, bert, name):
    (bert / name).write_text("<!doctype html>")
    refuse(with_folder(files, "language"), project / "weights", rf"bert/{name} is a web page")


def test_code_hidden_in_old_transformers_weights_is_refused_and_not_run(files, project, bert):
    (bert / "model.safetensors").unlink()
    torch.save({"a": Trap()}, bert / "pytorch_model.bin")
    refuse(with_folder(files, "language"), project / "weights", "code that will not be run")
    assert not (project / "trapped").exists()


@pytest.mark.parametrize(
    ("name", "path", "gone", "message"),
    [
        ("language", "bert", ("tokenizer.json", "vocab.txt"), r"bert/vocab\.txt is missing"),
        ("clip", "clip", ("tokenizer.json",), r"clip/vocab\.json is missing"),
        ("clip", "bert", (), r"bert/config\.json is of a bert"),
    ],
)
def test_a_transformers_folder_without_what_it_needs_is_refused(
    files, project, bert, clip, name, path, gone, message
):
    for file in gone:
        (project / path / file).unlink()
    refuse(with_folder(files, name, path), project / "weights", rf"\.{name}\.path: {message}")


def test_a_bert_of_fewer_layers_than_its_weights_is_refused(files, project, bert):
    config = json.loads((bert / "config.json").read_text())
    (bert / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1}))
    refuse(with_folder(files, "language"), project / "weights", r"bert: .*encoder\.layer\.1")
