from dataclasses import fields, is_dataclass
from typing import get_args, get_origin, get_type_hints

import pytest
import yaml

from pipeline.params.schema import NAME, Params
from tests.conftest import ROOT

VALUES = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
HINTS = get_type_hints(Params)
SECTIONS = [name for name, kind in HINTS.items() if is_dataclass(kind)]


def test_every_section_of_params_yaml_is_a_field_and_no_other():
    assert {field.name for field in fields(Params)} == set(VALUES)


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_of_a_section_is_a_field_without_a_default(name):
    kind = HINTS[name]
    assert {field.name for field in fields(kind)} == set(VALUES[name])
    for field in fields(kind):
        with pytest.raises(AttributeError):
            getattr(kind, field.name)  # a default would hide a number in code


def test_choices_hold_what_the_file_chose():
    chosen = [
        (VALUES[name][key], get_args(kind))
        for name in SECTIONS
        for key, kind in get_type_hints(HINTS[name]).items()
        if get_origin(kind) is not tuple and get_args(kind)
    ]
    assert chosen
    assert all(value in choices for value, choices in chosen)


def test_a_name_begins_with_a_letter_and_holds_no_blank():
    assert [text for text in ("shapes", "a2_b", "2a", "a b", "") if text in NAME] == [
        "shapes",
        "a2_b",
    ]
