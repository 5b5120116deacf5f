from dataclasses import asdict, dataclass, fields
from typing import get_args, get_type_hints

import pytest

from pipeline.datasets.published import published_of
from pipeline.params.datasets import Collection, DatasetSection, ReferringDataset
from pipeline.params.reader import ParamsError, build


@dataclass(frozen=True)
class Holder:
    data: DatasetSection


KINDS = get_args(DatasetSection)


def example(kind):
    hints = get_type_hints(kind)
    return {
        field.name: 64 if hints[field.name] is int else (*get_args(hints[field.name]), "x")[0]
        for field in fields(kind)
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_format_decides_which_section_is_read(kind):
    for name in get_args(get_type_hints(kind)["format"]):
        values = example(kind) | {"format": name}
        section = build(Holder, {"data": values}, "datasets").data
        assert type(section) is kind
        assert asdict(section) == values


def test_an_unknown_format_or_collection_is_named():
    values = example(ReferringDataset)
    for key in ("format", "collection"):
        with pytest.raises(ParamsError, match=rf"datasets\.data\.{key}.*'nothing'"):
            build(Holder, {"data": values | {key: "nothing"}}, "datasets")


@pytest.mark.parametrize("collection", get_args(Collection))
def test_every_collection_is_one_that_was_published(collection):
    assert published_of(ReferringDataset("transvg", collection, "a", "b", 0, 0)) is not None
