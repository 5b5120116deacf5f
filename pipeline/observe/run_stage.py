"""Run the body of a stage, as a Prefect flow run if a server answers."""

import importlib.util
import os
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML

from pipeline.observe.observer import Observer
from pipeline.observe.server import answering_address, use_server

Value = TypeVar("Value")


def run_stage(stage: str, body: Callable[[Observer], Value]) -> Value:
    """Return `body(observer)`, the work of a stage process.

    It is a flow run if the configured Prefect server answers within a second, and otherwise a plain
    call without importing Prefect. Of several processes that train together the first one reports.

    Args:
        stage: the DVC stage's name, as in `cams@shapes`.
        body: function of the observer; its value is returned and its exception raised.
    """
    address = answering_address() if os.environ.get("RANK", "0") == "0" else None
    if address is None or importlib.util.find_spec("prefect") is None:
        with closing(Observer(stage)) as observer:
            return body(observer)
    use_server(address)
    from pipeline.observe.prefect_observer import PrefectObserver  # slow to import

    parameters = {"stage": stage, "params": tracked_params(stage)}
    with closing(PrefectObserver(stage, parameters)) as observer:
        return observer.watch(body)


def tracked_params(stage: str, folder: Path = Path()) -> dict[str, Any]:
    """Return the parameters a stage depends on, by dotted key.

    Args:
        stage: DVC's name: `cams@shapes`, or `train@shapes-full` for dataset and variant.
        folder: of dvc.yaml and params.yaml.

    Returns:
        The values by dotted key; None for a missing key, {} for a missing file or stage.
    """
    name, _, instance = stage.partition("@")
    described = _read(folder / "dvc.yaml").get("stages", {}).get(name, {})
    params = _read(folder / "params.yaml")
    dataset, _, variant = instance.partition("-")
    names = {"item": dataset, "item.dataset": dataset, "item.variant": variant}
    tracked = described.get("do", described).get("params", [])
    keys = [re.sub(r"\$\{([^}]*)\}", lambda hole: names.get(hole[1], ""), key) for key in tracked]
    return {key: _value(params, key) for key in keys}


def _read(file: Path) -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(file) if file.is_file() else {}


def _value(params: Mapping[str, Any], dotted: str) -> Any:
    value: Any = params
    for key in dotted.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
