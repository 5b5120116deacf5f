import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.detector.detector import load_detector
from pipeline.errors import InputError
from pipeline.params.read import read_params
from stages.predict import PredictRequest, check_drawing, draw_box, main, predict
from tests.cached_world import FILES, ROOT
from tests.stages.evaluated_world import save_untrained
from tests.tiny_detector import draw, write_tiny_detector
from tests.tiny_tagger import write_tiny_tagger


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    write_tiny_detector(folder / "detector")
    write_tiny_tagger(folder / "tagger")
    return folder


@pytest.fixture(params=["reg_token"])
def here(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = save_untrained(tmp_path, model={"head": request.param})
    Image.fromarray(draw(3, (52, 64)).image).save("x.png")
    return results


def give(parts, *names):
    for name in names:
        (FILES.weights / name).symlink_to(parts / name)


def asked(results, phrase="the red dog on the cup", answer="reg"):
    request = PredictRequest(Path("x.png"), phrase, answer)
    return predict(request, FILES, results.model, read_params())


def test_the_reg_box_needs_no_detector(here, parts):
    give(parts, "tagger")
    x1, y1, x2, y2 = asked(here)
    assert 0 <= x1 < x2 <= 64
    assert 0 <= y1 < y2 <= 52


@pytest.mark.slow
@pytest.mark.parametrize("here", ["per_proposal"], indirect=True)
def test_a_proposal_is_one_of_the_detectors_boxes_or_the_picture(here, parts):
    give(parts, "tagger", "detector")
    section = read_params().proposals
    found = load_detector(FILES.weights / "detector", torch.device("cpu"), 1).detect(
        [np.asarray(Image.open("x.png"))], section.max_boxes, section.score_floor,
        section.nms_iou, per_class=section.nms == "per_class",
    )[0]  # fmt: skip
    candidates = np.concatenate([found.boxes_xyxy, [[0, 0, 64, 52]]])
    box = asked(here, answer="proposal")
    assert np.abs(candidates - box).max(axis=1).min() < 0.1


@pytest.mark.parametrize("here", ["per_proposal"], indirect=True)
def test_what_an_answer_needs_is_named(here, parts):
    with pytest.raises(InputError, match="tagger"):
        asked(here)
    give(parts, "tagger")
    with pytest.raises(InputError, match="detector"):
        asked(here, answer="proposal")


def test_a_phrase_without_a_noun_is_answered(here, parts):
    give(parts, "tagger")
    assert len(asked(here, phrase="left one !")) == 4


def test_the_command_prints_the_box_and_draws_it(here, parts):
    give(parts, "tagger")
    command = [sys.executable, "-m", "stages.predict", "shapes", here.variant]
    command += ["--image", "x.png", "--phrase", "the dog", "--draw", "y.png"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    box = [float(word) for word in done.stdout.split()]
    assert box == pytest.approx(asked(here, phrase="the dog"), abs=0.06)
    before, after = (np.asarray(Image.open(name)).astype(int) for name in ("x.png", "y.png"))
    changed = np.argwhere(np.abs(after - before).sum(-1) > 0)
    assert changed.min(0)[::-1] == pytest.approx(np.floor(box[:2]), abs=1)


def test_an_empty_phrase_is_refused(here, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the command sets its own
    command = ["stages.predict", "shapes", here.variant, "--image", "x.png", "--phrase", " "]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(InputError, match="--phrase"):
        main()


def test_a_model_without_the_vocabulary_of_its_text_encoder_is_named(here, parts):
    give(parts, "tagger")
    (here.model / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(InputError, match="tokenizer"):
        asked(here)


@pytest.mark.parametrize(
    ("image", "target"), [("x.png", "none/y.png"), ("none.png", "y.png"), (".", "y.png")]
)
def test_a_picture_or_a_drawing_that_cannot_be_is_one_error_before_any_work(
    here, monkeypatch, image, target
):
    shutil.rmtree(here.model)  # which any work would miss
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the command sets its own
    command = ["stages.predict", "shapes", here.variant, "--image", image, "--phrase", "the dog"]
    monkeypatch.setattr(sys, "argv", [*command, "--draw", target])
    with pytest.raises(InputError, match="none" if "none" in image + target else "picture"):
        main()
    assert not Path("y.png").exists()


@pytest.fixture
def picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (7, 5)).save("x.png")
    Path("folder.png").mkdir()
    Path("old.jpg").touch()
    Path("link.png").symlink_to("x.png")
    return Path("x.png")


@pytest.mark.parametrize(
    "target",
    [
        "none/y.png", "x.png/y.png", "folder.png", ".", "./x.png", "link.png", "y", "y.xyz", "y.",
        "y.h5", "y.xbm", "y.png.gz",
    ],
)  # fmt: skip
def test_a_target_that_cannot_hold_the_drawing_is_named(picture, target):
    before = sorted(Path().iterdir())
    with pytest.raises(InputError, match=r"^--draw: "):
        check_drawing(picture, Path(target))
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("target", ["y.png", "Y.JPG", "old.jpg", "folder.png/y.bmp", "y.gif"])
def test_a_target_that_can_holds_the_drawing(picture, target):
    check_drawing(picture, Path(target))
    draw_box(picture, (1, 1, 5, 3), Path(target))
    assert Image.open(target).size == (7, 5)
    assert not list(Path(target).parent.glob(".*"))
