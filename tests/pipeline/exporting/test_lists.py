"""What is exported is read back by the project's own readers: words, ids and boxes."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.datasets.readers.jsonl import read_own_lines
from pipeline.datasets.readers.transvg import KEYS, read_transvg
from pipeline.datasets.referring import plan_referring
from pipeline.exporting.lists import json_rows, transvg_collection, transvg_rows
from pipeline.params.datasets import OwnDataset, ReferringDataset
from tests.pipeline.exporting.boxes import BOXES, IMAGES


@pytest.fixture
def pictures(tmp_path):
    for image in IMAGES:
        path = tmp_path / "pictures" / image.file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", image.image_hw[::-1]).save(path)
    return tmp_path / "pictures"


def read_back(data, pictures):
    """Return phrase, box and bad records of every phrase, as the annotations stage reads them."""
    plan = plan_referring(data, pictures, 0, 0)
    readings = [plan.read(item) for item in plan.items]
    assert not [bad for reading in readings for bad in reading.bad]
    boxes = [truth.boxes_xyxy[0] for reading in readings for truth in reading.ground_truth]
    return [phrase for reading in readings for phrase in reading.phrases], np.array(boxes)


def expected():
    return np.array([one.box_xyxy for one in BOXES])


def test_json_lines_come_back_with_words_ids_sentences_and_boxes(tmp_path, pictures):
    rows = json_rows(BOXES)
    assert [row.get("confidence", "none") for row in rows] == [0.625, "none", "none"]
    for lack in ({"span": None}, {"sentence": None}):
        nowhere = replace(BOXES[0], phrase=replace(BOXES[0].phrase, **lack))
        assert not {"sentence", "span"} & set(json_rows([nowhere])[0])
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (tmp_path / "val.jsonl").write_text("\n".join(lines), encoding="utf-8")
    data = read_own_lines("own", OwnDataset("jsonl", str(tmp_path), "x", 0, 0))
    phrases, boxes = read_back(data, pictures)
    assert [one.phrase_id for one in phrases] == ["p/1", "p/2", "p/3"]
    assert (phrases[0].sentence, phrases[0].span) == ("Eine чашка ☕.", (5, 12))
    np.testing.assert_array_equal(boxes, expected())


@pytest.mark.parametrize("collection", ["refcoco_unc", "referit", "flickr30k"])
def test_lists_of_transvg_come_back_with_words_and_boxes(tmp_path, pictures, collection):
    key = KEYS[collection]
    (tmp_path / key).mkdir()
    torch.save(transvg_rows(BOXES, collection), tmp_path / key / f"{key}_val.pth")
    section = ReferringDataset("transvg", collection, str(tmp_path), "x", 0, 0)
    phrases, boxes = read_back(read_transvg("own", section), pictures)
    assert [one.phrase for one in phrases] == [one.phrase.phrase for one in BOXES]
    np.testing.assert_allclose(boxes, expected(), rtol=0, atol=1e-6)


def test_a_data_set_keeps_the_layout_of_its_collection():
    section = ReferringDataset("refer", "refcoco_unc", "a", "b", 0, 0)
    assert transvg_collection(section) == "refcoco_unc"
    assert transvg_collection(OwnDataset("jsonl", "a", "b", 0, 0)) == "flickr30k"
    section = ReferringDataset("refer", "refclef_unc", "a", "b", 0, 0)
    assert transvg_collection(section) == "flickr30k"
