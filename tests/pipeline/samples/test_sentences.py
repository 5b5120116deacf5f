"""Which phrases of a sentence bear on a later one, on sentences read by hand."""

from dataclasses import replace

import numpy as np
import pytest

from models.phrases.places import Place
from pipeline.mentions import Mention, PhraseFacts
from pipeline.records import PhraseRecord
from pipeline.samples.label_similarity import EXACT, compare_labels
from pipeline.samples.sentences import MAX_EARLIER, SentenceReader

LABELS = ["person", "dog", "hat", "car"]
HEADS = {
    "a man": "man", "a woman": "woman", "two dogs": "dog", "a red hat": "hat", "his face": "face",
    "the street": "street", "a car": "car", "it": None, "a girl": "girl", "a boy": "boy",
}  # fmt: skip


def fact(phrase):
    head = HEADS[phrase]
    mentions = (Mention(head, 0),) if head else ()
    return PhraseFacts(mentions, phrase.startswith("two"), False, Place(), phrase)


def records_of(*sentences):
    """Return the phrases of captions, each caption a list of its phrases in order."""
    records = []
    for number, phrases in enumerate(sentences):
        sentence, spans = " ... ".join(phrases), []
        for phrase in phrases:
            start = sentence.index(phrase, spans[-1][1] if spans else 0)
            spans.append((start, start + len(phrase)))
            name = f"{number}/{len(spans)}"
            records.append(PhraseRecord(name, "i", "val", phrase, sentence, spans[-1]))
    return records


def reader(records):
    facts = {phrase: fact(phrase) for phrase in HEADS}
    labels = replace(EXACT, synonym=0.5)
    nouns = [head for head in HEADS.values() if head]
    return SentenceReader(records, facts, compare_labels(nouns, LABELS, labels, None))


def rows(*labels):
    """Return the similarity of E nouns with the four labels and the image: one label each."""
    found = np.zeros((MAX_EARLIER, len(LABELS) + 1))
    for row, (label, value) in zip(found, labels, strict=False):
        row[LABELS.index(label)] = value
    return found


def test_things_that_labels_tell_about_are_kept_in_order():
    records = records_of(["a man", "the street", "a red hat", "two dogs", "it", "a car"])
    earlier = reader(records[::-1]).before(records)
    np.testing.assert_array_equal(earlier.similarity[0], rows())
    np.testing.assert_array_equal(earlier.similarity[3], rows(("person", 0.5)))
    np.testing.assert_array_equal(earlier.similarity[5], rows(("person", 0.5), ("dog", 1)))
    assert earlier.is_plural.tolist()[5] == [False, True, False, False]


def test_who_wears_what_is_the_last_somebody_before():
    records = records_of(["a man", "a car", "a woman", "two dogs", "a red hat", "his face", "it"])
    earlier = reader(records).before(records)
    assert earlier.wearers.tolist() == [-1, -1, -1, -1, 3, 3, -1]
    assert earlier.is_body.tolist() == [False, False, False, False, False, True, False]
    nobody = records_of(["a car", "a red hat"])
    assert reader(nobody).before(nobody).wearers.tolist() == [-1, -1]


def test_the_nearest_are_kept_of_many_and_the_wearer_is_counted_among_them():
    records = records_of(["a car", "a man", "a woman", "a girl", "a boy", "a red hat"])
    earlier = reader(records).before(records[-1:])
    np.testing.assert_array_equal(earlier.similarity[0], rows(*[("person", 0.5)] * 4))
    assert earlier.wearers.tolist() == [3]


def test_another_caption_tells_nothing_and_one_given_twice_tells_it_once():
    records = records_of(["a man", "a car"], ["a woman", "a red hat"], ["a man", "a car"])
    earlier = reader(records).before(records)
    assert (earlier.similarity > 0).any((1, 2)).tolist() == [False, True, False, True, False, True]
    np.testing.assert_array_equal(earlier.similarity[1], rows(("person", 0.5)))


@pytest.mark.parametrize("missing", ["sentence", "span"])
def test_without_its_place_in_a_sentence_a_phrase_stands_alone(missing):
    records = records_of(["a man", "a red hat"])
    bare = [replace(record, **{missing: None}) for record in records]
    for known in (records, bare):
        earlier = reader(known).before(bare)
        assert not earlier.similarity.any()
        assert earlier.wearers.tolist() == [-1, -1]
    assert reader(bare).before(records).wearers.tolist() == [-1, -1]


def test_a_phrase_inside_another_is_not_before_it():
    sentence = "a man and a woman"
    outer = PhraseRecord("0", "i", "val", "a woman", sentence, (0, 17))
    inner = PhraseRecord("1", "i", "val", "a man", sentence, (0, 5))
    assert not reader([outer, inner]).before([outer]).similarity.any()


def test_a_phrase_that_ends_where_another_begins_is_before_it():
    first = PhraseRecord("0", "i", "val", "a man", "a mantwo dogs", (0, 5))
    second = PhraseRecord("1", "i", "val", "two dogs", "a mantwo dogs", (5, 13))
    earlier = reader([first, second]).before([second, first])
    np.testing.assert_array_equal(earlier.similarity, [rows(("person", 0.5)), rows()])


def test_of_no_phrase_there_is_nothing_before():
    earlier = reader([]).before([])
    assert earlier.similarity.shape == (0, MAX_EARLIER, len(LABELS) + 1)
    assert earlier.is_plural.shape == (0, MAX_EARLIER)
