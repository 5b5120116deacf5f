"""Every layout through the stage's command: the same data set gives the same records."""

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pipeline.paths import DatasetFiles
from pipeline.records import GroundTruth, ImageRecord, PhraseRecord, read_records
from stages import annotations
from tests.conftest import ROOT
from tests.golden_layouts import ALL_LAYOUTS, EXPECTED_BOXES, EXPECTED_PHRASES, write_layout

FILES = DatasetFiles("mine")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that writes a layout and a params.yaml that names it."""
    monkeypatch.chdir(tmp_path)

    def write(layout):
        section = write_layout(layout, tmp_path / "given")
        values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        values["datasets"]["mine"] = asdict(section)
        values["runtime"]["workers"] = 0
        Path("params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
        return section

    return write


def run_main(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["annotations", "mine"])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    annotations.main()


@pytest.mark.parametrize("layout", ALL_LAYOUTS)
def test_a_layout_becomes_the_records_of_its_data_set(project, monkeypatch, layout):
    section = project(layout)
    run_main(monkeypatch)
    phrases = in_order(read_records(FILES.phrases, PhraseRecord))
    truths = read_records(FILES.ground_truth, GroundTruth)
    truths = [truth for one in phrases for truth in truths if truth.phrase_id == one.phrase_id]
    assert [(one.split, one.phrase) for one in phrases] == EXPECTED_PHRASES
    assert [one.boxes_xyxy for one in truths] == [(box,) for box in EXPECTED_BOXES]
    assert [one.phrase_id for one in truths] == [one.phrase_id for one in phrases][2:]
    assert "box" not in FILES.phrases.read_text(encoding="utf-8")
    images = {image.image_id: image for image in read_records(FILES.images, ImageRecord)}
    for truth, phrase in zip(truths, phrases[2:], strict=True):
        picture = np.asarray(Image.open(Path(section.images) / images[phrase.image_id].file))
        assert picture.shape[:2] == images[phrase.image_id].image_hw
        assert_frames(picture[..., 0].astype(int), truth.boxes_xyxy[0])


def in_order(phrases):
    """Sort by split, which one's own files do not order."""
    return sorted(phrases, key=lambda one: ("train", "val", "test").index(one.split))


def assert_frames(picture, box):
    """The box holds the bright rectangle, and a pixel of JPEG's blur beyond it all is dark."""
    x1, y1, x2, y2 = map(int, box)
    assert picture[y1:y2, x1:x2].min() > 180
    picture[max(0, y1 - 1) : y2 + 1, max(0, x1 - 1) : x2 + 1] = 0
    assert picture.max() < 110


def test_the_command_itself_prints_counts_beside_the_published_ones(project):
    project("refer")
    command = [sys.executable, "-m", "stages.annotations", "mine"]
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"},
    )
    told = done.stdout + done.stderr
    assert "train: 2 phrases on 1 images; published: 80,512 on 21,899" in told
    assert "must not be evaluated here" in told
