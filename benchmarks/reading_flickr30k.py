"""How long the annotations stage takes on all of Flickr30K Entities, on one core.

`python -m benchmarks.reading_flickr30k` lays out as many images, sentences, annotations and
phrases as the data set has, runs the stage on them in a process of its own, and prints CPU
seconds, peak memory, and the ratio to a floor: reading the same text files, and the first and the
last 4 KiB of each image, in Python.

Not covered: images are links to a few drawn JPEGs of the usual size, so that their bytes come from
memory. A disk that has not read them yet adds its own time for 31,783 small reads.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.made.pictures import SIZE_WH, write_picture
from benchmarks.ratios.timing import run_python

SPLITS = {"train": 29783, "val": 1000, "test": 1000}
NUM_PICTURES = 8
SENTENCES = 5
PHRASES = 3  # visible ones of a sentence: 15 an image, 477k in all; 427k of train have a box
TAIL_BYTES = 4096
KINDS = ("people", "clothing", "bodyparts", "animals", "vehicles", "scene", "other")
WORDS = ("a man", "the red jacket", "her left hand", "two brown dogs", "an old bus", "the street",
         "a wooden bench", "several people", "a crêpe", "blue jeans")  # fmt: skip

STAGE = """
from pathlib import Path
from pipeline.params.datasets import Flickr30kDataset
from pipeline.paths import DatasetFiles
from pipeline.observe.observer import Observer
from stages.annotations import run

section = Flickr30kDataset("flickr30k", "flickr30k", "flickr30k/flickr30k-images", 0, 0)
run(DatasetFiles("flickr30k"), section, 0.01, 1, Observer("annotations"))
"""
NOTHING = "import stages.annotations"
FLOOR = """
import sys
from pathlib import Path
from benchmarks.reading_flickr30k import read_floor
read_floor(Path("flickr30k"))
"""


def write_dataset(root: Path, share: float) -> int:
    """Write a share of as much as Flickr30K Entities holds, and return the number of images."""
    rng = np.random.default_rng(0)
    for part in ("Annotations", "Sentences", "flickr30k-images"):
        (root / part).mkdir(parents=True)
    pictures = [
        write_picture(root / f"picture{number}.jpg", number) for number in range(NUM_PICTURES)
    ]
    first = 0
    for split, count in SPLITS.items():
        ids = [str(1_000_000 + first + index) for index in range(round(count * share))]
        first += len(ids)
        (root / f"{split}.txt").write_text("\n".join(ids) + "\n")
        for index, image_id in enumerate(ids):
            os.link(pictures[index % NUM_PICTURES], root / "flickr30k-images" / f"{image_id}.jpg")
            (root / "Sentences" / f"{image_id}.txt").write_text(_sentences(rng), encoding="utf-8")
            (root / "Annotations" / f"{image_id}.xml").write_text(_annotation(rng, image_id))
    return first


def read_floor(root: Path) -> None:
    """Read what any reader of these files must."""
    for split in SPLITS:
        for image_id in (root / f"{split}.txt").read_text().split():
            (root / "Sentences" / f"{image_id}.txt").read_bytes()
            if split != "train":
                (root / "Annotations" / f"{image_id}.xml").read_bytes()
            with (root / "flickr30k-images" / f"{image_id}.jpg").open("rb") as stream:
                stream.read(TAIL_BYTES)
                stream.seek(-TAIL_BYTES, os.SEEK_END)
                stream.read()


def _sentences(rng: np.random.Generator) -> str:
    lines = []
    for _ in range(SENTENCES):
        words = rng.choice(len(WORDS), PHRASES)
        chains = rng.integers(1, 9, PHRASES)
        marked = [
            f"[/EN#{chain}/{KINDS[chain % len(KINDS)]} {WORDS[word]}]"
            for chain, word in zip(chains, words, strict=True)
        ]
        lines.append(f"{marked[0]} near {' and '.join(marked[1:])} while [/EN#0/notvisual it] goes")
    return "\n".join(lines) + "\n"


def _annotation(rng: np.random.Generator, image_id: str) -> str:
    width, height = SIZE_WH
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    objects = "".join(_objects(rng))
    return f"<annotation><filename>{image_id}.jpg</filename>{size}{objects}</annotation>\n"


def _objects(rng: np.random.Generator) -> Iterator[str]:
    width, height = SIZE_WH
    for chain in range(1, 9):
        x1, y1 = rng.integers(1, width - 60), rng.integers(1, height - 60)
        sides = {"xmin": x1, "ymin": y1, "xmax": x1 + 50, "ymax": y1 + 40}
        box = "".join(f"<{side}>{value}</{side}>" for side, value in sides.items())
        yield f"<object><name>{chain}</name><bndbox>{box}</bndbox></object>"


def main() -> None:
    """Lay the data out, run stage and floor, and print what they took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the data set's size")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images = write_dataset(Path(folder) / "flickr30k", given.share)
        run_python(FLOOR, Path(folder))  # what follows finds the files in memory
        floor, stage = (run_python(code, Path(folder)) for code in (FLOOR, STAGE))
        imports = run_python(NOTHING, Path(folder))
        with (Path(folder) / "data/flickr30k/annotations/phrases.jsonl").open() as stream:
            phrases = sum(1 for _ in stream)
    print(f"{images:,} images, {phrases:,} phrases; load {os.getloadavg()[0]:.1f}")
    for name, cost in (("stage", stage), ("its imports alone", imports), ("floor", floor)):
        print(
            f"{name}: {cost.cpu_s:.1f} CPU s ({cost.wall_s:.1f} s of wall), "
            f"peak {cost.peak_gib:.2f} GiB"
        )
    print(f"stage / floor: {stage.cpu_s / floor.cpu_s:.1f} in CPU time")


if __name__ == "__main__":
    main()
