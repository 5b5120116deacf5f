import math

import numpy as np
import pytest
import torch

from models.classifier.classifier import load_classifier, save_classifier
from models.classifier.noun_head import NounHead, load_noun_head, save_noun_head
from models.given_files.safe_load import ModelFileError
from models.grad_cam.classifier_scorer import ClassGroupScorer, NounHeadScorer
from models.noun_classes.class_names import find_classes
from tests.models.classifier.tiny_classifier import TIMM, tiny_classifier

NOUNS = ("cat", "dog", "自転車")
IMAGES = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(5))


def noun_head(classifier, nouns=NOUNS):
    noise = torch.Generator().manual_seed(7)
    weight = torch.randn(len(nouns), classifier.class_weight.shape[1], generator=noise)
    return NounHead(nouns, weight, torch.tensor([0.5, -1.0, 2.0])[: len(nouns)])


def head_scorer():
    return NounHeadScorer(tiny_classifier(), noun_head(tiny_classifier()))


def group_scorer(nouns=("cat", "man", "dog"), **settings):
    classifier = tiny_classifier(**settings)
    return ClassGroupScorer(classifier, find_classes(nouns, classifier.classes))


def load_noun_scorer(classifier, head):
    return NounHeadScorer(load_classifier(classifier), load_noun_head(head))


@pytest.fixture(params=[head_scorer, group_scorer])
def scorer(request):
    return request.param()


@pytest.fixture
def folders(tmp_path):
    save_classifier(tmp_path / "classifier", tiny_classifier())
    save_noun_head(tmp_path / "noun_head", noun_head(tiny_classifier()))
    return tmp_path / "classifier", tmp_path / "noun_head"


def test_gradient_reaches_the_image_and_no_weight(scorer):
    images = IMAGES.clone().requires_grad_()
    scorer.probs(images).sum().backward()
    assert images.grad.abs().sum() > 0
    assert not any(weight.requires_grad for weight in scorer.parameters())
    assert all(weight.grad is None for weight in scorer.parameters())


def test_it_stays_in_evaluation_mode_when_its_owner_trains(scorer):
    owner = torch.nn.ModuleList([scorer]).train()
    assert owner.training
    assert not any(module.training for module in scorer.modules())


def test_the_noun_head_was_trained_for_its_nouns():
    assert (head_scorer().nouns, head_scorer().routes) == (NOUNS, ("trained",) * 3)


def test_a_batch_does_not_change_what_it_says_of_an_image(scorer):
    torch.testing.assert_close(scorer.probs(IMAGES)[1:], scorer.probs(IMAGES[1:]))


def test_the_noun_head_is_linear_in_the_mean_features():
    scorer = head_scorer()
    features = scorer.feature_maps(IMAGES).numpy().astype(np.float64)
    head = noun_head(tiny_classifier())
    logit = features[1].mean((1, 2)) @ head.weight[2].numpy() + 2.0
    assert scorer(IMAGES)[1, 2].item() == pytest.approx(logit, rel=1e-4)
    assert scorer.probs(IMAGES)[1, 2].item() == pytest.approx(1 / (1 + math.exp(-logit)), rel=1e-4)


def test_a_group_has_the_logsumexp_of_its_logits_and_the_sum_of_its_softmax():
    classes = ("red fox", "house", "grey fox", "dog")
    scorer = group_scorer(["fox"], classes=classes)
    logits = scorer.classifier(IMAGES)[1].tolist()
    powers = [math.exp(value) for value in logits]
    fox = powers[0] + powers[2]
    assert scorer(IMAGES)[1, 0].item() == pytest.approx(math.log(fox), rel=1e-4)
    assert scorer.probs(IMAGES)[1, 0].item() == pytest.approx(fox / sum(powers), rel=1e-4)


def test_probabilities_of_a_group_of_all_classes_do_not_pass_one():
    scorer = group_scorer(["fox"], classes=("red fox", "kit fox", "grey fox", "arctic fox"))
    assert scorer.probs(torch.rand(16, 3, 32, 32)).max() <= 1


def test_a_noun_without_a_class_has_no_score():
    assert group_scorer().nouns == ("cat", "dog")
    assert group_scorer().routes == ("name", "name")
    assert group_scorer().probs(IMAGES).shape == (2, 2)


def test_a_scorer_of_no_nouns_scores_nothing():
    scorer = group_scorer(["man"])
    features = scorer.feature_maps(IMAGES)
    assert (scorer.probs(IMAGES).shape, scorer(IMAGES).shape) == ((2, 0), (2, 0))
    assert scorer.pooled_weight(features, []).shape == (2, 0, 64)


def test_the_pooled_weight_is_the_derivative_by_the_pooled_features(scorer):
    features = scorer.feature_maps(IMAGES).requires_grad_()
    total = scorer.scores_of(features).logits[:, 1].sum()
    derivative = torch.autograd.grad(total, features)[0].sum((-2, -1))  # (2, 64)
    torch.testing.assert_close(scorer.pooled_weight(features, [0, 1])[:, 1], derivative)


def test_the_pooled_weight_counts_the_cells_that_pass_a_relu():
    scorer = group_scorer(["cat", "dog"], arch="squeezenet1_1")
    torch.nn.init.constant_(scorer.classifier.class_bias, -0.01)
    features = scorer.feature_maps(IMAGES).requires_grad_()
    assert scorer.classifier.gates(features).unique().numel() > 1
    total = scorer.scores_of(features).logits[:, 1].sum()
    derivative = torch.autograd.grad(total, features)[0].sum((-2, -1))
    torch.testing.assert_close(scorer.pooled_weight(features, [0, 1])[:, 1], derivative)


class InPlace(ClassGroupScorer):
    """Has a head that works in place."""

    def scores_of(self, features):
        return super().scores_of(features.mul_(1.0))


def test_a_head_may_work_in_place():
    scorer = group_scorer(["dog", "house"], arch=TIMM[1])
    features = scorer.feature_maps(IMAGES)
    expected = scorer.pooled_weight(features, [0])
    scorer.__class__ = InPlace
    torch.testing.assert_close(scorer.pooled_weight(features, [0]), expected)


def test_without_a_closed_form_the_weight_is_the_derivative_of_each_noun_in_turn():
    scorer = group_scorer(["fox", "dog", "house"], arch=TIMM[1])
    features = scorer.feature_maps(IMAGES)
    torch.testing.assert_close(features, scorer.classifier.feature_maps(IMAGES))
    leaf = features.detach().requires_grad_()
    logits = scorer.scores_of(leaf.clone()).logits
    chosen = [2, 0]
    expected = [
        torch.autograd.grad(logits[:, noun].sum(), leaf, retain_graph=True)[0].sum((-2, -1))
        for noun in chosen
    ]
    with torch.no_grad():
        found = scorer.pooled_weight(features, chosen)
    torch.testing.assert_close(found, torch.stack(expected, 1))
    assert scorer.pooled_weight(features, []).shape == (2, 0, features.shape[1])


def test_it_tells_its_network_and_its_blank_is_normalised_to_zero(scorer):
    assert scorer.describe() == {"network": "resnet10", "training_set": "noise"}
    blank = scorer.blank.expand(1, 3, 4, 5)
    assert not scorer.classifier.norm(blank).any()


def test_saved_parts_come_back_as_one_scorer(folders):
    scorer = load_noun_scorer(*folders)
    assert scorer.nouns == NOUNS
    assert torch.equal(scorer.probs(IMAGES), head_scorer().probs(IMAGES))


def test_a_head_for_other_features_is_refused(folders, tmp_path):
    save_classifier(tmp_path / "wide", tiny_classifier("mobilenet_v2"))
    with pytest.raises(ModelFileError, match=r"\(3, 64\).*\(3, 1280\)"):
        load_noun_scorer(tmp_path / "wide", folders[1])


def test_a_head_of_another_number_of_nouns_is_refused(folders):
    head = NounHead(("cat", "dog"), torch.zeros(3, 64), torch.zeros(3))
    with pytest.raises(ModelFileError, match=r"\(3, 64\).*\(2, 64\)"):
        NounHeadScorer(tiny_classifier(), head)
    (folders[1] / "nouns.json").write_text('["cat"]')
    with pytest.raises(ModelFileError, match=r"\b1\b"):
        load_noun_scorer(*folders)
