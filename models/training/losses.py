"""All losses of a batch by name, and their weighted sum."""

import torch
from torch import Tensor

from models.grounder.batch import GroundingInputs, GroundingOutputs
from models.grounder.config import GrounderSpec
from models.training.config import LossWeights
from models.training.contrastive_loss import contrastive_loss, matching_loss, negative_mask
from models.training.distributed import all_gather_batch, global_count, scale_to_global_batch
from models.training.mining_loss import (
    FrozenClassifier,
    Mined,
    SoftMask,
    fill_missing_confidences,
    mining_loss,
    sample_nouns,
    select_nouns,
)
from models.training.place_loss import place_loss
from models.training.reconstruction_loss import reconstruction_loss
from models.training.regression_loss import PseudoLabelThresholds, giou_loss, regression_loss
from models.training.withheld_loss import withheld_loss


def regression_ramp(progress: float, start: float) -> float:
    """Return the factor of the regression's weight, linear from 0 at `start` to 1 at 2 `start`.

    Args:
        progress: fraction of the training steps done, in [0, 1].
        start: fraction at which the ramp begins; 0 for the full weight from the first step.
    """
    if start == 0:
        return 1.0
    return min(max(progress / start - 1, 0.0), 1.0)


def compute_losses(
    outputs: GroundingOutputs,
    inputs: GroundingInputs,
    spec: GrounderSpec,
    weights: LossWeights,
    classifier: FrozenClassifier | None,
    progress: float,
) -> dict[str, Tensor]:
    """Compute every loss of the global batch, and values to log.

    A loss that a variant or the ramp turns off has weight 0 but stays in the sum, so that every
    parameter gets a gradient (DDP waits for all of them).

    Args:
        outputs: of the grounder, in float32.
        inputs: of the grounder.
        spec: the grounder's; says which teacher and which CAM losses are on.
        weights: of the losses.
        classifier: of the mining loss; None unless `spec.cam` is `mine`.
        progress: fraction of the training steps done, in [0, 1].

    Returns:
        Scalars: `loss`, the weighted sum; `reconstruction_loss`, `contrastive_loss`,
        `matching_loss`, `regression_loss`, `giou_loss`, `mining_loss`, `area_loss`, `place_loss`,
        `withheld_loss`, unweighted; and `box_entropy` of the probabilities over proposals in nats,
        `best_prob`, the mean largest of them, `intact_prob` and `blank_prob` of mining.
    """
    mined = mine_batch(outputs, inputs, spec, weights, classifier)
    regression, giou = _regression(outputs, inputs, weights)
    contrastive, matching = _contrast(outputs, inputs, spec.contrast_temperature)
    losses = {
        "reconstruction_loss": _reconstruction(outputs, inputs),
        "contrastive_loss": contrastive,
        "matching_loss": matching,
        "regression_loss": regression,
        "giou_loss": giou,
        "mining_loss": mined.loss,
        "area_loss": mined.area,
        "place_loss": place_loss(outputs, inputs),
        "withheld_loss": withheld_loss(outputs, inputs, spec),
    }
    shares = loss_shares(spec, weights, progress)
    total = torch.stack([losses[name] * share for name, share in shares.items()]).sum()
    logged = _sharpness(outputs.box_probs, inputs.phrase_mask)
    logged |= {"intact_prob": mined.intact_prob, "blank_prob": mined.blank_prob}
    return {"loss": total, **losses, **logged}


def loss_shares(spec: GrounderSpec, weights: LossWeights, progress: float) -> dict[str, float]:
    """Return the weight of every loss at this point of training, 0 for those turned off."""
    ramp = weights.regression * regression_ramp(progress, weights.regression_start)
    mining = weights.mining * (spec.cam == "mine")
    contrasts = float(spec.teacher != "reconstruction")
    return {
        "reconstruction_loss": weights.reconstruction * (spec.teacher != "contrastive"),
        "contrastive_loss": weights.contrastive * contrasts,
        "matching_loss": weights.matching * contrasts,
        "regression_loss": ramp,
        "giou_loss": ramp * weights.giou,
        "mining_loss": mining,
        "area_loss": mining * weights.area,
        "place_loss": weights.place * (spec.place_weight > 0),
        "withheld_loss": weights.withheld * (spec.unfit_weight > 0),
    }


def mine_batch(
    outputs: GroundingOutputs,
    inputs: GroundingInputs,
    spec: GrounderSpec,
    weights: LossWeights,
    classifier: FrozenClassifier | None,
) -> Mined:
    """Compute the mining losses of a batch; all 0 unless `spec.cam` is `mine`.

    Raises:
        ValueError: `spec.cam` is `mine` and there is no classifier.
    """
    if spec.cam != "mine":
        zero = outputs.attention_maps.sum() * 0
        return Mined(zero, zero, zero, zero)
    if classifier is None:
        raise ValueError("cam: mine needs the noun scorer that the CAMs came from")
    confidences = fill_missing_confidences(
        inputs.noun_confidences,
        inputs.noun_classes,
        inputs.clean_images,
        classifier,
        weights.mining_px,
    )
    nouns = select_nouns(
        outputs.attention_maps, outputs.mined_mask, inputs.noun_classes, confidences
    )
    nouns = sample_nouns(nouns, weights.mining_nouns)
    soft_mask = SoftMask(spec.mask_sharpness, spec.mask_threshold)
    return mining_loss(
        nouns, inputs.clean_images, outputs.cell_mask, classifier, soft_mask, weights.mining_px
    )


def _reconstruction(outputs: GroundingOutputs, inputs: GroundingInputs) -> Tensor:
    word_mask = inputs.word_mask & inputs.phrase_mask[..., None]
    return reconstruction_loss(outputs.reconstruction_logits, inputs.word_ids, word_mask)


def _contrast(
    outputs: GroundingOutputs, inputs: GroundingInputs, temperature: float
) -> tuple[Tensor, Tensor]:
    """Return the contrastive and the matching loss."""
    phrase_mask, box_mask = all_gather_batch(inputs.phrase_mask), all_gather_batch(inputs.box_mask)
    phrases, boxes = (
        all_gather_batch(outputs.phrase_embeddings),
        all_gather_batch(outputs.box_embeddings),
    )
    probs = all_gather_batch(outputs.box_probs)
    token_ids, token_mask = all_gather_batch(inputs.token_ids), all_gather_batch(inputs.token_mask)
    negatives = negative_mask(token_ids, token_mask, phrase_mask)
    contrastive = contrastive_loss(phrases, boxes, phrase_mask, box_mask, negatives, temperature)
    matching = matching_loss(phrases, boxes, probs, phrase_mask, negatives, temperature)
    return scale_to_global_batch(contrastive), scale_to_global_batch(matching)


def _regression(
    outputs: GroundingOutputs, inputs: GroundingInputs, weights: LossWeights
) -> tuple[Tensor, Tensor]:
    """Return smooth L1 and generalised IoU against the most trusted proposal."""
    thresholds = PseudoLabelThresholds(
        weights.regression_iou, weights.regression_gap, weights.regression_gate
    )
    masks = (inputs.phrase_mask, inputs.box_mask)
    boxes, probs = inputs.boxes_xyxy, outputs.box_probs
    return (
        regression_loss(outputs.box_deltas, boxes, probs, masks, thresholds),
        giou_loss(outputs.pred_boxes_xyxy, boxes, probs, masks, thresholds),
    )


def _sharpness(box_probs: Tensor, phrase_mask: Tensor) -> dict[str, Tensor]:
    """Return the mean entropy and the mean largest probability over real phrases, detached."""
    probs = torch.nn.functional.pad(box_probs.detach(), (0, 1))  # (B, P, R + 1), never empty
    count = global_count(phrase_mask.sum())
    entropies = torch.special.entr(probs).sum(-1)  # (B, P)
    return {
        "box_entropy": (entropies * phrase_mask).sum() / count,
        "best_prob": (probs.amax(-1) * phrase_mask).sum() / count,
    }
