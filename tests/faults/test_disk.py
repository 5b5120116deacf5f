"""Writers on a disk without room; `python -m tests.faults.disk` does it with every stage."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.classifier.noun_head import NounHead, save_noun_head
from models.grounder.checkpoint import learn_tokenizer, save_grounder
from pipeline.caching.atomic import WriteError, whole_file, whole_folder
from pipeline.observe.observer import Observer
from pipeline.params.datasets import ShapesDataset
from pipeline.params.profile import apply_values
from pipeline.params.read import read_params, train_params
from pipeline.params.reader import ParamsError
from pipeline.paths import DatasetFiles, ResultFiles
from pipeline.training.processes import Machine, ProcessGroup
from stages import annotations, train
from tests.cached_world import FILES, write_world
from tests.conftest import ROOT
from tests.faults.full_disk import full_disk
from tests.models.grounder.tiny_grounder import tiny_grounder
from tests.tiny_tagger import write_tiny_tagger

MOST_BYTES = 2_000
RESULTS = ResultFiles("shapes", "full")
PARAMS = ROOT / "params.yaml"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def files(folder):
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def write_noun_head(folder):
    nouns = [f"noun{number}" for number in range(29)]
    save_noun_head(folder, NounHead(nouns, torch.rand(29, 53), torch.rand(29)))


def write_grounder(folder):
    save_grounder(folder, tiny_grounder(), learn_tokenizer(["a dog"], 30), ("dog",) * 19)


def write_tagger(folder):
    write_tiny_tagger(folder, steps=1)


def copy_folder(folder):
    shutil.copytree(ROOT / "docs", folder / "copied")


@pytest.mark.parametrize("write", [write_noun_head, write_grounder, write_tagger, copy_folder])
def test_a_folder_that_does_not_fit_is_one_line_and_leaves_the_old_one(here, write):
    (here / "old").mkdir()
    (here / "old" / "part").touch()
    with (
        pytest.raises(WriteError, match=r"^old: cannot be written: file too large"),
        full_disk(MOST_BYTES),
        whole_folder(Path("old")) as folder,
    ):
        write(folder)
    assert files(here) == {Path("old/part")}


def save_list(path):
    with path.open("wb") as stream:
        torch.save([("a.jpg", [1, 2, 3, 4], "a dog")] * 999, stream)


def save_picture(path):
    noise = np.random.default_rng(0).integers(0, 256, (61, 67, 3), np.uint8)
    Image.fromarray(noise).save(path, "PNG")


@pytest.mark.parametrize("write", [save_list, save_picture])
def test_a_file_that_does_not_fit_is_one_line_and_leaves_the_old_one(here, write):
    (here / "old").write_text("old")
    with (
        pytest.raises(WriteError, match=r"^old: cannot be written: file too large"),
        full_disk(MOST_BYTES),
        whole_file(Path("old")) as path,
    ):
        write(path)
    assert (here / "old").read_text() == "old"
    assert files(here) == {Path("old")}


@pytest.mark.parametrize("workers", [1, 2])
def test_pictures_that_do_not_fit_are_one_line_and_no_half_picture(here, workers):
    files_of, section = DatasetFiles("shapes"), ShapesDataset("shapes", 1, 3, 2, 4, 96)
    with pytest.raises(WriteError, match=r"images: cannot be written"), full_disk(MOST_BYTES):
        annotations.run(files_of, section, 0.01, workers, Observer("annotations"))
    assert files(here) == set()


def test_params_that_do_not_fit_stay_as_they_were(here):
    shutil.copyfile(PARAMS, "params.yaml")
    with (
        pytest.raises(ParamsError, match=r"params\.yaml: cannot be written"),
        full_disk(MOST_BYTES),
    ):
        apply_values(Path("params.yaml"), [("train.seed", 7)])
    assert files(here) == {Path("params.yaml")}
    assert Path("params.yaml").read_bytes() == PARAMS.read_bytes()


def train_small():
    machine = Machine(ProcessGroup(0, 1, torch.device("cpu")), 0, Observer("train"))
    images = FILES.annotations / "images"
    train.run(FILES, images, train_params(read_params(), "full"), RESULTS, machine)


def test_a_training_that_does_not_fit_names_the_file_and_goes_on_later(here):
    write_world(here, epochs=1)
    with (
        pytest.raises(WriteError, match=r"\.work/train/.*cannot be written"),
        full_disk(MOST_BYTES),
    ):
        train_small()
    assert not [*here.rglob("*.partial"), *here.rglob("*.lock"), *here.rglob("*.pth")]
    assert not RESULTS.model.exists()
    train_small()
    assert RESULTS.model.is_dir()


def test_a_stage_that_runs_beside_dvc_alters_nothing_in_a_linked_cache(here):
    write_world(here, epochs=1)
    RESULTS.model.mkdir(parents=True)
    for name in ("curves.csv", "model/grounder.safetensors"):
        cached = here / "cache" / Path(name).name
        cached.parent.mkdir(exist_ok=True)
        cached.write_text("of another run")
        (RESULTS.folder / name).hardlink_to(cached)
    train_small()
    assert {path.read_text() for path in (here / "cache").iterdir()} == {"of another run"}
    assert RESULTS.curves.read_text() != "of another run"
