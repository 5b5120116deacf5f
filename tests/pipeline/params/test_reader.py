from dataclasses import dataclass
from typing import Any, Literal

import pytest

from pipeline.errors import InputError
from pipeline.params.reader import ParamsError, build, read_yaml


@dataclass(frozen=True)
class Inner:
    rate: float


@dataclass(frozen=True)
class Square:
    kind: Literal["square"]
    side_px: int


@dataclass(frozen=True)
class Circle:
    kind: Literal["circle"]
    radius_px: int


@dataclass(frozen=True)
class Outer:
    epochs: int
    name: str
    on: bool
    inner: Inner
    means: tuple[float, ...]
    shapes: dict[str, Square | Circle]
    free: dict[str, Any]


GOOD = {
    "epochs": 3,
    "name": "é",
    "on": False,
    "inner": {"rate": 1},
    "means": [0.5, 1],
    "shapes": {"a": {"kind": "circle", "radius_px": 2}},
    "free": {"model.cam": "off"},
}


def built(**changes):
    return build(Outer, GOOD | changes, "params.yaml")


def test_a_mapping_becomes_dataclasses_all_the_way_down():
    assert built() == Outer(
        3, "é", False, Inner(1.0), (0.5, 1.0), {"a": Circle("circle", 2)}, {"model.cam": "off"}
    )
    assert isinstance(built().inner.rate, float)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": 3}, r"params\.yaml\.epoch: no stage knows this key; known here: epochs"),
        ({"inner": {"rate": 1.0, "x": 1}}, r"inner\.x: no stage knows this key; known here: rate"),
        ({"inner": {}}, r"params\.yaml\.inner\.rate: missing"),
        ({"epochs": True}, r"epochs: must be int, got True"),
        ({"epochs": 3.0}, r"epochs: must be int, got 3\.0"),
        ({"epochs": "3"}, r"epochs: must be int, got '3'"),
        ({"epochs": None}, r"epochs: must be int, got None"),
        ({"inner": {"rate": True}}, r"inner\.rate: must be float, got True"),
        ({"inner": {"rate": "1e-3"}}, r"inner\.rate: must be float, got '1e-3'"),
        ({"on": 1}, r"on: must be bool, got 1"),
        ({"name": False}, r"name: must be str, got False"),
        ({"inner": 3}, r"inner: must be a mapping, got 3"),
        ({"means": 0.5}, r"means: must be a list, got 0\.5"),
        ({"means": [0.5, "x"]}, r"means\[1\]: must be float, got 'x'"),
        ({"shapes": []}, r"shapes: must be a mapping"),
        ({"shapes": {"a": {}}}, r"shapes\.a\.kind: missing; .*; or "),
        (
            {"shapes": {"a": {"kind": "oval"}}},
            r"shapes\.a\.kind: must be one of 'square', 'circle', got 'oval'",
        ),
        (
            {"shapes": {"a": {"kind": "square", "radius_px": 2}}},
            r"^params\.yaml\.shapes\.a\.radius_px: no stage knows this key; known [^;]*$",
        ),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_was_expected(changes, message):
    with pytest.raises(ParamsError, match=message):
        built(**changes)


def test_a_missing_key_is_named():
    values = {key: value for key, value in GOOD.items() if key != "name"}
    with pytest.raises(ParamsError, match=r"params\.yaml\.name: missing; add it"):
        build(Outer, values, "params.yaml")


def test_a_wrong_params_file_is_a_persons_mistake():
    assert issubclass(ParamsError, InputError)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [1", "is not YAML"), ("- 1", "must hold a mapping"), ("", "must hold a mapping")],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text, message):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=rf"params\.yaml: {message}"):
        read_yaml(tmp_path / "params.yaml")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ParamsError, match=r"params\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "params.yaml")
