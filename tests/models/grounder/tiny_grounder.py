"""A grounder and a batch with unequal prime sizes, small enough for a test."""

from dataclasses import fields, replace
from itertools import pairwise

import torch
from torch import nn

from models.grounder.batch import GroundingOutputs
from models.grounder.checkpoint import new_language
from models.grounder.config import LanguageSizes
from models.grounder.grounder import Grounder, GrounderSpec, GroundingInputs, build_grounder
from models.phrases.place_words import CUES
from models.training.config import LossWeights
from models.training.mining_loss import FrozenClassifier

B, P, E, R, T, W, L, K, S = 2, 3, 2, 5, 7, 4, 6, 2, 67
NUM_WORDS, NUM_PIECES, NUM_CLASSES, NUM_LABELS, NUM_PLACE_WORDS = 19, 23, 3, 5, 7

SPEC = GrounderSpec(
    backbone="classifier",
    embed_dim=12,
    levels="3+4+5",
    depth="1+1",
    visual_window=5,
    heads=3,
    ffn_dim=17,
    dropout=0.0,
    cam="mine",
    cam_input="both",
    cam_blocks=1,
    cam_nouns="head",
    cam_weight=1.2,
    cam_ranks="learned",
    fusion="concat",
    fusion_layers=2,
    reg_token="phrase",
    head="reg_token",
    proposal_dim=11,
    label_dim=3,
    decoder_dim=13,
    prior_weight=1.0,
    prior_floor=0.001,
    prior_score=0.7,
    prior_score_unfit=0.3,
    prior_area=0.4,
    prior_area_unfit=0.2,
    prior_number=2.0,
    prior_colour=0.6,
    prior_side=1.7,
    prior_size=0.9,
    prior_order=0.8,
    prior_relation=1.3,
    place_weight=0.6,
    place_order=1.1,
    place_dim=9,
    unfit_weight=0.7,
    unfit_dim=13,
    prior_claim=1.4,
    prior_wearer=0.8,
    prior_part_area=-0.5,
    score_bound=2.0,
    score_mlp=True,
    score_plain=0.4,
    score_unfit=0.9,
    teacher="both",
    contrast_temperature=0.1,
    mask_sharpness=10.0,
    mask_threshold=0.5,
    arch="mobilenet_v2",
    width=0.25,
    mean=(0.4, 0.5, 0.6),
    std=(0.2, 0.3, 0.25),
    bgr=False,
    num_words=NUM_WORDS,
    num_labels=NUM_LABELS,
    num_place_words=NUM_PLACE_WORDS,
    backbone_pretrained=True,
    language_pretrained=False,
)
WEIGHTS = LossWeights(
    reconstruction=1.0,
    contrastive=1.0,
    matching=0.7,
    regression=0.1,
    giou=0.5,
    mining=1.0,
    area=0.5,
    place=0.8,
    withheld=0.6,
    regression_iou=0.6,
    regression_gap=0.1,
    regression_gate=0.0,
    regression_start=0.1,
    mining_px=31,
    mining_nouns=0,
)


def tiny_config(**changes):
    """Return the configuration with some values changed."""
    return replace(SPEC, **changes)


class TinyNetwork(nn.Module):
    """Five strided convolutions and a head, all that a backbone is cut from."""

    def __init__(self):
        super().__init__()
        widths = [3, 4, 5, 6, 7, 8]
        blocks = [
            nn.Sequential(
                nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU()
            )
            for before, after in pairwise(widths)
        ]
        self.features = nn.Sequential(*blocks)
        self.fc = nn.Linear(8, NUM_CLASSES)

    def forward(self, images):
        return self.fc(self.features(images).mean((-2, -1)))


def tiny_grounder(seed=0, network=TinyNetwork, **changes) -> Grounder:
    """Return a grounder in training mode whose zero-initialised parts have been stirred."""
    torch.manual_seed(seed)
    spec = replace(SPEC, **changes)
    language = new_language(
        LanguageSizes(vocabulary=NUM_PIECES, hidden=10, layers=1, heads=2, dropout=spec.dropout)
    )
    grounder = build_grounder(spec, network(), language)
    if grounder.place_reader is not None:
        grounder.place_reader.learn_words(range(3, 3 + NUM_PLACE_WORDS))
    torch.manual_seed(seed)  # a part that draws more or less changes no other
    with torch.no_grad():
        for parameter in grounder.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return grounder


def tiny_inputs(seed=0, nouns=K, boxes=R) -> GroundingInputs:
    """Return a batch with padding of every kind: pixels, phrases, words, boxes, nouns."""
    torch.manual_seed(seed)
    corners = torch.rand(B, boxes, 2) * 30
    pixel_mask = torch.zeros(B, S, S, dtype=torch.bool)
    pixel_mask[0, :61, :43], pixel_mask[1, :53, :] = True, True
    lengths = torch.tensor([[7, 4, 5], [3, 6, 2]])
    return GroundingInputs(
        images=torch.rand(B, 3, S, S),
        clean_images=torch.rand(B, 3, S, S),
        pixel_mask=pixel_mask,
        phrase_mask=torch.tensor([[True, True, True], [True, True, False]]),
        phrase_is_plural=torch.tensor([[True, False, False], [False, True, False]]),
        phrase_is_plain=torch.tensor([[False, True, False], [True, False, True]]),
        token_ids=torch.randint(1, NUM_PIECES, (B, P, T)),
        token_mask=torch.arange(T) < lengths[..., None],
        word_ids=torch.randint(0, NUM_WORDS, (B, P, W)),
        word_mask=torch.arange(W) < lengths[..., None] - 1,
        place_word_ids=torch.randint(0, NUM_WORDS, (B, P, L)),
        boxes_xyxy=torch.cat([corners, corners + 1 + torch.rand(B, boxes, 2) * 11], dim=-1),
        box_mask=torch.arange(boxes) < torch.tensor([[5], [3]]),
        box_scores=torch.rand(B, boxes),
        box_labels=torch.randint(0, NUM_LABELS + 1, (B, boxes)),
        box_is_merged=torch.arange(boxes).expand(B, -1) % 2 == 1,
        box_priors=torch.rand(B, P, boxes),
        box_colours=torch.rand(B, P, boxes),
        cams=torch.rand(B, P, nouns, 3, 3),
        noun_mask=(torch.arange(nouns) < torch.tensor([[2, 1, 2], [1, 0, 2]])[..., None]),
        noun_roles=torch.arange(nouns).expand(B, P, nouns),
        noun_classes=torch.randint(0, NUM_CLASSES, (B, P, nouns)),
        noun_confidences=torch.rand(B, P, nouns) * 0.5 + 0.5,
        place_cues=torch.rand(B, P, len(CUES)) < 0.4,
        place_ranks=torch.tensor([[0, 2, 3], [2, 0, 0]]),
        place_sides=torch.tensor([[0, 1, 4], [2, 0, 0]]),
        relations=torch.tensor([[0, 7, -1], [6, 3, 2]]),
        anchor_priors=torch.rand(B, P, boxes),
        anchor_colours=torch.rand(B, P, boxes),
        earlier_priors=torch.rand(B, P, E, boxes) * (torch.rand(B, P, E, boxes) < 0.6),
        earlier_is_plural=torch.tensor([[False, True], [True, False], [False, False]]).expand(
            B, P, E
        ),
        wearers=torch.tensor([[-1, 1, -1], [0, -1, 1]]),
        phrase_is_body=torch.tensor([[False, True, False], [False, True, True]]),
    )


def tiny_scorer(seed=0) -> FrozenClassifier:
    """Return a frozen classifier with probabilities of NUM_CLASSES nouns."""
    torch.manual_seed(seed)
    network = TinyNetwork().eval().requires_grad_(False)
    return FrozenClassifier(lambda images: network(images).sigmoid(), torch.full((3, 1, 1), 0.45))


def outputs_of(box_logits):
    """Outputs of two images and three phrases, of which only these logits mean anything."""
    nothing = torch.zeros(B, P, 4)
    every = {field.name: nothing for field in fields(GroundingOutputs)}
    boxes = {"pred_boxes_xyxy": nothing + 1, "refined_boxes_xyxy": nothing + 2}
    return GroundingOutputs(**every | boxes | {"box_logits": box_logits})
