"""Whether the detector may have seen the answers."""

DRAWN = "shapes"  # format of the scenes that the project draws itself
COCO_IMAGES = ("refer", "transvg")  # how formats whose images are COCO's begin


def leakage_note(dataset_format: str, training_set: str) -> tuple[bool, str]:
    """Say whether the detector may have seen the evaluated images with their boxes.

    Args:
        dataset_format: as in params.yaml.
        training_set: what the detector was trained on, in words.

    Returns:
        Whether it may have, and a note for people.
    """
    told = f"Detector trained on: {training_set or 'unknown'}."
    if dataset_format == DRAWN:
        return False, f"{told} The evaluated scenes are disjoint from it by construction."
    if not training_set:
        return True, f"{told} Whether it has seen the evaluated images cannot be told."
    has_coco = any(name in training_set.lower() for name in ("coco", "visual genome"))
    if has_coco and dataset_format.startswith(COCO_IMAGES):
        return True, (
            f"{told} LEAKAGE: this dataset's evaluated images are COCO train2014 images, which "
            "such a detector has seen with their boxes. Use one trained without them."
        )
    return True, f"{told} Check that none of the evaluated images is among its images."
