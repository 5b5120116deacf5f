"""The cached world as samples are made of it, for the tests of this room."""

from types import SimpleNamespace

import pytest

from models.grounder.checkpoint import learn_tokenizer
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.sample_spec import TextEncoding, Tokenize
from pipeline.samples.vocabulary import build_vocabulary
from tests.cached_world import FILES, write_world

IMAGES = FILES.annotations / "images"
MAX_TOKENS = 12


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_world(folder)
    return folder


@pytest.fixture
def world(root, monkeypatch):
    monkeypatch.chdir(root)
    tables = GroundingTables.from_caches(FILES, IMAGES, ("train",))
    phrases = [record.phrase for record in tables.phrases]
    text = TextEncoding(
        Tokenize(learn_tokenizer(phrases, 120), MAX_TOKENS),
        build_vocabulary(phrases, 1),
        {"cat": 0, "dog": 1},
    )
    return SimpleNamespace(tables=tables, text=text)
