"""Read params.yaml, and the parameters of one variant."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.params.reader import ParamsError, build, read_yaml
from pipeline.params.relations import check_relations, check_train
from pipeline.params.schema import Params
from pipeline.params.train import TrainParams

PARAMS_FILE = Path("params.yaml")


def read_params(path: Path = PARAMS_FILE) -> Params:
    """Return all of params.yaml.

    Raises:
        ParamsError: a section or key is unknown, missing, ill-typed or out of its range, values do
            not go together, or `run` names something that is not there.
    """
    params = build(Params, read_yaml(path), path.name)
    check_relations(params)
    check_train(params.train, "train")
    run = params.run
    for where, names in (("run.datasets", run.datasets), ("run.targets", run.targets)):
        for name in names:
            _known(where, name, params.datasets)
            _known("weights", name, params.weights)
    for name in params.variants:
        train_params(params, name)
    for name in run.variants:
        _known("run.variants", name, params.variants)
    return params


def train_params(params: Params, variant: str) -> TrainParams:
    """Return the `train` section with what the variant changes.

    Raises:
        ParamsError: the variant is unknown, or changes a key that `train` does not have or to what
            it cannot be.
    """
    _known("variants", variant, params.variants)
    section = _plain(asdict(params.train))
    for dotted, value in params.variants[variant].items():
        _replace(section, dotted, value, f"variants.{variant}.{dotted}")
    where = f"train, as changed by variants.{variant}"
    train = build(TrainParams, section, where)
    check_train(train, where)
    return train


def weights_key(params: Params, dataset: str) -> str:
    """Return the dotted name of a dataset's weights: of datasets that share them, the entry's own.

    That is the first entry that holds the same, since an alias comes after what it stands for.
    """
    section = params.weights[dataset]
    return f"weights.{next(name for name, known in params.weights.items() if known == section)}"


def _known(where: str, name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        raise ParamsError(f"{where}: {name!r} is not known; known: {', '.join(sorted(known))}")


def _replace(section: dict[str, Any], dotted: str, value: object, where: str) -> None:
    """Set one dotted key that must exist."""
    *parents, leaf = dotted.split(".")
    target: Any = section
    for key in parents:
        target = target.get(key) if isinstance(target, dict) else None
    if not isinstance(target, dict) or leaf not in target:
        raise ParamsError(f"{where}: `train` has no such key")
    target[leaf] = deepcopy(value)


def _plain(value: Any) -> Any:
    """Turn the tuples of dataclasses back into YAML's lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
