import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from models.phrases.noun_parser import NounParser
from models.phrases.place_words import CUES
from pipeline.caching.cache import Cache
from pipeline.errors import InputError
from pipeline.mentions import Mention, PhraseFactsTable
from pipeline.observe.observer import Observer
from pipeline.params.schema import NounsParams
from pipeline.paths import DatasetFiles
from pipeline.records import PhraseRecord, write_records
from stages.nouns import compute_nouns, load_parser, main, run
from tests.stages.command import start
from tests.tiny_tagger import write_tiny_tagger

FILES = DatasetFiles("shapes")
PARAMS = NounsParams(phrases_per_shard=2, context_nouns=1)
PHRASES = [
    "the red dog on the tree",
    "left one",
    "The Red DOG",
    "the red dog on the tree",
    "the blue ⭐ cup",
    "the dog",
    "the green star on the left",
]


class Listener(Observer):
    """Keeps what it is told."""

    def __init__(self):
        super().__init__("nouns")
        self.lines = []

    def log(self, message):
        self.lines.append(message)


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    return write_tiny_tagger(tmp_path_factory.mktemp("tagger"))


@pytest.fixture
def project(tagger, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.delenv("PIPELINE_PART", raising=False)
    FILES.weights.mkdir(parents=True)
    (FILES.weights / "tagger").symlink_to(tagger)
    return tmp_path


def run_on(phrases, params=PARAMS):
    records = [PhraseRecord(str(n), "image", "train", text) for n, text in enumerate(phrases)]
    write_records(FILES.phrases, records)
    listener = Listener()
    run(FILES, params, load_parser(FILES.weights / "tagger", params, "cpu"), listener)
    return listener.lines


def digest():
    return hashlib.sha256(FILES.nouns.read_bytes()).hexdigest()


def test_the_command_finds_the_same_nouns(project, monkeypatch):
    run_on(PHRASES)
    found = digest()
    FILES.nouns.unlink()
    start(monkeypatch, main, "shapes", nouns=asdict(PARAMS))
    assert digest() == found


def test_each_distinct_phrase_is_kept_once_with_its_nouns(project):
    run_on(PHRASES)

    cache = Cache(FILES.nouns, stage="nouns")
    phrases = cache.texts("phrase")
    assert phrases == sorted(set(PHRASES))
    assert cache.texts("noun") == ["cup", "dog", "star", "tree"]
    assert cache.array("offsets").tolist() == [0, 1, 1, 2, 3, 4, 6]
    assert cache.array("noun_index").tolist() == [1, 0, 1, 2, 1, 3]
    assert cache.array("noun_role").tolist() == [0, 0, 0, 0, 0, 1]
    assert cache.array("noun_span").tolist() == [
        [8, 11], [11, 14], [4, 7], [10, 14], [8, 11], [19, 23],
    ]  # fmt: skip
    assert cache.array("has_direction").tolist() == [False, True, False, False, True, False]


def test_arrays_have_the_dtypes_of_the_contract(project):
    run_on(PHRASES)

    cache = Cache(FILES.nouns, stage="nouns")
    names = ("offsets", "noun_index", "noun_role", "noun_span", "has_direction", "is_plural")
    dtypes = [cache.array(name).dtype for name in names]
    assert dtypes == [np.int64, np.int32, np.int8, np.int32, np.bool_, np.bool_]
    names = ("place_cues", "place_rank", "place_side", "relation", "anchor_index", "anchor_span")
    dtypes = [cache.array(name).dtype for name in names]
    assert dtypes == [np.bool_, np.int8, np.int8, np.int8, np.int32, np.int32]


def test_readers_find_phrases_by_their_exact_text(project):
    run_on(PHRASES)

    facts = PhraseFactsTable(FILES.nouns)
    mentions = facts["the red dog on the tree"].mentions
    assert mentions == (Mention("dog", 0), Mention("tree", 1))
    assert facts["left one"].mentions == ()
    assert facts["left one"].has_direction
    assert "The red dog on the tree" not in facts


def test_where_things_are_is_read_as_it_was_parsed(project, tagger):
    phrases = [
        "the red dog on the tree",
        "left one",
        "the second cup from the left",
        "the blue star left of the green чашка",  # an anchor that is nobody's head noun
        "\u2b50 the dog near the cup",
        "the dog",
        "the cup on the right next to the dog",
    ]
    run_on(phrases, NounsParams(phrases_per_shard=2, context_nouns=0))

    parsed = load_parser(FILES.weights / "tagger", PARAMS, "cpu").parse(phrases)
    facts = PhraseFactsTable(FILES.nouns)
    assert [facts[phrase].place for phrase in phrases] == [one.place for one in parsed]
    assert [facts[phrase].subject for phrase in phrases] == [one.subject for one in parsed]
    anchors = [facts[phrase].anchor for phrase in phrases]
    assert anchors == ["tree", None, None, "чашка", "cup", None, "dog"]
    place = facts[phrases[3]].place
    assert phrases[3][slice(*place.anchor.span)] == "the green чашка"
    assert (facts[phrases[2]].place.rank, facts[phrases[2]].place.rank_side) == (2, "left")
    assert facts[phrases[6]].place.cues == {"right"}


def test_phrases_without_places_and_none_at_all_have_rows_of_places(project, tagger):
    run_on(["the dog", "the cup"])
    cache = Cache(FILES.nouns, stage="nouns")
    assert cache.array("place_cues").tolist() == [[False] * len(CUES)] * 2
    for name in ("place_side", "relation", "anchor_index"):
        assert cache.array(name).tolist() == [-1, -1]
    empty = compute_nouns(load_parser(FILES.weights / "tagger", PARAMS, "cpu"), [])
    assert (empty.place_cues.shape, empty.anchor_span.shape) == ((0, len(CUES)), (0, 2))


def test_an_empty_phrase_table_is_refused_and_an_older_cache_stays(project):
    run_on(["the red dog"])
    before = digest()

    with pytest.raises(InputError, match=r"phrases\.jsonl.*dvc repro"):
        run_on([])

    assert digest() == before


def test_a_dataset_without_nouns_gives_an_empty_cache(project):
    run_on(["left one", "!"])

    cache = Cache(FILES.nouns, stage="nouns")
    assert cache.texts("noun") == []
    assert cache.array("offsets").tolist() == [0, 0, 0]
    assert cache.array("noun_span").shape == (0, 2)


def test_a_killed_run_goes_on_and_its_bytes_are_those_of_an_unbroken_one(project, monkeypatch):
    run_on(PHRASES)
    unbroken = digest()
    FILES.nouns.unlink()
    parse, calls = NounParser.parse, []

    def dies_in_the_second_shard(self, phrases):
        calls.append(phrases)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return parse(self, phrases)

    monkeypatch.setattr(NounParser, "parse", dies_in_the_second_shard)
    with pytest.raises(KeyboardInterrupt):
        run_on(PHRASES)
    assert not FILES.nouns.exists()

    run_on(PHRASES)

    assert digest() == unbroken
    assert [len(phrases) for phrases in calls] == [2, 2, 2, 2]  # the first shard only once
    assert not list(Path(".work/nouns").iterdir())


def test_parts_make_the_bytes_of_one_run(project, monkeypatch):
    run_on(PHRASES)
    whole = digest()
    FILES.nouns.unlink()
    for part in ("1/2", "0/2"):
        monkeypatch.setenv("PIPELINE_PART", part)
        with pytest.raises(SystemExit):
            run_on(PHRASES)
    monkeypatch.delenv("PIPELINE_PART")

    lines = run_on(PHRASES)

    assert digest() == whole
    assert "3 of 3 shards already there" in lines


def test_the_cap_on_context_nouns_changes_nouns_and_fingerprint(project):
    run_on(PHRASES)
    before = Cache(FILES.nouns, stage="nouns").fingerprint

    run_on(PHRASES, NounsParams(phrases_per_shard=2, context_nouns=0))

    cache = Cache(FILES.nouns, stage="nouns")
    assert cache.array("noun_role").tolist() == [0, 0, 0, 0, 0]
    assert cache.fingerprint != before


def test_the_summary_counts_occurrences(project):
    lines = run_on(PHRASES)

    assert lines == [
        "7 phrases, 6 distinct, 85.7% with a noun; 4 distinct nouns, 3 of them head nouns",
        "most frequent: 'dog' 4, 'cup' 1, 'star' 1",
        "without a noun: 'left one' 1",
    ]


def test_the_summary_says_where_there_are_none(project):
    lines = run_on(["the dog"])
    assert "1 distinct, 100.0% with a noun" in lines[-3]
    assert lines[-1] == "without a noun: none"
    assert run_on(["left one"])[-2] == "most frequent: none"


def test_a_missing_tagger_is_an_input_error(project):
    with pytest.raises(InputError, match=r"tagger\.json: cannot be read"):
        load_parser(project, PARAMS, "cpu")
