"""Check of machine, data and weights before a rebuild: `python -m pipeline.doctor`.

It prints one line per check, with a remedy below each problem, and ends with status 1 if something
is missing without which `dvc repro` fails; warnings do not count. It reads names, sizes and first
bytes, and imports no large library.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.doctor.dvc_files import check_dvc_files
from pipeline.doctor.findings import Finding, Level, missing, ok
from pipeline.doctor.inputs import check_dataset, check_given, check_named, check_weights
from pipeline.doctor.leftovers import check_leftovers
from pipeline.doctor.machine import check_machine
from pipeline.params.read import PARAMS_FILE, read_params, train_params, weights_key
from pipeline.params.reader import ParamsError, read_yaml
from pipeline.params.schema import Params

IGNORED_BY_DVC = {"size", "nfiles"}  # DVC's run cache drops keys of these names


def check_all(root: Path) -> Iterator[Finding]:
    """Yield every finding; with a wrong params.yaml, those of the machine alone."""
    device = "auto"
    try:
        params = read_params(root / PARAMS_FILE)
    except ParamsError as error:
        yield missing(f"params.yaml: {error}", "`git diff params.yaml` shows what was changed")
    else:
        device = params.runtime.device
        yield _check_names(read_yaml(root / PARAMS_FILE))
        yield from check_run(params)
    yield from check_machine(root, device)
    yield from check_dvc_files(root)
    yield check_leftovers(root)


def check_run(params: Params) -> Iterator[Finding]:
    """Yield the findings on the datasets and weights that `run` names."""
    for name in (*params.run.datasets, *params.run.targets):
        yield from check_dataset(name, params.datasets[name])
        yield from check_weights(name, params.weights[name], weights_key(params, name))
        for part, asker in parts_asked_for(params).items():
            yield check_named(params.weights[name], weights_key(params, name), part, asker)
        if params.proposals.source == "given":
            yield check_given(name, params.proposals.given)


def parts_asked_for(params: Params) -> dict[str, str]:
    """Return the parts of weights that some settings need, and which setting needs each."""
    asked = {"clip": "cams.scorer is clip"} if params.cams.scorer == "clip" else {}
    for variant in params.run.variants:
        labels = train_params(params, variant).labels
        if labels.weights_part is not None:
            asked[labels.weights_part] = f"train.labels.similarity is {labels.similarity}"
    return asked


def _check_names(content: dict[str, Any]) -> Finding:
    ignored = sorted(IGNORED_BY_DVC & set(_keys(content)))
    if ignored:
        return missing(
            f"params.yaml: a key is called {' and one '.join(ignored)}; DVC's run cache ignores it "
            "and brings back outputs of other values",
            "give it another name",
        )
    return ok("params.yaml")


def _keys(value: object) -> Iterator[str]:
    """Yield every key of nested mappings and lists."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from _keys(item)


def main() -> None:
    """Print every finding, and end with status 1 if something is missing."""
    has_missing = False
    for finding in check_all(Path()):
        sys.stdout.write(f"{finding}\n")
        sys.stdout.flush()
        has_missing = has_missing or finding.level is Level.MISSING
    raise SystemExit(int(has_missing))


if __name__ == "__main__":
    main()
