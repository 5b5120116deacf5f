import json

import pytest

from pipeline.exporting.coco import coco_dataset, coco_results
from tests.pipeline.exporting.boxes import BOXES, IMAGES


def test_a_box_has_left_top_width_and_height_and_its_words():
    dataset = coco_dataset(BOXES, {"split": "val"})
    first, _, last = dataset["annotations"]
    assert first["bbox"] == [3.125, 7.5, 55.876, 89.499]
    assert first["area"] == pytest.approx(55.876 * 89.499, abs=1e-3)
    assert (first["phrase"], first["phrase_id"], first["score"]) == ("чашка ☕", "p/1", 0.875)
    assert (first["confidence"], "confidence" in last) == (0.625, False)
    assert (last["image_id"], last["id"]) == (2, 3)
    assert dataset["info"] == {"split": "val"}
    assert {one["iscrowd"] for one in dataset["annotations"]} == {0}


def test_an_image_stands_once_with_its_own_height_and_width():
    images = coco_dataset(BOXES, {})["images"]
    assert [(one["file_name"], one["height"], one["width"]) for one in images] == [
        (one.file, *one.image_hw) for one in IMAGES
    ]


def test_pycocotools_reads_both_files(tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    dataset = coco_dataset(BOXES, {})
    for name, content in (("d.json", dataset), ("r.json", coco_results(dataset))):
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    read = coco.COCO(str(tmp_path / "d.json"))
    found = read.loadRes(str(tmp_path / "r.json"))
    assert len(read.getAnnIds(imgIds=[1], catIds=[1])) == 2
    scores = {one["id"]: one["score"] for one in found.loadAnns(found.getAnnIds())}
    assert scores == {1: 0.875, 2: 0, 3: 0.5}
    assert found.loadAnns([3])[0]["bbox"] == [11.25, 2.0, 1.25, 50.75]
