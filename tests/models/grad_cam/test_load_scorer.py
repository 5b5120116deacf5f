"""Each kind of scorer loads by its name, and its routes are known without its network."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from models.classifier.classifier import save_classifier
from models.classifier.noun_head import NounHead, save_noun_head
from models.grad_cam.load_scorer import ScorerSource, find_routes, load_scorer, open_scorer
from tests.models.classifier.tiny_classifier import tiny_classifier
from tests.tiny_clip import write_tiny_clip

NOUNS = ["man", "fox", "red", "自転車"]
EXPECTED = {  # of NOUNS; the detector's labels are "red" and "blue"
    "nounhead": {"cat": "trained", "man": "trained"},
    "imagenet": {"fox": "name"},
    "detector": {"red": "label"},
    "clip": dict.fromkeys(NOUNS, "prompt"),
}


def match_labels(nouns, labels):
    return np.array([[noun == label for label in labels] for noun in nouns])


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_detector):
    folder = tmp_path_factory.mktemp("scorers")
    classifier = tiny_classifier()
    save_classifier(folder / "weights" / "classifier", classifier)
    weight = 0.01 * torch.ones(2, classifier.class_weight.shape[1])
    save_noun_head(folder / "noun_head", NounHead(("cat", "man"), weight, torch.zeros(2)))
    write_tiny_clip(folder / "weights" / "clip")
    (folder / "weights" / "detector").symlink_to(tiny_detector)
    return folder


def source(folder, kind):
    backgrounds = ("tree", "sky")
    return ScorerSource(
        folder / "weights", folder / "noun_head", match_labels, kind, "a {}", backgrounds
    )


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_scorer_knows_the_nouns_that_its_routes_say(folder, kind):
    scorer = load_scorer(source(folder, kind), NOUNS)
    assert dict(zip(scorer.nouns, scorer.routes, strict=True)) == EXPECTED[kind]
    assert find_routes(source(folder, kind), NOUNS) == EXPECTED[kind]
    assert {"network", "training_set"} <= scorer.describe().keys()


@pytest.mark.parametrize("kind", EXPECTED)
def test_networks_that_are_loaded_once_score_any_nouns_as_if_loaded_for_them(folder, kind):
    scorer_of = open_scorer(source(folder, kind))
    first = scorer_of(["sea", "fox"])
    again, alone = scorer_of(NOUNS), load_scorer(source(folder, kind), NOUNS)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert again.nouns == alone.nouns
    torch.testing.assert_close(again.probs(images), alone.probs(images), rtol=0, atol=0)
    assert again.network is first.network


@pytest.mark.parametrize("kind", EXPECTED)
def test_every_scorer_is_frozen_gives_probabilities_and_passes_gradient_to_images(folder, kind):
    scorer = load_scorer(source(folder, kind), NOUNS).train()
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    probs = scorer.probs(images)
    assert probs.shape == (3, len(scorer.nouns))
    assert ((probs >= 0) & (probs <= 1)).all()
    probs.sum().backward()
    assert all(image.abs().sum() > 0 for image in images.grad)
    assert not any(module.training for module in scorer.modules())
    assert not any(weight.requires_grad for weight in scorer.parameters())
    assert scorer.blank.shape == (3, 1, 1)


def test_what_a_missing_folder_is_for_is_told(folder, tmp_path):
    for kind in EXPECTED:
        with pytest.raises(ValueError, match=str(tmp_path)):
            load_scorer(source(tmp_path, kind), NOUNS)


def test_a_noun_head_is_asked_without_mmdet(folder):
    code = (
        "import sys, numpy; from pathlib import Path; from models.grad_cam.load_scorer import *\n"
        "source = ScorerSource(Path(sys.argv[1]) / 'weights', Path(sys.argv[1]) / 'noun_head',"
        " numpy.equal.outer, 'nounhead', '{}', [])\n"
        "load_scorer(source, []); print(*{'mmdet', 'mmengine', 'torch'} & sys.modules.keys())"
    )
    run = [sys.executable, "-c", code, str(folder)]
    assert subprocess.run(run, check=True, capture_output=True, text=True).stdout == "torch\n"
