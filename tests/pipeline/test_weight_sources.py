from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.params.read import PARAMS_FILE, read_params, weights_key
from pipeline.weight_sources import hub_of, parts_of
from tests.conftest import ROOT

PARAMS = read_params(ROOT / PARAMS_FILE)
PHOTOGRAPHS = PARAMS.weights["photographs"]
DOCUMENT = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")


def test_language_and_clip_are_parts_only_where_a_path_or_a_hub_names_them():
    assert list(parts_of(PHOTOGRAPHS)) == ["detector", "classifier", "tagger", "language"]
    with_clip = replace(PHOTOGRAPHS, clip=replace(PHOTOGRAPHS.clip, path="clip"))
    without = replace(with_clip, language=replace(PHOTOGRAPHS.language, hub=""))
    assert list(parts_of(without)) == ["detector", "classifier", "tagger", "clip"]


def test_each_part_has_its_hub_and_the_visual_genome_detector_none():
    hubs = {name: hub_of(part)[0] for name, part in parts_of(PHOTOGRAPHS).items()}
    assert hubs == {
        "detector": "none",
        "classifier": "torchvision",
        "tagger": "stanza",
        "language": "transformers",
    }
    mmdet = replace(PHOTOGRAPHS.detector, format="mmdet", config="yolox/x.py")
    assert hub_of(mmdet) == ("mmdet", "yolox/x.py")


@pytest.mark.parametrize("name", ["classifier", "tagger", "language"])
def test_the_document_lists_what_params_yaml_fetches(name):
    part = getattr(PHOTOGRAPHS, name)
    line = next(line for line in DOCUMENT.splitlines() if f"`{hub_of(part)[1]}`" in line)
    assert line.startswith(f"| `{name}` |")
    assert part.licence in line


def test_the_document_lists_the_files_that_params_yaml_asks_for():
    assert f"`{Path(PHOTOGRAPHS.detector.path).name}`" in DOCUMENT
    assert f"`{Path(PHOTOGRAPHS.detector.vocabulary).name}`" in DOCUMENT
    assert PHOTOGRAPHS.classifier.sha256 == "0676ba61"
    assert "| `resnet50-0676ba61.pth` |" in DOCUMENT


def test_shared_weights_go_by_the_name_of_the_entry_that_holds_them():
    assert weights_key(PARAMS, "refcoco") == "weights.photographs"
    assert weights_key(PARAMS, "shapes") == "weights.shapes"
