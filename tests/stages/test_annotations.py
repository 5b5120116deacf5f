import hashlib
import json
import re
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.shapes.scene import draw_scene, scene_phrases
from pipeline.errors import InputError
from pipeline.observe.observer import Observer
from pipeline.params.datasets import Flickr30kDataset, OwnDataset, ShapesDataset
from pipeline.paths import DatasetFiles
from pipeline.records import GroundTruth, ImageRecord, PhraseRecord, read_records
from stages.annotations import main, run
from tests.stages.command import start
from tests.stages.evaluated_world import Listener
from tests.tiny_world import write_sentences, write_tiny_flickr30k

SHAPES = ShapesDataset("shapes", 1, 5, 3, 4, 96)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def flickr30k(project):
    return flickr30k_section(write_tiny_flickr30k(project / "tiny"))


def flickr30k_section(root):
    return Flickr30kDataset("flickr30k", str(root), str(root / "flickr30k-images"), 0, 0)


def annotate(dataset, name="made", max_bad_fraction=0.01, workers=1, observer=None):
    files = DatasetFiles(name)
    run(files, dataset, max_bad_fraction, workers, observer or Observer("annotations"))
    return files


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_scenes_are_drawn_and_recorded(project):
    files = annotate(SHAPES)
    images = read_records(files.images, ImageRecord)
    assert [(image.image_id, image.split) for image in images[4:6]] == [
        ("train_00004", "train"),
        ("test_00000", "test"),
    ]
    scene = draw_scene(1, "test", 0, 96)
    drawn = np.asarray(Image.open(files.annotations / "images" / images[5].file))
    np.testing.assert_array_equal(drawn, scene.image)
    assert images[5].image_hw == scene.image.shape[:2]


def test_phrases_of_a_scene_come_with_ground_truth_in_test_alone(project):
    files = annotate(SHAPES)
    phrases = read_records(files.phrases, PhraseRecord)
    truths = read_records(files.ground_truth, GroundTruth)
    assert [truth.phrase_id for truth in truths] == [
        phrase.phrase_id for phrase in phrases if phrase.split == "test"
    ]
    [expected, *_] = scene_phrases(draw_scene(1, "test", 0, 96), 4)
    assert phrases[20].phrase == expected.text
    assert truths[0].boxes_xyxy == tuple(map(tuple, expected.target_boxes.tolist()))
    assert truths[0].kinds == (expected.family,)


def test_what_training_reads_holds_no_box(project, flickr30k):
    files = annotate(flickr30k)
    keys = {key for line in files.phrases.read_text().splitlines() for key in json.loads(line)}
    assert keys == {"phrase_id", "image_id", "split", "phrase", "sentence", "span"}


def test_every_run_writes_the_same_bytes_in_one_process_or_two(project):
    annotate(SHAPES, "one", workers=1)
    annotate(SHAPES, "two", workers=2)
    once = digests(project / "data" / "one")
    assert len(once) == 4 + 8
    assert digests(project / "data" / "two") == once


def test_a_run_is_told_by_its_parameters(project, flickr30k):
    told, stamps = Listener("annotations"), []
    for max_bad_fraction in (0.1, 0.1, 0.2):
        run(DatasetFiles("made"), flickr30k, max_bad_fraction, 1, told)
        stamps.append(told.facts["fingerprint"])
    assert told.totals == {"images": 5}
    assert stamps[0] == stamps[1] != stamps[2]
    assert re.fullmatch("[0-9a-f]{64}", stamps[0])


def test_pictures_of_an_earlier_run_are_removed(project):
    files = annotate(SHAPES)
    stale = files.annotations / "images" / "train_00777.png"
    stale.write_bytes(b"")
    annotate(SHAPES)
    assert not stale.exists()


def test_flickr30k_is_recorded_with_its_counts(project, flickr30k):
    files = annotate(flickr30k)
    assert len(read_records(files.images, ImageRecord)) == 5
    assert len(read_records(files.phrases, PhraseRecord)) == 5 + 5 + 2
    assert len(read_records(files.ground_truth, GroundTruth)) == 5 + 2
    summary = json.loads((files.annotations / "summary.json").read_text())
    assert {split: counts["phrases"] for split, counts in summary["splits"].items()} == {
        "train": 5,
        "val": 5,
        "test": 2,
    }


def test_unicode_reaches_the_records_as_it_is(project, flickr30k):
    files = annotate(flickr30k)
    phrases = [record.phrase for record in read_records(files.phrases, PhraseRecord)]
    assert "crêpes “à la carte”" in phrases


def test_a_bad_record_is_skipped_and_listed(project, flickr30k):
    told = Listener("annotations")
    annotate(flickr30k, observer=told)
    assert told.tables == {}
    (project / "tiny" / "flickr30k-images" / "102.jpg").write_bytes(b"no picture")
    files = annotate(flickr30k, max_bad_fraction=0.5, observer=told)
    [[row]] = told.tables.values()
    assert (row["cause"], row["count"]) == ("the image cannot be read", 1)
    assert "102.jpg" in row["first"]
    images = [record.image_id for record in read_records(files.images, ImageRecord)]
    assert images == ["101", "201", "202", "301"]
    bad = json.loads((files.annotations / "summary.json").read_text())["bad"]
    assert bad["the image cannot be read"]["count"] == 1
    assert "102.jpg" in bad["the image cannot be read"]["examples"][0]


def test_too_many_bad_records_stop_the_stage_but_leave_the_summary(project, flickr30k):
    write_sentences(project / "tiny", "102", ["[/EN#5/animals ]"])
    with pytest.raises(InputError, match=r"annotations\.max_bad_fraction"):
        annotate(flickr30k)
    bad = json.loads((project / "data/made/annotations/summary.json").read_text())["bad"]
    assert bad["the phrase has no words"]["examples"] == ["102/0/0"]
    assert not (project / "data/made/annotations/images.jsonl").exists()


@pytest.mark.parametrize("form", ["corners", "width and height"])
def test_a_whole_data_set_of_the_wrong_kind_of_box_is_refused_with_the_right_one_named(
    project, form
):
    rng = np.random.default_rng(0)
    Image.fromarray(np.zeros((90, 120, 3), np.uint8)).save(project / "a.png")
    lines = [json.dumps({"image": "a.png", "phrase": "a cup"})]
    (project / "train.jsonl").write_text(lines[0])
    lines = []
    for _ in range(30):
        (x1, x2), (y1, y2) = np.sort(rng.integers(0, 120, 2)), np.sort(rng.integers(0, 90, 2))
        numbers = (
            [x1, y1, x2 + 1, y2 + 1] if form == "corners" else [x1, y1, x2 - x1 + 1, y2 - y1 + 1]
        )
        box = [int(number) for number in numbers]
        lines.append(json.dumps({"image": "a.png", "phrase": "a cup", "boxes_xyxy": [box]}))
    (project / "val.jsonl").write_text("\n".join(lines))
    own = OwnDataset("jsonl", str(project), str(project), 0, 0)
    if form == "corners":
        assert len(read_records(annotate(own).ground_truth, GroundTruth)) == 30
    else:
        with pytest.raises(InputError, match="not fit its image as corners, but as x, y, width"):
            annotate(own)


def write_own(folder, **lines):
    """Write as many pictures and lines of each split as asked for."""
    for split, count in lines.items():
        rows = [{"image": f"{split}{number}.png", "phrase": "a cup"} for number in range(count)]
        if split != "train":
            rows = [row | {"boxes_xyxy": [[1, 2, 5, 9]]} for row in rows]
        for row in rows:
            Image.new("RGB", (13, 11)).save(folder / row["image"])
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))


def test_as_many_pictures_of_each_split_are_kept_as_params_yaml_says(project):
    write_own(project, train=5, val=4, test=4)
    files = annotate(OwnDataset("jsonl", str(project), str(project), 2, 3))
    kept = [image.image_id for image in read_records(files.images, ImageRecord)]
    splits = [image.split for image in read_records(files.images, ImageRecord)]
    assert Counter(splits) == {"train": 2, "val": 3, "test": 3}
    assert len(set(kept)) == 8


def test_a_data_set_that_is_only_a_target_needs_no_training_split(project, monkeypatch):
    write_own(project, val=2)
    own = {"own": asdict(OwnDataset("jsonl", str(project), str(project), 0, 0))}
    for targets in (["own"], []):
        sections = {"datasets": own, "run": {"targets": targets}}
        if targets:
            start(monkeypatch, main, "own", **sections)
            assert len(read_records(DatasetFiles("own").phrases, PhraseRecord)) == 2
        else:
            with pytest.raises(InputError, match="train"):
                start(monkeypatch, main, "own", **sections)


def test_a_missing_root_stops_before_anything_is_written(project):
    nowhere = flickr30k_section(project / "nowhere")
    with pytest.raises(InputError, match=r"datasets\.made\.root"):
        annotate(nowhere)
    assert not (project / "data").exists()
