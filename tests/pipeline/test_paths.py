from pathlib import Path

import yaml

from pipeline.params.datasets import Flickr30kDataset, OwnDataset, ShapesDataset
from pipeline.paths import DatasetFiles, ResultFiles, image_folder
from tests.conftest import ROOT


def properties(files):
    names = [name for name, value in vars(type(files)).items() if isinstance(value, property)]
    return {getattr(files, name).as_posix() for name in names}


def test_a_datasets_files_lie_below_its_folder():
    files = DatasetFiles("shapes")
    assert files.cams == Path("data/shapes/cams.h5")
    assert files.phrases == Path("data/shapes/annotations/phrases.jsonl")


def test_a_variants_files_lie_below_its_folder():
    files = ResultFiles("shapes", "full")
    assert files.metrics == Path("results/shapes/full/metrics.json")


def test_dvc_writes_only_files_that_the_layout_knows():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    bodies = [stage.get("do", stage) for stage in stages.values()]
    outs = {out for body in bodies for kind in ("outs", "metrics") for out in body.get(kind, [])}
    known = properties(DatasetFiles("${item.dataset}"))
    known |= properties(ResultFiles("${item.dataset}", "${item.variant}"))
    assert {out if isinstance(out, str) else next(iter(out)) for out in outs} <= known


def test_drawn_pictures_lie_beside_their_records():
    dataset = ShapesDataset("shapes", 1, 2, 3, 4, 96)
    assert image_folder("small", dataset) == Path("data/small/annotations/images")


def test_photographs_stay_where_they_are():
    flickr30k = Flickr30kDataset("flickr30k", "../lists", "../photographs", 0, 0)
    assert image_folder("any", flickr30k) == Path("../photographs")
    assert image_folder("any", OwnDataset("jsonl", "../lines", "mine", 0, 0)) == Path("mine")
