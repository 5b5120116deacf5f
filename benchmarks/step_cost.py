"""What one training step costs on the device at hand: seconds, images per second, peak memory.

`python -m benchmarks.step_cost [profiles/default.yaml ...] [train.batch_images=2 ...]` builds the
model that params.yaml with these profiles and values describes, random weights, and feeds it random
batches of `train.batch_images` images: forward, all losses, backward, and the update where one is
due. `--variants all` does so for every variant that trains. On CUDA the memory is what PyTorch
allocated at most, else the process's largest resident set.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from benchmarks.made.networks import random_scorer
from models.classifier.classifier import Classifier
from models.grounder.checkpoint import Vocabularies, new_language, untrained_grounder
from models.grounder.config import LanguageSizes, parse_depth
from models.grounder.grounder import Grounder
from models.phrases.place_words import CUES, RELATIONS, SIDES
from models.training.training_step import TrainingStep
from pipeline.params.profile import apply_values, read_values
from pipeline.params.read import PARAMS_FILE, read_params, train_params
from pipeline.params.schema import Params
from pipeline.params.train import TrainParams
from pipeline.runtime import pick_device
from pipeline.samples.sentences import MAX_EARLIER
from stages.train import build_optimiser, speed_up

NUM_WORDS, NUM_PLACE_WORDS, NUM_LABELS, NUM_NOUNS, NUM_PROPOSALS = 8000, 60, 80, 100, 50


@dataclass(frozen=True)
class Cost:
    """What steps of one variant cost, and whether they did what a step is for.

    Attributes:
        seconds: of each step.
        peak_gib: the most memory held.
        spoilt: names of the scalars that were once not finite.
        moved: share of the trainable tensors that are not what they were.
    """

    seconds: list[float]
    peak_gib: float
    spoilt: list[str]
    moved: float


def build_step(params: TrainParams, arch: str, device: torch.device) -> TrainingStep:
    """Return what is trained, with random weights; `arch` is the frozen classifier's."""
    scorer = random_scorer(arch, NUM_NOUNS)
    grounder = _grounder(params, scorer.classifier)
    stir_zeros(grounder.new_parameters())
    grounder.train_pretrained(params.learning_rate_pretrained > 0)
    speed_up(grounder, scorer, params)
    return TrainingStep(grounder, scorer.to(device), params.loss, params.precision).to(device)


def stir_zeros(weights: Sequence[nn.Parameter]) -> None:
    """Move what starts at zero, which would let no gradient through in the first step."""
    for weight in weights:
        if not weight.any():
            nn.init.normal_(weight, std=0.02)


def _grounder(params: TrainParams, classifier: Classifier) -> Grounder:
    layers = parse_depth(params.model.depth)[1]
    dropout = params.model.dropout
    language_sizes = LanguageSizes(**asdict(params.language), layers=layers, dropout=dropout)
    language = new_language(language_sizes)
    sizes = Vocabularies(NUM_WORDS, NUM_LABELS, range(NUM_PLACE_WORDS))
    return untrained_grounder(params.model, sizes, classifier, language, language_pretrained=True)


def random_batch(params: TrainParams, batch_images: int, seed: int = 0) -> dict[str, Tensor]:
    """Return a full batch: every slot real, images three quarters as high as wide."""
    draw = torch.Generator().manual_seed(seed)
    batch, phrases, side = batch_images, params.phrases_per_image, params.image_px
    nouns, cells = params.max_nouns, params.image_px // 32

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=draw)

    def below(top: int, *shape: int) -> Tensor:
        return torch.randint(top, shape, generator=draw)

    def every(*shape: int) -> Tensor:
        return torch.ones(shape, dtype=torch.bool)

    pixel_mask = every(batch, side, side)
    pixel_mask[:, side * 3 // 4 :] = False
    corners = uniform(batch, NUM_PROPOSALS, 2) * side / 2
    sides = (1 + uniform(batch, NUM_PROPOSALS, 2)) * side / 8
    pixels = below(256, batch, 3, side, side).byte() * pixel_mask[:, None]
    return {
        "images": pixels,
        "colour_factors": 0.6 + 0.8 * uniform(batch, 3),
        "colour_order": torch.arange(3).expand(batch, 3),
        "pixel_mask": pixel_mask,
        "phrase_mask": every(batch, phrases),
        "phrase_is_plural": ~every(batch, phrases),
        "phrase_is_plain": ~every(batch, phrases),
        "token_ids": below(params.language.vocabulary, batch, phrases, params.max_tokens),
        "token_mask": every(batch, phrases, params.max_tokens),
        "word_ids": below(NUM_WORDS, batch, phrases, params.max_words + 1),
        "word_mask": every(batch, phrases, params.max_words + 1),
        "place_word_ids": below(NUM_WORDS, batch, phrases, 3),
        "boxes_xyxy": torch.cat([corners, corners + sides], dim=-1),
        "box_mask": every(batch, NUM_PROPOSALS),
        "box_scores": uniform(batch, NUM_PROPOSALS),
        "box_labels": below(NUM_LABELS + 1, batch, NUM_PROPOSALS),
        "box_is_merged": ~every(batch, NUM_PROPOSALS),
        "box_priors": uniform(batch, phrases, NUM_PROPOSALS),
        "box_colours": uniform(batch, phrases, NUM_PROPOSALS),
        "place_cues": uniform(batch, phrases, len(CUES)) < 0.5,
        "place_ranks": below(4, batch, phrases),
        "place_sides": below(len(SIDES), batch, phrases),
        "relations": below(len(RELATIONS), batch, phrases),
        "anchor_priors": uniform(batch, phrases, NUM_PROPOSALS),
        "anchor_colours": uniform(batch, phrases, NUM_PROPOSALS),
        "earlier_priors": uniform(batch, phrases, MAX_EARLIER, NUM_PROPOSALS),
        "earlier_is_plural": ~every(batch, phrases, MAX_EARLIER),
        "wearers": below(MAX_EARLIER, batch, phrases),
        "phrase_is_body": every(batch, phrases),
        "cams": uniform(batch, phrases, nouns, cells, cells),
        "noun_mask": every(batch, phrases, nouns),
        "noun_roles": torch.arange(nouns).clamp(max=1).expand(batch, phrases, nouns),
        "noun_classes": below(NUM_NOUNS, batch, phrases, nouns),
        "noun_confidences": 0.5 + uniform(batch, phrases, nouns) / 2,
    }


def measure(params: TrainParams, arch: str, device: torch.device, steps: int) -> Cost:
    """Take steps; on CUDA one more before them, which warms up and is not timed."""
    warm_up = int(device.type == "cuda")
    step = build_step(params, arch, device)
    optimiser = build_optimiser(step.grounder, params)
    weights = step.grounder.new_parameters() + step.grounder.pretrained_parameters()
    before, seconds, spoilt = sums(weights), [], set()
    step.progress = 1.0
    for number in range(warm_up + steps):
        batch = random_batch(params, params.batch_images, seed=number)
        started = time.perf_counter()
        scalars = step.train_step(batch, optimiser)
        spoilt |= {name for name, value in scalars.items() if not value.isfinite()}  # waits
        seconds.append(time.perf_counter() - started)
    moved = sum(old != new for old, new in zip(before, sums(weights), strict=True))
    return Cost(seconds[warm_up:], peak_gib(device), sorted(spoilt), moved / len(weights))


def sums(weights: Sequence[Tensor]) -> list[float]:
    """Return the sum of each tensor in float64: what tells whether it moved, without a copy."""
    return [float(weight.detach().double().sum()) for weight in weights]


def peak_gib(device: torch.device) -> float:
    """Return the most memory that this process held so far, in GiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def add_values_argument(parser: argparse.ArgumentParser) -> None:
    """Let a program be given profiles and values; `given` of what it reads, for `read_with`."""
    parser.add_argument(
        "given",
        nargs="*",
        metavar="PROFILE.yaml|KEY=VALUE",
        help="over params.yaml's values",
    )


def read_with(given: Sequence[str]) -> Params:
    """Return params.yaml with profiles and values, which leaves the file as it is."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / PARAMS_FILE.name
        copy.write_bytes(PARAMS_FILE.read_bytes())
        apply_values(copy, [pair for text in given for pair in read_values(text)])
        return read_params(copy)


def report(variant: str, train: TrainParams, device: torch.device, cost: Cost) -> str:
    """Return what was measured, as a line."""
    seconds = cost.seconds
    return (
        f"{variant}: {device.type}, {torch.get_num_threads()} threads, {train.image_px} px, "
        f"{train.batch_images} images x {train.phrases_per_image} phrases, {train.precision}: "
        f"{median(seconds):.2f} s a step (n = {len(seconds)}, {min(seconds):.2f} to "
        f"{max(seconds):.2f}), {train.batch_images / median(seconds):.2f} images a second, "
        f"peak {cost.peak_gib:.2f} GiB, {cost.moved:.1%} of the tensors moved, "
        f"{'not finite: ' + ', '.join(cost.spoilt) if cost.spoilt else 'losses finite'}"
    )


def main() -> None:
    """Print what a step costs, of each variant in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add_values_argument(parser)
    parser.add_argument("--steps", type=int, default=5, help="that are timed")
    parser.add_argument("--classifier", default="resnet50", help="asked by attention mining")
    parser.add_argument("--variants", default="full", help="names with commas, or all")
    given = parser.parse_args()
    params = read_with(given.given)
    names = [name for name in params.variants if train_params(params, name).epochs]
    if given.variants != "all":
        names = given.variants.split(",")
    device, context = pick_device(params.runtime.device), get_context("spawn")
    for name in names:
        train = train_params(params, name)
        with ProcessPoolExecutor(1, mp_context=context) as process:
            cost = process.submit(measure, train, given.classifier, device, given.steps).result()
        print(report(name, train, device, cost), flush=True)


if __name__ == "__main__":
    main()
