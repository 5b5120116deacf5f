"""The groups of rows, each measured in a process of its own."""

import multiprocessing
from importlib import import_module

import torch

from benchmarks.ratios.row import Row
from pipeline.freed_memory import keep_freed_memory

GROUPS = {  # name -> the function that measures its rows
    "cams": "cams:measure_cams",
    "inner_layer": "cams:measure_inner_layer",
    "cams_stage": "cams_stage:measure",
    "proposals_stage": "proposals_stage:measure",
    "reads": "caches:measure_reads",
    "writes": "caches:measure_writes",
    "nouns": "nouns_stage:measure",
    "loading": "loading:measure",
    "outside_the_model": "training_loop:measure",
    "phrases_at_once": "training_step:measure_phrases",
    "reg_only": "training_step:measure_reg_only",
    "mining": "training_step:measure_mining",
    "predict": "prediction:measure",
    "repro": "repro:measure",
    "growth": "growth:measure",
}


def measure_group(name: str) -> list[Row]:
    """Return the rows of a group, measured on one thread.

    Memory and workers of a loader are had as in the process of a stage.
    """
    multiprocessing.set_start_method("fork", force=True)
    torch.set_num_threads(1)
    keep_freed_memory()
    module, _, function = GROUPS[name].partition(":")
    rows: list[Row] = getattr(import_module(f"benchmarks.rows.{module}"), function)()
    return rows
