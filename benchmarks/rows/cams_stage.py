"""The stage `cams` as a whole against a bare forward of the batches that it makes."""

import torch

from benchmarks.made.world import PICTURES, WorldSizes, project_folder, write_source
from benchmarks.ratios.row import Row, at_most, ratios_of
from benchmarks.ratios.timing import CPU, in_turns
from benchmarks.step_cost import read_with
from models.grad_cam.load_scorer import ScorerSource, load_scorer
from models.noun_classes.detector_labels import noun_label_matches
from pipeline.images.batches import image_batches
from pipeline.records import ImageRecord, read_records

SIZES = WorldSizes(images=32, phrases=10, arch="resnet50", width=1.0)


def measure(sizes: WorldSizes = SIZES, rounds: int = 5) -> list[Row]:
    """Return the row of the stage: JPEGs to the HDF5 cache, shards and fingerprint included."""
    params = read_with(["proposals.score_floor=0.5"])
    with project_folder():
        world = write_source(sizes, params)
        stages = world.stages()
        for name in ("annotations", "nouns"):
            stages[name]()
        paths = [PICTURES / one.file for one in read_records(world.files.images, ImageRecord)]
        section = params.cams
        made = image_batches(paths, section.image_px, section.batch_images, 0)
        batches = [torch.from_numpy(batch.images) for batch in made]
        files = world.files
        source = ScorerSource(
            files.weights, files.noun_head, noun_label_matches, "nounhead", "", ()
        )
        scorer = load_scorer(source, ())

        @torch.no_grad()
        def bare() -> None:
            for images in batches:
                scorer(images)

        seconds = in_turns({"ours": stages["cams"], "bare": bare}, rounds)
    return [
        Row(
            "cams_stage",
            f"stage cams: {sizes.images} JPEGs with {sizes.phrases} nouns each, {sizes.arch} at "
            f"{section.image_px} px",
            "a bare forward of the same batches",
            at_most(1.25),
            ratios_of(seconds["ours"], seconds["bare"]),
            CPU,
            "random weights; hashing and loading the weights are part of the stage",
        )
    ]
