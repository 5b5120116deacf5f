from typing import get_args

import pytest

from pipeline.datasets.published import PUBLISHED, published_of
from pipeline.params.datasets import Collection, OwnDataset, ReferringDataset
from pipeline.params.read import read_params
from tests.conftest import ROOT


def test_every_collection_is_known():
    assert set(PUBLISHED) == set(get_args(Collection))


def test_every_collection_has_the_splits_of_its_files():
    people = ("train", "val", "testA", "testB")
    others = {
        "refcoco_unc": people,
        "refcoco_plus_unc": people,
        "refclef_unc": (*people, "testC"),
        "refcocog_google": ("train", "val"),
    }
    for collection, published in PUBLISHED.items():
        assert (*published.counts,) == others.get(collection, ("train", "val", "test"))


@pytest.mark.parametrize(
    ("collection", "phrases"),
    [
        ("refcoco_unc", 142_210),  # Yu et al. 2016, table 1: RefCOCO
        ("refcoco_plus_unc", 141_564),  # there: RefCOCO+
        ("refcocog_google", 95_010),  # RefCOCOg as cleaned, whoever splits it
        ("refcocog_umd", 95_010),
        ("referit", 54_127 + 5_842 + 60_103),  # Yang et al. 2019, section 4.1
        ("flickr30k", 427_193 + 14_433 + 14_481),  # lengths of TransVG's lists
    ],
)
def test_the_splits_sum_to_the_published_number_of_expressions(collection, phrases):
    assert sum(count for _, count in PUBLISHED[collection].counts.values()) == phrases


@pytest.mark.parametrize(
    ("collection", "images"),
    [
        ("refcoco_unc", 19_994),  # Yu et al. 2016, section 3
        ("refcoco_plus_unc", 19_992),
        ("refcocog_umd", 25_799),
        ("referit", 19_994),
        ("refclef_berkeley", 19_994),
        ("flickr30k", 31_783),  # Plummer et al. 2015
    ],
)
def test_the_splits_sum_to_the_published_number_of_images(collection, images):
    assert sum(count for count, _ in PUBLISHED[collection].counts.values()) == images


def test_every_data_set_of_params_yaml_but_drawn_and_own_ones_has_published_counts():
    sections = read_params(ROOT / "params.yaml").datasets
    assert published_of(sections["flickr30k"]) is PUBLISHED["flickr30k"]
    unknown = {name for name, section in sections.items() if published_of(section) is None}
    assert unknown == {"shapes", "own"}


def test_ones_own_data_have_no_published_counts():
    assert published_of(OwnDataset("jsonl", "a", "b", 0, 0)) is None
    section = ReferringDataset("refer", "refcocog_umd", "a", "b", 0, 0)
    assert published_of(section) is PUBLISHED["refcocog_umd"]
