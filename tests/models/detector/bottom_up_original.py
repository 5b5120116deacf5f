"""The bottom-up-attention detector as its authors' two families of code compute it, in plain torch.

Written from py-faster-rcnn's layers (test.prototxt, proposal_layer.py, bbox_transform.py,
roi_pooling_layer.cu, nms) as MILVLG runs them, and from detectron2's C4 as airsplay runs it; it
knows nothing of mmdet. Random weights of a ResNet-50, under detectron2's names.
"""

import math

import cv2
import numpy as np
import torch
from torch.nn import functional as F

MEAN_BGR = np.array([102.9801, 115.9465, 122.7717])
BLOCKS = {"res2": (3, 64), "res3": (4, 128), "res4": (6, 256)}


class RandomWeights:
    """Tensors by detectron2's names."""

    def __init__(self, seed):
        self.draw = torch.Generator().manual_seed(seed)
        self.state = {}

    def conv(self, name, out_channels, in_channels, side, gain=1.0):
        shape = (out_channels, in_channels, side, side)
        spread = gain * math.sqrt(2 / (in_channels * side**2))
        self.state[f"{name}.weight"] = spread * torch.randn(shape, generator=self.draw)
        norm_gain = 0.3 if name.endswith("conv3") else 1.0
        for part, middle, spread in (
            ("weight", norm_gain, 0.3 * norm_gain),
            ("bias", 0.0, 0.1),
            ("running_mean", 0.0, 0.1),
            ("running_var", 1.0, 0.3),
        ):
            drawn = middle + spread * (2 * torch.rand(out_channels, generator=self.draw) - 1)
            self.state[f"{name}.norm.{part}"] = drawn
        self.state[f"{name}.norm.num_batches_tracked"] = torch.tensor(7)

    def stage(self, name, num_blocks, middle, in_channels):
        for index in range(num_blocks):
            block = f"{name}.{index}"
            self.conv(f"{block}.conv1", middle, in_channels, 1)
            self.conv(f"{block}.conv2", middle, middle, 3)
            self.conv(f"{block}.conv3", 4 * middle, middle, 1)
            if index == 0:
                self.conv(f"{block}.shortcut", 4 * middle, in_channels, 1)
            in_channels = 4 * middle

    def linear(self, name, shape, gain):
        self.state[f"{name}.weight"] = gain * torch.randn(shape, generator=self.draw)
        self.state[f"{name}.bias"] = gain * torch.randn(shape[0], generator=self.draw)


def random_checkpoint(family, num_classes, seed=0):
    """Return a checkpoint's tensors; `family` is caffe or detectron2."""
    caffe = family == "caffe"
    weights = RandomWeights(seed)
    weights.conv("backbone.stem.conv1", 64, 3, 7, gain=0.02)
    channels = 64
    for name, (num_blocks, middle) in BLOCKS.items():
        weights.stage(f"backbone.{name}", num_blocks, middle, channels)
        channels = 4 * middle
    weights.stage("roi_heads.res5", 3, 512, channels)
    rpn, box = "proposal_generator.rpn_head", "roi_heads.box_predictor"
    weights.linear(f"{rpn}.conv", (512, 1024, 3, 3), 0.01)
    weights.linear(f"{rpn}.objectness_logits", (24 if caffe else 12, 512, 1, 1), 0.05)
    weights.linear(f"{rpn}.anchor_deltas", (48, 512, 1, 1), 0.01)
    weights.linear(f"{box}.cls_score", (num_classes + 1, 2048), 0.02)
    num_boxes = num_classes + 1 if caffe else num_classes
    weights.linear(f"{box}.bbox_pred", (4 * num_boxes, 2048), 0.003 if caffe else 0.02)
    weights.linear(f"{box}.{'attr_linear1' if caffe else 'fc_attr'}", (512, 2304), 0.02)
    if caffe:
        weights.state["proposal_generator.anchor_generator.cell_anchors.0"] = CAFFE_ANCHORS.clone()
    return weights.state


# generate_anchors(base_size=16, ratios=[0.5, 1, 2], scales=[4, 8, 16, 32]) of py-faster-rcnn
CAFFE_ANCHORS = torch.tensor(
    [
        [-38.0, -16, 53, 31],
        [-84, -40, 99, 55],
        [-176, -88, 191, 103],
        [-360, -184, 375, 199],
        [-24, -24, 39, 39],
        [-56, -56, 71, 71],
        [-120, -120, 135, 135],
        [-248, -248, 263, 263],
        [-14, -36, 29, 51],
        [-36, -80, 51, 95],
        [-80, -168, 95, 183],
        [-168, -344, 183, 359],
    ]
)


def detect(state, family, image_rgb, limits):
    """Return every region's boxes (R, K, 4) in pixels of the image and class scores (R, K).

    `limits` is (short side, long side, proposals kept).
    """
    short_px, long_px, post_nms = limits
    sides = image_rgb.shape[:2]
    scale = short_px / min(sides)
    if round(scale * max(sides)) > long_px:
        scale = long_px / max(sides)
    pixels = image_rgb[..., ::-1].astype(np.float32) - MEAN_BGR.astype(np.float32)
    resized = cv2.resize(pixels, None, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    features = backbone(state, torch.from_numpy(resized).permute(2, 0, 1)[None])
    proposals = propose(state, family, features, resized.shape[:2], scale, post_nms)
    pooled = roi_pool(features[0].numpy(), proposals.numpy())
    logits, deltas = box_outputs(state, torch.from_numpy(pooled))
    probs = logits.softmax(1)
    if family == "caffe":
        boxes = decode(proposals / scale, deltas, 1)
        return clip(boxes, sides, 1)[:, 1:], probs[:, 1:]
    boxes = decode(proposals, deltas / torch.tensor([10.0, 10, 5, 5]).repeat(probs.shape[1] - 1), 0)
    return clip(boxes, resized.shape[:2], 0) / scale, probs[:, :-1]


def frozen_norm(state, name, x):
    weight, bias, mean, var = (
        state[f"{name}.norm.{part}"][:, None, None]
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / (var + 1e-5).sqrt() * weight + bias


def bottleneck(state, name, x, stride, dilation):
    """Caffe's: the stride is in the first convolution."""
    out = F.conv2d(x, state[f"{name}.conv1.weight"], stride=stride)
    out = frozen_norm(state, f"{name}.conv1", out).relu()
    out = F.conv2d(out, state[f"{name}.conv2.weight"], padding=dilation, dilation=dilation)
    out = frozen_norm(state, f"{name}.conv2", out).relu()
    out = frozen_norm(state, f"{name}.conv3", F.conv2d(out, state[f"{name}.conv3.weight"]))
    if f"{name}.shortcut.weight" in state:
        x = F.conv2d(x, state[f"{name}.shortcut.weight"], stride=stride)
        x = frozen_norm(state, f"{name}.shortcut", x)
    return (out + x).relu()


def backbone(state, x):
    x = F.conv2d(x, state["backbone.stem.conv1.weight"], stride=2, padding=3)
    x = frozen_norm(state, "backbone.stem.conv1", x).relu()
    x = F.max_pool2d(x, 3, 2, padding=0, ceil_mode=True)
    for name, (num_blocks, _) in BLOCKS.items():
        for index in range(num_blocks):
            stride = 2 if index == 0 and name != "res2" else 1
            x = bottleneck(state, f"backbone.{name}.{index}", x, stride, 1)
    return x


def res5(state, x):
    for index in range(3):
        x = bottleneck(state, f"roi_heads.res5.{index}", x, 1, 2)
    return x


def box_outputs(state, pooled):
    """Return the class logits and box deltas of pooled regions (R, C, 14, 14)."""
    head, box = res5(state, pooled).mean((2, 3)), "roi_heads.box_predictor"
    logits = F.linear(head, state[f"{box}.cls_score.weight"], state[f"{box}.cls_score.bias"])
    return logits, F.linear(head, state[f"{box}.bbox_pred.weight"], state[f"{box}.bbox_pred.bias"])


def rpn_outputs(state, family, features):
    """Return the first stage's scores (1, 12, h, w), of Caffe probabilities, and its deltas."""
    rpn = "proposal_generator.rpn_head"

    def head(name, x, padding=0):
        return F.conv2d(x, state[f"{rpn}.{name}.weight"], state[f"{rpn}.{name}.bias"], 1, padding)

    hidden = head("conv", features, 1).relu()
    scores, deltas = head("objectness_logits", hidden), head("anchor_deltas", hidden)
    if family == "caffe":
        scores = scores.unflatten(1, (2, 12)).softmax(1)[:, 1]
    return scores, deltas


def propose(state, family, features, image_hw, scale, post_nms):
    height, width = features.shape[-2:]
    scores, deltas = rpn_outputs(state, family, features)
    if family == "caffe":
        cell, extent, least = CAFFE_ANCHORS, 1, 16 * scale
    else:
        cell, extent, least = detectron2_anchors(), 0, 0
    anchors = [cell + 16 * torch.tensor([x, y, x, y]) for y in range(height) for x in range(width)]
    deltas = deltas[0].view(12, 4, height, width).permute(2, 3, 0, 1).reshape(-1, 4)
    boxes = clip(decode(torch.cat(anchors), deltas, extent), image_hw, extent)[:, 0]
    scores = scores[0].permute(1, 2, 0).flatten()
    return boxes[choose(boxes, scores, extent, (least, 6000, 0.7, post_nms))]


def choose(boxes, scores, extent, limits):
    """Return the indices of the boxes that the first stage proposes, by falling score.

    `limits` is (shortest side, boxes before suppression, its IoU, boxes after it).
    """
    least, pre_nms, threshold, post_nms = limits
    sides = boxes[:, 2:] - boxes[:, :2]
    large = ((sides > 0) & (sides + extent > least)).all(1).nonzero().flatten()
    order = large[scores[large].argsort(descending=True)[:pre_nms]]
    return order[suppress(boxes[order].numpy(), threshold, extent)[:post_nms]]


def detectron2_anchors():
    sides = [
        (size / math.sqrt(ratio), size * math.sqrt(ratio))
        for size in (64, 128, 256, 512)
        for ratio in (0.5, 1.0, 2.0)
    ]
    return torch.tensor([[-w / 2, -h / 2, w / 2, h / 2] for w, h in sides])


def decode(boxes, deltas, extent):
    """Return (R, K, 4) of boxes (R, 4) and deltas (R, 4 K)."""
    sides = boxes[:, 2:] - boxes[:, :2] + extent
    middles = boxes[:, :2] + 0.5 * sides
    deltas = deltas.view(len(boxes), -1, 4)
    middles = deltas[..., :2] * sides[:, None] + middles[:, None]
    sides = deltas[..., 2:].exp() * sides[:, None]
    return torch.cat([middles - 0.5 * sides, middles + 0.5 * sides], -1)


def clip(boxes, image_hw, extent):
    height, width = image_hw
    most = torch.tensor([width, height, width, height]) - extent
    return boxes.clamp(min=0).minimum(most.to(boxes.dtype))


def suppress(boxes, threshold, extent):
    """Return the indices that greedy suppression keeps; boxes come by falling score."""
    kept = []
    for index, (left, top, right, bottom) in enumerate(boxes):
        area = (right - left + extent) * (bottom - top + extent)
        for other in kept:
            x1, y1, x2, y2 = boxes[other]
            wide = max(0.0, min(right, x2) - max(left, x1) + extent)
            high = max(0.0, min(bottom, y2) - max(top, y1) + extent)
            union = area + (x2 - x1 + extent) * (y2 - y1 + extent) - wide * high
            if wide * high > threshold * union:
                break
        else:
            kept.append(index)
    return kept


def roi_pool(features, boxes):
    """Caffe's ROIPooling, 14 x 14, of features (C, h, w): the largest of whole cells."""
    height, width = features.shape[1:]
    out = np.zeros((len(boxes), len(features), 14, 14), np.float32)
    for index, box in enumerate(boxes):
        left, top, right, bottom = (math.floor(side / 16 + 0.5) for side in box.tolist())
        step_x, step_y = max(right - left + 1, 1) / 14, max(bottom - top + 1, 1) / 14
        for row in range(14):
            y1 = min(max(math.floor(row * step_y) + top, 0), height)
            y2 = min(max(math.ceil((row + 1) * step_y) + top, 0), height)
            for column in range(14):
                x1 = min(max(math.floor(column * step_x) + left, 0), width)
                x2 = min(max(math.ceil((column + 1) * step_x) + left, 0), width)
                if y2 > y1 and x2 > x1:
                    out[index, :, row, column] = features[:, y1:y2, x1:x2].max((1, 2))
    return out
