"""Loading and augmentation of training samples against TransVG's transforms."""

from dataclasses import asdict
from functools import partial

import numpy as np

from benchmarks.made.transvg import load_sample
from benchmarks.made.world import PICTURES, World, WorldSizes, project_folder, write_source
from benchmarks.ratios.row import Row, at_least, ratios_of
from benchmarks.ratios.timing import CPU, Work, in_turns
from benchmarks.step_cost import read_with
from models.grounder.checkpoint import untrained_language
from models.grounder.config import LanguageSizes
from pipeline.params.train import TrainParams
from pipeline.samples.dataset import GroundingDataset, build_training_dataset
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.sampler import SampleIndex

AUGMENTED = [  # as profiles/default.yaml and profiles/paper.yaml
    "train.image_px=640",
    "train.augment.crop=0.5",
    "train.augment.scales=7",
    "train.augment.translate=true",
]


SIZES = WorldSizes(100)
BOX = np.array([40.0, 30.0, 300.0, 200.0])  # of the peer's phrase


def measure(sizes: WorldSizes = SIZES, num_rounds: int = 6) -> list[Row]:
    """Return a row by pictures with a phrase each, and one by phrases, several of a picture."""
    params = read_with([*AUGMENTED, "cams.image_px=64", "proposals.score_floor=0.2"])
    with project_folder():
        world = write_source(sizes, params)
        stages = world.stages()
        for name in ("annotations", "nouns", "proposals", "cams"):
            stages[name]()
        dataset = training_dataset(world, params.train)
        phrases = dataset.tables.phrases_of_image
        images = list(phrases)
        paths = [PICTURES / dataset.tables.images[image].file for image in images]

        def peer() -> None:
            for number, path in enumerate(paths):
                load_sample(path, BOX, params.train.image_px, np.random.default_rng(number))

        def ours(count: int) -> None:
            for image in images:
                dataset[SampleIndex(image, tuple(phrases[image][:count]), (0, image))]

        works: dict[str, Work] = {
            "one": partial(ours, 1),
            "several": partial(ours, sizes.phrases),
            "peer": peer,
        }
        seconds = in_turns(works, num_rounds)
    per_second = len(paths) / np.median(seconds["one"])
    several = [one / sizes.phrases for one in seconds["several"]]
    what = f"{sizes.size_wh[0]} x {sizes.size_wh[1]} JPEGs at {params.train.image_px} px"
    peer_name = "TransVG's transforms in PIL, in its order"
    note = (
        f"{per_second:.0f} pictures a second and core; ours ends with bytes, for colours change "
        "and numbers are made where the model computes, and also places proposals, maps and words"
    )
    return [
        Row(
            "loading",
            f"training samples of {what}, one phrase each",
            peer_name,
            at_least(3),
            ratios_of(seconds["peer"], seconds["one"]),
            CPU,
            note,
        ),
        Row(
            "loading_phrases",
            f"phrases of training samples of {what}, {sizes.phrases} of a picture together",
            f"{peer_name}, a picture a phrase",
            at_least(3),
            ratios_of(seconds["peer"], several),
            CPU,
        ),
    ]


def training_dataset(world: World, params: TrainParams) -> GroundingDataset:
    """Return the samples of a training whose text encoder is learned along."""
    tables = GroundingTables.from_caches(world.files, PICTURES, ("train",))
    sizes = LanguageSizes(**asdict(params.language), layers=1, dropout=0.0)
    language = untrained_language(world.files.weights / "language", sizes, tables.texts)
    return build_training_dataset(tables, params, language.tokenizer, ())
