import datetime
import os
import re
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import dvc.utils.serialize
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.ranges import Range
from pipeline.errors import InputError
from pipeline.params.reader import ParamsError, build, read_yaml
from tests.conftest import ROOT

PROFILES = sorted(path.name for path in (ROOT / "profiles").glob("*.yaml"))


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
        ({"epoch": 3}, r"params\.yaml\.epoch\b.*epochs"),
        ({"inner": {"rate": 1.0, "x": 1}}, r"inner\.x\b.*rate"),
        ({"inner": {}}, r"params\.yaml\.inner\.rate\b"),
        ({"epochs": True}, r"epochs.*int.* True"),
        ({"epochs": 3.0}, r"epochs.*int.* 3\.0"),
        ({"epochs": "3"}, r"epochs.*int.* '3'"),
        ({"epochs": None}, r"epochs.*int.* None"),
        ({"inner": {"rate": True}}, r"inner\.rate.*float.* True"),
        ({"inner": {"rate": "1e-3"}}, r"inner\.rate.*float.* '1e-3'"),
        ({"on": 1}, r"on.*bool.* 1"),
        ({"name": False}, r"name.*str.* False"),
        ({"inner": 3}, r"inner.* 3"),
        ({"means": 0.5}, r"means.* 0\.5"),
        ({"means": [0.5, "x"]}, r"means\[1\].*float.* 'x'"),
        ({"shapes": []}, r"params\.yaml\.shapes\b"),
        ({"shapes": {"a": {}}}, r"shapes\.a\.kind"),
        (
            {"shapes": {"a": {"kind": "oval"}}},
            r"shapes\.a\.kind.*'square', 'circle'.*'oval'",
        ),
        (
            {"shapes": {"a": {"kind": "square", "radius_px": 2}}},
            r"^params\.yaml\.shapes\.a\.radius_px\b((?!circle).)*$",
        ),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_was_expected(changes, message):
    with pytest.raises(ParamsError, match=message):
        built(**changes)


@dataclass(frozen=True)
class Bounded:
    rate: Annotated[float, Range(0.5, 4), Range(1, 9)]


def test_a_value_is_of_its_kind_and_in_all_its_bounds():
    found = build(Bounded, {"rate": 3}, "train").rate
    assert (found, type(found)) == (3.0, float)
    for wrong in (0.75, 5, "3", None):
        with pytest.raises(ParamsError, match=r"train\.rate\b"):
            build(Bounded, {"rate": wrong}, "train")


@dataclass(frozen=True)
class Loose:
    rate: float | None


def test_a_value_may_be_of_either_of_two_plain_kinds():
    assert build(Loose, {"rate": 2}, "train") == Loose(2.0)
    assert build(Loose, {"rate": None}, "train") == Loose(None)
    with pytest.raises(ParamsError, match=r"train\.rate.*float.*; or train\.rate.*None"):
        build(Loose, {"rate": "2"}, "train")


@dataclass(frozen=True)
class Named:
    name: Literal["dot"]
    kind: str


@dataclass(frozen=True)
class Mixed:
    shape: Named | Square


def test_dataclasses_of_unlike_first_fields_are_tried_one_after_the_other():
    asked = {"name": "dot", "kind": "square"}
    assert build(Mixed, {"shape": asked}, "train").shape == Named("dot", "square")
    with pytest.raises(ParamsError, match=r"train\.shape\.kind.*; or train\.shape\.name"):
        build(Mixed, {"shape": asked | {"kind": 3}}, "train")


def test_a_missing_key_is_named():
    values = {key: value for key, value in GOOD.items() if key != "name"}
    with pytest.raises(ParamsError, match=r"params\.yaml\.name\b"):
        build(Outer, values, "params.yaml")


def test_a_wrong_params_file_is_a_persons_mistake():
    assert issubclass(ParamsError, InputError)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [1", "YAML"), ("- 1", "mapping"), ("", "mapping")],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text, message):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=rf"params\.yaml.*{message}"):
        read_yaml(tmp_path / "params.yaml")


def test_a_key_that_stands_twice_is_named_with_its_line(tmp_path):
    (tmp_path / "params.yaml").write_text("a: 1\nb:\n  c: 1\n  c: 2\n")
    with pytest.raises(ParamsError, match=r'params\.yaml: .*line 4: .*"c"'):
        read_yaml(tmp_path / "params.yaml")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "params.yaml").write_bytes(b"a: \xff")
    with pytest.raises(ParamsError, match=r"params\.yaml: .*byte 3"):
        read_yaml(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("yes", "yes"),
        ("1e-5", 1e-5),
        ("5e-4", 5e-4),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", 1000),
        ("1:30", "1:30"),
        ("true", True),
    ],
)
def test_values_are_those_of_the_dialect_that_dvc_writes(tmp_path, text, value):
    (tmp_path / "params.yaml").write_text(f"a: {text}")
    assert read_yaml(tmp_path / "params.yaml") == {"a": value}
    assert dvc.utils.serialize.load_yaml(tmp_path / "params.yaml") == {"a": value}


@pytest.mark.parametrize("name", ["params.yaml", *(f"profiles/{name}" for name in PROFILES)])
def test_no_value_is_another_in_the_older_dialect(name):
    assert yaml.safe_load((ROOT / name).read_text(encoding="utf-8")) == read_yaml(ROOT / name)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ParamsError, match=r"params\.yaml.*No such file"):
        read_yaml(tmp_path / "params.yaml")


FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)
SHAPES = st.one_of(
    st.builds(Square, st.just("square"), st.integers()),
    st.builds(Circle, st.just("circle"), st.integers()),
)
KEYS = st.text("abcdefgh_", min_size=1)
OUTERS = st.builds(
    Outer,
    epochs=st.integers(),
    name=st.text(st.characters(min_codepoint=32, max_codepoint=0x7FF, exclude_categories=["Cc"])),
    on=st.booleans(),
    inner=st.builds(Inner, FINITE),
    means=st.lists(FINITE).map(tuple),
    shapes=st.dictionaries(KEYS, SHAPES),
    free=st.dictionaries(KEYS, st.one_of(st.none(), st.booleans(), st.integers(), st.text("xyz"))),
)


def as_yaml(outer):
    """Return a section as YAML writes it; tuples are lists there."""
    return yaml.safe_dump(asdict(outer) | {"means": list(outer.means)}, allow_unicode=True)


@given(OUTERS)
@settings(max_examples=100, deadline=None)
def test_what_is_written_as_yaml_is_read_as_it_was(outer):
    assert build(Outer, yaml.safe_load(as_yaml(outer)), "params.yaml") == outer


def sections(values, where="params"):
    """Yield every mapping of fixed keys with its dotted name."""
    yield where, values
    yield f"{where}.inner", values["inner"]
    for name, shape in values["shapes"].items():
        yield f"{where}.shapes.{name}", shape


@given(OUTERS, st.data())
@settings(max_examples=100, deadline=None)
def test_a_key_too_many_or_too_few_is_named_wherever_it_stands(outer, data):
    values = yaml.safe_load(as_yaml(outer))
    where, section = data.draw(st.sampled_from([*sections(values)]))
    key = data.draw(st.sampled_from([name for name in section if name != "kind"]))
    wrong = f"{where}.{key}"
    if data.draw(st.booleans()):
        wrong += "_too"
        section[f"{key}_too"] = section[key]
    else:
        del section[key]
    with pytest.raises(ParamsError, match=re.escape(wrong) + r"\b"):
        build(Outer, values, "params")


@given(OUTERS, st.data())
@settings(max_examples=100, deadline=None)
def test_a_value_of_another_type_is_named_wherever_it_stands(outer, data):
    values = yaml.safe_load(as_yaml(outer))
    where, section = data.draw(st.sampled_from([*sections(values)]))
    key = data.draw(st.sampled_from([name for name in section if name != "free"]))
    section[key] = data.draw(st.sampled_from([None, {"x": 1}, [[]], b"bytes"]))
    assume(key != "shapes" or section[key] is None)
    with pytest.raises(ParamsError, match=re.escape(f"{where}.{key}")):
        build(Outer, values, "params")


LAUGHS = "\n".join(
    ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "a: &a {b: {c: *a}}",
        LAUGHS,
        "a: 2026-02-31",
        "a: !!bool x",
        "a: !!int x",
        f"a: {'9' * 5000}",
        f"a: 0x{'9' * 4000}",
        f"0o{'7' * 5000}: 1",
        f"a: {'[' * 3000}{']' * 3000}",
        "a: 1\n\tb: 2",
        "a:\t1",
        "a: {b: 1, b: 2}",
        "? {a: 1}\n: 2",
        "a: \x07",
        "a: 1\n---\nb: 2",
        "a: !!python/object:os.system x",
        f"a: {'x' * 1_000_001}",
    ],
    ids=range(18),
)
def test_a_file_that_no_person_means_is_refused_by_its_name(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=r"params\.yaml: ") as refused:
        read_yaml(tmp_path / "params.yaml")
    assert len(str(refused.value)) < 1000


def test_a_file_has_as_many_bytes_and_a_number_as_many_bits_as_they_may(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(f"a: {2**1024 - 1}")
    num_bytes = path.stat().st_size
    assert read_yaml(path, num_bytes) == {"a": 2**1024 - 1}
    with pytest.raises(ParamsError, match=rf"params\.yaml.*{num_bytes - 1}"):
        read_yaml(path, num_bytes - 1)
    path.write_text(f"a: {2**1024}")
    with pytest.raises(ParamsError, match=r"params\.yaml.*1025"):
        read_yaml(path)


@pytest.mark.parametrize(
    ("text", "what"), [("<!DOCTYPE html>\n<a b: c: d>", "web page"), ("", "empty")]
)
def test_what_is_no_file_of_a_person_s_is_told(tmp_path, text, what):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=rf"params\.yaml.*{what}"):
        read_yaml(tmp_path / "params.yaml")


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "params.yaml")
    with pytest.raises(ParamsError, match=r"params\.yaml"):
        read_yaml(tmp_path / "params.yaml")


def test_a_few_aliases_are_no_loop(tmp_path):
    (tmp_path / "params.yaml").write_text("a: &a {b: [1]}\nc: *a\nd: [*a, *a]")
    inner = {"b": [1]}
    assert read_yaml(tmp_path / "params.yaml") == {"a": inner, "c": inner, "d": [inner, inner]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inner": {"rate": float("nan")}}, r"inner\.rate: must be a finite number, got nan"),
        ({"inner": {"rate": 10**400}}, r"inner\.rate: must be a finite number"),
        ({"means": [0.5, float("-inf")]}, r"means\[1\]: must be a finite number, got -inf"),
        ({"name": datetime.date(2026, 11, 28)}, r"name: must be str, got datetime\.date"),
        ({"epochs": datetime.date(2026, 11, 28)}, r"epochs: must be int, got datetime\.date"),
        ({"epochs": "1:30"}, r"epochs: must be int, got '1:30'"),
        ({"shapes": {3: {"kind": "circle", "radius_px": 2}}}, r"shapes\.3: must be str, got 3"),
        ({4: 1}, r"params\.yaml\.4: no stage knows this key"),
        ({"name": ["x" * 50] * 50}, r"name: must be str, got \["),
    ],
)
def test_a_value_of_another_kind_is_named(changes, message):
    with pytest.raises(ParamsError, match=message) as refused:
        build(Outer, GOOD | changes, "params.yaml")
    assert len(str(refused.value)) < 1000
