"""What asking a trained model costs, in bare forward passes of its detector and its backbone.

`python -m benchmarks.predict_cost MODEL PICTURE [PICTURE ...]` loads a model and prints ratios:
what its next picture and each further phrase of a picture take, against one forward pass of its
detector and one of its image backbone on the same picture; and what the first picture took with
loading. All are timed in turns in one process, on one thread, as CPU time. A ratio is the median
over rounds, with the least and the largest of them.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.ratios.row import ratios_of
from benchmarks.ratios.timing import mean_seconds
from pipeline.images.images import read_image
from pipeline.serving.phrase_grounder import PhraseGrounder

PHRASE, FURTHER = "the red thing on the left", 10
ROUNDS = 10


@torch.inference_mode()
def forward(model: PhraseGrounder, pixels: NDArray[np.uint8]) -> None:
    """Run the detector and the backbone once, and nothing else."""
    model.frozen.detect(pixels)
    side = model.spec.image_px
    image, mask = torch.zeros(1, 3, side, side), torch.ones(1, side, side, dtype=torch.bool)
    model.saved.grounder.visual_encoder.backbone(image, mask)


def rounds(
    model: PhraseGrounder, pictures: Sequence[NDArray[np.uint8]], num_rounds: int
) -> Iterator[Mapping[str, float]]:
    """Yield the CPU seconds of a bare forward, of one phrase, and of each further one."""
    phrases = [f"{PHRASE} {number}" for number in range(FURTHER + 1)]
    for number in range(num_rounds):
        pixels = pictures[number % len(pictures)]
        bare = mean_seconds(partial(forward, model, pixels))
        one = mean_seconds(partial(model.ground, pixels, phrases[:1]))
        many = mean_seconds(partial(model.ground, pixels, phrases))
        yield {"bare": bare, "next picture": one, "further phrase": (many - one) / FURTHER}


def main() -> None:
    """Time all in turns and print their ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", type=Path, help="results/<dataset>/<variant>")
    parser.add_argument("pictures", type=Path, nargs="+", help="to ask about")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="over which medians are")
    given = parser.parse_args()
    torch.set_num_threads(1)
    pictures = [read_image(path) for path in given.pictures]
    started = time.process_time()
    model = PhraseGrounder.load(given.model, "cpu")
    model.ground(pictures[0], PHRASE)
    first = time.process_time() - started
    timed = list(rounds(model, pictures, given.rounds))
    bare = [one["bare"] for one in timed]
    print(
        f"{given.model}, one thread, load {os.getloadavg()[0]:.1f}; detector and backbone take "
        f"{statistics.median(bare):.3f} CPU s"
    )
    print(f"first picture, with loading, once: {first / statistics.median(bare):.1f}")
    for name in ("next picture", "further phrase"):
        seconds = [one[name] for one in timed]
        ratios = ratios_of(seconds, bare)
        print(
            f"{name}: {statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}], "
            f"n = {len(ratios)}"
        )


if __name__ == "__main__":
    main()
