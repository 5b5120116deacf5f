"""What of params.yaml it takes to ask a trained model about a picture."""

from dataclasses import dataclass
from typing import Literal

from models.ranges import NonNegativeInt, Pixels, PositiveInt, Share
from pipeline.params.schema import ClipParams, Params


@dataclass(frozen=True)
class DetectorSettings:
    """Which boxes of the detector are proposals, as in the section `proposals`."""

    max_boxes: PositiveInt
    score_floor: Share
    nms_iou: Share
    nms: Literal["class_agnostic", "per_class"]


@dataclass(frozen=True)
class CamSettings:
    """Which Grad-CAM is made of a picture, as in the section `cams`."""

    scorer: Literal["nounhead", "imagenet", "detector", "clip"]
    layer: str
    backend: Literal["auto", "autograd", "library"]
    clip: ClipParams
    image_px: Pixels


@dataclass(frozen=True)
class RunSettings:
    """How the parts beside the grounder are run.

    Attributes:
        context_nouns: nouns kept beside the head noun, as in the section `nouns`.
        proposals: of the detector.
        cams: of the Grad-CAM maps.
    """

    context_nouns: NonNegativeInt
    proposals: DetectorSettings
    cams: CamSettings


def settings_of(params: Params) -> RunSettings:
    """Return what params.yaml says of running a model."""
    boxes, cams = params.proposals, params.cams
    return RunSettings(
        params.nouns.context_nouns,
        DetectorSettings(boxes.max_boxes, boxes.score_floor, boxes.nms_iou, boxes.nms),
        CamSettings(cams.scorer, cams.layer, cams.backend, cams.clip, cams.image_px),
    )
