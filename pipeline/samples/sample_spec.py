"""What is in the samples of a grounder, kept beside it, and how phrases become numbers.

Shapes: P phrases, T tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.given_files.impostors import cause_of
from models.given_files.json_files import read_json_value, write_json
from pipeline.errors import InputError
from pipeline.params.reader import ParamsError, build
from pipeline.params.train import LabelParams, TrainParams
from pipeline.samples.vocabulary import WordVocabulary

_FILE = "samples.json"
CAM_STRIDE = 32  # pixels per cell of the grounder's coarsest level


@dataclass(frozen=True)
class SampleSpec:
    """How large samples are, and what is looked up for them.

    Attributes:
        image_px: side of the padded square, a multiple of 32.
        max_tokens: of a phrase; the rest is cut.
        max_words: of a phrase that are reconstructed.
        max_nouns: noun slots of a phrase.
        windows: left, top, right and bottom, as shares of the image, of parts that are proposals of
            score 0, after the others; (0, 0, 1, 1) is all of it.
        merge_floors: boxes of one label of at least such a score make a merged proposal.
        with_colours: whether boxes are searched for the colours that phrases name; if not, no
            phrase counts as naming one.
        subject_words: the text of a phrase is its words that describe the thing itself; if not, all
            its words.
        labels: how nouns are compared with the detector's labels.
    """

    image_px: int
    max_tokens: int
    max_words: int
    max_nouns: int
    windows: tuple[tuple[float, ...], ...]
    merge_floors: tuple[float, ...]
    with_colours: bool
    subject_words: bool
    labels: LabelParams

    def __post_init__(self) -> None:
        if self.image_px < CAM_STRIDE or self.image_px % CAM_STRIDE:
            raise InputError(f"train.image_px: must be a multiple of 32, got {self.image_px}")


@dataclass(frozen=True)
class Tokenize:
    """Turns phrases into tokens.

    Attributes:
        tokenizer: a tokenizer of transformers.
        max_tokens: of a phrase, the special ones counted; the rest is cut.
    """

    tokenizer: Any
    max_tokens: int

    def __call__(self, phrases: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return token ids, int64 (P, T), and True where one is real, bool (P, T)."""
        encoded = self.tokenizer(
            list(phrases),
            padding=True,
            truncation=True,
            max_length=self.max_tokens,
            return_tensors="np",
        )
        return encoded["input_ids"].astype(np.int64), encoded["attention_mask"].astype(np.bool_)


@dataclass(frozen=True)
class TextEncoding:
    """How phrases become numbers.

    Attributes:
        tokenize: for the language encoder.
        vocabulary: of the words to reconstruct.
        noun_classes: number of the frozen scorer's output for each of its nouns; empty without one.
    """

    tokenize: Tokenize
    vocabulary: WordVocabulary
    noun_classes: Mapping[str, int]


def sample_spec(params: TrainParams) -> SampleSpec:
    """Return what is in the samples of a training."""
    return SampleSpec(
        image_px=params.image_px,
        max_tokens=params.max_tokens,
        max_words=params.max_words,
        max_nouns=params.max_nouns,
        windows=params.windows,
        merge_floors=params.merge_floors,
        with_colours=params.model.prior_colour != 0,
        subject_words=params.subject_words,
        labels=params.labels,
    )


def write_sample_spec(folder: Path, spec: SampleSpec) -> None:
    """Write the sizes into the folder of a trained grounder."""
    write_json(folder / _FILE, asdict(spec), indent=1)


def read_sample_spec(folder: Path) -> SampleSpec:
    """Read what `write_sample_spec` wrote.

    Raises:
        InputError: the file is missing or holds something else.
    """
    path = folder / _FILE
    try:
        return build(SampleSpec, read_json_value(path), path.name)
    except ParamsError as error:
        raise InputError(f"{path}: no sizes of samples: {error}; train again") from error
    except (OSError, ValueError) as error:
        cause = cause_of(path, error)
        raise InputError(f"{path}: no sizes of samples: {cause}; train again") from error
