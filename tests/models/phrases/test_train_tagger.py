import hashlib
import json

import pytest
import stanza

from models.finite import NonFiniteError
from models.phrases.noun_parser import NounParser
from models.phrases.train_tagger import _SETTINGS, _document, train_tagger
from tests.tiny_tagger import PHRASES, tagged, write_tiny_tagger


def digest(folder):
    return hashlib.sha256((folder / "en/pos/embedded.pt").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_tagger(tmp_path_factory.mktemp("tagger"))


def test_stanzas_own_pipeline_loads_the_folder_and_tags_as_taught(folder):
    pipeline = stanza.Pipeline(
        "en",
        dir=str(folder),
        download_method=None,
        tokenize_pretokenized=True,
        verbose=False,
        device="cpu",
    )

    document = pipeline([["the", "green", "star", "on", "the", "tree"], ["left", "one", "!"]])

    upos = [[word.upos for word in sentence.words] for sentence in document.sentences]
    assert upos == [["DET", "ADJ", "NOUN", "ADP", "DET", "NOUN"], ["ADJ", "NOUN", "PUNCT"]]
    assert document.sentences[0].words[2].xpos == "NN"
    assert document.sentences[0].words[2].feats == "Number=Sing"


def test_the_folder_says_how_it_wants_to_be_used(folder):
    settings = json.loads((folder / "tagger.json").read_text())

    assert settings == {"package": "embedded", "tokenize": "whitespace"}


def test_equal_seeds_give_equal_bytes_and_others_do_not(tmp_path):
    first = digest(write_tiny_tagger(tmp_path / "a", steps=4, seed=1))

    assert digest(write_tiny_tagger(tmp_path / "b", steps=4, seed=1)) == first
    assert digest(write_tiny_tagger(tmp_path / "b", steps=4, seed=2)) != first


def test_more_steps_than_an_epoch_are_taken(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    train_tagger(PHRASES[:3], one, steps=1, seed=0)
    train_tagger(PHRASES[:3], two, steps=2, seed=0)

    assert digest(one) != digest(two)


@pytest.mark.parametrize("phrases", [[], [tagged("the/DET"), []]])
def test_nothing_to_learn_from_is_an_error(phrases, tmp_path):
    with pytest.raises(ValueError, match="phrase"):
        train_tagger(phrases, tmp_path, steps=1, seed=0)


def test_a_loss_that_is_not_finite_ends_the_training_and_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setitem(_SETTINGS, "lr", 1e37)
    with pytest.raises(NonFiniteError, match=r"step [23]\b"):
        train_tagger(PHRASES, tmp_path / "none", steps=4, seed=0)
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_the_drawn_worlds_words_are_learned(tmp_path):
    from pipeline.datasets.shapes.scene import draw_scene, scene_phrases

    def words(split, scenes):
        drawn = [scene_phrases(draw_scene(5, split, index, 192), 5) for index in range(scenes)]
        return [phrase.words_with_upos for phrases in drawn for phrase in phrases]

    train_tagger(words("pretrain", 50), tmp_path, steps=90, seed=1)
    unseen = words("test", 20)
    tokens = NounParser(tmp_path, "cpu", 1).tag([" ".join(w.text for w in p) for p in unseen])

    pairs = [
        (word.upos, token.upos)
        for taught, found in zip(unseen, tokens, strict=True)
        for word, token in zip(taught, found, strict=True)
    ]
    assert sum(expected == actual for expected, actual in pairs) / len(pairs) >= 0.85


def test_words_of_a_sentence_are_numbered_from_one_as_conll_u_has_them():
    (sentence,) = _document([tagged("the/DET", "dog/NOUN")]).sentences
    assert [(word.id, word.text, word.upos) for word in sentence.words] == [
        (1, "the", "DET"),
        (2, "dog", "NOUN"),
    ]
