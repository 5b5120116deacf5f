from pathlib import Path

import yaml

from pipeline.params.datasets import Flickr30kDataset, OwnDataset, ShapesDataset
from pipeline.paths import DatasetFiles, ResultFiles, image_folder
from tests.conftest import ROOT


def properties(files):
    names = [name for name, value in vars(type(files)).items() if isinstance(value, property)]
    values = [getattr(files, name) for name in names]
    return {value.as_posix() for value in values if isinstance(value, Path)}


def test_a_datasets_files_lie_below_its_folder():
    files = DatasetFiles("shapes")
    assert files.cams == Path("data/shapes/cams.h5")
    assert files.phrases == Path("data/shapes/annotations/phrases.jsonl")


def test_a_variants_files_lie_below_its_folder():
    files = ResultFiles("shapes", "full")
    assert files.metrics == Path("results/shapes/full/metrics.json")


def test_another_datasets_model_brings_weights_and_nouns_and_its_results_lie_apart():
    files = DatasetFiles("refcoco", "flickr30k")
    assert files.noun_head == Path("data/flickr30k/noun_head")
    assert files.weights == Path("data/flickr30k/weights")
    assert files.proposals == Path("data/refcoco/proposals.h5")
    assert files.cams == Path("data/refcoco/by_flickr30k/cams.h5")
    results = ResultFiles("refcoco", "full", "flickr30k")
    assert results.model == Path("results/flickr30k/full/model")
    assert results.metrics == Path("results/refcoco/flickr30k-full/metrics.json")


def test_dvc_writes_only_files_that_the_layout_knows():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    bodies = [stage.get("do", stage) for stage in stages.values()]
    kinds = ("outs", "metrics", "plots")
    outs = {out for body in bodies for kind in kinds for out in body.get(kind, [])}
    known = {
        trained_on: properties(DatasetFiles("${item.dataset}", trained_on))
        | properties(ResultFiles("${item.dataset}", "${item.variant}", trained_on))
        for trained_on in ("", "${item.trained_on}")
    }
    assert outs <= known[""] | known["${item.trained_on}"]
    folders = {"data/${item.dataset}", "results/${item.dataset}/${item.variant}"}
    tables = {f"data/${{item.dataset}}/annotations/{name}.jsonl" for name in ("images", "phrases")}
    assert known[""] - outs == folders | tables


def test_drawn_pictures_lie_beside_their_records():
    dataset = ShapesDataset("shapes", 1, 2, 3, 4, 96)
    assert image_folder("small", dataset) == Path("data/small/annotations/images")


def test_photographs_stay_where_they_are():
    flickr30k = Flickr30kDataset("flickr30k", "../lists", "../photographs", 0, 0)
    assert image_folder("any", flickr30k) == Path("../photographs")
    assert image_folder("any", OwnDataset("jsonl", "../lines", "mine", 0, 0)) == Path("mine")
