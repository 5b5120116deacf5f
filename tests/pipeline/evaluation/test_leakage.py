import pytest

from pipeline.evaluation.leakage import image_source, leakage_note
from pipeline.params.datasets import Flickr30kDataset, OwnDataset, ReferringDataset, ShapesDataset

SHAPES = ShapesDataset("shapes", 1, 2, 3, 4, 96)
FLICKR30K = Flickr30kDataset("flickr30k", "a", "b", 0, 0)
OWN = OwnDataset("jsonl", "a", "b", 0, 0)


def referring(layout, collection):
    return ReferringDataset(layout, collection, "a", "b", 0, 0)


@pytest.mark.parametrize(
    ("section", "training_set", "possible", "words"),
    [
        (SHAPES, "drawn scenes", False, "disjoint"),
        (FLICKR30K, "COCO train2017", True, "Check"),
        (referring("refer", "refcoco_unc"), "COCO train2017", True, "LEAKAGE"),
        (referring("simrec", "refcocog_umd"), "Visual Genome, 1,600 classes", True, "LEAKAGE"),
        (referring("transvg", "refcoco_plus_unc"), "MS-COCO", True, "LEAKAGE"),
        (
            referring("refer", "refcoco_unc"),
            "COCO without RefCOCO's val and test",
            True,
            "leaves out",
        ),
        (referring("refer", "refcoco_unc"), "Objects365", True, "Check"),
        (referring("refer", "refclef_berkeley"), "COCO train2017", True, "Check"),
        (referring("transvg", "flickr30k"), "COCO train2017", True, "Check"),
        (OWN, "COCO train2017", True, "Check"),
        (FLICKR30K, "", True, "cannot be told"),
    ],
)
def test_leakage_is_told_by_dataset_and_training_set(section, training_set, possible, words):
    told = leakage_note(image_source(section), training_set)
    assert told[0] is possible
    assert words in told[1]
    assert (training_set or "unknown") in told[1]


def test_only_of_pictures_of_coco_it_matters_what_is_left_out():
    notes = [leakage_note("x", f"Objects365 {word} people")[1] for word in ("without", "with")]
    assert notes[0].replace("without", "with") == notes[1]
