import pickle

import h5py
import numpy as np
import pytest

from models.phrases.place_words import CUES, RELATIONS, SIDES
from models.phrases.places import Anchor, Place
from pipeline.caching.cache import CacheError, Provenance, write_cache
from pipeline.errors import InputError
from pipeline.mentions import (
    Mention,
    PhraseFacts,
    PhraseFactsTable,
    nouns_of_images,
    read_phrase_facts,
)
from pipeline.records import ImageRecord, PhraseRecord, read_records
from tests.place_rows import place_rows
from tests.stages.noun_world import make_world


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_world()


def test_mentions_of_a_phrase_begin_with_its_head(files):
    facts = PhraseFactsTable(files.nouns)
    assert facts["a fox by a hut"].mentions == (Mention("fox", 0), Mention("hut", 1))
    assert facts["ein Fuchs ü"].mentions == (Mention("fox", 0),)
    assert facts["that one"].mentions == ()


def test_number_and_direction_belong_to_their_phrase(files):
    facts = PhraseFactsTable(files.nouns)
    assert [text for text, fact in facts.items() if fact.is_plural] == ["ein Fuchs ü"]
    assert [text for text, fact in facts.items() if fact.has_direction] == ["a fox by a hut"]


def test_the_place_belongs_to_its_phrase(files):
    facts = PhraseFactsTable(files.nouns)
    near = Place(relation="near", anchor=Anchor("hut", (9, 14)))
    places = {text: fact.place for text, fact in facts.items()}
    assert places == {text: Place() for text in facts} | {"a fox by a hut": near}
    anchors = {text: fact.anchor for text, fact in facts.items() if fact.anchor}
    assert anchors == {"a fox by a hut": "hut"}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("relation", RELATIONS)
def test_places_of_every_kind_are_read_as_they_were_written(tmp_path, side, relation):
    places = [
        Place(frozenset({side, "large"}), 3, side, relation, Anchor("b ü", (2, 7))),
        Place(),
        Place(frozenset(CUES), 0, "", relation, Anchor("a", (0, 1))),
    ]
    arrays = {
        "offsets": np.zeros(4, np.int64),
        "noun_index": np.zeros(0, np.int32),
        "noun_role": np.zeros(0, np.int8),
        "has_direction": np.zeros(3, bool),
        "is_plural": np.zeros(3, bool),
        **place_rows(places, ["a", "b ü"]),
    }
    texts = {"phrase": ["x", "y", "z"], "noun": ["a", "b ü"], "subject": ["sx", "sy", "sz"]}
    write_cache(tmp_path / "nouns.h5", arrays, texts, {}, Provenance("nouns", "n"))

    facts = PhraseFactsTable(tmp_path / "nouns.h5")
    assert [fact.place for fact in facts.values()] == places
    assert {text: fact.subject for text, fact in facts.items()} == {
        "x": "sx",
        "y": "sy",
        "z": "sz",
    }


@pytest.mark.parametrize("rows", [[], [0], [1], [0, 1], [2, 0]])
def test_compared_are_the_heads_and_anchors_of_the_asked_phrases(files, rows):
    facts = PhraseFactsTable(files.nouns)
    asked = [facts[facts.phrase(row)] for row in rows]
    expected = {noun for fact in asked for noun in (fact.head, fact.anchor) if noun}
    assert facts.compared_nouns(np.array(rows, np.int64)) == expected


def test_all_facts_in_memory_are_those_of_the_table(files):
    facts = read_phrase_facts(files.nouns)
    assert facts == dict(PhraseFactsTable(files.nouns))
    assert len(facts) > 3


def test_only_a_mention_in_the_role_of_the_head_is_the_head():
    context, head = Mention("hut", 1), Mention("fox", 0)
    assert PhraseFacts((head, context), False, False, Place(), "").head == "fox"
    without_head = PhraseFacts((context,), False, False, Place(), "")
    assert without_head.head is None
    assert without_head.nouns == {"hut"}


def test_a_missing_cache_is_named(tmp_path):
    with pytest.raises(CacheError, match=r"nouns\.h5"):
        PhraseFactsTable(tmp_path / "nouns.h5")


def test_an_image_has_the_nouns_of_all_its_phrases(files):
    images = read_records(files.images, ImageRecord)
    phrases = read_records(files.phrases, PhraseRecord)
    found = nouns_of_images(PhraseFactsTable(files.nouns), images, phrases)
    assert found == [
        {"fox", "hut"},
        {"fox", "zebra"},
        set(),
        {"hut"},
        set(),
        {"fox", "hut"},
        {"fox"},
    ]


def test_phrases_of_images_that_are_not_asked_for_are_passed_over(files):
    images = read_records(files.images, ImageRecord)[3:4]
    phrases = read_records(files.phrases, PhraseRecord)
    assert nouns_of_images(PhraseFactsTable(files.nouns), images, phrases) == [{"hut"}]


def test_a_phrase_that_the_nouns_stage_has_not_seen_is_named(files):
    images = read_records(files.images, ImageRecord)
    unseen = [PhraseRecord("p", "id0", "train", "a new one")]
    with pytest.raises(InputError, match=r"'a new one'.*dvc repro nouns"):
        nouns_of_images(PhraseFactsTable(files.nouns), images, unseen)


def test_a_table_goes_to_another_process_by_its_path(files):
    table = PhraseFactsTable(files.nouns)
    assert dict(pickle.loads(pickle.dumps(table))) == dict(table)


@pytest.mark.parametrize(
    ("subject", "head", "is_plain"),
    [("fox", "fox", True), ("red fox", "fox", False), ("fire truck", "fire truck", True)],
)
def test_a_subject_of_more_words_than_the_head_is_not_plain(subject, head, is_plain):
    assert PhraseFacts((Mention(head, 0),), False, False, Place(), subject).is_plain == is_plain
    assert not PhraseFacts((Mention(head, 1),), False, False, Place(), subject).is_plain


@pytest.mark.parametrize(
    "change",
    [
        lambda offsets: np.append(offsets, offsets[-1]),  # of one phrase more
        lambda offsets: offsets[:-1],
        lambda offsets: offsets + 1,
        lambda offsets: np.append(offsets[:-1], offsets[-1] + 1),
    ],
)
def test_offsets_that_do_not_cut_the_nouns_into_phrases_are_damage(files, change):
    with h5py.File(files.nouns, "r+") as cache:
        offsets = cache["offsets"][:]
        del cache["offsets"]
        cache["offsets"] = change(offsets)
    with pytest.raises(CacheError, match=r"nouns\.h5.*offsets"):
        PhraseFactsTable(files.nouns)


def test_numbers_beyond_their_lists_and_arrays_of_other_phrases_are_damage(files):
    counts = {"noun_role": 2, "place_side": len(SIDES), "relation": len(RELATIONS)}
    wrong = [(name, value) for name, count in counts.items() for value in (count, -2)]
    wrong += [("noun_role", -1), ("noun_index", -1), ("noun_index", 9), ("anchor_index", 9)]
    for name, value in wrong:
        with h5py.File(files.nouns, "r+") as cache:
            before = int(cache[name][0])
            cache[name][0] = value
        with pytest.raises(CacheError, match=name):
            PhraseFactsTable(files.nouns)
        with h5py.File(files.nouns, "r+") as cache:
            cache[name][0] = before
    assert PhraseFactsTable(files.nouns)
    with h5py.File(files.nouns, "r+") as cache:
        whole = cache["is_plural"][:]
        del cache["is_plural"]
        cache["is_plural"] = whole[1:]
    with pytest.raises(CacheError, match="is_plural"):
        PhraseFactsTable(files.nouns)
