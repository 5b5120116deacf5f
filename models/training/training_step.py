"""One training step: the grounder and its losses, with the methods that mmengine calls."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.grad_cam.scorer import NounScorer
from models.grounder.batch import GroundingInputs, GroundingOutputs
from models.grounder.grounder import Grounder
from models.layers.pictures import to_inputs
from models.training.config import LossWeights
from models.training.distributed import all_reduce_mean
from models.training.losses import compute_losses
from models.training.mining_loss import FrozenClassifier
from models.training.reconstruction_loss import vision_gap

Batch = Mapping[str, Tensor]
Precision = Literal["fp32", "bf16", "fp16"]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TrainingStep(nn.Module):
    """A grounder and its losses, as a model of mmengine's runner.

    The frozen noun scorer is no submodule: it is neither trained nor saved.

    Attributes:
        grounder: the trained model.
        progress: fraction of the training steps done, in [0, 1]; the training loop sets it.
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
            grounder: the model to train.
            scorer: noun scorer of attention mining, on the grounder's device; None: no mining.
            weights: of the losses.
            precision: dtype of the grounder's forward pass; the losses always run in float32. The
                gradients of `fp16` need the loss scaled (`mmengine.optim.AmpOptimWrapper`).
        """
        super().__init__()
        self.grounder = grounder
        self.progress = 0.0
        self._classifier = FrozenClassifier(scorer.probs, scorer.blank) if scorer else None
        self._weights = weights
        self._dtype = DTYPES[precision]

    def forward(self, mode: str = "loss", **batch: Tensor) -> dict[str, Tensor]:
        """Return the scalars of `compute_losses`; `batch` holds the fields of `GroundingInputs`."""
        assert mode == "loss", mode  # mmengine has others
        inputs = GroundingInputs(**batch)
        outputs = self._ground(inputs)
        settings = (self.grounder.spec, self._weights, self._classifier, self.progress)
        with torch.autocast(inputs.images.device.type, enabled=False):
            return compute_losses(outputs, inputs, *settings)

    def train_step(self, data: Batch, optim_wrapper: Any) -> dict[str, Tensor]:
        """Update the weights once and return the scalars to log."""
        loss, scalars = self.parse_losses(self(**self.data_preprocessor(data)))
        optim_wrapper.update_params(loss)
        return scalars

    def data_preprocessor(self, data: Batch, training: bool = True) -> dict[str, Tensor]:  # noqa: ARG002 - mmengine passes it
        """Return a loader's batch as the fields of `GroundingInputs`, where the weights are."""
        return to_inputs(data, self.grounder.phrase_embedding.weight.device)

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss to minimise, and all scalars to log as means over the processes."""
        means = all_reduce_mean(torch.stack([*losses.values()]))
        return losses["loss"], dict(zip(losses, means.unbind(), strict=True))

    @torch.no_grad()
    def vision_gap(self, batch: Batch) -> float:
        """Return the decoder's `vision_gap` on a batch, in nats per word."""
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
    """Return the outputs with every floating-point tensor in float32."""
    values = {field.name: getattr(outputs, field.name) for field in fields(outputs)}
    floats = {name: value.float() for name, value in values.items() if value.is_floating_point()}
    return replace(outputs, **floats)
