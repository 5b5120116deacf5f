from pathlib import Path

from pipeline.params.datasets import Flickr30kDataset, OwnDataset, ShapesDataset
from pipeline.paths import image_folder


def test_drawn_pictures_lie_beside_their_records():
    dataset = ShapesDataset("shapes", 1, 2, 3, 4, 96)
    assert image_folder("small", dataset) == Path("data/small/annotations/images")


def test_photographs_stay_where_they_are():
    flickr30k = Flickr30kDataset("flickr30k", "../lists", "../photographs", 0, 0)
    assert image_folder("any", flickr30k) == Path("../photographs")
    assert image_folder("any", OwnDataset("jsonl", "../lines", "mine", 0, 0)) == Path("mine")
