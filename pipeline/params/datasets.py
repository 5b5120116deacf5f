"""What the `datasets` section of params.yaml holds: which data, in which layout, and where."""

from dataclasses import dataclass
from typing import Literal

from models.ranges import NonNegativeInt, Pixels, PositiveInt, Seed, Text

Collection = Literal[
    "refcoco_unc",
    "refcoco_google",
    "refcoco_plus_unc",
    "refcocog_google",
    "refcocog_umd",
    "refclef_unc",
    "refclef_berkeley",
    "referit",
    "flickr30k",
]


@dataclass(frozen=True)
class ShapesDataset:
    """The drawn world."""

    format: Literal["shapes"]
    seed: Seed
    train_scenes: PositiveInt
    test_scenes: PositiveInt
    phrases_per_scene: PositiveInt
    long_side_px: Pixels


@dataclass(frozen=True)
class Flickr30kDataset:
    """Flickr30K Entities in its official layout.

    Attributes:
        root: folder of `Annotations/`, `Sentences/` and the lists of the splits.
        images: folder of the photographs.
        train_images: so many from the beginning of the training split; 0 for all.
        eval_images: the same for each other split.
    """

    format: Literal["flickr30k"]
    root: Text
    images: Text
    train_images: NonNegativeInt
    eval_images: NonNegativeInt


@dataclass(frozen=True)
class ReferringDataset:
    """Referring expressions in one of the layouts in which they are passed around.

    Attributes:
        format: layout of the files; docs/datasets.md describes each.
        collection: which data, and who split them: what counts and splits are known for.
        root: folder of the annotations.
        images: folder of the pictures, which may lie in folders below it.
        train_images: so many from the beginning of the training split; 0 for all.
        eval_images: the same for each other split.
    """

    format: Literal["refer", "referit_json", "transvg", "simrec"]
    collection: Collection
    root: Text
    images: Text
    train_images: NonNegativeInt
    eval_images: NonNegativeInt


@dataclass(frozen=True)
class OwnDataset:
    """One's own pictures and phrases, as JSON lines.

    Attributes:
        root: folder of `train.jsonl` and one such file per evaluation split.
        images: folder that the lines name pictures below.
        train_images: so many from the beginning of the training split; 0 for all.
        eval_images: the same for each other split.
    """

    format: Literal["jsonl"]
    root: Text
    images: Text
    train_images: NonNegativeInt
    eval_images: NonNegativeInt


DatasetSection = ShapesDataset | Flickr30kDataset | ReferringDataset | OwnDataset
