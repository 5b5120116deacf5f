"""The grounding model: images and phrases in, a score for every proposal and a box out.

Shapes: B images, P phrases of an image, R proposals, T word pieces, W words, K nouns, S input
pixels per side, (h, w) cells of the CAMs, C, D, U, G channels of BERT, embeddings, proposals and
fused states.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.classifier.classifier import ImageNorm
from models.grounder.batch import GroundingInputs, GroundingOutputs
from models.grounder.box_head import OffsetHead, RegHead, decode_boxes, encode_boxes
from models.grounder.box_scorer import BoxScorer, cam_statistics, masked_probs
from models.grounder.config import GrounderSpec, parse_levels
from models.grounder.encoders.cam_encoder import HEAD_ROLE, CamEncoder, CamEncoding, no_cams
from models.grounder.encoders.language_encoder import LanguageEncoder
from models.grounder.encoders.proposal_encoder import ProposalEncoder
from models.grounder.encoders.visual_encoder import LevelMap, VisualEncoder
from models.grounder.fusion import Fusion
from models.grounder.phrase_decoder import PhraseDecoder, attended_proposal
from models.grounder.place_reader import PlaceReader, PlaceReading, no_reading
from models.grounder.priors.prior import prior_logits
from models.grounder.unfit_scorer import UnfitScorer, UnfitScores, no_unfit_scores
from models.layers.attention import TokenSet
from models.layers.backbone import Backbone
from models.layers.masking import content_boxes_xyxy

__all__ = ["Grounder", "GrounderSpec", "GroundingInputs", "GroundingOutputs", "build_grounder"]


@dataclass(frozen=True)
class _Features:
    """Phrases' mean states (B, P, C), fused states (B, P, G), embeddings (B, P, D)."""

    means: Tensor
    states: Tensor
    phrases: Tensor
    proposals: Tensor  # (B, R, U)


@dataclass(frozen=True)
class _BoxScores:
    """Logits, their parts and probabilities (B, P, R); the boxes' embeddings (B, R, D)."""

    logits: Tensor
    learned: Tensor
    prior: Tensor
    cam: Tensor
    reading: PlaceReading
    unfit: UnfitScores
    probs: Tensor
    embeddings: Tensor


@dataclass(frozen=True)
class _Boxes:
    """Predicted and refined boxes (B, P, 4) and coded offsets (B, P, R, 4)."""

    pred_xyxy: Tensor
    refined_xyxy: Tensor
    deltas: Tensor


class Grounder(nn.Module):
    """Visual, language and CAM encoder, fusion, proposal scorer, decoder and box head.

    The image is encoded once and shared by its phrases. Build it with `build_grounder`.
    """

    def __init__(self, spec: GrounderSpec, network: nn.Module, language: LanguageEncoder) -> None:
        super().__init__()
        self.spec = spec
        self.norm = ImageNorm(spec.mean, spec.std, spec.bgr)
        levels = parse_levels(spec.levels)
        backbone = Backbone(network, levels, spec.backbone_pretrained)
        self.visual_encoder = VisualEncoder(backbone, spec)
        self.language_encoder = language
        self.phrase_embedding = nn.Linear(language.channels, spec.embed_dim)
        self.cam_encoder = None
        if spec.cam != "off":
            self.cam_encoder = CamEncoder(backbone.channels[5], spec)
        self.fusion = Fusion(language.channels, spec)
        state_dim = self.fusion.out_dim
        raw_dims = [backbone.channels[level] for level in levels]
        self.proposal_encoder = ProposalEncoder(raw_dims, spec.num_labels, spec)
        self.scorer = BoxScorer(state_dim, spec)
        self.decoder = PhraseDecoder(spec.num_words, spec)
        self.place_reader = None
        if spec.place_weight > 0:
            self.place_reader = PlaceReader(spec, spec.num_words, spec.num_place_words)
        self.head: RegHead | OffsetHead = RegHead(state_dim)
        if spec.head == "per_proposal":
            self.head = OffsetHead(state_dim, spec.proposal_dim)
        self.unfit_scorer = None
        if spec.unfit_weight > 0:
            self.unfit_scorer = UnfitScorer(language.channels, spec)

    def pretrained_parameters(self) -> list[nn.Parameter]:
        """Return the trainable parameters that do not start from random values."""
        return [
            parameter
            for module in self._pretrained_modules()
            for parameter in module.parameters()
            if parameter.requires_grad
        ]

    def train_pretrained(self, wanted: bool) -> None:
        """Train what does not start from random values, or keep it, without a backward pass."""
        for parameter in self.pretrained_parameters():
            parameter.requires_grad_(wanted)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Grounder":
        """Set the mode; a pre-trained part that is kept stays in evaluation mode: no dropout."""
        super().train(mode)
        for module in self._pretrained_modules():
            if not any(parameter.requires_grad for parameter in module.parameters()):
                module.eval()
        return self

    def _pretrained_modules(self) -> list[nn.Module]:
        wanted = {
            self.visual_encoder.backbone: self.spec.backbone_pretrained,
            self.language_encoder: self.spec.language_pretrained,
        }
        return [module for module, is_pretrained in wanted.items() if is_pretrained]

    def new_parameters(self) -> list[nn.Parameter]:
        """Return the trainable parameters that `pretrained_parameters` leaves out."""
        known = {id(parameter) for parameter in self.pretrained_parameters()}
        return [
            parameter
            for parameter in self.parameters()
            if parameter.requires_grad and id(parameter) not in known
        ]

    def forward(self, inputs: GroundingInputs) -> GroundingOutputs:
        """Ground the phrases of a batch; works without proposals and without nouns."""
        visual = self.visual_encoder(self.norm(inputs.images), inputs.pixel_mask)
        words = self._encode_words(inputs)  # (B, P, T, C)
        means = masked_mean(words)  # (B, P, C)
        phrases = self.phrase_embedding(means)  # (B, P, D)
        cams = self._encode_cams(inputs, visual.deepest)
        states = self.fusion(
            visual.levels, words, TokenSet(cams.tokens, cams.token_mask), phrases
        )  # (B, P, G)
        proposals = self.proposal_encoder(
            (visual.levels, visual.raw),
            inputs.boxes_xyxy,
            inputs.box_labels,
            inputs.pixel_mask,
        )  # (B, R, U)
        phrases = F.normalize(phrases, dim=-1)
        mined_mask = self._mined_mask(inputs, cams)
        features = _Features(means, states, phrases, proposals)
        scores = self._score(inputs, features, cams, mined_mask)
        attended = attended_proposal(scores.probs.to(proposals.dtype), proposals)  # (B, P, U)
        boxes = self._boxes(inputs, states, proposals, scores.logits)
        return GroundingOutputs(
            box_logits=scores.logits,
            learned_logits=scores.learned,
            prior_logits=scores.prior,
            cam_logits=scores.cam,
            reading_logits=scores.reading.logits,
            unfit_logits=scores.unfit.logits,
            box_probs=scores.probs,
            pred_boxes_xyxy=boxes.pred_xyxy,
            refined_boxes_xyxy=boxes.refined_xyxy,
            box_deltas=boxes.deltas,
            attention_maps=cams.attention_maps,
            mined_mask=mined_mask,
            cell_mask=cams.cell_mask,
            phrase_embeddings=phrases,
            box_embeddings=scores.embeddings,
            attended=attended,
            reconstruction_logits=self.decoder(attended, inputs.word_ids),
            place_log_probs=scores.reading.log_probs,
            usual_log_probs=scores.reading.usual,
            blind_logits=scores.unfit.blind,
        )

    def _encode_words(self, inputs: GroundingInputs) -> TokenSet:
        """Run the language encoder on every phrase, float (B, P, T, C)."""
        flat = self.language_encoder(
            inputs.token_ids.flatten(0, 1), inputs.token_mask.flatten(0, 1)
        )
        return TokenSet(flat.unflatten(0, inputs.phrase_mask.shape), inputs.token_mask)

    def _encode_cams(self, inputs: GroundingInputs, deepest: LevelMap) -> CamEncoding:
        """Run the CAM encoder; without one the batch has no nouns."""
        if self.cam_encoder is None:
            return no_cams(deepest, inputs.phrase_mask, self.spec.embed_dim)
        noun_mask = inputs.noun_mask & inputs.phrase_mask[..., None]
        return self.cam_encoder(deepest, inputs.cams, noun_mask, inputs.noun_roles)

    def _mined_mask(self, inputs: GroundingInputs, cams: CamEncoding) -> Tensor:
        """Return which nouns' maps steer the scores and are mined, bool (B, P, K)."""
        if self.spec.cam_nouns == "all" or self.cam_encoder is None:
            return cams.map_mask
        return cams.map_mask & (inputs.noun_roles == HEAD_ROLE)

    def _score(
        self, inputs: GroundingInputs, features: _Features, cams: CamEncoding, mined_mask: Tensor
    ) -> _BoxScores:
        """Score every box for every phrase."""
        weights = mined_mask / mined_mask.sum(-1, keepdim=True).clamp(min=1)  # (B, P, K)
        image_px = inputs.images.shape[-1]
        statistics = cam_statistics(cams.attention_maps, weights, inputs.boxes_xyxy, image_px)
        embeddings = self.scorer.embed_boxes(features.proposals)  # (B, R, D)
        similarities = features.phrases @ embeddings.transpose(1, 2)  # (B, P, R)
        learned = self.scorer(
            features.states, features.proposals, statistics.features, similarities
        ).float()  # (B, P, R)
        learned = self._weight_learned(inputs) * learned
        prior = prior_logits(inputs, self.spec)  # (B, P, R)
        if self.spec.cam_ranks == "raw":
            statistics = cam_statistics(cams.raw_maps, weights, inputs.boxes_xyxy, image_px)
        cam = self.spec.cam_weight * statistics.log_density  # (B, P, R)
        reading = self._read_places(inputs)
        unfit = self._score_unfit(inputs, features.means)
        logits = learned + prior + cam + reading.logits + unfit.logits
        real = inputs.box_mask[:, None]  # (B, 1, R)
        logits = logits.masked_fill(~real, torch.finfo(logits.dtype).min)
        probs = masked_probs(logits, real)
        return _BoxScores(logits, learned, prior, cam, reading, unfit, probs, embeddings)

    def _read_places(self, inputs: GroundingInputs) -> PlaceReading:
        """Return what the phrases' words of place say of every box."""
        if self.place_reader is None:
            return no_reading(inputs)
        return self.place_reader(inputs, self.spec)

    def _score_unfit(self, inputs: GroundingInputs, means: Tensor) -> UnfitScores:
        """Return what a phrase says of every box's place and shape where no label fits."""
        if self.unfit_scorer is None:
            return no_unfit_scores(inputs)
        return self.unfit_scorer(inputs, means, self.spec.unfit_weight)

    def _weight_learned(self, inputs: GroundingInputs) -> Tensor:
        """Return how much the learned score counts for each phrase, in [0, 1], float (B, P, 1)."""
        is_plain = inputs.phrase_is_plain[..., None]  # (B, P, 1)
        where_fit = torch.where(is_plain, self.spec.score_plain, 1.0)
        return torch.where(inputs.has_fit, where_fit, self.spec.score_unfit)

    def _boxes(
        self, inputs: GroundingInputs, states: Tensor, proposals: Tensor, box_logits: Tensor
    ) -> _Boxes:
        """Predict boxes from the fused states; from the best proposal's offset in RIF's way."""
        anchors = inputs.boxes_xyxy[:, None].expand(-1, states.shape[1], -1, -1)  # (B, P, R, 4)
        if isinstance(self.head, RegHead):
            pred = self.head(states, content_boxes_xyxy(inputs.pixel_mask))  # (B, P, 4)
            deltas = encode_boxes(anchors, pred[:, :, None].expand_as(anchors))
            return _Boxes(pred, pred, deltas)
        deltas = self.head(states, proposals)  # (B, P, R, 4)
        refined = decode_boxes(anchors, deltas)
        frames = content_boxes_xyxy(inputs.pixel_mask)[:, None].expand(-1, states.shape[1], -1)
        if anchors.shape[2] == 0:
            return _Boxes(frames, frames, deltas)
        best = box_logits.argmax(-1)[..., None, None].expand(-1, -1, 1, 4)
        has_boxes = inputs.box_mask.any(-1)[:, None, None]
        chosen = torch.where(has_boxes, refined.gather(2, best)[:, :, 0], frames)  # (B, P, 4)
        return _Boxes(chosen, chosen, deltas)


def build_grounder(spec: GrounderSpec, network: nn.Module, language: LanguageEncoder) -> Grounder:
    """Build a grounder.

    Args:
        spec: what it is made of.
        network: its layers become the backbone, as of `models.layers.backbone`; copied.
        language: the text encoder, trained further.

    Raises:
        ValueError: `spec.levels` is no choice of levels, `spec.depth` no depth, or the network has
            no map at stride 8.
    """
    return Grounder(spec, network, language)


def masked_mean(words: TokenSet) -> Tensor:
    """Return the mean state of the real tokens, float (B, P, C); 0 where there are none."""
    mask = words.mask[..., None]
    return (words.tokens * mask).sum(2) / mask.sum(2).clamp(min=1)
