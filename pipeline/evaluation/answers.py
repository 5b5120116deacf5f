"""From what a model says of a batch to what it says of each phrase.

Shapes: B images, P phrases of an image, F features, (h, w) cells of a map over the padded square.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry.boxes import boxes_in_image
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.sampler import SampleIndex

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class BatchAnswers:
    """What a model says of a batch.

    Attributes:
        boxes_xyxy: by method, pixels of the padded square, float32 (B, P, 4) each.
        scores: probability of the best proposal, float32 (B, P); 0 without proposals.
        maps: by name, of the first noun slot, in [0, 1], float32 (B, P, h, w) each.
        has_map: the slot holds the head noun, bool (B, P).
        features: what tells how sure the final box is, float32 (B, P, F).
        vision_gap: how much worse the decoder is with another image's proposals, in nats.
        num_words: words of the batch.
        seconds: what the model took.
    """

    boxes_xyxy: Mapping[str, Floats]
    scores: Floats
    maps: Mapping[str, Floats]
    has_map: NDArray[np.bool_]
    features: Floats
    vision_gap: float
    num_words: int
    seconds: float


@dataclass(frozen=True)
class Answer:
    """What a model says of one phrase.

    Attributes:
        boxes_xyxy: by method, pixels of the image, clipped to it, float32 (4,) each.
        score: probability of the best proposal, in [0, 1]; 0 where nothing was proposed.
        maps: by name, over the square of which the image is the top left part, in [0, 1],
            float32 (h, w) each; none where the head noun has none.
        features: what tells how sure the final box is, float32 (F,).
    """

    boxes_xyxy: Mapping[str, Floats]
    score: float
    maps: Mapping[str, Floats]
    features: Floats


def chunked_samples(
    phrases_of_image: Mapping[int, Sequence[int]], phrases_per_image: int
) -> list[SampleIndex]:
    """Return samples without augmentation that hold every phrase once, in order.

    Args:
        phrases_of_image: indices of the phrases of each image that has some.
        phrases_per_image: at most so many in a sample, for memory grows with them.
    """
    return [
        SampleIndex(image, tuple(phrases[start : start + phrases_per_image]), None)
        for image, phrases in phrases_of_image.items()
        for start in range(0, len(phrases), phrases_per_image)
    ]


def answers_of_batch(
    tables: GroundingTables,
    sample_indices: Sequence[SampleIndex],
    batch: BatchAnswers,
    image_px: int,
) -> Iterator[tuple[str, Answer]]:
    """Yield phrase id and answer of every phrase of a batch.

    Args:
        tables: what the samples index.
        sample_indices: the samples of the batch, in order.
        batch: what the model says of them.
        image_px: side of the padded square.
    """
    for row, sample_index in enumerate(sample_indices):
        image_hw = tables.images[sample_index.image_index].image_hw
        boxes = {
            name: boxes_in_image(square[row], image_hw, image_px)
            for name, square in batch.boxes_xyxy.items()
        }
        for column, phrase_index in enumerate(sample_index.phrase_indices):
            maps = {name: maps[row, column] for name, maps in batch.maps.items()}
            yield (
                tables.phrases[phrase_index].phrase_id,
                Answer(
                    {name: value[column] for name, value in boxes.items()},
                    float(batch.scores[row, column]),
                    maps if batch.has_map[row, column] else {},
                    batch.features[row, column],
                ),
            )
