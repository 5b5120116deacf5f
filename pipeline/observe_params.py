"""What params.yaml tells a stage: the keys that dvc.yaml says it tracks."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def tracked_params(stage: str, folder: Path = Path()) -> dict[str, Any]:
    """Return the parameters a stage depends on, by dotted key.

    Args:
        stage: as DVC names it: `cams@shapes`, or `train@shapes-full` for dataset and variant.
        folder: where dvc.yaml and params.yaml lie.

    Returns:
        What the keys hold; nothing where a file, the stage or a key is missing.
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
    return yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _value(params: Mapping[str, Any], dotted: str) -> Any:
    value: Any = params
    for key in dotted.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
