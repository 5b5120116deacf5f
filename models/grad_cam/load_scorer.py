"""Load the scorer that `cams.scorer` names, from the folders that earlier stages wrote.

Modules that only one kind needs are imported for that kind: a noun head needs no mmdet.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from models.classifier.classifier import load_classifier, read_classifier_info
from models.classifier.noun_head import load_noun_head, read_head_nouns
from models.grad_cam.classifier_scorer import ClassGroupScorer, NounHeadScorer
from models.grad_cam.scorer import NounScorer, routes_of
from models.noun_classes.class_names import find_classes
from models.noun_classes.imagenet import NounClasses, Route

ScorerKind = Literal["nounhead", "imagenet", "detector", "clip"]
ScorerOfNouns = Callable[[Sequence[str]], NounScorer]
PARTS: Mapping[ScorerKind, str] = {  # of the weights, by scorer
    "nounhead": "classifier",
    "imagenet": "classifier",
    "detector": "detector",
    "clip": "clip",
}
MatchLabels = Callable[[Sequence[str], Sequence[str]], NDArray[Any]]


@dataclass(frozen=True)
class ScorerSource:
    """Files and settings that a scorer is loaded from.

    Attributes:
        weights: folder of `classifier/`, `detector/` and `clip/`.
        noun_head: folder that the noun_head stage wrote; only `nounhead` opens it.
        match_labels: function of N nouns and L labels of a detector; whether noun n means label l,
            bool (N, L).
        kind: `nounhead`: the noun head; `imagenet`: the classifier's own classes; `detector`: the
            detector's own labels; `clip`: any noun, as text.
        prompt: text of a noun for `clip`, with `{}` in place of the noun.
        backgrounds: nouns that compete with each noun in `clip`.
    """

    weights: Path
    noun_head: Path
    match_labels: MatchLabels
    kind: ScorerKind
    prompt: str
    backgrounds: Sequence[str]


def load_scorer(source: ScorerSource, nouns: Sequence[str]) -> NounScorer:
    """Return the scorer of a source.

    Args:
        source: where it comes from.
        nouns: the nouns to score; those without a class get no score. `nounhead` ignores them and
            scores the nouns of its head.

    Raises:
        ValueError: a folder cannot be read, or two do not fit; the message names the cause.
    """
    return open_scorer(source)(nouns)


def open_scorer(source: ScorerSource) -> ScorerOfNouns:
    """Load the networks of a source once; return a function from nouns to their scorer.

    The scorers share the networks. They take nouns as `load_scorer` does.

    Raises:
        ValueError: a folder cannot be read, or two do not fit; the message names the cause.
    """
    if source.kind == "detector":
        return _open_detector(source)
    if source.kind == "clip":
        return _open_clip(source)
    classifier = load_classifier(source.weights / "classifier")
    if source.kind == "nounhead":
        head = NounHeadScorer(classifier, load_noun_head(source.noun_head))
        return lambda _nouns: head
    return lambda nouns: ClassGroupScorer(classifier, find_classes(nouns, classifier.classes))


def find_routes(source: ScorerSource, nouns: Sequence[str]) -> Mapping[str, Route]:
    """Return by which route each noun has classes, without loading a network.

    Nouns without a class are left out; arguments as in `load_scorer`.

    Raises:
        ValueError: a folder cannot be read.
    """
    if source.kind == "clip":
        return dict.fromkeys(nouns, "prompt")
    if source.kind == "nounhead":
        return dict.fromkeys(read_head_nouns(source.noun_head), "trained")
    if source.kind == "detector":
        return routes_of(_find_labels(source, nouns))
    info = read_classifier_info(source.weights / "classifier")
    return routes_of(find_classes(nouns, info.classes))


def _open_detector(source: ScorerSource) -> ScorerOfNouns:
    from models.grad_cam.detector_scorer import open_detector_scorer

    of_classes = open_detector_scorer(source.weights / "detector")
    return lambda nouns: of_classes(_find_labels(source, nouns))


def _open_clip(source: ScorerSource) -> ScorerOfNouns:
    from models.grad_cam.clip_scorer import open_clip_scorer

    return open_clip_scorer(source.weights / "clip", source.prompt, source.backgrounds)


def _find_labels(source: ScorerSource, nouns: Sequence[str]) -> dict[str, NounClasses]:
    """Return the detector's labels that each noun means; a noun without labels is left out."""
    from models.detector.checkpoint import read_info

    labels = read_info(source.weights / "detector").classes
    matches = source.match_labels(nouns, labels)  # (N, L)
    indices = {noun: row.nonzero()[0].tolist() for noun, row in zip(nouns, matches, strict=True)}
    return {noun: NounClasses(tuple(own), "label") for noun, own in indices.items() if own}
