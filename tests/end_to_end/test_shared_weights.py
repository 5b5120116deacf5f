"""Datasets that share one `weights` entry, as DVC tracks them."""

import json

import pytest

from pipeline.params.read import read_params

pytestmark = pytest.mark.slow

DATASETS = ("flickr30k", "refcoco", "shapes")


@pytest.fixture
def project(fresh):
    """A clone in which the weights of three datasets are made; two of them share theirs."""
    fresh.set(run__datasets=f"[{', '.join(DATASETS)}]")
    for dataset in DATASETS:
        weights = fresh.folder / "data" / dataset / "weights"
        weights.mkdir(parents=True)
        (weights / "manifest.json").write_text("{}")
    assert fresh.python("-m", "dvc", "commit", "--force", "weights").returncode == 0
    return fresh


def changed(project):
    done = project.python("-m", "dvc", "status", "--json", "weights")
    assert done.returncode == 0, done.stderr
    return sorted(json.loads(done.stdout))


def test_a_shared_entry_concerns_the_datasets_that_name_it_and_no_other(project):
    assert changed(project) == []
    project.set(weights__photographs__detector__training_set="elsewhere")
    assert changed(project) == ["weights@flickr30k", "weights@refcoco"]
    project.set(weights__shapes__tagger__steps=21)
    assert changed(project) == [f"weights@{dataset}" for dataset in DATASETS]


def test_a_changed_value_leaves_the_entry_shared(project):
    changed = "weights.refcoco.tagger.package=gum"
    assert project.python("-m", "pipeline.params.profile", changed).returncode == 0
    weights = read_params(project.folder / "params.yaml").weights
    assert weights["flickr30k"] == weights["refcoco"]
    assert weights["flickr30k"].tagger.package == "gum"
