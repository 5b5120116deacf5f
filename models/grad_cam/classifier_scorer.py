"""Scores of nouns by an image classifier: `nounhead` and `imagenet` of `cams.scorer`.

Either a linear head trained on the nouns of phrases, or the classifier's own classes, where the
classes that a noun means are merged.

Shapes: B images, C channels, K of N nouns, (h, w) cells of the last layer.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from models.classifier.classifier import Classifier
from models.classifier.noun_head import NounHead
from models.given_files.safe_load import ModelFileError
from models.grad_cam.scorer import NounScores, PooledScorer, routes_of
from models.noun_classes.imagenet import NounClasses, Route


class ClassifierScorer(PooledScorer):
    """The classifier's trunk, common to both scorers."""

    def __init__(self, classifier: Classifier, nouns: Mapping[str, Route]) -> None:
        super().__init__(classifier.network, nouns, classifier.last_layer)
        self.classifier = classifier.eval()

    @property
    def blank(self) -> Tensor:
        """The colour that the classifier's normalisation turns into zero, float32 (3, 1, 1)."""
        return self.classifier.norm.mean

    def feature_maps(self, images: Tensor) -> Tensor:
        """Return the last layer's maps, float32 (B, C, h, w), of RGB in [0, 1] (B, 3, H, W)."""
        return self.classifier.feature_maps(images)

    def describe(self) -> dict[str, str]:
        """Return `network`, the architecture, and `training_set` of the classifier."""
        info = self.classifier.info
        return {"network": info.arch, "training_set": info.training_set}


class NounHeadScorer(ClassifierScorer):
    """Independent probabilities of nouns, by a linear head on the mean of each feature map."""

    weight: Tensor
    bias: Tensor

    def __init__(self, classifier: Classifier, head: NounHead) -> None:
        """Join a classifier and a head trained on its features.

        Raises:
            ModelFileError: the head's weight does not have the shape that the two need.
        """
        channels = classifier.num_features
        if head.weight.shape != (len(head.nouns), channels):
            raise ModelFileError(
                f"noun head: its weight is {tuple(head.weight.shape)}, {len(head.nouns)} nouns on "
                f"this classifier need {(len(head.nouns), channels)}; run stage noun_head again"
            )
        super().__init__(classifier, dict.fromkeys(head.nouns, "trained"))
        self.register_buffer("weight", head.weight)
        self.register_buffer("bias", head.bias)

    def scores_of(self, features: Tensor) -> NounScores:
        """Return the head's logits and their sigmoid, float32 (B, N)."""
        logits = features.mean((-2, -1)) @ self.weight.T + self.bias  # (B, N)
        return NounScores(logits, logits.sigmoid())

    def pooled_weight(self, features: Tensor, noun_indices: Sequence[int]) -> Tensor:
        """Return the head's weight of each noun, the same for every image, float32 (B, K, C)."""
        return self.weight[list(noun_indices)].expand(len(features), -1, -1)


class ClassGroupScorer(ClassifierScorer):
    """The classifier's own classes; the classes that a noun means are its group.

    The logit of a noun is the logsumexp of its group's logits (a sum would be dominated by the
    classes that are absent); its probability is the sum of the group's softmax.
    """

    def __init__(self, classifier: Classifier, noun_classes: Mapping[str, NounClasses]) -> None:
        """Join a classifier and the classes that each noun means."""
        super().__init__(classifier, routes_of(noun_classes))
        self.groups = tuple(group.classes for group in noun_classes.values())

    def scores_of(self, features: Tensor) -> NounScores:
        """Return the logsumexp of each group's logits and the sum of its softmax, (B, N)."""
        logits = self.classifier.class_logits(features)  # (B, classes)
        probs = logits.softmax(1)
        return NounScores(
            self._stack([logits[:, group].logsumexp(1) for group in self.groups], logits),
            self._stack([probs[:, group].sum(1).clamp(max=1) for group in self.groups], probs),
        )

    def pooled_weight(self, features: Tensor, noun_indices: Sequence[int]) -> Tensor:
        """Return the softmax-weighted mean of each group's class weights, float32 (B, K, C).

        Of a head that has no closed form: the same derivative, by autograd through the head.
        """
        if not self.classifier.has_closed_form:
            return self._summed_gradients(features, noun_indices)
        logits, gates = self.classifier.class_logits(features), self.classifier.gates(features)
        weights = []
        for index in noun_indices:
            group = self.groups[index]
            shares = logits[:, group].softmax(1) * gates[:, group]  # (B, classes of the group)
            weights.append(shares @ self.classifier.class_weight[list(group)])  # (B, C)
        return self._stack(weights, self.classifier.class_weight.expand(len(features), -1, -1))

    def _summed_gradients(self, features: Tensor, noun_indices: Sequence[int]) -> Tensor:
        """Return the sum over cells of d logit / d features, float32 (B, K, C)."""
        with torch.enable_grad():
            leaf = features.detach().requires_grad_()
            logits = self.scores_of(leaf.clone()).logits  # a head may work in place
            gradients = [
                torch.autograd.grad(logits[:, index].sum(), leaf, retain_graph=True)[0]
                for index in noun_indices
            ]
        sums = [gradient.sum((-2, -1)) for gradient in gradients]  # (B, C) each
        return self._stack(sums, features.mean((-2, -1))[:, None])

    @staticmethod
    def _stack(columns: list[Tensor], like: Tensor) -> Tensor:
        return torch.stack(columns, 1) if columns else like[:, :0]
