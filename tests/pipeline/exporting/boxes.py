"""Boxes as a model might give them, made by hand: sides and places all differ."""

from pipeline.exporting.predicted import PredictedBox
from pipeline.records import ImageRecord, PhraseRecord

IMAGES = [
    ImageRecord("a", "sub/a.png", (97, 61), "val"),
    ImageRecord("b", "b.png", (53, 83), "val"),
]
BOXES = [
    PredictedBox(
        IMAGES[0],
        PhraseRecord("p/1", "a", "val", "чашка ☕", "Eine чашка ☕.", (5, 12)),
        (3.125, 7.5, 59.001, 96.999),
        0.875,
        0.625,
    ),
    PredictedBox(
        IMAGES[0], PhraseRecord("p/2", "a", "val", "the dog"), (0.0, 0.0, 61.0, 97.0), 0, None
    ),
    PredictedBox(
        IMAGES[1], PhraseRecord("p/3", "b", "val", "x"), (11.25, 2.0, 12.5, 52.75), 0.5, None
    ),
]
