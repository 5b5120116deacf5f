from pathlib import Path

from pipeline.datasets.locate import image_folder
from pipeline.sections import Flickr30kDataset, ShapesDataset


def test_drawn_pictures_lie_beside_their_records():
    dataset = ShapesDataset("shapes", 1, 2, 3, 4, 96)
    assert image_folder("small", dataset) == Path("data/small/annotations/images")


def test_photographs_stay_where_they_are():
    dataset = Flickr30kDataset("flickr30k", "../pictures", 0, 0)
    assert image_folder("any", dataset) == Path("../pictures/flickr30k-images")
