"""The scorer by a detector says what mmdet itself says of the same pixels."""

import math
from types import SimpleNamespace

import pytest
import torch

from models.detector.checkpoint import (
    DetectorInfo,
    build_model,
    inference_config,
    read_config,
    save_detector,
)
from models.detector.openmmlab import DetDataSample
from models.given_files.safe_load import ModelFileError
from models.grad_cam.detector_scorer import (
    DetectorScorer,
    _dense_log_probs,
    _head_of,
    _regions,
    load_detector_scorer,
)
from models.grad_cam.explainer import LayerError, NounExplainer
from models.noun_classes.imagenet import NounClasses
from tests.tiny_detector import draw

YOLOX = "yolox/yolox_nano_8xb8-300e_coco.py"
GROUPS = {"thing": NounClasses((0, 1), "label"), "自転車": NounClasses((1,), "label")}
ANY_OF_80 = GROUPS | {"thing": NounClasses(tuple(range(80)), "label")}


def write_yolox(folder):
    """Write a YOLOX-nano of random weights whose batch norm has seen pictures."""
    torch.manual_seed(4)
    config = inference_config(read_config(YOLOX))
    model = build_model(config)
    for norm in (part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d)):
        norm.momentum = 1.0  # else maps fade away from layer to layer
    with torch.no_grad():
        model.train()
        model.bbox_head(model.extract_feat(255 * pictures(4).flip(1)))
        for maps in (*model.bbox_head.multi_level_conv_cls, *model.bbox_head.multi_level_conv_obj):
            torch.nn.init.normal_(maps.weight, std=0.1)
    save_detector(folder, config, model.state_dict(), DetectorInfo("y", ("a",) * 80, "x", "x"))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory, tiny_detector):
    return {"regions": tiny_detector, "dense": write_yolox(tmp_path_factory.mktemp("yolox"))}


@pytest.fixture
def regions(folders):
    return load_detector_scorer(folders["regions"], GROUPS)


@pytest.fixture
def dense(folders):
    return load_detector_scorer(folders["dense"], ANY_OF_80)


@pytest.fixture(params=["regions", "dense"])
def scorer(request):
    return request.getfixturevalue(request.param)


def pictures(count=2):
    drawn = [torch.from_numpy(draw(index, (64, 64)).image.copy()) for index in range(count)]
    return torch.stack(drawn).permute(0, 3, 1, 2) / 255


def mmdets_boxes(scorer, image):
    """Return what mmdet predicts, all thresholds off."""
    model = scorer.network
    hw = tuple(image.shape[-2:])
    meta = {"img_shape": hw, "ori_shape": hw, "pad_shape": hw, "scale_factor": (1.0, 1.0)}
    sample = DetDataSample(metainfo={**meta, "batch_input_shape": hw})
    for name in ("bbox_head", "roi_head"):
        limits = getattr(getattr(model, name, None), "test_cfg", None)
        if limits is not None:
            limits.update(score_thr=0.0, max_per_img=-1)
    pixels = (255 * image).round().to(torch.uint8).flip(0)  # B, G, R as mmdet reads files
    data = model.data_preprocessor({"inputs": [pixels], "data_samples": [sample]})
    return model.predict(data["inputs"], data["data_samples"])[0].pred_instances


def test_the_probability_is_the_best_score_that_mmdet_predicts(scorer):
    for image in pictures():
        best = mmdets_boxes(scorer, image).scores.max().item()
        assert 0.01 < best < 0.999  # no head that says the same of everything
        assert scorer.probs(image[None])[0, 0].item() == pytest.approx(best, rel=1e-4)


def test_the_background_of_a_dense_softmax_is_no_label():
    config = inference_config(read_config("retinanet/retinanet_r18_fpn_1x_coco.py"))
    config.model.bbox_head.loss_cls = {"type": "CrossEntropyLoss", "use_sigmoid": False}
    torch.manual_seed(3)
    model = build_model(config)
    torch.nn.init.normal_(model.bbox_head.retina_cls.weight, std=0.05)
    torch.nn.init.zeros_(model.bbox_head.retina_cls.bias)
    nouns = {"thing": NounClasses(tuple(range(80)), "label")}
    info = DetectorInfo("x", ("a",) * 80, "", "")
    scorer = DetectorScorer(model, info, torch.zeros(3, 1, 1), nouns)
    best = [mmdets_boxes(scorer, image).scores.max().item() for image in pictures()]
    assert best[0] != pytest.approx(best[1], rel=1e-3)
    assert scorer.probs(pictures())[:, 0].tolist() == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize(
    "loss",
    [
        {"type": "CrossEntropyLoss", "use_sigmoid": True},  # mmdet itself takes a softmax
        {"type": "CrossEntropyCustomLoss", "use_sigmoid": True, "num_classes": 2},
        {"type": "SeesawLoss", "num_classes": 2},
    ],
    ids=lambda loss: loss["type"],
)
def test_regions_have_the_probability_that_mmdet_gives_them_by_any_loss(folders, loss):
    config = read_config(folders["regions"] / "config.py")
    config.model.roi_head.bbox_head.loss_cls = loss
    torch.manual_seed(3)
    model = build_model(config).eval()
    torch.nn.init.normal_(model.roi_head.bbox_head.fc_cls.weight, std=0.5)
    scorer = DetectorScorer(
        model, DetectorInfo("x", ("a", "b"), "", ""), torch.zeros(3, 1, 1), GROUPS
    )
    for image in pictures():
        found = mmdets_boxes(scorer, image)
        best = [found.scores.max().item(), found.scores[found.labels == 1].max().item()]
        assert scorer.probs(image[None])[0].tolist() == pytest.approx(best, rel=1e-4)


def test_a_labels_own_probability_is_the_best_of_mmdets_boxes_of_it(regions):
    for image in pictures():
        found = mmdets_boxes(regions, image)
        best = found.scores[found.labels == 1].max().item()
        assert regions.probs(image[None])[0, 1].item() == pytest.approx(best, rel=1e-4)


def test_class_and_objectness_are_multiplied_anchor_by_anchor(dense):
    images, head = pictures(), dense.network.bbox_head
    class_maps, _, object_maps = head(dense.network.extract_feat(255 * images.flip(1)))
    best = 0.0
    for classes, objects in zip(class_maps, object_maps, strict=True):
        for row in range(classes.shape[-2]):
            for column in range(classes.shape[-1]):
                logits = classes[1, 1, row, column].item(), objects[1, 0, row, column].item()
                best = max(best, math.prod(1 / (1 + math.exp(-logit)) for logit in logits))
    assert dense.probs(images)[1, 1].item() == pytest.approx(best, rel=1e-4)


def test_the_logit_is_the_log_odds_of_the_probability(scorer):
    scores = scorer.scores(pictures())
    odds = scores.probs.double() / (1 - scores.probs.double())
    torch.testing.assert_close(scores.logits.double(), odds.log(), rtol=1e-3, atol=1e-4)


def test_the_logit_of_a_certain_label_is_finite(dense):
    head = dense.network.bbox_head
    for maps in (*head.multi_level_conv_cls, *head.multi_level_conv_obj):
        torch.nn.init.constant_(maps.bias, 99)
        torch.nn.init.zeros_(maps.weight)
    scores = dense.scores(pictures())
    assert scores.probs.unique().tolist() == [1]
    assert scores.logits.flatten().tolist() == pytest.approx([15 * math.log(10)] * 4)


def test_gradient_reaches_the_image_and_no_weight(scorer):
    images = pictures().requires_grad_()
    scorer.probs(images)[:, 1].sum().backward()
    assert all(image.abs().sum() > 0 for image in images.grad)
    assert not any(weight.requires_grad for weight in scorer.parameters())
    assert all(weight.grad is None for weight in scorer.parameters())


def test_an_image_is_scored_the_same_in_any_company(scorer):
    images = pictures(3)
    torch.testing.assert_close(scorer(images)[1:2], scorer(images[1:2]), rtol=1e-4, atol=1e-5)


def test_sides_that_no_cell_divides_are_enlarged_not_padded(scorer):
    assert scorer.probs(torch.rand(1, 3, 61, 61)).isfinite().all()


@pytest.mark.parametrize("layer", ["", "backbone.stage3", "backbone.layer2"])
def test_autograd_and_library_agree_at_the_backbone(scorer, layer):
    if layer and not hasattr(scorer.network.backbone, layer.partition(".")[2]):
        pytest.skip("the other detector's layer")
    wanted = [[1], [0, 1]]
    maps = NounExplainer(scorer, layer, "auto").explain(pictures(), wanted)
    expected = NounExplainer(scorer, layer, "library").explain(pictures(), wanted)
    for found, other in zip(maps.maps, expected.maps, strict=True):
        peak = other.abs().amax((-2, -1), keepdim=True)
        assert (peak > 0).all()
        torch.testing.assert_close(found / peak, other / peak, rtol=0, atol=1e-5)
    torch.testing.assert_close(maps.probs, scorer.probs(pictures()))


def test_the_default_layer_is_the_last_of_the_backbone(folders):
    layers = {
        key: load_detector_scorer(path, GROUPS).default_layer for key, path in folders.items()
    }
    assert layers == {"regions": "backbone.layer3", "dense": "backbone.stage4"}


def test_a_layer_of_several_levels_is_refused_by_name(scorer):
    with pytest.raises(LayerError, match=r"cams\.layer.*neck"):
        NounExplainer(scorer, "neck", "auto").explain(pictures(), [[0], [1]])


def test_blank_is_what_the_detector_sees_beside_images(regions, dense):
    torch.testing.assert_close(dense.blank, torch.full((3, 1, 1), 114 / 255))
    torch.testing.assert_close(regions.blank, torch.full((3, 1, 1), 0.5))


@pytest.mark.parametrize(
    ("pad_val", "rgb"), [(7, (7, 7, 7)), ({"img": (10, 20, 30)}, (30, 20, 10))]
)
def test_blank_is_what_the_pipeline_pads_with_in_its_order_of_colours(
    folders, tmp_path, pad_val, rgb
):
    blank = of_changed_config(
        folders["dense"], tmp_path, lambda config: pad_of(config).update(pad_val=pad_val)
    ).blank
    assert (255 * blank).flatten().tolist() == pytest.approx(rgb)


def test_blank_of_a_detector_that_neither_pads_nor_normalises_is_black(folders, tmp_path):
    def change(config):
        del pad_of(config)["pad_val"]

    assert of_changed_config(folders["dense"], tmp_path, change).blank.tolist() == [[[0.0]]] * 3


def pad_of(config):
    return next(step for step in config.test_pipeline if step.type == "Pad")


@pytest.mark.parametrize("is_rgb", [True, False])
def test_blank_without_padding_is_what_becomes_zero(folders, tmp_path, is_rgb):
    scorer = of_changed_config(
        folders["regions"],
        tmp_path,
        lambda config: config.model.data_preprocessor.update(
            mean=[10.0, 20.0, 30.0], bgr_to_rgb=is_rgb
        ),
    )
    found = scorer._prepare(scorer.blank.expand(1, 3, 64, 64))
    torch.testing.assert_close(found, torch.zeros(1, 3, 64, 64), rtol=0, atol=1e-5)


def of_changed_config(folder, own, change):
    """Return the scorer of a copy of a folder with another config."""
    for file in folder.iterdir():
        (own / file.name).write_bytes(file.read_bytes())
    config = read_config(own / "config.py")
    change(config)
    (own / "config.py").write_text(config.pretty_text)
    return load_detector_scorer(own, GROUPS)


def test_an_image_in_which_the_first_stage_finds_nothing_is_scored_whole(regions):
    usual = regions.probs(pictures())
    regions.network.rpn_head.test_cfg.update(min_bbox_size=10_000)
    assert regions.probs(pictures()).isfinite().all()
    assert not torch.allclose(regions.probs(pictures()), usual)
    wide = 255 * torch.rand(2, 3, 64, 96)
    found = _regions(regions.network, regions.network.extract_feat(wide), wide)
    assert [boxes.tolist() for boxes in found] == [[[0, 0, 96, 64]]] * 2


def test_no_noun_with_a_label_scores_nothing(folders):
    scorer = load_detector_scorer(folders["dense"], {})
    assert scorer.probs(pictures()).shape == (2, 0)
    maps = NounExplainer(scorer, "", "auto").explain(pictures(), [[], []]).maps
    assert [tuple(found.shape) for found in maps] == [(0, 2, 2), (0, 2, 2)]


def test_a_head_of_another_kind_is_refused(folders):
    config = read_config(folders["regions"] / "config.py")
    model = build_model(config)
    model.roi_head.bbox_head = torch.nn.ModuleList([model.roi_head.bbox_head])
    with pytest.raises(ModelFileError, match="FasterRCNN"):
        DetectorScorer(model, DetectorInfo("x", (), "", ""), torch.zeros(3, 1, 1), GROUPS)
    with pytest.raises(ModelFileError, match="Linear"):
        _head_of(torch.nn.Linear(2, 3))


def test_weights_of_another_detector_are_refused(folders, tmp_path):
    for name in ("config.py", "detector.json"):
        (tmp_path / name).write_bytes((folders["regions"] / name).read_bytes())
    (tmp_path / "weights.pth").write_bytes((folders["dense"] / "weights.pth").read_bytes())
    with pytest.raises(ModelFileError, match=r"weights\.pth"):
        load_detector_scorer(tmp_path, GROUPS)


def test_it_tells_the_detector_of_its_folder(regions):
    assert regions.describe() == {"network": "tiny", "training_set": "bright rectangles"}


class Head:
    """A dense head of two anchors a cell and three classes that puts out something third."""

    cls_out_channels, use_sigmoid_cls = 3, True

    def __init__(self, third):
        noise = torch.Generator().manual_seed(2)
        self.outputs = [torch.randn(1, width, 5, 7, generator=noise) for width in (6, 8, third)]

    def __call__(self, _features):
        return [[level] for level in self.outputs]


@pytest.mark.parametrize(("third", "is_objectness"), [(2, True), (1, False), (4, False)])
def test_a_third_output_is_an_objectness_where_it_is_one_number_an_anchor(third, is_objectness):
    head = Head(third)
    model = SimpleNamespace(bbox_head=head, extract_feat=lambda pixels: pixels)
    expected = head.outputs[0].double().sigmoid().unflatten(1, (2, 3))  # (1, 2, 3, 5, 7)
    if is_objectness:
        expected = expected * head.outputs[2].double().sigmoid()[:, :, None]
    found = _dense_log_probs(model, None).exp()
    torch.testing.assert_close(found, expected.amax((1, 3, 4)))
