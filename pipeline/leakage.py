"""Whether the detector may have seen the answers."""


def leakage_note(dataset_format: str, training_set: str) -> str:
    """Say whether the detector may have seen the evaluated images with their boxes.

    Args:
        dataset_format: as in params.yaml.
        training_set: what the detector was trained on, in words.
    """
    told = f"Detector trained on: {training_set or 'unknown'}."
    seen = [name for name in ("coco", "visual genome") if name in training_set.lower()]
    if dataset_format == "shapes":
        return f"{told} The drawn scenes of this dataset are disjoint from it by construction."
    if not training_set:
        return f"{told} Whether it has seen the evaluated images cannot be told."
    if dataset_format != "flickr30k" and seen:
        return (
            f"{told} LEAKAGE: this dataset's evaluated images are COCO train2014 images, which "
            "such a detector has seen with their boxes. Use one trained without them."
        )
    return f"{told} None of the evaluated images may be among its images; check that."
