"""docs/formats.md says what the stages' real caches hold."""

import re
from pathlib import Path

import h5py
import pytest
import torch

from models.phrases.noun_parser import NounParser
from pipeline.observe.observer import Observer
from pipeline.params.schema import (
    CamsParams,
    ClipParams,
    GivenProposals,
    NounsParams,
    ProposalsParams,
)
from pipeline.paths import DatasetFiles
from stages import cams, nouns, proposals
from tests.cached_world import FILES, write_world
from tests.tiny_tagger import write_tiny_tagger

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
CPU = torch.device("cpu")
GIVEN = GivenProposals("", "", "", "", 0, 0.0)


def documented(stage):
    """Return (dims, dtype) by dataset of a stage's table; texts as their two datasets."""
    section = DOCUMENT.split(f"### {stage}.h5\n")[1].split("\n#")[0]
    found = {}
    for name, shape, dtype in re.findall(r"^\| `(\w+)` \| ([^|]+) \| (\w+) \|", section, re.M):
        if dtype == "text":
            found |= {f"{name}/utf8": (1, "uint8"), f"{name}/offsets": (1, "int64")}
        else:
            found[name] = (len(shape.split(",")), dtype)
    return found


def held(path):
    """Return (dims, dtype) by dataset of a file, and the names of its attributes."""
    found = {}

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = (item.ndim, str(item.dtype))

    with h5py.File(path) as file:
        file.visititems(add)
        return found, set(file.attrs)


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("PIPELINE_PART", raising=False)
    write_world(tmp_path)
    return tmp_path


def test_the_nouns_stage_writes_what_is_documented(world):
    write_tiny_tagger(FILES.weights / "tagger")
    params = NounsParams(phrases_per_shard=5, context_nouns=1)
    nouns.run(FILES, params, NounParser(FILES.weights / "tagger", "cpu", 1), Observer("nouns"))
    found, attributes = held(FILES.nouns)
    assert found == documented("nouns")
    assert attributes == {"format_version", "stage", "fingerprint"}


def test_the_proposals_stage_writes_what_is_documented(world, tiny_detector):
    params = ProposalsParams("detector", GIVEN, 6, 0.3, 0.5, "class_agnostic", 2, 3)
    inputs = proposals.ProposalsInputs(
        FILES.annotations, FILES.annotations / "images", tiny_detector
    )
    proposals.run(inputs, params, CPU, FILES.proposals, Observer("proposals"))
    found, attributes = held(FILES.proposals)
    assert found == documented("proposals")
    assert {"detector", "training_set"} <= attributes


def test_the_cams_stage_writes_what_is_documented(world):
    params = CamsParams("nounhead", "", "auto", ClipParams("a {}", ("tree", "sky")), 64, 2, 3)
    inputs = cams.CamsInputs(FILES, FILES.annotations / "images", 0)
    cams.run(inputs, params, CPU, FILES.cams, Observer("cams"))
    found, attributes = held(FILES.cams)
    assert found == documented("cams")
    assert {"scorer", "scorer_settings", "layer", "network", "training_set"} <= attributes


def test_every_file_of_the_layout_is_documented():
    files = DatasetFiles("x")
    paths = [files.images, files.phrases, files.ground_truth, files.nouns, files.proposals]
    for path in [*paths, files.cams, files.cams_coverage, files.noun_head, files.weights]:
        assert str(path.relative_to(files.folder)) in DOCUMENT
