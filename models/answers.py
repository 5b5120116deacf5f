"""The boxes a grounder can answer with.

Shapes: B images, P phrases of an image, R proposals.
"""

from torch import Tensor, where

from models.grounding_batch import GroundingInputs, GroundingOutputs
from models.layers.masking import frames_xyxy


def answer_boxes(outputs: GroundingOutputs, inputs: GroundingInputs) -> dict[str, Tensor]:
    """Return the three answers, in pixels of the padded input, float32 (B, P, 4) each.

    Args:
        outputs: of the grounder.
        inputs: what the grounder was given.

    Returns:
        `reg`, the box of the [REG] head; `proposal`, the proposal of the highest score, the image's
        real part where it has no proposal; `refined`, that proposal after its predicted offset.
    """
    return {
        "reg": outputs.pred_boxes_xyxy,
        "proposal": _best_proposals(outputs.box_logits, inputs),
        "refined": outputs.refined_boxes_xyxy,
    }


def _best_proposals(box_logits: Tensor, inputs: GroundingInputs) -> Tensor:
    num_phrases = box_logits.shape[1]
    frames = frames_xyxy(inputs.pixel_mask)[:, None].expand(-1, num_phrases, -1)  # (B, P, 4)
    if box_logits.shape[-1] == 0:
        return frames
    best = box_logits.argmax(-1)[..., None].expand(-1, -1, 4)  # (B, P, 4)
    has_boxes = inputs.box_mask.any(-1)[:, None, None]
    return where(has_boxes, inputs.boxes_xyxy.gather(1, best), frames)
