import base64
import hashlib
import re
import shutil
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.caching.cache import Cache
from pipeline.datasets.proposals.given_proposals import NO_USABLE_BOX, NUM_EXAMPLES
from pipeline.errors import InputError
from pipeline.observe.observer import Observer
from pipeline.params.schema import GivenProposals, ProposalsParams
from pipeline.paths import DatasetFiles
from pipeline.records import ImageRecord, write_records
from stages.proposals import (
    ProposalsInputs,
    _check_missing,
    _check_usable,
    _describe_boxes,
    main,
    run,
    run_given,
)
from tests.stages.command import start
from tests.tiny_detector import draw

GIVEN = GivenProposals("{dataset}.tsv", "their detector", "their pictures", "", 0, 0.25)
PARAMS = ProposalsParams(
    source="detector",
    given=GIVEN,
    max_boxes=6,
    score_floor=0.3,
    nms_iou=0.5,
    nms="class_agnostic",
    batch_images=2,
    images_per_shard=3,
)
SIZES_HW = [(52, 64), (64, 50), (1, 1), (31, 40), (52, 64), (70, 44), (52, 64)]
EMPTY = 4  # the picture without an object


class Listener(Observer):
    """Keeps what is said."""

    def __init__(self):
        super().__init__("proposals")
        self.lines = []

    def log(self, message):
        self.lines.append(message)


@pytest.fixture
def inputs(tiny_detector, tmp_path, monkeypatch):
    """Seven pictures of unsorted sizes: one has no object, one is a single pixel."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("PIPELINE_PART", raising=False)
    pictures = [
        draw(index, image_hw).image if min(image_hw) > 1 else np.zeros((1, 1, 3), np.uint8)
        for index, image_hw in enumerate(SIZES_HW, start=60)
    ]
    pictures[EMPTY] = np.full((52, 64, 3), 115, np.uint8)
    (tmp_path / "images").mkdir()
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / "images" / f"{index}.png")
    records = [
        ImageRecord(f"id{index}", f"{index}.png", image_hw, "train")
        for index, image_hw in enumerate(SIZES_HW)
    ]
    write_records(tmp_path / "annotations" / "images.jsonl", records)
    return ProposalsInputs(tmp_path / "annotations", tmp_path / "images", tiny_detector)


def propose(inputs, path, params=PARAMS):
    listener = Listener()
    run(inputs, params, torch.device("cpu"), path, listener)
    return listener.lines


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_picture_has_its_boxes_in_the_order_of_the_table(inputs, tmp_path):
    propose(inputs, tmp_path / "proposals.h5")
    cache = Cache(tmp_path / "proposals.h5", stage="proposals")
    offsets, labels = cache.array("offsets"), cache.array("labels")
    assert cache.texts("image_id") == [f"id{index}" for index in range(7)]
    assert cache.texts("label") == ["red", "blue"]
    assert offsets[0] == 0
    assert (
        offsets[-1] == len(labels) == len(cache.array("boxes_xyxy")) == len(cache.array("scores"))
    )
    counts = np.diff(offsets)
    assert counts[[2, EMPTY]].tolist() == [0, 0]
    assert [labels[offsets[index]] for index in (0, 1, 3, 5, 6)] == [0, 1, 1, 1, 0]


def test_boxes_lie_in_their_own_picture(inputs, tmp_path):
    propose(inputs, tmp_path / "proposals.h5")
    cache = Cache(tmp_path / "proposals.h5", stage="proposals")
    owners = np.repeat(np.arange(7), np.diff(cache.array("offsets")))
    widths_heights = np.array(SIZES_HW)[owners][:, ::-1]
    assert (cache.array("boxes_xyxy")[:, 2:] <= widths_heights).all()


def test_the_cache_says_what_made_it(inputs, tmp_path):
    propose(inputs, tmp_path / "proposals.h5")
    cache = Cache(tmp_path / "proposals.h5", stage="proposals")
    told = [cache.attribute("detector"), cache.attribute("training_set")]
    assert told == ["tiny", "bright rectangles"]
    dtypes = [cache.array(name).dtype for name in ("offsets", "boxes_xyxy", "scores", "labels")]
    assert dtypes == ["i8", "f4", "f4", "i2"]


def test_a_stopped_run_goes_on_and_gives_the_same_bytes(inputs, tmp_path):
    propose(inputs, tmp_path / "unbroken.h5")
    late = inputs.image_folder / "5.png"
    late.rename(tmp_path / "5.png")
    with pytest.raises(InputError, match=r"5\.png"):
        propose(inputs, tmp_path / "proposals.h5")
    assert not (tmp_path / "proposals.h5").exists()
    (tmp_path / "5.png").rename(late)
    lines = propose(inputs, tmp_path / "proposals.h5")
    assert "1 of 3 shards already there" in lines
    assert sha256(tmp_path / "proposals.h5") == sha256(tmp_path / "unbroken.h5")
    assert not list(Path(".work/proposals").iterdir())


def test_the_cut_into_shards_and_parts_changes_no_box(inputs, tmp_path, monkeypatch):
    propose(
        inputs,
        tmp_path / "whole.h5",
        ProposalsParams("detector", GIVEN, 6, 0.3, 0.5, "class_agnostic", 2, 7),
    )
    for part in ("0/2", "1/2"):
        monkeypatch.setenv("PIPELINE_PART", part)
        with pytest.raises(SystemExit):
            propose(inputs, tmp_path / "parts.h5")
    monkeypatch.delenv("PIPELINE_PART")
    assert "3 of 3 shards already there" in propose(inputs, tmp_path / "parts.h5")
    whole, parts = (Cache(tmp_path / name, "proposals") for name in ("whole.h5", "parts.h5"))
    np.testing.assert_array_equal(whole.array("boxes_xyxy"), parts.array("boxes_xyxy"))


def test_an_empty_image_table_is_refused_and_an_older_cache_stays(inputs, tmp_path):
    propose(inputs, tmp_path / "proposals.h5")
    before = sha256(tmp_path / "proposals.h5")
    write_records(inputs.annotations / "images.jsonl", [])

    with pytest.raises(InputError, match=r"images\.jsonl.*dvc repro"):
        propose(inputs, tmp_path / "proposals.h5")

    assert sha256(tmp_path / "proposals.h5") == before


def test_other_files_and_parameters_make_another_cache(inputs, tmp_path):
    inputs = replace(inputs, detector=shutil.copytree(inputs.detector, tmp_path / "detector"))

    def made(params=PARAMS):
        propose(inputs, tmp_path / "proposals.h5", params)
        return Cache(tmp_path / "proposals.h5", stage="proposals").fingerprint

    torch.use_deterministic_algorithms(False)
    stamps = [made(), made(replace(PARAMS, score_floor=0.4))]
    assert torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    for folder in (inputs.annotations, inputs.detector):
        (folder / "more.txt").touch()
        stamps.append(made())
    assert len(set(stamps)) == 4


def test_the_log_tells_how_many_boxes_an_image_has(inputs, tmp_path):
    lines = propose(inputs, tmp_path / "proposals.h5")
    counts = np.diff(Cache(tmp_path / "proposals.h5", stage="proposals").array("offsets"))
    told = re.findall(r"[\d.]+", lines[-1])
    assert told == [f"{counts.sum() / 7:.1f}", str((counts == 0).sum())]


def test_a_missing_detector_is_an_input_error(inputs, tmp_path):
    gone = ProposalsInputs(inputs.annotations, inputs.image_folder, tmp_path / "weights")
    (tmp_path / "weights").mkdir()
    with pytest.raises(InputError, match=r"detector\.json.*dvc repro weights"):
        propose(gone, tmp_path / "proposals.h5")


def write_tsv(path, image_ids):
    """Write boxes of some pictures as peteanderson80's tools/generate_tsv.py does."""
    box = np.array([[1, 2, 400, 20]], np.float32)
    rows = [
        [name, str(SIZES_HW[int(name[2:])][1]), str(SIZES_HW[int(name[2:])][0]), "1"]
        for name in image_ids
    ]
    encoded = base64.b64encode(box.tobytes()).decode()
    path.write_text("".join("\t".join([*row, encoded, ""]) + "\r\n" for row in rows), newline="")


@pytest.fixture
def files(inputs):
    """The same pictures and detector, where the command line looks for them."""
    files = DatasetFiles("shapes")
    files.folder.mkdir(parents=True)
    files.annotations.symlink_to(inputs.annotations)
    (inputs.annotations / "images").symlink_to(inputs.image_folder)
    files.weights.mkdir()
    (files.weights / "detector").symlink_to(inputs.detector)
    return files


@pytest.mark.parametrize("source", ["detector", "given"])
def test_the_command_makes_the_same_cache(inputs, files, tmp_path, monkeypatch, source):
    params, path = replace(PARAMS, source=source), tmp_path / "p.h5"
    write_tsv(tmp_path / "shapes.tsv", [f"id{index}" for index in range(7)])
    if source == "detector":
        propose(inputs, path, params)
    else:
        run_given(inputs.annotations, Path("shapes.tsv"), params, path, Listener())
    start(monkeypatch, main, "shapes", proposals=asdict(params))
    assert sha256(files.proposals) == sha256(path)


def test_given_boxes_take_the_place_of_a_detector(inputs, tmp_path):
    write_tsv(tmp_path / "boxes.tsv", [f"id{index}" for index in (5, 0, 1, 3, 4, 6)])
    listener, path = Listener(), tmp_path / "proposals.h5"
    run_given(inputs.annotations, tmp_path / "boxes.tsv", PARAMS, path, listener)
    cache = Cache(path, stage="proposals")
    assert cache.texts("image_id") == [f"id{index}" for index in range(7)]
    assert cache.texts("label") == ["object"]
    assert cache.array("offsets").tolist() == [0, 1, 2, 2, 3, 4, 5, 6]
    assert cache.array("boxes_xyxy")[3].tolist() == [1, 2, 64, 20]
    told = [cache.attribute("detector"), cache.attribute("training_set")]
    assert told == ["their detector", "their pictures"]
    assert any("1 of 7 images have no row" in line and "id2" in line for line in listener.lines)
    assert not any(line.startswith("0 ") for line in listener.lines)


def test_the_log_tells_the_most_frequent_classes():
    arrays = {"offsets": np.array([0, 3, 3]), "labels": np.array([1, 0, 1])}
    listener = Listener()
    _describe_boxes(SimpleNamespace(arrays=arrays, label=("dog", "cup")), listener)
    assert re.findall(r"\d\.\d|\d", listener.lines[0]) == ["1.5", "1"]
    assert listener.lines[1].endswith(": cup (2), dog (1)")


def imported_of(missing=(), unusable=0, boxes=9):
    counts = Counter({NO_USABLE_BOX: unusable})
    arrays = {"scores": np.zeros(boxes, np.float32)}
    return SimpleNamespace(missing=list(missing), counts=counts, examples=[], arrays=arrays)


def test_as_many_images_may_lack_a_row_as_the_limit_says(tmp_path):
    listener, names = Listener(), [f"id{number}" for number in range(NUM_EXAMPLES + 1)]
    _check_missing(imported_of(), 8, 0.25, tmp_path, listener)
    assert listener.lines == []
    _check_missing(imported_of(names[:2]), 8, 0.25, tmp_path, listener)
    assert listener.lines[0].endswith("id0, id1")
    with pytest.raises(InputError, match=rf"3 of 8 .*{tmp_path.name}: id0, id1, id2;"):
        _check_missing(imported_of(names[:3]), 8, 0.25, tmp_path, listener)
    _check_missing(imported_of(names), 99, 0.25, tmp_path, listener)
    assert listener.lines[-1].endswith(f"{names[-2]}, ...")


def test_as_many_images_may_lack_a_usable_box_as_the_limit_says(tmp_path):
    _check_usable(imported_of(unusable=2), 8, 0.25, tmp_path)
    with pytest.raises(InputError, match=rf"{tmp_path.name}: 3 of 8 .* all have 9: 3 "):
        _check_usable(imported_of(unusable=3), 8, 0.25, tmp_path)
    with pytest.raises(InputError, match=r"0 of 8 .* all have 0: [^0]"):  # no problem is told
        _check_usable(imported_of(boxes=0), 8, 0.25, tmp_path)
    _check_usable(imported_of(boxes=0), 0, 0.25, tmp_path)


def given_params(tmp_path, **changes):
    (tmp_path / "names.txt").write_text("red\nblue\n")
    section = replace(GIVEN, vocabulary=str(tmp_path / "names.txt"), **changes)
    return replace(PARAMS, given=section)


def test_given_boxes_without_classes_are_objects_and_the_log_says_so(inputs, tmp_path):
    write_tsv(tmp_path / "boxes.tsv", [f"id{index}" for index in (5, 0, 1, 3, 4, 6)])
    listener, path = Listener(), tmp_path / "proposals.h5"
    run_given(inputs.annotations, tmp_path / "boxes.tsv", given_params(tmp_path), path, listener)
    cache = Cache(path, stage="proposals")
    names = cache.texts("label")
    assert {names[label] for label in cache.array("labels")} == {"object"}
    assert any("6 rows without classes" in line and "object" in line for line in listener.lines)
    assert listener.lines[-1].endswith(" object (6)")


def test_an_npz_with_boxes_alone_has_objects_beside_one_with_classes(inputs, tmp_path):
    folder = tmp_path / "npz"
    folder.mkdir()
    box = np.array([[1, 2, 30, 20]], np.float32)
    for index in range(7):
        own = {"objects_id": [1]} if index == 3 else {"cls_prob": [[0.1, 0.9]]}
        np.savez(folder / f"id{index}.npz", bbox=box, **own)
    listener, path = Listener(), tmp_path / "proposals.h5"
    write_records(
        inputs.annotations / "images.jsonl",
        [ImageRecord(f"id{index}", f"{index}.png", (52, 64), "train") for index in range(7)],
    )
    run_given(inputs.annotations, folder, given_params(tmp_path), path, listener)
    cache = Cache(path, stage="proposals")
    names = cache.texts("label")
    expected = ["object"] * 3 + ["blue"] + ["object"] * 3
    assert [names[label] for label in cache.array("labels")] == expected
    assert any("6 rows with `cls_prob`, which is not read" in line for line in listener.lines)


@pytest.mark.parametrize("arrays", [{"bbox": np.zeros((0, 4))}, {"bbox": np.full((2, 4), np.nan)}])
def test_a_source_without_one_usable_box_is_refused(inputs, tmp_path, arrays):
    (tmp_path / "npz").mkdir()
    for index in range(7):
        np.savez(tmp_path / "npz" / f"id{index}.npz", **arrays)
    with pytest.raises(InputError, match=r"npz: .* no box that can be used, all have 0: [^;]"):
        run_given(inputs.annotations, tmp_path / "npz", PARAMS, tmp_path / "p.h5", Listener())
    assert not (tmp_path / "p.h5").exists()


def test_other_given_boxes_have_another_fingerprint(inputs, tmp_path):
    prints = []
    for names in (range(6), range(6), range(1, 7)):
        write_tsv(tmp_path / "boxes.tsv", [f"id{index}" for index in names])
        run_given(inputs.annotations, tmp_path / "boxes.tsv", PARAMS, tmp_path / "p.h5", Listener())
        prints.append(Cache(tmp_path / "p.h5", "proposals").fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_too_many_pictures_without_given_boxes_are_named(inputs, tmp_path):
    write_tsv(tmp_path / "boxes.tsv", ["id0", "id1", "id3", "id4", "id6"])
    with pytest.raises(InputError, match=r"2 of 7 images have no row in .*boxes\.tsv: id2, id5; "):
        run_given(inputs.annotations, tmp_path / "boxes.tsv", PARAMS, tmp_path / "p.h5", Listener())
    assert not (tmp_path / "p.h5").exists()
