"""What a training step saves: phrases together, a last layer of one row, mining at its own size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.made.networks import random_scorer
from benchmarks.ratios.row import Row, at_least, at_most, ratios_of
from benchmarks.ratios.timing import CPU, in_turns
from benchmarks.step_cost import NUM_NOUNS, build_step, random_batch, read_with
from models.grounder.batch import GroundingInputs
from models.grounder.fusion import FusionBranch, join
from models.layers.attention import LayerSizes, TokenSet
from models.training.losses import mine_batch
from models.training.mining_loss import FrozenClassifier
from models.training.training_step import TrainingStep
from pipeline.params.train import TrainParams
from stages.train import build_optimiser

HOST = torch.device("cpu")
FULL_SIZE = (  # as profiles/default.yaml, in the precision of a CPU, with one phrase and one noun
    "profiles/default.yaml",
    "train.precision=fp32",
    "train.accumulate_batches=1",
    "train.phrases_per_image=1",
    "train.max_nouns=1",
    "train.loss.regression_gate=0.0",  # random scores are never sure
)


@dataclass(frozen=True)
class StepSizes:
    """The model, as profiles and values of params.yaml; its classifier, images, phrases, rounds."""

    given: Sequence[str] = ()
    arch: str = "resnet50"
    images: int = 2
    phrases: int = 7
    rounds: int = 5


@dataclass(frozen=True)
class TokenCounts:
    """Tokens of the fusion's finest level at 416 px: cells of the picture, words, cells of maps."""

    visual: int = 52 * 52
    own: int = 12 + 13 * 13
    rounds: int = 6


def measure_phrases(sizes: StepSizes = StepSizes()) -> list[Row]:
    """Return the row of steps with all phrases of their images against one phrase an image."""
    works = {}
    for count in (1, sizes.phrases):
        params = read_with([*sizes.given, f"train.phrases_per_image={count}"]).train
        step, batch = ready_step(params, sizes)
        optimiser = build_optimiser(step.grounder, params)
        works[str(count)] = lambda step=step, batch=batch, optimiser=optimiser: step.train_step(
            batch, optimiser
        )
    seconds = in_turns(works, sizes.rounds)
    one_by_one = [sizes.phrases * one for one in seconds["1"]]
    return [
        Row(
            "phrases_at_once",
            f"training steps of params.yaml's model with {sizes.arch}: phrases a second, "
            f"{sizes.phrases} of an image together",
            "one phrase an image",
            at_least(3),
            ratios_of(one_by_one, seconds[str(sizes.phrases)]),
            CPU,
            f"random weights and batches of {sizes.images} images",
        )
    ]


def measure_reg_only(counts: TokenCounts = TokenCounts()) -> list[Row]:
    """Return the row of the last fusion layer, forward and backward."""
    params = read_with(list(FULL_SIZE)).train
    model = params.model
    torch.manual_seed(0)
    sizes = LayerSizes(model.embed_dim, model.heads, model.ffn_dim, 0.0)
    branch = FusionBranch(sizes, 1)
    shared, own = (_tokens(count, model.embed_dim) for count in (counts.visual, counts.own + 1))

    def reg_only() -> Tensor:
        return branch(shared, own)

    def full() -> Tensor:
        parts = [replace(part, tokens=branch.project(part.tokens)) for part in (shared, own)]
        joined = join(parts)
        return branch.layers[0](joined.tokens[:, 0], joined.mask[:, 0])[:, None, -1]

    difference = float((reg_only() - full()).abs().max().detach())
    works = {"ours": lambda: reg_only().sum().backward(), "full": lambda: full().sum().backward()}
    seconds = in_turns(works, counts.rounds)
    return [
        Row(
            "reg_only",
            f"the last fusion layer at F3, forward and backward, [REG]'s row alone: "
            f"{counts.visual + counts.own + 1} tokens of {model.embed_dim} channels",
            "the same layer computed for all tokens",
            at_least(5),
            ratios_of(seconds["full"], seconds["ours"]),
            CPU,
            "one phrase",
            difference,
        )
    ]


def measure_mining(
    sizes: StepSizes = StepSizes(FULL_SIZE, images=1, phrases=1, rounds=3),
) -> list[Row]:
    """Return the row of attention mining's share of a step."""
    params = read_with([*sizes.given, f"train.phrases_per_image={sizes.phrases}"]).train
    step, batch = ready_step(params, sizes)
    optimiser = build_optimiser(step.grounder, params)
    inputs = GroundingInputs.from_batch(batch, HOST)
    with torch.no_grad():
        outputs = step.grounder(inputs)
    outputs = replace(outputs, attention_maps=outputs.attention_maps.requires_grad_())
    scorer = random_scorer(sizes.arch, NUM_NOUNS)
    classifier = FrozenClassifier(scorer.probs, scorer.blank)

    def mine() -> None:
        mined = mine_batch(outputs, inputs, step.grounder.spec, params.loss, classifier)
        (mined.loss + mined.area).backward()

    seconds = in_turns(
        {"mining": mine, "step": lambda: step.train_step(batch, optimiser)}, sizes.rounds
    )
    return [
        Row(
            "mining",
            f"attention mining of a noun at {params.loss.mining_px} px, forward and backward",
            f"the whole step of one phrase at {params.image_px} px, the model of "
            "profiles/default.yaml",
            at_most(0.05),
            ratios_of(seconds["mining"], seconds["step"]),
            CPU,
            f"random weights, {sizes.arch}; further nouns cost as much again, further phrases less",
        )
    ]


def ready_step(params: TrainParams, sizes: StepSizes) -> tuple[TrainingStep, dict[str, Tensor]]:
    """Return a step of random weights with all its losses on, and a batch for it."""
    torch.manual_seed(0)
    step = build_step(params, sizes.arch, HOST)
    step.progress = 1.0
    return step, random_batch(params, sizes.images)


def _tokens(count: int, dim: int) -> TokenSet:
    return TokenSet(torch.randn(1, 1, count, dim), torch.ones(1, 1, count, dtype=torch.bool))
