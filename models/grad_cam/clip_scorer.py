"""Scores of any noun by CLIP: similarity to a photo of it against photos of backgrounds.

Shapes: B images, S pixels per side, N nouns, G backgrounds, D channels of the joint space, T tokens
of the vision transformer, (h, w) patches.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

from models.given_files.foreign_values import is_finite_number, short_text
from models.given_files.impostors import one_line
from models.given_files.safe_load import (
    BROKEN_FOLDER,
    ModelFileError,
    is_position_index,
    load_transformers,
)
from models.given_files.transformers_folder import check_folder, tokenizer_errors
from models.grad_cam.scorer import NounScorer, NounScores, in_whole_cells

_TEXTS_AT_ONCE = 256


class ClipScorer(NounScorer):
    """A softmax between one noun and the backgrounds, noun by noun (CLIP-ES, arXiv 2212.09506).

    The probability is that of the noun in the softmax over scale * cos(image, text) of its own text
    and of the backgrounds' texts; the logit is its log-odds, so both have the same Grad-CAM up to a
    positive factor. Vision transformers alone: transformers has no CLIP with a ResNet. The layer
    that is explained is the norm before the last attention, as in CLIP-ES: behind it only the class
    token goes on to the score.
    """

    mean: Tensor
    std: Tensor
    noun_texts: Tensor
    background_texts: Tensor
    is_own: Tensor

    def __init__(
        self, model: CLIPModel, texts: "ClipTexts", mean: Sequence[float], std: Sequence[float]
    ) -> None:
        """Join a model and its texts; `mean` and `std` normalise RGB in [0, 1]."""
        last = len(model.vision_model.encoder.layers) - 1
        layer = f"vision_model.encoder.layers.{last}.layer_norm1"
        super().__init__(model, dict.fromkeys(texts.nouns, "prompt"), layer)
        self._model = model
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))
        self.register_buffer("noun_texts", texts.noun_texts)
        self.register_buffer("background_texts", texts.background_texts)
        own = [[noun == background for background in texts.backgrounds] for noun in texts.nouns]
        is_own = torch.tensor(own, dtype=torch.bool).view(-1, len(texts.backgrounds))  # (N, G)
        self.register_buffer("is_own", is_own)

    @property
    def blank(self) -> Tensor:
        """The colour that CLIP's normalisation turns into zero, RGB in [0, 1], f32 (3, 1, 1)."""
        return self.mean

    def scores(self, images: Tensor) -> NounScores:
        """Return the scores of every noun in RGB images in [0, 1], float32 (B, 3, S, S).

        Images of another side than the model's get interpolated position embeddings.
        """
        pixels = (in_whole_cells(images, self._patch_px) - self.mean) / self.std
        pooled = self._model.vision_model(pixels, interpolate_pos_encoding=True).pooler_output
        image = F.normalize(self._model.visual_projection(pooled), dim=-1)  # (B, D)
        scaled = self._model.logit_scale.exp() * image
        background = (scaled @ self.background_texts.T)[:, None].masked_fill(self.is_own, -math.inf)
        logits = scaled @ self.noun_texts.T - background.logsumexp(-1)  # (B, N)
        return NounScores(logits, logits.sigmoid())

    def grid(self, activations: Tensor) -> Tensor:
        """Return tokens (B, T, C) of square images as maps (B, C, h, h), the class token left out.

        Maps, which the patch embedding puts out, are returned as they are.
        """
        if activations.ndim == 4:
            return activations
        patches = activations[:, 1:].transpose(1, 2)  # (B, C, h * h)
        side = math.isqrt(patches.shape[-1])
        return patches.unflatten(-1, (side, side))

    def describe(self) -> dict[str, str]:
        """Return `network`, size of the vision transformer, and `training_set`."""
        config = self._model.config.vision_config
        name = f"CLIP ViT of {config.num_hidden_layers} layers, patch {config.patch_size}"
        return {"network": name, "training_set": "image-text pairs"}

    @property
    def _patch_px(self) -> int:
        return int(self._model.config.vision_config.patch_size)


class ClipTexts:
    """Text embeddings of nouns and backgrounds.

    Attributes:
        nouns: N nouns.
        backgrounds: G nouns.
        noun_texts: unit vectors, float32 (N, D).
        background_texts: unit vectors, float32 (G, D).
    """

    def __init__(
        self,
        model: CLIPModel,
        tokenizer: CLIPTokenizer,
        prompt: str,
        nouns: Sequence[str],
        backgrounds: Sequence[str],
    ) -> None:
        """Encode the texts.

        Args:
            model: CLIP of transformers.
            tokenizer: of the same model.
            prompt: text of a noun, with `{}` in place of the noun.
            nouns: N nouns.
            backgrounds: G nouns; one that is also in `nouns` does not compete with itself.

        Raises:
            ValueError: fewer than two backgrounds, or no `{}` in the prompt.
        """
        if len(set(backgrounds)) < 2:
            raise ValueError("cams.clip.backgrounds: name two at least; one may be the noun itself")
        if "{}" not in prompt:
            raise ValueError(f"cams.clip.prompt: {prompt!r} has no {{}} in place of the noun")
        self.nouns, self.backgrounds = tuple(nouns), tuple(backgrounds)
        encode = _TextEncoder(model, tokenizer)
        self.noun_texts = encode([prompt.replace("{}", noun) for noun in nouns])
        self.background_texts = encode([prompt.replace("{}", noun) for noun in backgrounds])


class _TextEncoder:
    def __init__(self, model: CLIPModel, tokenizer: CLIPTokenizer) -> None:
        self._model, self._tokenizer = model, tokenizer

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return the unit embedding of each text, float32 (N, D)."""
        vectors = [
            self._encode(list(texts[start : start + _TEXTS_AT_ONCE]))
            for start in range(0, len(texts), _TEXTS_AT_ONCE)
        ]
        none = torch.zeros(0, self._model.config.projection_dim, device=self._model.device)
        return torch.cat([none, *vectors])

    def _encode(self, texts: list[str]) -> Tensor:
        longest = self._model.config.text_config.max_position_embeddings
        tokens = self._tokenizer(
            texts, padding=True, truncation=True, max_length=longest, return_tensors="pt"
        ).to(self._model.device)
        output = self._model.text_model(tokens.input_ids, attention_mask=tokens.attention_mask)
        return F.normalize(self._model.text_projection(output.pooler_output), dim=-1)


def load_clip_scorer(
    folder: Path, prompt: str, nouns: Sequence[str], backgrounds: Sequence[str]
) -> ClipScorer:
    """Return the scorer by the CLIP of a transformers folder: model, tokenizer, image processor.

    Raises:
        ModelFileError: a file is missing or is not what it should be.
        ValueError: as `ClipTexts`.
    """
    return open_clip_scorer(folder, prompt, backgrounds)(nouns)


def open_clip_scorer(
    folder: Path, prompt: str, backgrounds: Sequence[str]
) -> Callable[[Sequence[str]], ClipScorer]:
    """Load a CLIP once; return a function from nouns to their scorer, which raises `ValueError`.

    Raises:
        ModelFileError: a file is missing or is not what it should be.
    """
    try:
        check_folder(folder, "clip")
        model = load_transformers(CLIPModel, folder, is_position_index).eval()
        with tokenizer_errors(folder):
            tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
            tokenizer(["a"])  # a setting of a wrong type comes to light in use
        mean, std = _statistics(folder)
    except ModelFileError:
        raise
    except BROKEN_FOLDER as error:
        raise ModelFileError(
            f"{folder}: holds no CLIP of transformers: {one_line(error)}"
        ) from error

    def scorer_of(nouns: Sequence[str]) -> ClipScorer:
        try:
            texts = ClipTexts(model, tokenizer, prompt, nouns, backgrounds)
            return ClipScorer(model, texts, mean, std)
        except (LookupError, RuntimeError, TypeError) as error:  # of a piece without an embedding
            raise ModelFileError(
                f"{folder}: tokenizer and model do not fit: {one_line(error)}"
            ) from error

    return scorer_of


def _statistics(folder: Path) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation by which the model's RGB in [0, 1] is normalised.

    Raises:
        ModelFileError: they are not three numbers each, or a deviation is not above 0.
    """
    images = CLIPImageProcessor.from_pretrained(folder, local_files_only=True)
    mean, std = images.image_mean, images.image_std
    for values in (mean, std):
        if (
            not isinstance(values, list | tuple)
            or list(map(is_finite_number, values)) != [True] * 3
        ):
            raise ModelFileError(
                f"{folder}: its image processor has {short_text(values)} as mean or deviation of "
                "RGB; expected three numbers"
            )
    if min(std) <= 0:
        raise ModelFileError(f"{folder}: its image processor has a deviation that is not above 0")
    return list(mean), list(std)
