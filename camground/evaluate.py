"""Evaluate a trained model on another dataset: `camground evaluate results/flickr30k/full refcoco`.

The dataset is put into `run.targets` of params.yaml, and DVC brings the stages up to date that this
model's report on it needs. The dataset needs no training split, and stays among the targets.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from pipeline.errors import InputError
from pipeline.params.profile import apply_values
from pipeline.params.read import PARAMS_FILE, read_params
from pipeline.paths import ResultFiles
from pipeline.tables.__main__ import COLUMNS, aligned, result_rows

RESULTS = "results"


def main() -> None:
    """Evaluate the model on the dataset that the command line names, and print its hits."""
    parser = argparse.ArgumentParser(description="Evaluate a trained model on another dataset.")
    parser.add_argument("model", type=Path, help="results/DATASET/VARIANT of a trained model")
    parser.add_argument("dataset", help="a key of `datasets` in params.yaml")
    options = parser.parse_args()
    files = plan_evaluation(options.model, options.dataset)
    name = f"target_report@{files.trained_on}-{files.dataset}-{files.variant}"
    done = subprocess.run([sys.executable, "-m", "dvc", "repro", name], check=False)
    if done.returncode:
        raise InputError(f"`dvc repro {name}` failed; what it printed above says why")
    head = ("dataset", "model", "split", "n", *COLUMNS)
    sys.stdout.write(aligned([head, *result_rows(files)]))
    sys.stdout.write(f"report: {files.report / 'report.html'}\n")


def plan_evaluation(model: Path, dataset: str) -> ResultFiles:
    """Put a dataset into `run.targets`, and return where the results of a model on it will lie.

    Raises:
        InputError: the model is none that `run` names, or the dataset is not known or is one that
            `run` trains on; params.yaml is then as it was.
    """
    run = read_params().run
    folder = model.parent if model.name == "model" else model
    trained_on, variant = folder.parent.name, folder.name
    is_result = folder.parent.parent.name == RESULTS
    if not is_result or trained_on not in run.datasets or variant not in run.variants:
        named = ", ".join(f"{RESULTS}/{a}/{b}" for a in run.datasets for b in run.variants)
        raise InputError(f"{model}: is no model that `run` in params.yaml names: {named}")
    if dataset not in run.targets:
        apply_values(PARAMS_FILE, [("run.targets", [*run.targets, dataset])])
    return ResultFiles(dataset, variant, trained_on)
