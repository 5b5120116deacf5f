import pickle
import sys

import numpy as np
import pytest

from benchmarks import million_images
from pipeline.paths import DatasetFiles
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.sampler import EpochSampler
from tests.conftest import ROOT
from tests.oracles.whole_caches import (
    CAMS,
    PROPOSALS,
    epoch_of,
    read_lines,
    read_nouns,
    read_rows,
)

IMAGES = 23
FILES = DatasetFiles(million_images.DATASET)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        million_images.make_data(IMAGES)
    return folder


@pytest.fixture
def tables(root, monkeypatch):
    monkeypatch.chdir(root)
    return GroundingTables.from_caches(FILES, FILES.annotations / "images", ("train",))


def same_arrays(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


@pytest.mark.parametrize("copied", [False, True])
def test_what_is_read_where_it_is_asked_for_is_what_whole_caches_hold(tables, copied):
    tables = pickle.loads(pickle.dumps(tables)) if copied else tables
    images, phrases = (read_lines(path, ["train"]) for path in (FILES.images, FILES.phrases))
    boxes, maps = read_rows(FILES.proposals, PROPOSALS), read_rows(FILES.cams, CAMS)
    nouns = read_nouns(FILES.nouns)
    assert [one.image_id for one in tables.images] == [row["image_id"] for row in images]
    assert [one.phrase for one in tables.phrases] == [row["phrase"] for row in phrases]
    for image in images:
        same_arrays(tables.proposals.of(image["image_id"]), boxes[image["image_id"]])
        same_arrays(tables.cams.of(image["image_id"]), maps[image["image_id"]])
    for index, row in enumerate(phrases):
        facts, known = tables.facts_of(index), nouns[row["phrase"]]
        assert [(item.noun, item.role) for item in facts.mentions] == known["mentions"]
        assert (facts.is_plural, facts.has_direction) == (known["is_plural"], False)
        assert (facts.subject, facts.anchor) == (known["subject"], known["anchor"])


def test_a_training_reads_the_phrases_and_samples_of_whole_tables(tables):
    images, phrases = (read_lines(path, ["train"]) for path in (FILES.images, FILES.phrases))
    number = {row["image_id"]: index for index, row in enumerate(images)}
    of_image = {}
    for index, row in enumerate(phrases):
        of_image.setdefault(number[row["image_id"]], []).append(index)
    assert tables.phrases_of_image == of_image
    sampler = EpochSampler(tables.phrases_of_image, 2, 3)
    sampler.set_epoch(5)
    drawn = [(one.image_index, one.phrase_indices, one.seed) for one in sampler]
    assert drawn == epoch_of(of_image, 2, 3, 5)
    plain = sorted(row["phrase"] for row in phrases)
    swapped = {"left": "right", "right": "left"}
    mirrored = [" ".join(swapped.get(word, word) for word in text.split()) for text in plain]
    changed = [new for new, old in zip(mirrored, plain, strict=True) if new != old]
    assert changed
    has_number = [text for text in tables.texts if text not in plain and text not in changed]
    assert not has_number


def test_the_command_says_what_the_data_take(root, monkeypatch, capfd):
    monkeypatch.chdir(ROOT)
    options = ["--images", str(IMAGES), "--batches", "1", "--workers", "1", "--folder", str(root)]
    monkeypatch.setattr(sys, "argv", ["million_images", *options])
    million_images.main()
    said = capfd.readouterr().out
    assert f"dataset of {IMAGES} samples" in said
    assert "worker 0: RSS" in said
