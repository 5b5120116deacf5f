"""Networks with random weights: what they cost is what trained ones cost."""

from pathlib import Path

import torch

from models.classifier.classifier import Classifier, ClassifierInfo, build_network
from models.classifier.noun_head import NounHead
from models.detector.checkpoint import DetectorInfo, save_detector
from models.detector.train_detector import DetectionExample, DetectorFit, train_detector
from models.grad_cam.classifier_scorer import NounHeadScorer
from pipeline.datasets.shapes import scene

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
CLASSES = 1000


def random_classifier(arch: str, width: float = 1.0, seed: int = 0) -> Classifier:
    """Return an image classifier of ImageNet's size."""
    torch.manual_seed(seed)
    info = ClassifierInfo(arch, width, MEAN, STD, False, ("x",) * CLASSES, "noise", "none")
    return Classifier(build_network(arch, width, CLASSES), info).eval().requires_grad_(False)


def random_head(classifier: Classifier, nouns: tuple[str, ...], seed: int = 1) -> NounHead:
    """Return a noun head that fits the classifier."""
    draw = torch.Generator().manual_seed(seed)
    weight = torch.rand(len(nouns), classifier.num_features, generator=draw) / 50  # maps above 0
    return NounHead(nouns, weight, torch.zeros(len(nouns)))


def random_scorer(arch: str, num_nouns: int) -> NounHeadScorer:
    """Return a frozen scorer of so many nouns."""
    classifier = random_classifier(arch)
    nouns = tuple(f"noun {index}" for index in range(num_nouns))
    return NounHeadScorer(classifier, random_head(classifier, nouns)).eval().requires_grad_(False)


def write_detector(folder: Path, scenes: int, long_side_px: int = 192) -> None:
    """Train the drawn world's detector for a few seconds and write its folder."""
    drawn = [scene.draw_scene(0, "pretrain", index, long_side_px) for index in range(scenes)]
    examples = [DetectionExample(one.image, one.boxes_xyxy, one.classes) for one in drawn]
    fit = DetectorFit(epochs=3, batch_images=8, learning_rate=0.002, base_channels=32, seed=0)
    trained = train_detector(examples, len(scene.CLASSES), fit, iter)
    info = DetectorInfo("small Faster R-CNN", scene.CLASSES, "drawn scenes", "Apache-2.0")
    save_detector(folder, trained.config, trained.model.state_dict(), info)
