"""Scenes of the drawn data set as image files and records."""

from functools import partial
from pathlib import Path

from PIL import Image

from pipeline.datasets.reading import ImageReading, ReadingPlan
from pipeline.datasets.shapes.scene import Split, draw_scene, scene_phrases
from pipeline.params.datasets import ShapesDataset
from pipeline.records import GroundTruth, ImageRecord, PhraseRecord

_SPLITS: dict[str, Split] = {"train": "train", "test": "test"}


def plan_shapes(section: ShapesDataset, folder: Path) -> ReadingPlan:
    """Return the plan to draw the scenes into `folder`."""
    counts = {"train": section.train_scenes, "test": section.test_scenes}
    items = tuple((str(index), split) for split in counts for index in range(counts[split]))
    return ReadingPlan(items, partial(draw_shapes_image, section, folder))


def draw_shapes_image(section: ShapesDataset, folder: Path, item: tuple[str, str]) -> ImageReading:
    """Draw one scene, write it as PNG without any metadata, and return its records.

    Args:
        section: settings of the data set.
        folder: of the pictures.
        item: the scene's index and its split.
    """
    index, split = item
    scene = draw_scene(section.seed, _SPLITS[split], int(index), section.long_side_px)
    image_id = f"{split}_{int(index):05d}"
    height, width, _ = scene.image.shape
    image = ImageRecord(image_id, f"{image_id}.png", (height, width), split)
    Image.fromarray(scene.image).save(folder / image.file, format="PNG", compress_level=6)
    phrases, ground_truth = [], []
    for number, phrase in enumerate(scene_phrases(scene, section.phrases_per_scene)):
        phrase_id = f"{image_id}/{number}"
        phrases.append(PhraseRecord(phrase_id, image_id, split, phrase.text))
        boxes = tuple(tuple(box) for box in phrase.target_boxes.tolist())
        ground_truth.append(GroundTruth(phrase_id, boxes, (phrase.family,)))
    return ImageReading(image, tuple(phrases), () if split == "train" else tuple(ground_truth))
