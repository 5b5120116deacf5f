"""What was run on one dataset, and how several trainings of one model become one number."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.params.datasets import DatasetSection
from pipeline.params.schema import Params

SEED = "seed"  # key of `train`: variants that differ in it alone are one model
FINAL_BOX = "reg"
NONE = "-"
Metrics = Mapping[str, Any]


@dataclass(frozen=True)
class Runs:
    """What was run on one dataset.

    Attributes:
        dataset: its name.
        section: its entry in params.yaml.
        metrics: what `evaluation.json` holds, by variant.
        siblings: variants that were run and differ from a variant in their seed at most, by that
            variant; it may itself be one that was not run.
    """

    dataset: str
    section: DatasetSection
    metrics: Mapping[str, Metrics]
    siblings: Mapping[str, Sequence[str]]

    @property
    def splits(self) -> list[str]:
        """Every evaluated split."""
        return sorted({split for one in self.metrics.values() for split in one["splits"]})

    def cell(self, variant: str, split: str, method: str = FINAL_BOX) -> str:
        """Return the hits of a method on a split as text, see `shown`; a dash without any run."""
        trainings: dict[int, Metrics] = {}  # the first of each seed
        for name in self.siblings.get(variant, ()):
            if name in self.metrics:
                trainings.setdefault(self.metrics[name]["provenance"][SEED], self.metrics[name])
        splits = [one["splits"].get(split, {"methods": {}}) for one in trainings.values()]
        rows = [one["methods"][method] for one in splits if method in one["methods"]]
        return shown(rows)

    def was_run(self, variant: str) -> bool:
        """Whether there is a training of the variant, or of one with another seed."""
        return any(name in self.metrics for name in self.siblings.get(variant, ()))


def shown(rows: Sequence[Metrics]) -> str:
    """Return accuracies in percent as text.

    Args:
        rows: `accuracy`, `low` and `high` of a method in each training, shares in [0, 1].

    Returns:
        Of one training `61.1 +-3.0`, the latter half the width of its 95 % interval; of more the
        mean, the sample's standard deviation and their number: `60.2 sd 0.5 n=3`; else a dash.
    """
    if not rows:
        return NONE
    if len(rows) == 1:
        return f"{100 * rows[0]['accuracy']:.1f} +-{50 * (rows[0]['high'] - rows[0]['low']):.1f}"
    percents = [100 * row["accuracy"] for row in rows]
    mean, deviation = statistics.mean(percents), statistics.stdev(percents)
    return f"{mean:.1f} sd {deviation:.1f} n={len(rows)}"


def seed_siblings(params: Params) -> dict[str, list[str]]:
    """Return, for every variant, those of `run` that differ from it in their seed at most."""
    recipe_of = {name: _recipe(changes) for name, changes in params.variants.items()}
    return {
        name: [other for other in params.run.variants if recipe_of[other] == recipe]
        for name, recipe in recipe_of.items()
    }


def models_of(params: Params) -> list[str]:
    """Return the variants of `run` without those that differ from an earlier one in their seed."""
    siblings = seed_siblings(params)
    return [name for name in params.run.variants if siblings[name][0] == name]


def _recipe(changes: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in changes.items() if key != SEED}, sort_keys=True)
