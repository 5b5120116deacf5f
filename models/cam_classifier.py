"""Frozen scores of nouns in images: what Grad-CAM explains and attention mining asks.

Two kinds, one interface: a linear head trained on the nouns of phrases, or the classifier's own
classes, grouped by name.

Shapes: B images, C channels, K of N nouns, (h, w) cells of the last layer.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from models.class_names import match_classes
from models.classifier import Classifier, ClassifierError, load_classifier
from models.noun_head import NounHead, load_noun_head

ScorerKind = Literal["nounhead", "imagenet"]


class NounScorer(nn.Module, ABC):
    """Scores of nouns by a frozen classifier; gradient flows to the image, never to a weight.

    It stays in evaluation mode whatever mode its owner is put in.

    Attributes:
        nouns: what the N scores are about.
        norm: the classifier's normalisation; `norm.mean` is the colour that counts as nothing.
    """

    def __init__(self, classifier: Classifier, nouns: Sequence[str]) -> None:
        super().__init__()
        self.classifier = classifier.requires_grad_(False)
        self.nouns = tuple(nouns)
        self.norm = classifier.norm
        self.eval()

    def train(self, mode: bool = True) -> "NounScorer":  # noqa: ARG002 - nn.Module's signature
        """Stay in evaluation mode."""
        return super().train(False)

    def feature_maps(self, images: Tensor) -> Tensor:
        """Return the last layer's maps, float32 (B, C, h, w), of RGB in [0, 1] (B, 3, H, W)."""
        return self.classifier.feature_maps(images)

    @abstractmethod
    def logits_of(self, features: Tensor) -> Tensor:
        """Return the scores that CAMs explain, float32 (B, N), of feature maps (B, C, h, w)."""

    @abstractmethod
    def probs_of(self, features: Tensor) -> Tensor:
        """Return how sure it is of each noun, in [0, 1], float32 (B, N), of (B, C, h, w)."""

    @abstractmethod
    def pooled_weight(self, features: Tensor, noun_indices: Sequence[int]) -> Tensor:
        """Return d logit / d (mean over cells of each feature), float32 (B, K, C)."""

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of every noun, float32 (B, N), of RGB images in [0, 1]."""
        return self.logits_of(self.feature_maps(images))

    def probs(self, images: Tensor) -> Tensor:
        """Return how sure it is of each noun, float32 (B, N), of RGB in [0, 1] (B, 3, H, W)."""
        return self.probs_of(self.feature_maps(images))


class NounHeadScorer(NounScorer):
    """Independent probabilities of nouns, by a linear head on the mean of each feature map."""

    weight: Tensor
    bias: Tensor

    def __init__(self, classifier: Classifier, head: NounHead) -> None:
        """Join a classifier and a head trained on its features.

        Raises:
            ClassifierError: they do not fit.
        """
        channels = classifier.class_weight.shape[1]
        if head.weight.shape != (len(head.nouns), channels):
            raise ClassifierError(
                f"noun head: its weight is {tuple(head.weight.shape)}, {len(head.nouns)} nouns on "
                f"this classifier need {(len(head.nouns), channels)}; run stage noun_head again"
            )
        super().__init__(classifier, head.nouns)
        self.register_buffer("weight", head.weight)
        self.register_buffer("bias", head.bias)

    def logits_of(self, features: Tensor) -> Tensor:
        """Return the head's scores, float32 (B, N)."""
        return features.mean((-2, -1)) @ self.weight.T + self.bias

    def probs_of(self, features: Tensor) -> Tensor:
        """Return the sigmoid of each score, float32 (B, N)."""
        return self.logits_of(features).sigmoid()

    def pooled_weight(self, features: Tensor, noun_indices: Sequence[int]) -> Tensor:
        """Return the head's rows, the same for every image, float32 (B, K, C)."""
        return self.weight[list(noun_indices)].expand(len(features), -1, -1)


class ClassGroupScorer(NounScorer):
    """The classifier's own classes, those that bear a noun's name taken together.

    The logit is the logsumexp of the group's logits, as their sum would be led by the classes that
    are not there; the probability is the sum of the group's softmax.
    """

    def __init__(self, classifier: Classifier, nouns: Sequence[str]) -> None:
        """Keep the nouns that name a class of the classifier; the others get no score."""
        groups = {noun: match_classes(noun, classifier.classes) for noun in nouns}
        self.groups = tuple(group for group in groups.values() if group)
        super().__init__(classifier, [noun for noun, group in groups.items() if group])

    def logits_of(self, features: Tensor) -> Tensor:
        """Return the logsumexp of each group's logits, float32 (B, N)."""
        logits = self.classifier.class_logits(features)
        return self._stack([logits[:, group].logsumexp(1) for group in self.groups], logits)

    def probs_of(self, features: Tensor) -> Tensor:
        """Return the sum of each group's softmax, float32 (B, N)."""
        probs = self.classifier.class_logits(features).softmax(1)
        return self._stack([probs[:, group].sum(1) for group in self.groups], probs)

    def pooled_weight(self, features: Tensor, noun_indices: Sequence[int]) -> Tensor:
        """Return the softmax-weighted mean of each group's class weights, float32 (B, K, C)."""
        logits, gates = self.classifier.class_logits(features), self.classifier.gates(features)
        weights = []
        for index in noun_indices:
            group = self.groups[index]
            shares = logits[:, group].softmax(1) * gates[:, group]  # (B, classes of the group)
            weights.append(shares @ self.classifier.class_weight[list(group)])  # (B, C)
        return self._stack(weights, self.classifier.class_weight.expand(len(features), -1, -1))

    @staticmethod
    def _stack(columns: list[Tensor], like: Tensor) -> Tensor:
        return torch.stack(columns, 1) if columns else like[:, :0]


def load_noun_scorer(classifier_folder: Path, noun_head_folder: Path) -> NounScorer:
    """Return the scorer by a trained noun head.

    Raises:
        ClassifierError: a folder cannot be read, or the two do not fit.
    """
    return NounHeadScorer(load_classifier(classifier_folder), load_noun_head(noun_head_folder))


def load_scorer(
    kind: ScorerKind, classifier_folder: Path, noun_head_folder: Path, nouns: Sequence[str]
) -> NounScorer:
    """Return the scorer of `cams.scorer`.

    Args:
        kind: `nounhead`, or `imagenet` for the classifier's own classes.
        classifier_folder: what the weights stage wrote.
        noun_head_folder: what the noun_head stage wrote; `imagenet` does not open it.
        nouns: the nouns to look for among the classes; `nounhead` has its own.

    Raises:
        ClassifierError: a folder cannot be read, or the two do not fit.
    """
    if kind == "nounhead":
        return load_noun_scorer(classifier_folder, noun_head_folder)
    return ClassGroupScorer(load_classifier(classifier_folder), nouns)
