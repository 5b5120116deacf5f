import pytest

from pipeline.reporting.data_section import collect_data, data_section
from pipeline.reporting.document import Paragraph, Table

SHARED = {"images": 3, "examples": ["a.jpg"]}
ANNOTATIONS = {
    "splits": {
        "train": {"images": 7, "images_without_phrases": 1, "phrases": 1200},
        "val": {"images": 2, "images_without_phrases": 0, "phrases": 40},
    },
    "bad": {
        "the phrase has no words": {"kind": "phrase", "count": 5000, "examples": ["9/0/0", "8/1/1"]}
    },
    "bad_fractions": {"image": 0.0, "phrase": 0.004},
    "duplicates": {
        "repeated_phrases": {"train": 11, "val": 0},
        "shared_files": {"train, val": SHARED},
        "shared_copies": {},
    },
    "published": {"train": [9, 1300]},
    "remarks": ["split by objects"],
}
NOUNS = {
    "coverage": {
        "train": {"phrases": 1200, "with_noun": 1140},
        "val": {"phrases": 40, "with_noun": 30},
    },
    "scorers": {"nounhead": {"train": 0.9, "val": 0.7}, "imagenet": {"train": 0.4}},
}
EVALUATED = {"val": {"proposal_recall": {"1": 0.1, "10": 0.5, "50": 0.75, "100": 0.8}}}


@pytest.fixture
def data():
    return collect_data(ANNOTATIONS, NOUNS, EVALUATED)


def test_each_split_is_told_of_what_is_known_of_it(data):
    assert data["splits"]["train"] == {
        "images": 7,
        "images_without_phrases": 1,
        "phrases": 1200,
        "published": [9, 1300],
        "repeated_phrases": 11,
        "phrases_without_noun": 60,
        "noun_coverage": {"nounhead": 0.9, "imagenet": 0.4},
        "proposal_recall": {},
    }
    assert {key: value for key, value in data.items() if key != "splits"} == {
        "shared_files": {"train, val": SHARED},
        "shared_copies": {},
        "bad": ANNOTATIONS["bad"],
        "bad_fractions": {"image": 0.0, "phrase": 0.004},
        "remarks": ["split by objects"],
    }
    assert data["splits"]["val"]["repeated_phrases"] == 0
    assert data["splits"]["val"]["noun_coverage"] == {"nounhead": 0.7}
    assert data["splits"]["val"]["published"] is None
    assert data["splits"]["val"]["phrases_without_noun"] == 10
    assert data["splits"]["val"]["proposal_recall"] == {"10": 0.5, "50": 0.75, "100": 0.8}


def test_the_table_shows_it_in_words_and_leaves_blank_what_is_not_known(data):
    section = data_section(data)
    assert section.title == "Data"
    table = next(block for block in section.blocks if isinstance(block, Table))
    assert list(map(list, table.rows)) == [
        ["train", "7", "1,200", "1,300 on 9", "11", "5.0 %", "40.0 %", "90.0 %", "", "", ""],
        ["val", "2", "40", "", "0", "25.0 %", "", "70.0 %", "50.0 %", "75.0 %", "80.0 %"],
    ]
    assert table.columns == (
        *("split", "images", "phrases", "published", "repeated", "without a noun"),
        *("class in imagenet", "class in nounhead", "oracle@10", "oracle@50", "oracle@100"),
    )


@pytest.mark.parametrize(("phrases", "share"), [(0, "0.0 %"), (1, "100.0 %")])
def test_a_split_of_few_phrases_has_a_share_of_them(data, phrases, share):
    few = {**data["splits"]["val"], "phrases": phrases, "phrases_without_noun": phrases}
    table = data_section({**data, "splits": {"val": few | {"images": 12345}}}).blocks[1]
    assert (table.rows[0][1], table.rows[0][5]) == ("12,345", share)


def test_remarks_and_shared_images_are_warnings(data):
    warnings = [
        block.text
        for block in data_section(data).blocks
        if isinstance(block, Paragraph) and block.warning
    ]
    assert warnings == [
        "split by objects",
        "train, val: 3 images are listed by both, such as a.jpg.",
    ]
    copies = data_section({**data, "shared_files": {}, "shared_copies": {"a, b": SHARED}}).blocks
    told = [one.text for one in copies if isinstance(one, Paragraph) and one.warning]
    assert (told[1].startswith("a, b: 3 "), "copies" in told[1], len(told)) == (True, True, 2)


def test_bad_records_have_a_table_if_there_are_some(data):
    tables = [block for block in data_section(data).blocks if isinstance(block, Table)]
    assert tables[1].columns == ("skipped or repaired", "count", "first")
    assert list(map(list, tables[1].rows)) == [["the phrase has no words", "5,000", "9/0/0"]]
    none = data_section({**data, "bad": {}})
    assert len([block for block in none.blocks if isinstance(block, Table)]) == 1


def test_a_split_without_any_noun_count_has_none_missing():
    data = collect_data(ANNOTATIONS, {**NOUNS, "coverage": {}}, EVALUATED)
    assert data["splits"]["val"]["phrases_without_noun"] == 0
