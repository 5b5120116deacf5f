"""The drawn data set: scenes with phrases whose boxes are known by construction.

A scene depends on (seed, split, index) alone. Splits use different random streams, so that they
share no scene.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.shapes.background import add_grain, draw_background
from pipeline.datasets.shapes.drawing import draw, make_sketch, paste
from pipeline.datasets.shapes.layout import choose_image_hw, place_objects
from pipeline.datasets.shapes.phrases import ScenePhrase, write_phrases
from pipeline.datasets.shapes.semantics import SceneFacts
from pipeline.datasets.shapes.vocabulary import CLASSES, COLOURS, Attributes, TaggedWord

__all__ = [
    "CLASSES",
    "PICTURE_CLASSES",
    "Scene",
    "ScenePhrase",
    "TaggedWord",
    "draw_object_picture",
    "draw_scene",
    "scene_phrases",
]

# The classifier's classes are finer than the detector's, as ImageNet's breeds are finer than dog:
# its features then hold what a grounder needs to distinguish.
PICTURE_CLASSES = tuple(f"{colour} {name}" for name in CLASSES for colour in COLOURS)

Split = Literal["train", "test", "pretrain"]
_STREAMS = {"train": 0, "test": 1, "pretrain": 2, "pictures": 3}
_PHRASES = 10  # added to a split's stream: its phrases


@dataclass(frozen=True)
class Scene:
    """One drawn image and its objects.

    Attributes:
        seed: of the data set.
        split: `train`, `test` or `pretrain`.
        index: of the scene within its split.
        image: uint8 (H, W, 3), RGB.
        boxes_xyxy: tight around each object's pixels, float32 (n, 4), continuous corners in pixels.
        classes: index into `CLASSES`, int64 (n,).
        attributes: colour, texture and size of each object.
    """

    seed: int
    split: Split
    index: int
    image: NDArray[np.uint8]
    boxes_xyxy: NDArray[np.float32]
    classes: NDArray[np.int64]
    attributes: tuple[Attributes, ...]


def draw_scene(seed: int, split: Split, index: int, long_side_px: int) -> Scene:
    """Return one scene of 5 to 10 objects; equal arguments give equal pixels on every machine.

    Args:
        seed: of the data set.
        split: `train`, `test` or `pretrain`, which share no scene.
        index: of the scene within its split, >= 0.
        long_side_px: longer side of the image; the other has 60 to 100 % of it.
    """
    rng = _stream(seed, _STREAMS[split], index)
    image_hw = choose_image_hw(rng, long_side_px)
    canvas = draw_background(rng, image_hw, num_marks=int(rng.integers(8, 22)))
    placed = place_objects(rng, image_hw, long_side_px)
    for item in placed:
        paste(canvas, item.drawing, item.left, item.top)
    return Scene(
        seed,
        split,
        index,
        image=add_grain(rng, canvas),
        boxes_xyxy=np.array([item.box_xyxy for item in placed], dtype=np.float32),
        classes=np.array([item.sketch.class_index for item in placed], dtype=np.int64),
        attributes=tuple(item.sketch.attributes for item in placed),
    )


def scene_phrases(scene: Scene, count: int) -> list[ScenePhrase]:
    """Return different phrases about a scene, each true of its target alone.

    Args:
        scene: a drawn scene.
        count: number of phrases; fewer are returned only if no more are found.
    """
    facts = SceneFacts(scene.image.shape[:2], scene.boxes_xyxy, scene.classes, scene.attributes)
    rng = _stream(scene.seed, _STREAMS[scene.split] + _PHRASES, scene.index)
    return write_phrases(rng, facts, count)


def draw_object_picture(seed: int, index: int, image_px: int) -> tuple[NDArray[np.uint8], int]:
    """Return a picture of one large object on clutter, to train a classifier.

    Args:
        seed: of the data set.
        index: of the picture, >= 0; its random stream is shared with no scene.
        image_px: height and width.

    Returns:
        The picture, uint8 (image_px, image_px, 3), and its index into `PICTURE_CLASSES`.
    """
    rng = _stream(seed, _STREAMS["pictures"], index)
    canvas = draw_background(rng, (image_px, image_px), num_marks=int(rng.integers(4, 14)))
    class_index = int(rng.integers(len(CLASSES)))
    side_px = image_px * int(rng.integers(35, 93)) // 100
    sketch = make_sketch(rng, class_index, "large", side_px)
    drawing = draw(sketch)
    height, width = drawing.coverage.shape
    left, top = int(rng.integers(image_px - width + 1)), int(rng.integers(image_px - height + 1))
    paste(canvas, drawing, left, top)
    name = f"{sketch.attributes.colour} {CLASSES[class_index]}"
    return add_grain(rng, canvas), PICTURE_CLASSES.index(name)


def _stream(seed: int, stream: int, index: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream, index])))
