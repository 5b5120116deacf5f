"""What each further phrase of a picture costs a trained model, against the first."""

import shutil
from pathlib import Path

from benchmarks.made.world import CPU, PICTURES, World, WorldSizes, project_folder, write_source
from benchmarks.predict_cost import rounds
from benchmarks.ratios.row import Row, at_most, ratios_of
from benchmarks.ratios.timing import CPU as CPU_TIME
from benchmarks.step_cost import read_with
from models.grounder.checkpoint import save_grounder
from pipeline.images.images import read_image
from pipeline.params.read import PARAMS_FILE
from pipeline.paths import ResultFiles
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.sample_spec import write_sample_spec
from pipeline.serving.phrase_grounder import PhraseGrounder
from stages.train import build_training

VARIANT = "full"
SIZES = WorldSizes(10, size_wh=(192, 144))


def measure(sizes: WorldSizes = SIZES, num_rounds: int = 10) -> list[Row]:
    """Return the row of `PhraseGrounder.ground`, what `camground predict` does."""
    params, source = read_with([]), PARAMS_FILE.resolve()
    with project_folder():
        shutil.copy(source, PARAMS_FILE.name)
        world = write_source(sizes, params)
        stages = world.stages()
        for name in ("annotations", "nouns", "proposals", "cams"):
            stages[name]()
        model = PhraseGrounder.load(write_model(world), "cpu")
        pictures = [read_image(PICTURES / f"{number}.jpg") for number in range(sizes.images)]
        timed = list(rounds(model, pictures, 1 + num_rounds))[1:]
    return [
        Row(
            "predict",
            f"each further phrase of a picture of {sizes.size_wh[0]} x {sizes.size_wh[1]} px",
            "the first, which pays for the picture",
            at_most(0.1),
            ratios_of(
                [one["further phrase"] for one in timed], [one["next picture"] for one in timed]
            ),
            CPU_TIME,
            "the model of params.yaml, untrained, with the drawn world's detector",
        )
    ]


def write_model(world: World) -> Path:
    """Write a grounder that fits the world's caches, and return the folder of its results."""
    tables = GroundingTables.from_caches(world.files, PICTURES, ("train",))
    step, dataset = build_training(world.files, tables, world.params.train, CPU)
    results, text = ResultFiles(world.files.dataset, VARIANT), dataset.text
    save_grounder(results.model, step.grounder, text.tokenize.tokenizer, text.vocabulary.words)
    write_sample_spec(results.model, dataset.spec)
    return results.model
