"""One step of training: the grounder with its losses behind the methods that mmengine calls."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.grad_cam.scorer import NounScorer
from models.grounder.batch import GroundingInputs, GroundingOutputs
from models.grounder.grounder import Grounder
from models.training.config import LossWeights
from models.training.distributed import all_reduce_mean
from models.training.losses import compute_losses
from models.training.mining_loss import FrozenClassifier
from models.training.reconstruction_loss import vision_gap

Batch = Mapping[str, Tensor]
Precision = Literal["fp32", "bf16", "fp16"]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TrainingStep(nn.Module):
    """Turns batches into losses, and losses into updates.

    The frozen scorer is no submodule: it is neither trained nor saved.

    Attributes:
        grounder: what is trained.
        progress: fraction of the training steps done, in [0, 1]; to be kept up to date.
    """

    def __init__(
        self,
        grounder: Grounder,
        scorer: NounScorer | None,
        weights: LossWeights,
        precision: Precision,
    ) -> None:
        """Join a grounder and its losses.

        Args:
            grounder: what is trained.
            scorer: what attention mining asks, on the device of the grounder; None for no mining.
            weights: of the losses.
            precision: what the grounder runs in; the losses always run in float32. The gradients
                of `fp16` need the loss scaled (`mmengine.optim.AmpOptimWrapper`).
        """
        super().__init__()
        self.grounder = grounder
        self.progress = 0.0
        self._scorer = FrozenClassifier(scorer.probs, scorer.blank) if scorer else None
        self._weights = weights
        self._dtype = DTYPES[precision]

    def forward(self, mode: str = "loss", **batch: Tensor) -> dict[str, Tensor]:
        """Return every loss, and what is worth watching, of the fields of `GroundingInputs`."""
        assert mode == "loss", mode  # mmengine knows others
        inputs = GroundingInputs(**batch)
        outputs = self._ground(inputs)
        asked = (self.grounder.spec, self._weights, self._scorer, self.progress)
        with torch.autocast(inputs.images.device.type, enabled=False):
            return compute_losses(outputs, inputs, *asked)

    def train_step(self, data: Batch, optim_wrapper: Any) -> dict[str, Tensor]:
        """Update the weights once and return the scalars to log."""
        loss, scalars = self.parse_losses(self(**self.data_preprocessor(data)))
        optim_wrapper.update_params(loss)
        return scalars

    def data_preprocessor(self, data: Batch, training: bool = True) -> dict[str, Tensor]:  # noqa: ARG002 - mmengine passes it
        """Return a batch on the device of the weights."""
        device = self.grounder.phrase_embedding.weight.device
        return {name: value.to(device, non_blocking=True) for name, value in data.items()}

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what to minimise, and all scalars to log, the means over the processes."""
        means = all_reduce_mean(torch.stack([*losses.values()]))
        return losses["loss"], dict(zip(losses, means.unbind(), strict=True))

    @torch.no_grad()
    def vision_gap(self, batch: Batch) -> float:
        """Return how much worse the decoder does when it sees another image's proposal."""
        self.eval()
        inputs = GroundingInputs(**self.data_preprocessor(batch))
        attended = self._ground(inputs).attended
        self.train()
        word_mask = inputs.word_mask & inputs.phrase_mask[..., None]  # (B, P, W)
        return float(vision_gap(self.grounder.decoder, attended, inputs.word_ids, word_mask))

    def _ground(self, inputs: GroundingInputs) -> GroundingOutputs:
        is_low = self._dtype != torch.float32
        with torch.autocast(inputs.images.device.type, self._dtype, enabled=is_low):
            return in_float32(self.grounder(inputs))


def in_float32(outputs: GroundingOutputs) -> GroundingOutputs:
    """Return outputs with every number in float32; masks stay masks."""
    values = {field.name: getattr(outputs, field.name) for field in fields(outputs)}
    floats = {name: value.float() for name, value in values.items() if value.is_floating_point()}
    return replace(outputs, **floats)
