"""Real weights on real photographs: dogs score higher where captions say so, and maps agree."""

import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import to_tensor

from models.classifier.classifier import ClassifierInfo
from models.detector.checkpoint import DetectorInfo
from models.grad_cam.explainer import NounExplainer
from models.grad_cam.load_scorer import ScorerSource, load_scorer
from models.noun_classes.detector_labels import noun_label_matches
from models.pretrained.convert import convert_classifier, convert_detector

pytestmark = pytest.mark.real
YOLOX = "yolox/yolox_nano_8xb8-300e_coco.py"
NOUNS = ["dog", "person", "guitar"]


@pytest.fixture(scope="module")
def weights(real, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    info = ClassifierInfo(
        "mobilenet_v2", 1.0, (0.5,) * 3, (0.5,) * 3, False, (), "ImageNet-1k", "BSD-3-Clause"
    )
    source = real / "weights"
    convert_classifier(source / "mobilenet_v2_imagenet.pth", info, folder / "classifier")
    told = DetectorInfo("yolox_nano", (), "COCO train2017", "Apache-2.0")
    convert_detector(source / "yolox_nano_mmdet.pth", YOLOX, told, folder / "detector")
    return folder


@pytest.fixture(params=["imagenet", "detector"])
def scorer(request, weights):
    return load_scorer(
        ScorerSource(weights, weights, noun_label_matches, request.param, "{}", ()), NOUNS
    )


def photographs(real, is_wanted):
    """Return the first eight photographs whose captions are wanted, squashed, (8, 3, 320, 320)."""
    flickr = real / "flickr30k"
    stems = [
        file.stem
        for file in sorted((flickr / "Sentences").glob("*.txt"))
        if is_wanted(file.read_text(encoding="utf-8"))
    ][:8]
    files = [flickr / "flickr30k-images" / f"{stem}.jpg" for stem in stems]
    return torch.stack(
        [to_tensor(Image.open(file).convert("RGB").resize((320, 320))) for file in files]
    )


def test_dogs_are_seen_where_captions_speak_of_them(real, scorer):
    with_dogs = photographs(real, lambda text: text.count(" dog]") >= 4)
    without = photographs(real, lambda text: "dog" not in text)
    dog = scorer.nouns.index("dog")
    with torch.no_grad():
        seen, unseen = (scorer.probs(images)[:, dog] for images in (with_dogs, without))
    assert (seen[:, None] > unseen).float().mean() > 0.9  # of the 64 pairs


def test_only_a_detector_of_coco_knows_people(scorer, request):
    kind = request.node.callspec.params["scorer"]
    assert scorer.nouns == {"imagenet": ("dog", "guitar"), "detector": ("dog", "person")}[kind]


def test_maps_agree_with_the_librarys(real, scorer):
    images = photographs(real, lambda text: text.count(" dog]") >= 4)[:2]
    below = {"imagenet": "features.13", "detector": "neck.out_convs.1"}
    kind = "detector" if hasattr(scorer.network, "neck") else "imagenet"
    for layer in ("", below[kind]):
        wanted = [[0], [0, 1]]
        maps = NounExplainer(scorer, layer, "auto").explain(images, wanted).maps
        expected = NounExplainer(scorer, layer, "library").explain(images, wanted).maps
        for found, other in zip(maps, expected, strict=True):
            peak = other.abs().amax((-2, -1), keepdim=True).clamp(min=1e-30)
            torch.testing.assert_close(found / peak, other / peak, rtol=0, atol=1e-5)
