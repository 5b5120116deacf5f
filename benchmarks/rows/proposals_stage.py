"""The stage `proposals` as a whole against bare forwards, and against mmdet's own inferencer."""

import importlib.machinery
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmarks.made.world import PICTURES, WorldSizes, project_folder, write_source
from benchmarks.ratios.row import Row, at_least, at_most, ratios_of
from benchmarks.ratios.timing import CPU, Work, in_turns
from benchmarks.step_cost import read_with
from models.detector.checkpoint import StoredDetector, read_detector
from models.detector.detector import Detector
from models.detector.openmmlab import EXTENSION, Config
from models.mmengine_parts import MMLogger
from pipeline.datasets.shapes import scene
from pipeline.images.images import read_image
from pipeline.params.schema import ProposalsParams

_NOTE = (
    "the drawn world's detector, trained for seconds; batches are filled up with black pictures, "
    "and boxes count from a score of 0.01 on, where the inferencer's count from 0.05 on"
)


SIZES = WorldSizes(160, size_wh=(192, 192))


def measure(sizes: WorldSizes = SIZES, num_rounds: int = 5) -> list[Row]:
    """Return a row against each of the two."""
    params = read_with([])
    with project_folder():
        paths = draw_scenes(sizes)
        world = write_source(sizes, params)
        stages, stored = world.stages(), read_detector(world.files.weights / "detector")
        stages["annotations"]()
        infer = build_inferencer(stored)
        works: dict[str, Work] = {
            "ours": stages["proposals"],
            "bare": bare_forwards(stored, paths, params.proposals),
            "peer": lambda: infer([str(path) for path in paths]),
        }
        seconds = in_turns(works, num_rounds)
    cost = ratios_of(seconds["ours"], seconds["bare"])
    gain = ratios_of(seconds["peer"], seconds["ours"])
    what = f"stage proposals: {sizes.images} scenes of {max(sizes.size_wh)} px"
    bare = "bare forwards of the same batches"
    peer = "mmdet's DetInferencer with its defaults"
    return [
        Row("proposals_stage", what, bare, at_most(1.3), cost, CPU, _NOTE),
        Row("proposals_inferencer", what, peer, at_least(1.5), gain, CPU, _NOTE),
    ]


def draw_scenes(sizes: WorldSizes) -> list[Path]:
    """Write scenes where the world's pictures lie, and return their files."""
    PICTURES.mkdir(parents=True)
    paths = [PICTURES / f"{index}.jpg" for index in range(sizes.images)]
    for index, path in enumerate(paths):
        drawn = scene.draw_scene(1, "test", index, max(sizes.size_wh))
        Image.fromarray(drawn.image).save(path, quality=95)
    return paths


def bare_forwards(stored: StoredDetector, paths: list[Path], params: ProposalsParams) -> Work:
    """Return the network's forward passes that the stage makes, post-processing included."""
    model: Any = stored.model.eval().requires_grad_(False)
    given: list[dict[str, Any]] = []
    forward = model.test_step

    def record(data: dict[str, Any]) -> Any:
        given.append(data)
        return forward(data)

    model.test_step = record
    Detector(stored.config, model, stored.info, params.batch_images).detect(
        map(read_image, paths), params.max_boxes, params.score_floor, params.nms_iou, False
    )
    model.test_step = forward

    @torch.no_grad()
    def forwards() -> None:
        for data in given:
            samples = [sample.clone() for sample in data["data_samples"]]
            forward(data | {"data_samples": samples})

    return forwards


def build_inferencer(stored: StoredDetector) -> Callable[[list[str]], Any]:
    """Return mmdet's inferencer of the same network, from files to boxes."""
    # it asks whether mmcv is compiled by the specification of the module that stands in for it
    sys.modules[EXTENSION].__spec__ = importlib.machinery.ModuleSpec(EXTENSION, None)
    from mmdet.apis import DetInferencer

    MMLogger.get_current_instance().setLevel("ERROR")
    pipeline = [{"type": "LoadImageFromFile"}, *stored.config.test_pipeline[1:]]
    config = Config(
        {
            "model": stored.config.model,
            "test_dataloader": {"dataset": {"pipeline": pipeline}},
            "default_scope": "mmdet",
            "visualizer": {"type": "DetLocalVisualizer", "vis_backends": None, "name": "bench"},
        }
    )
    Path("detector.py").write_text(config.pretty_text, encoding="utf-8")
    classes = {"dataset_meta": {"classes": stored.info.classes}}
    torch.save({"state_dict": stored.model.state_dict(), "meta": classes}, "detector.pth")
    infer: Callable[[list[str]], Any] = DetInferencer(
        "detector.py", "detector.pth", device="cpu", palette="random", show_progress=False
    )
    return infer
