"""A grounder before its training, and the folder of a trained one.

```
grounder.safetensors   every weight
spec.json              GrounderSpec
tokenizer/             of the text encoder, as transformers writes it
language.json          BertConfig
words.json             the decoder's vocabulary, in order
```
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import nn
from transformers import BertConfig, BertTokenizerFast

from models.classifier.classifier import Classifier, build_network
from models.given_files.described_network import Description, build_with_weights
from models.given_files.impostors import cause_of, one_line
from models.given_files.json_files import read_json_value, write_json
from models.given_files.safe_load import (
    BROKEN_FOLDER,
    ModelFileError,
    check_weights,
    load_safetensors,
)
from models.grounder.config import GrounderConfig, GrounderSpec, LanguageSizes
from models.grounder.encoders.language_encoder import (
    LanguageEncoder,
    check_tokenizer,
    language_of,
    load_language,
    load_tokenizer,
)
from models.grounder.grounder import Grounder, build_grounder
from models.layers.backbone import CLASSIFIER, named_network

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WEIGHTS_FILE, SPEC_FILE = "grounder.safetensors", "spec.json"
TOKENIZER_FOLDER, LANGUAGE_FILE, WORDS_FILE = "tokenizer", "language.json", "words.json"


@dataclass(frozen=True)
class SavedGrounder:
    """A grounder and the two vocabularies that its inputs are written in."""

    grounder: Grounder
    tokenizer: BertTokenizerFast
    words: tuple[str, ...]


def save_grounder(
    folder: Path, grounder: Grounder, tokenizer: BertTokenizerFast, words: Sequence[str]
) -> None:
    """Write a grounder; equal weights give equal bytes.

    Args:
        folder: made if it is not there.
        grounder: the model.
        tokenizer: of its language encoder; it forgets how long its last texts were to be.
        words: the decoder's vocabulary, `grounder.spec.num_words` of them, in order of their ids.

    Raises:
        NonFiniteError: a weight is not finite; nothing is written.
    """
    state = {name: value.cpu().contiguous() for name, value in grounder.state_dict().items()}
    check_weights(state, folder / WEIGHTS_FILE)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / WEIGHTS_FILE)
    write_json(folder / SPEC_FILE, asdict(grounder.spec), indent=1)
    config = grounder.language_encoder.bert.config.to_dict()
    write_json(folder / LANGUAGE_FILE, {key: config[key] for key in sorted(config)}, indent=1)
    write_json(folder / WORDS_FILE, list(words), indent=1)
    tokenizer.backend_tokenizer.no_truncation()  # set where it was asked in this process alone
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.save_pretrained(folder / TOKENIZER_FOLDER)


def load_grounder(folder: Path) -> SavedGrounder:
    """Return a grounder in evaluation mode, with its vocabularies.

    Raises:
        ModelFileError: a file is missing or does not fit the others, or a weight is not finite.
    """
    try:
        spec = _read_spec(folder / SPEC_FILE)
        config = BertConfig(**_read_json(folder / LANGUAGE_FILE))
        description = Description(
            folder / SPEC_FILE,
            f"{SPEC_FILE} and {LANGUAGE_FILE}",
            [asdict(spec), config.to_dict()],
            lambda: build_grounder(spec, _network(spec), language_of(config)),
        )
        path = folder / WEIGHTS_FILE
        grounder = build_with_weights(description, load_safetensors(path), path)
        tokenizer = load_tokenizer(folder / TOKENIZER_FOLDER)
        check_tokenizer(tokenizer, grounder.language_encoder, folder / TOKENIZER_FOLDER)
        words = _read_words(folder / WORDS_FILE)
    except ModelFileError:
        raise
    except BROKEN_FOLDER as error:
        raise ModelFileError(f"{folder}: is not a grounder's folder: {one_line(error)}") from error
    if len(words) != spec.num_words:
        raise ModelFileError(
            f"{folder / WORDS_FILE}: has {len(words)} words, {SPEC_FILE} has num_words "
            f"{spec.num_words}"
        )
    return SavedGrounder(grounder.eval(), tokenizer, words)


def _network(spec: GrounderSpec) -> nn.Module:
    """Return the network that `untrained_grounder` made the backbone of, with random weights."""
    if spec.backbone_pretrained:
        return build_network(spec.arch, spec.width, num_classes=1)
    return named_network(spec.backbone)


def _read_spec(path: Path) -> GrounderSpec:
    values = _read_json(path)
    known = {field.name for field in fields(GrounderSpec)}
    if set(values) != known:
        raise ValueError(f"{path.name}: unknown or missing {sorted(set(values) ^ known)}")
    frozen: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    return GrounderSpec(**frozen)


def _read_words(path: Path) -> tuple[str, ...]:
    words = _read_json(path)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ModelFileError(f"{path}: must hold a list of words")
    return tuple(words)


def _read_json(path: Path) -> Any:
    try:
        return read_json_value(path)
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path}: is not JSON: {cause_of(path, error)}") from error


@dataclass(frozen=True)
class UntrainedLanguage:
    """A text encoder, its tokenizer, and whether it comes from elsewhere."""

    encoder: LanguageEncoder
    tokenizer: BertTokenizerFast
    is_pretrained: bool


def untrained_language(
    folder: Path, sizes: LanguageSizes, phrases: Iterable[str]
) -> UntrainedLanguage:
    """Return a text encoder and its tokenizer.

    Args:
        folder: of a pre-trained BERT; one from scratch is made if there is no such folder.
        sizes: of the one from scratch; its vocabulary is at most as large as they say. Of a
            pre-trained one, the first `sizes.layers` layers are kept.
        phrases: what the tokenizer of the one from scratch is learned from.

    Raises:
        ModelFileError: the folder of the pre-trained one is not whole.
        ValueError: its BERT has fewer layers.
    """
    if folder.is_dir():
        encoder, tokenizer = load_language(folder, sizes.layers), load_tokenizer(folder)
        check_tokenizer(tokenizer, encoder, folder)
        return UntrainedLanguage(encoder, tokenizer, is_pretrained=True)
    tokenizer = learn_tokenizer(phrases, sizes.vocabulary)
    encoder = new_language(replace(sizes, vocabulary=len(tokenizer)))
    return UntrainedLanguage(encoder, tokenizer, is_pretrained=False)


@dataclass(frozen=True)
class Vocabularies:
    """Sizes of the vocabularies that a grounder is made for.

    Attributes:
        num_words: of the words to reconstruct.
        num_labels: of the detector's labels.
        place_word_ids: which of the words say where a thing is, by their ids.
    """

    num_words: int
    num_labels: int
    place_word_ids: Sequence[int]


def untrained_grounder(
    config: GrounderConfig,
    vocabularies: Vocabularies,
    classifier: Classifier,
    language: LanguageEncoder,
    language_pretrained: bool,
) -> Grounder:
    """Return a grounder whose backbone has the weights of a classifier, if it is that network.

    Args:
        config: of the grounder.
        vocabularies: of words and labels.
        classifier: says how pixels are normalised.
        language: the text encoder.
        language_pretrained: whether it comes from elsewhere.

    Raises:
        ValueError: values of the configuration do not fit together.
    """
    info, name = classifier.info, config.backbone
    is_same = name == CLASSIFIER or (name, 1.0) == (info.arch, info.width)
    spec = GrounderSpec(
        **asdict(config),
        arch=info.arch,
        width=info.width,
        mean=info.mean,
        std=info.std,
        bgr=info.bgr,
        num_words=vocabularies.num_words,
        num_labels=vocabularies.num_labels,
        num_place_words=len(vocabularies.place_word_ids),
        backbone_pretrained=is_same,
        language_pretrained=language_pretrained,
    )
    network = classifier.network if is_same else named_network(name)
    grounder = build_grounder(spec, network, language)
    if grounder.place_reader is not None:
        grounder.place_reader.learn_words(vocabularies.place_word_ids)
    return grounder


def new_language(sizes: LanguageSizes) -> LanguageEncoder:
    """Return a BERT with random weights."""
    config = BertConfig(
        vocab_size=sizes.vocabulary,
        hidden_size=sizes.hidden,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=4 * sizes.hidden,
        hidden_dropout_prob=sizes.dropout,
        attention_probs_dropout_prob=sizes.dropout,
    )
    return language_of(config)


def learn_tokenizer(phrases: Iterable[str], vocabulary: int) -> BertTokenizerFast:
    """Return an uncased WordPiece tokenizer of about `vocabulary` pieces, learned from phrases.

    Single letters are always in it, so the vocabulary can be larger than `vocabulary`. The same
    phrases give the same vocabulary: the trainer numbers letters inside words in an order that
    changes from run to run and breaks ties by number, so they are numbered beforehand.
    """
    texts = list(phrases)
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    normal = (tokenizer.normalizer.normalize_str(text) for text in set(texts))
    letters = sorted({letter for text in normal for letter in text if not letter.isspace()})
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        special_tokens=[*SPECIAL_TOKENS, *letters, *(f"##{letter}" for letter in letters)],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return BertTokenizerFast(vocab=tokenizer.get_vocab(), do_lower_case=True)
