"""Small classifiers with random weights."""

import torch

from models.classifier.classifier import Classifier, ClassifierInfo, build_network

CLASSES = ("red fox", "tabby, tabby cat", "house", "dog")
WIDTHS = {"mobilenet_v2": 0.25, "resnet10": 0.125, "resnet18": 0.125, "squeezenet1_1": 1.0}


TIMM = ("timm/test_efficientnet", "timm/mobilenetv3_small_050", "timm/test_convnext")


def tiny_classifier(arch="resnet10", classes=CLASSES, bgr=False, seed=0):
    """Return a classifier in evaluation mode whose batch norm has seen noise."""
    torch.manual_seed(seed)
    width = WIDTHS.get(arch, 1.0)
    info = ClassifierInfo(
        arch, width, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25), bgr, classes, "noise", "none"
    )
    classifier = Classifier(build_network(arch, width, len(classes)), info)
    with torch.no_grad():
        classifier.train()(torch.rand(8, 3, 64, 96))
    return classifier.eval()
