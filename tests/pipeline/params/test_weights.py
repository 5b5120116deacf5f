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
