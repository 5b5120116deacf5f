"""Whether the detector may have seen the answers."""

from pipeline.datasets.published import COCO, published_of
from pipeline.params.datasets import DatasetSection, ShapesDataset

DRAWN = "drawn scenes"
_SHOW_COCO = ("coco", "visual genome")  # half of Visual Genome's images are COCO's
_SAY_LEFT_OUT = ("without", "except", "minus")


def image_source(section: DatasetSection) -> str:
    """Return whose pictures a data set shows; empty if that is not known."""
    if isinstance(section, ShapesDataset):
        return DRAWN
    published = published_of(section)
    return published.pictures if published else ""


def leakage_note(pictures: str, training_set: str) -> tuple[bool, str]:
    """Return whether the detector may have seen the evaluated images with their boxes.

    Args:
        pictures: what `image_source` returns of the data set.
        training_set: what the detector was trained on, in words.

    Returns:
        Whether it may have, and a note for people.
    """
    trained_on = f"Detector trained on: {training_set or 'unknown'}."
    if pictures == DRAWN:
        return False, f"{trained_on} The evaluated scenes are disjoint from it by construction."
    if not training_set:
        return True, f"{trained_on} Whether it has seen the evaluated images cannot be told."
    has_coco = any(name in training_set.lower() for name in _SHOW_COCO)
    if has_coco and any(word in training_set.lower().split() for word in _SAY_LEFT_OUT):
        return True, f"{trained_on} Check that what it leaves out is what is evaluated here."
    if has_coco and pictures == COCO:
        return True, (
            f"{trained_on} LEAKAGE: this dataset's evaluated images are COCO train2014 images, "
            "which such a detector has seen with their boxes. Use one trained without them."
        )
    return True, f"{trained_on} Check that none of the evaluated images is among its images."
