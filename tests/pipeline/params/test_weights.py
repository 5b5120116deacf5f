from dataclasses import dataclass
from typing import get_args

import pytest
import yaml

from pipeline.params.reader import ParamsError, build
from pipeline.params.weights import EmbeddedWeights, WeightFiles
from tests.conftest import ROOT

VALUES = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["weights"]
KINDS = {"embedded": EmbeddedWeights, "files": WeightFiles}


@dataclass(frozen=True)
class Holder:
    part: EmbeddedWeights | WeightFiles


@pytest.mark.parametrize("name", VALUES)
def test_the_source_decides_which_section_is_read(name):
    section = build(Holder, {"part": VALUES[name]}, "weights").part
    assert type(section) is KINDS[VALUES[name]["source"]]


def test_a_section_of_the_other_source_is_refused_by_the_key_that_it_lacks():
    assert len(KINDS) == len(get_args(Holder.__annotations__["part"]))
    swapped = VALUES["photographs"] | {"source": "embedded"}
    with pytest.raises(ParamsError, match=r"weights\.part\."):
        build(Holder, {"part": swapped}, "weights")
    with pytest.raises(ParamsError, match=r"weights\.part\.source.*'rented'"):
        build(Holder, {"part": swapped | {"source": "rented"}}, "weights")


@pytest.mark.parametrize(
    ("key", "allowed", "refused"),
    [
        ("pictures", [2], [1]),  # batch norm wants two
        ("batch_images", [2], [1]),
        ("width", [0.125, 8], [0, 8.5]),
        ("arch", ["squeezenet1_1"], ["timm/resnet18", "resnet11"]),
    ],
)
def test_what_a_classifier_can_be_trained_with_is_allowed_and_nothing_beyond(key, allowed, refused):
    given = next(part for part in VALUES.values() if part["source"] == "embedded")
    for value in allowed:
        changed = given | {"classifier": given["classifier"] | {key: value}}
        assert getattr(build(EmbeddedWeights, changed, "weights").classifier, key) == value
    for value in refused:
        changed = given | {"classifier": given["classifier"] | {key: value}}
        with pytest.raises(ParamsError, match=rf"weights\.classifier\.{key}"):
            build(EmbeddedWeights, changed, "weights")


@pytest.mark.parametrize(
    ("key", "allowed", "refused"),
    [
        ("sha256", ["", "0676BA61", "f" * 64], ["f" * 65, "g"]),
        ("mean", [[0, -1, 2]], [[0, 1], [0, 0, 0, 0]]),
        ("std", [[0.5, 1, 2]], [[1, 1], [1, 1, 1, 1], [1, 1, 0]]),
        ("arch", ["resnet50", "timm/a.b_c1"], ["timm/", "timmXa", "x"]),
    ],
)
def test_what_a_classifier_s_file_can_be_is_allowed_and_nothing_beyond(key, allowed, refused):
    given = next(part for part in VALUES.values() if part["source"] == "files")
    for value in allowed:
        build(WeightFiles, given | {"classifier": given["classifier"] | {key: value}}, "weights")
    for value in refused:
        with pytest.raises(ParamsError, match=rf"weights\.classifier\.{key}"):
            build(
                WeightFiles, given | {"classifier": given["classifier"] | {key: value}}, "weights"
            )
