"""Every number of params.yaml has a range, and what lies outside is refused by its key."""

import copy
import json
import math
import types
from dataclasses import is_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
import yaml

from models.classifier import timm_network
from models.classifier.classifier import ARCHITECTURES
from models.layers import backbone
from models.ranges import Length, Pattern, Range
from pipeline.params import relations, weights
from pipeline.params.read import read_params
from pipeline.params.reader import ParamsError, build, read_yaml
from pipeline.params.schema import Params
from pipeline.samples import augment, sample_spec
from tests.conftest import ROOT

VALUES = json.loads(json.dumps(read_yaml(ROOT / "params.yaml")))  # without aliases
FREE = ("variants",)  # what they change is checked as the section that they change


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def member_of(kinds, value):
    """Return the dataclass of a union whose first field allows what the mapping gives."""
    for kind in kinds:
        name, hint = next(iter(get_type_hints(kind).items()))
        if value.get(name) in get_args(hint):
            return kind
    raise AssertionError(value)


def leaves(kind, value, path=()):
    """Yield (path, bounds, value) of every value of params.yaml that holds no other."""
    kind, *bounds = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    if get_origin(kind) in (Union, types.UnionType):
        kind = member_of(get_args(kind), value)
    parts = list(members(kind, value))
    if not parts:
        yield path, bounds, value
    for name, hint, item in parts:
        yield from leaves(hint, item, (*path, name))


def members(kind, value):
    """Yield (key or index, annotation, value) of what a value holds."""
    if is_dataclass(kind):
        hints = get_type_hints(kind, include_extras=True)
        yield from ((name, hints[name], item) for name, item in value.items())
    elif get_origin(kind) is dict:
        yield from ((name, get_args(kind)[1], item) for name, item in value.items())
    elif get_origin(kind) is tuple:
        yield from ((index, get_args(kind)[0], item) for index, item in enumerate(value))


LEAVES = [entry for entry in leaves(Params, VALUES) if entry[0][0] not in FREE]
NUMBERS = [(path, bounds) for path, bounds, value in LEAVES if is_number(value)]


def dotted(path):
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}"
    return text[1:]


def outside(bound, is_whole):
    """Yield numbers of the right type that a range does not hold."""
    gap = 1 if is_whole else 1e-6
    if bound.low > -math.inf:
        yield bound.low if bound.above_low else bound.low - gap
        yield -3 if bound.low >= 0 else bound.low - 1000
    if bound.high < math.inf:
        yield bound.high if bound.below_high else bound.high + max(gap, bound.high * 1e-6)
    if bound.step > 1:
        yield bound.low + bound.step + 1
    if is_whole:
        yield 10**40
    else:
        yield from (math.nan, math.inf, -math.inf, 10**400)


def with_value(path, value):
    values = copy.deepcopy(VALUES)
    target = values
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return values


def test_the_table_holds_the_numbers_of_the_file():
    text = yaml.safe_dump({key: value for key, value in VALUES.items() if key not in FREE})
    assert len(NUMBERS) > 100
    assert {"train", "evaluate", "runtime", "datasets", "weights"} <= {
        path[0] for path, _ in NUMBERS
    }
    assert sum(is_number(value) for value in flat(yaml.safe_load(text))) == len(NUMBERS)


def flat(value):
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in flat(item)]
    return [leaf for item in value for leaf in flat(item)] if isinstance(value, list) else [value]


@pytest.mark.parametrize(("path", "bounds"), NUMBERS, ids=[dotted(path) for path, _ in NUMBERS])
def test_a_number_has_a_range_and_what_is_outside_is_refused_by_its_key(path, bounds):
    (bound,) = bounds
    assert isinstance(bound, Range)
    value = next(value for other, _, value in LEAVES if other == path)
    assert value in bound
    for wrong in outside(bound, is_whole(path)):
        with pytest.raises(ParamsError) as refused:
            build(Params, with_value(path, wrong), "params.yaml")
        assert f"params.yaml.{dotted(path)}: must be" in str(refused.value)


def is_whole(path):
    """Return whether the schema says `int`: a float there is refused for its type."""
    try:
        build(Params, with_value(path, 0.123456789), "params.yaml")
    except ParamsError as error:
        return "must be int" in str(error)
    return False


@pytest.fixture
def read(tmp_path):
    def read_changed(*changes: tuple[str, Any]):
        values = copy.deepcopy(VALUES)
        for name, value in changes:
            *parents, leaf = name.split(".")
            target = values
            for key in parents:
                target = target[key]
            target[leaf] = value
        path = tmp_path / "params.yaml"
        path.write_text(yaml.dump(values, Dumper=yaml.CSafeDumper), encoding="utf-8")
        return read_params(path)

    return read_changed


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.model.heads", 7),
        ("train.language.heads", 3),
        ("train.image_px", 200),
        ("train.augment.scales", 7),  # of 192 px, nothing is left
        ("train.model.levels", "5+3"),
        ("train.model.levels", ""),
        ("train.model.depth", "6"),
        ("train.model.depth", "1+0"),
        ("train.model.depth", "1000+1"),
        ("train.model.backbone", "resnet51"),
        ("train.model.backbone", "timm/no_such_network"),
        ("train.model.backbone", ""),
        ("train.windows", [[0, 0, 1]]),
        ("train.windows", [[0.5, 0, 0.5, 1]]),
        ("train.windows", [[0, 0.7, 1, 0.2]]),
        ("train.windows", [[0, 0, 1, 1], [0, 0, 1.5, 1]]),
        ("train.merge_floors", [0.3, 1.3]),
        ("run.datasets", []),
        ("run.datasets", ["shapes", "shapes"]),
        ("run.variants", []),
        ("run.variants", ["full", "no_cam", "full"]),
        ("run.targets", ["own", "own"]),
        ("run.targets", ["shapes"]),  # in run.datasets, too
        ("cams.clip.backgrounds", []),
        ("cams.clip.backgrounds", ["sky", "sky"]),
        ("cams.clip.backgrounds", ["sky", ""]),
        ("cams.clip.prompt", "a photo"),
        ("datasets.own.root", ""),
        ("datasets.flickr30k.images", ""),
        ("proposals.given.path", ""),
        ("weights.shapes.classifier.arch", "resnet11"),
        ("weights.shapes.classifier.pictures", 1),
        ("weights.shapes.classifier.batch_images", 1),
        ("weights.shapes.classifier.arch", "timm/test_resnet"),
        ("weights.photographs.classifier.arch", "resnet11"),
        ("weights.photographs.classifier.arch", "timm/no_such_network"),
        ("weights.photographs.classifier.mean", [0.5, 0.5]),
        ("weights.photographs.classifier.std", [0.5, 0.5, 0]),
        ("weights.photographs.classifier.sha256", "not a hash"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_key(read, key, value):
    with pytest.raises(ParamsError) as refused:
        read((key, value))
    assert key in str(refused.value)


def test_the_name_of_a_network_of_timm_is_allowed(read):
    name = "timm/tf_efficientnet_lite2.in1k"
    params = read(("weights.photographs.classifier.arch", name))
    assert params.weights["photographs"].classifier.arch == name


def test_a_width_that_an_architecture_does_not_have_is_refused(read):
    key = "weights.shapes.classifier"
    with pytest.raises(ParamsError, match=r"weights\.shapes\.classifier\.width: .*0\.5"):
        read((f"{key}.arch", "resnet50"), (f"{key}.width", 0.5))
    read((f"{key}.arch", "resnet50"), (f"{key}.width", 1.0))


@pytest.mark.parametrize(
    ("key", "value"),
    [("model.heads", 7), ("epochs", -1), ("model.levels", "6"), ("learning_rate", math.nan)],
)
def test_what_a_variant_changes_is_checked_too(read, key, value):
    with pytest.raises(ParamsError) as refused:
        read(("variants.no_cam", {key: value}))
    assert f"variants.no_cam.{key}" in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.learning_rate_pretrained", 0),
        ("train.augment.scales", 6),  # of 192 px, 32 are left
        ("cams.clip.backgrounds", ["sky", "sea"]),
        ("train.windows", []),
        ("train.merge_floors", []),
        ("train.model.prior_area", -1.0),
        ("train.model.backbone", "resnet50"),
        ("train.model.backbone", "timm/resnet18"),
        ("train.epochs", 0),
        ("datasets.own.train_images", 0),
        ("weights.photographs.classifier.sha256", "0676BA61"),
        ("runtime.workers", 0),
    ],
)
def test_the_ends_of_what_is_allowed_are_allowed(read, key, value):
    found = read((key, value))
    for name in key.split("."):
        found = found[name] if isinstance(found, dict) else getattr(found, name)
    assert found == (tuple(value) if isinstance(value, list) else value)


def test_a_range_holds_what_it_prints():
    assert 0 in Range(0, 1)
    assert 0 not in Range(0, 1, above_low=True)
    assert 1 not in Range(0, 1, below_high=True)
    assert 33 not in Range(32, 640, step=32)
    assert str(Range(32, 640, step=32)) == "a multiple of 32 from 32 to 640"
    assert str(Range(0, above_low=True)) == "a number above 0"
    assert str(Range(0)) == "a number from 0"
    assert (1, 2) not in Length(3, 3)
    assert "a\n" not in Pattern("[a-z]", "a letter")


def test_what_stands_twice_is_the_same():
    assert get_args(weights.Architecture) == ARCHITECTURES
    assert relations.CLASSIFIER == backbone.CLASSIFIER
    assert weights.TIMM_PREFIX == timm_network.TIMM_PREFIX == backbone.TIMM_PREFIX
    assert relations.SCALE_STEP_PX == augment.SCALE_STEP_PX
    assert relations.SHORTEST_PX == sample_spec.CAM_STRIDE
    assert get_origin(weights.Architecture) is Literal
