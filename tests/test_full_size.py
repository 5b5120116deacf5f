"""Every variant with the layers and channels of profiles/default.yaml, on small pictures."""

import pytest
import torch

from benchmarks.step_cost import build_step, random_batch, read_with
from pipeline.params.read import train_params
from stages.train import build_optimiser
from tests.cached_world import ROOT

PARAMS = read_with(
    [
        str(ROOT / "profiles" / "default.yaml"),
        "train.precision=fp32",  # bfloat16 is slow on a CPU
        "train.accumulate_batches=1",
        "train.phrases_per_image=2",
        "train.image_px=96",
        "train.augment.scales=1",
        "train.language.hidden=192",  # of 768: a single layer maps it to embed_dim
        "train.model.ffn_dim=128",  # of 2048: inside a layer, and most of its work
        "train.loss.regression_gate=0.0",  # random scores are never sure
    ]
)


@pytest.mark.slow
@pytest.mark.parametrize("variant", sorted(set(PARAMS.variants) - {"untrained"}))
def test_every_variant_takes_a_step_that_moves_its_weights(variant):
    torch.manual_seed(0)
    params = train_params(PARAMS, variant)
    step = build_step(params, "resnet18", torch.device("cpu"))
    step.progress = 1.0
    before = [weight.detach().clone() for weight in step.grounder.new_parameters()]
    scalars = step.train_step(random_batch(params, 1), build_optimiser(step.grounder, params))
    assert [name for name, value in scalars.items() if not value.isfinite()] == []
    after = step.grounder.new_parameters()
    still = [new for old, new in zip(before, after, strict=True) if torch.equal(old, new)]
    assert len(still) < 0.1 * len(after)  # an image alone has no rivals: the contrast has no say
