import json
import random
import shutil
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from stanza.models.common.doc import Document

from models.given_files.safe_load import ModelFileError
from models.phrases.noun_parser import NounParser, _check_sizes, _check_weights, _cut_out
from models.phrases.tokens import TaggedToken
from tests.tiny_tagger import add_tiny_tokenizer, write_tiny_tagger


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    return write_tiny_tagger(tmp_path_factory.mktemp("tagger"))


@pytest.fixture(scope="module")
def parser(tagger):
    return NounParser(tagger, "cpu", 1)


@pytest.fixture(scope="module")
def real_parser(real, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ewt")
    (folder / "en").symlink_to(real / "stanza" / "en")
    (folder / "resources.json").symlink_to(real / "stanza" / "resources.json")
    (folder / "tagger.json").write_text('{"package": "ewt", "tokenize": "stanza"}')
    return NounParser(folder, "cpu", 2)


def mentions(parser, phrase):
    (parsed,) = parser.parse([phrase])
    return [(mention.noun, mention.role, phrase[slice(*mention.span)]) for mention in parsed.nouns]


def test_a_phrase_gives_its_nouns_in_its_own_spelling(parser):
    found = mentions(parser, "The  Red\tDOG on the tree.")

    assert found == [("dog", "head", "DOG"), ("tree", "context", "tree")]


def test_the_thing_is_described_without_its_place_wherever_the_noun_stands(parser):
    phrases = ["the red cup left of the tree", "front of the cup"]

    assert [found.subject for found in parser.parse(phrases)] == ["red cup", "cup"]


def test_each_phrase_gets_its_own_nouns_however_they_are_batched(parser):
    phrases = [
        "the red dog",
        "",
        " \n ",
        "!!",
        "the green cup on the star",
        "left one",
        "the red dog",
    ]

    together = parser.parse(phrases)

    assert [[m.noun for m in found.nouns] for found in together] == [
        ["dog"], [], [], [], ["cup", "star"], [], ["dog"],
    ]  # fmt: skip
    assert together == [parser.parse([phrase])[0] for phrase in phrases]
    assert parser.parse([]) == []
    assert parser.parse(["", ""]) == parser.parse([""]) * 2


def test_words_are_cut_at_punctuation_and_owners_from_what_they_own(parser):
    (tokens,) = parser.tag(["the dog's t-shirt, no. 2!"])

    assert [token.text for token in tokens] == [
        "the", "dog", "'s", "t-shirt", ",", "no", ".", "2", "!",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "phrase", ["İ\u0307 dog", "dog 🐕‍🦺 狗", "\u200b\x00 a dog\u2028on", "é" * 4000]
)
def test_any_unicode_keeps_characters_in_their_place(parser, phrase):
    (tokens,) = parser.tag([phrase])

    lengths = [(token.end - token.start, len(token.text)) for token in tokens]
    assert all(span == length for span, length in lengths)
    assert all(t.text[0] in (phrase[t.start], phrase[t.start].lower()) for t in tokens)


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("cafe\u0301's dog", ["cafe\u0301", "'s", "dog"]),  # an accent apart from its letter
        ("कुत्ता dog", ["कुत्ता", "dog"]),
        ("man\u2019s dog", ["man", "\u2019s", "dog"]),
        ("dogs' cup", ["dogs", "'", "cup"]),
        ("\u0301 dog", ["\u0301", "dog"]),
        ("a \u0301dog", ["a", "\u0301", "dog"]),
        ("\u200bthe dog\x00", ["the", "dog"]),  # what nobody sees is a blank
    ],
)
def test_words_are_the_phrases_own_whatever_its_script(parser, phrase, words):
    (tokens,) = parser.tag([phrase])

    assert [token.text for token in tokens] == words
    assert all(token.text == phrase[token.start : token.end] for token in tokens)


@pytest.mark.parametrize("mark", "`\u00b4\u02bc\u2018\u2032\uff07")
def test_what_is_typed_for_an_apostrophe_ends_the_owner(parser, mark):
    (tokens,) = parser.tag([f"the dog{mark}s cup"])

    assert [(token.start, token.end) for token in tokens] == [(0, 3), (4, 7), (7, 9), (10, 13)]


def stanza_token(words, text, start):
    """Return a token of stanza whose words it rebuilt, and so has no place for."""
    rows = [{"id": (n,), "text": word, "upos": upos} for n, (word, upos) in enumerate(words, 1)]
    whole = {"id": (1, len(words)), "text": text}
    whole |= {"start_char": start, "end_char": start + len(text)}
    return Document([[whole, *rows]]).sentences[0].tokens[0]


@pytest.mark.parametrize(
    ("text", "rebuilt", "words"),
    [
        ("receptionist's", ("receptionitt", "'s"), ["receptionist", "'s"]),
        ("señorita\u2019s", ("senorit", "\u2019s"), ["señorita", "\u2019s"]),
        ("needn't", ("nedd", "n't"), ["need", "n't"]),
        ("skateboarders'", ("skateboarere", "'"), ["skateboarders", "'"]),
        ("they\u2019re", ("the", "'re"), ["they", "\u2019re"]),
        ("gimme", ("giv", "mee"), ["gimme"]),
        ("'s", ("s", "s"), ["'s"]),
    ],
)
def test_words_that_stanza_rebuilds_are_cut_out_of_the_phrase(text, rebuilt, words):
    phrase = f"the {text} dog"
    token = stanza_token([(rebuilt[0], "NOUN"), (rebuilt[1], "PART")], text, 4)

    cut = _cut_out(token, phrase)

    assert [part.text for part in cut] == words
    assert [phrase[part.start : part.end] for part in cut] == words
    assert [part.upos for part in cut] == ["NOUN", "PART"][: len(words)]


def test_of_three_words_the_last_is_the_ending_and_one_place_alone_is_none():
    words = [("shouls", "AUX"), ("n't", "PART"), ("'ve", "VERB")]
    token = stanza_token(words, "shouldn't've", 4)
    token.words[0].start_char, token.words[0].end_char = 4, 10
    cut = _cut_out(token, "you shouldn't've")
    assert [(part.text, part.upos) for part in cut] == [("shouldn't", "AUX"), ("'ve", "VERB")]


def test_words_are_cut_by_the_tokenizer_of_a_folder_that_has_one(tagger, tmp_path):
    folder = shutil.copytree(tagger, tmp_path / "tagger")
    file = add_tiny_tokenizer(folder)
    found = NounParser(folder, "cpu", 1).tag(["the dog", "", "Dog, cup"])
    places = [[(token.text, token.start, token.end) for token in tokens] for tokens in found]
    assert places == [[("the dog", 0, 7)], [], [("dog, cup", 0, 8)]]
    content = torch.load(file, weights_only=True)
    del content["model"]["sent_clf.bias"]
    torch.save(content, file)
    with pytest.raises(ModelFileError, match=rf"{file}.*sent_clf\.bias"):
        NounParser(folder, "cpu", 1)


def test_a_phrase_that_stanza_cuts_in_sentences_is_put_together_again():
    parser = NounParser.__new__(NounParser)
    parser.cut_at_spaces = False
    words = [("a", "DET", 0), ("dog", "NOUN", 2), ("cat", "NOUN", 7)]
    rows = [
        {"id": (1,), "text": text, "upos": upos, "start_char": start, "end_char": start + len(text)}
        for text, upos, start in words
    ]
    cut = [rows[:1], rows[1:2], rows[2:]]
    parser.pipeline = SimpleNamespace(
        bulk_process=lambda given: [Document(cut, text=one.text) for one in given]
    )
    assert parser.tag(["", "A DOG; cat"]) == [
        [],
        [TaggedToken(text, upos, start, start + len(text)) for text, upos, start in words],
    ]


def test_a_missing_or_foreign_folder_names_the_file(tmp_path):
    with pytest.raises(ModelFileError, match=r"tagger\.json"):
        NounParser(tmp_path, "cpu", 1)

    (tmp_path / "tagger.json").write_text('{"package": "ewt"}')
    (tmp_path / "resources.json").write_text(json.dumps({"en": {"pos": {"gum": {}}}}))
    with pytest.raises(ModelFileError, match="tokenize"):
        NounParser(tmp_path, "cpu", 1)

    (tmp_path / "tagger.json").write_text('{"package": "ewt", "tokenize": "whitespace"}')
    with pytest.raises(ModelFileError, match=r"pos.*ewt"):
        NounParser(tmp_path, "cpu", 1)

    (tmp_path / "tagger.json").write_text("[]")
    with pytest.raises(ModelFileError, match="must hold a JSON object"):
        NounParser(tmp_path, "cpu", 1)


def test_words_cut_at_spaces_need_no_model_but_the_tagger(tagger, tmp_path):
    shutil.copytree(tagger, tmp_path / "tagger")
    resources = json.loads((tmp_path / "tagger" / "resources.json").read_text())
    resources["en"]["mwt"] = {"combined": {}}
    resources["en"]["default_processors"]["mwt"] = "combined"
    (tmp_path / "tagger" / "resources.json").write_text(json.dumps(resources))
    assert mentions(NounParser(tmp_path / "tagger", "cpu", 0), "the dog") == [
        ("dog", "head", "dog")
    ]


FAULTS = {
    "more layers than weights": lambda content: content["config"].update(num_layers=1000),
    "a size of no weight": lambda content: content["config"].update(word_emb_dim=2**40),
    "a weight less": lambda content: content["model"].popitem(),
    "a weight more": lambda content: content["model"].update(net=torch.ones(3)),
    "no weights": lambda content: content.pop("model"),
    "another shape": lambda content: content["model"].update(
        {key: torch.ones(2, 2) for key in list(content["model"])[:1]}
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_tagger_whose_weights_do_not_fit_is_refused(tagger, tmp_path, fault):
    folder = tmp_path / "tagger"
    shutil.copytree(tagger, folder)
    (file,) = folder.glob("en/pos/*.pt")
    content = torch.load(file, weights_only=True)
    FAULTS[fault](content)
    torch.save(content, file)
    with pytest.raises(ModelFileError, match=str(folder)):
        NounParser(folder, "cpu", 1)


@pytest.mark.parametrize(
    ("weights", "settings", "fits"),
    [
        ({"a": torch.ones(3), "b": torch.ones(2)}, {"num_layers": 2, "word_dim": 10_000}, True),
        ({"a": torch.ones(3), "b": torch.ones(2)}, {"num_layers": 3}, False),
        ({"a": torch.ones(3)}, {"word_dim": 10_001}, False),
        ({"a": torch.ones(3)}, {"batch_size": 10_001}, False),
        ({"a": torch.ones(10_001)}, {"word_dim": 10_001, "seed": 2**40}, True),
        (None, {"num_layers": 3, "word_dim": 10_001}, True),  # a dictionary has no network
    ],
)
def test_the_settings_of_a_model_ask_for_sizes_and_layers_that_its_weights_have(
    tmp_path, weights, settings, fits
):
    (tmp_path / "en" / "mwt").mkdir(parents=True)
    torch.save({"model": weights, "config": settings}, tmp_path / "en" / "mwt" / "mine.pt")
    with nullcontext() if fits else pytest.raises(ValueError, match=r"weights"):
        _check_sizes(tmp_path, {"mwt": "mine"}, cut_at_spaces=False)


def test_a_tagger_that_asks_for_more_memory_than_its_weights_is_not_built(tagger, tmp_path):
    shutil.copytree(tagger, tmp_path / "tagger")
    file = tmp_path / "tagger" / "en" / "pos" / "embedded.pt"
    content = torch.load(file, weights_only=True)
    content["config"]["hidden_dim"] = 3000
    torch.save(content, file)
    with pytest.raises(ModelFileError, match=r"memory"):
        NounParser(tmp_path / "tagger", "cpu", 1)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({}, ""),
        ({"SOS_tensor": torch.zeros(2)}, ""),  # old models of stanza store a constant
        ({"bias": None}, "bias"),
        ({"scale": torch.zeros(2)}, "scale"),
    ],
)
def test_every_weight_of_a_tokenizer_is_in_its_file(tmp_path, change, named):
    model = torch.nn.Linear(2, 3)
    state = {**model.state_dict(), **change}
    state = {key: value for key, value in state.items() if value is not None}
    for name, content in (("tokenize", state), ("mwt", {}), ("pos", {})):
        file = tmp_path / "en" / name / f"{name}s.pt"
        file.parent.mkdir(parents=True)
        torch.save({"model": content}, file)
    trainers = {"tokenize": SimpleNamespace(model=model), "mwt": SimpleNamespace()}
    trainers["pos"] = trainers["tokenize"]
    processors = {key: SimpleNamespace(trainer=value) for key, value in trainers.items()}
    packages = {name: f"{name}s" for name in processors}
    pipeline = SimpleNamespace(processors=processors)
    if not named:
        _check_weights(pipeline, tmp_path, packages)
        return
    with pytest.raises(ModelFileError, match=rf"tokenizes\.pt.*{named}"):
        _check_weights(pipeline, tmp_path, packages)


REAL = {
    "A black and white dog": [("dog", "head", "dog")],
    "White couch under lamp": [("couch", "head", "couch"), ("lamp", "context", "lamp")],
    "Two young men in T-shirts": [("man", "head", "men"), ("t-shirt", "context", "T-shirts")],
    "the man's hat": [("hat", "head", "hat"), ("man", "context", "man")],
    "the receptionist's desk": [
        ("desk", "head", "desk"), ("receptionist", "context", "receptionist"),
    ],
    "the skateboarder\u2019s board": [
        ("board", "head", "board"), ("skateboarder", "context", "skateboarder"),
    ],
    "its mouth": [("mouth", "head", "mouth")],
    "a dog. A cat": [("dog", "head", "dog"), ("cat", "context", "cat")],
    "a dog\n\nwith hat": [("dog", "head", "dog"), ("hat", "context", "hat")],
    "  a group of  PEOPLE ": [("person", "head", "PEOPLE")],
    "left one": [],
    "second from right": [],
    "": [],
    "...": [],
}  # fmt: skip


@pytest.mark.real
def test_the_real_tagger_finds_the_nouns_of_photographs_phrases(real_parser):
    assert {phrase: mentions(real_parser, phrase) for phrase in REAL} == REAL


@pytest.mark.real
def test_the_real_tokenizer_keeps_phrases_apart(real_parser):
    phrases = list(REAL) * 3
    random.Random(0).shuffle(phrases)

    parsed = real_parser.parse(phrases)

    found = [
        [(m.noun, m.role, phrase[slice(*m.span)]) for m in nouns.nouns]
        for phrase, nouns in zip(phrases, parsed, strict=True)
    ]
    assert found == [REAL[phrase] for phrase in phrases]


@pytest.mark.real
def test_a_phrase_of_a_thousand_words_is_tagged(real_parser):
    assert mentions(real_parser, "very " * 1000 + "big dog")[0][0] == "dog"
