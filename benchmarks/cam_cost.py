"""What Grad-CAM costs, in forward passes of the same network: ours beside pytorch-grad-cam's.

`python -m benchmarks.cam_cost` prints ratios of CPU time on one image, a ResNet-50 with random
weights and a head of K nouns, all variants in turns in one process, on one thread. A ratio is the
median over rounds, with the 95 % interval of their mean. The library is timed as it is called
everywhere, on a network whose weights may be trained: it then differentiates them too. Beside it
stands the library on our frozen network. Weights do not change what the arithmetic costs.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch

from models.classifier.classifier import Classifier, ClassifierInfo, build_network
from models.classifier.noun_head import NounHead
from models.grad_cam.classifier_scorer import NounHeadScorer
from models.grad_cam.explainer import NounExplainer

ARCH, CLASSES = "resnet50", 1000
TARGETS = {  # what the method's design promises of K = 10
    "closed form / forward": "<= 1.10",
    "library / closed form": ">= 25",
    "library, frozen / closed form": "",
    "layer3 by autograd / forward": "<= 4",
    "library at layer3 / autograd": "",
}
REPEATS = 4  # of the short ones in a round


def build_scorer(num_nouns: int) -> NounHeadScorer:
    """Return a ResNet-50 with a head of so many nouns, all weights random."""
    torch.manual_seed(0)
    names = tuple(map(str, range(CLASSES)))
    info = ClassifierInfo(ARCH, 1.0, (0.5,) * 3, (0.25,) * 3, False, names, "noise", "none")
    classifier = Classifier(build_network(ARCH, 1.0, CLASSES), info).eval()
    weight = torch.randn(num_nouns, classifier.class_weight.shape[1])
    nouns = tuple(f"noun {index}" for index in range(num_nouns))
    return NounHeadScorer(classifier, NounHead(nouns, weight, torch.zeros(num_nouns)))


def cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the mean CPU time of a call."""
    started = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - started) / repeats


def build_variants(num_nouns: int, image_px: int) -> dict[str, Callable[[], object]]:
    """Return what is timed, by name."""
    scorer = build_scorer(num_nouns)
    images = torch.rand(1, 3, image_px, image_px)
    wanted = [list(range(num_nouns))]
    free = build_scorer(num_nouns).requires_grad_(True)
    closed, below = NounExplainer(scorer, "", "auto"), NounExplainer(scorer, "layer3", "auto")
    library, frozen = (NounExplainer(one, "", "library") for one in (free, scorer))
    library_below = NounExplainer(free, "layer3", "library")
    return {
        "forward": torch.no_grad()(lambda: scorer(images)),
        "closed": lambda: closed.explain(images, wanted),
        "layer3": lambda: below.explain(images, wanted),
        "library": lambda: library.explain(images, wanted),
        "library, frozen": lambda: frozen.explain(images, wanted),
        "library layer3": lambda: library_below.explain(images, wanted),
    }


def describe_ratio(name: str, above: Sequence[float], below: Sequence[float]) -> str:
    """Return one line: the median ratio over rounds, with the 95 % interval of their mean."""
    ratios = [more / less for more, less in zip(above, below, strict=True)]
    half = 1.96 * statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else float("nan")
    middle = statistics.mean(ratios)
    return (
        f"{name}: {statistics.median(ratios):.2f} "
        f"[{middle - half:.2f}, {middle + half:.2f}], n = {len(ratios)}"
    )


def print_ratios(seconds: Mapping[str, list[float]]) -> None:
    """Print each promised ratio."""
    pairs = {
        "closed form / forward": ("closed", "forward"),
        "library / closed form": ("library", "closed"),
        "library, frozen / closed form": ("library, frozen", "closed"),
        "layer3 by autograd / forward": ("layer3", "forward"),
        "library at layer3 / autograd": ("library layer3", "layer3"),
    }
    for name, (above, below) in pairs.items():
        target = TARGETS[name] and f"   target {TARGETS[name]}"
        print(describe_ratio(name, seconds[above], seconds[below]) + target)  # noqa: T201


def main() -> None:
    """Time all variants in turns and print their ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nouns", type=int, default=10)
    parser.add_argument("--image-px", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(1)
    variants = build_variants(given.nouns, given.image_px)
    for work in variants.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(given.rounds):
        for name, work in variants.items():
            repeats = 1 if "library" in name else REPEATS
            seconds[name].append(cpu_seconds(work, repeats))
    print(  # noqa: T201
        f"{ARCH}, {given.image_px} px, K = {given.nouns}, one image, torch {torch.__version__}; "
        f"one forward takes {statistics.median(seconds['forward']):.3f} CPU s; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    print_ratios(seconds)


if __name__ == "__main__":
    main()
