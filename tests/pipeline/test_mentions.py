import pytest

from pipeline.caching.cache import CacheError
from pipeline.errors import InputError
from pipeline.mentions import Mention, nouns_of_images, read_mentions
from pipeline.records import ImageRecord, PhraseRecord, read_records
from tests.stages.noun_world import make_world


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_world(tmp_path)


def test_mentions_of_a_phrase_begin_with_its_head(files):
    mentions = read_mentions(files.nouns)
    assert mentions["a fox by a hut"] == [Mention("fox", 0), Mention("hut", 1)]
    assert mentions["ein Fuchs ü"] == [Mention("fox", 0)]
    assert mentions["that one"] == []


def test_a_missing_cache_is_named(tmp_path):
    with pytest.raises(CacheError, match=r"nouns.h5: does not exist"):
        read_mentions(tmp_path / "nouns.h5")


def test_an_image_has_the_nouns_of_all_its_phrases(files):
    images = read_records(files.images, ImageRecord)
    phrases = read_records(files.phrases, PhraseRecord)
    found = nouns_of_images(read_mentions(files.nouns), images, phrases)
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
    assert nouns_of_images(read_mentions(files.nouns), images, phrases) == [{"hut"}]


def test_a_phrase_that_the_nouns_stage_has_not_seen_is_named(files):
    images = read_records(files.images, ImageRecord)
    unseen = [PhraseRecord("p", "id0", "train", "a new one")]
    with pytest.raises(InputError, match=r"no phrase 'a new one'.*dvc repro nouns"):
        nouns_of_images(read_mentions(files.nouns), images, unseen)
