"""Where the parts of a trained model lie: in a project's results, or in a folder packed from them.

A packed folder has the layout of the two places that a project keeps the parts in:

```
camground.json   RunSettings, and the SHA-256 of every other file
README.md        the model card
calibration.json where the model was evaluated: what turns its answers into confidences
model/           the grounder
noun_head/       where the scorer of the Grad-CAM maps is one
weights/         detector/, tagger/, what the scorer and the labels need; manifest.json
```
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.given_files.impostors import cause_of
from models.given_files.json_files import read_json_value
from pipeline.errors import InputError
from pipeline.params.read import PARAMS_FILE, read_params
from pipeline.params.reader import build
from pipeline.paths import DatasetFiles, ResultFiles
from pipeline.serving.settings import RunSettings, settings_of

PACKED_FILE, CARD_FILE, FORMAT = "camground.json", "README.md", 1
CALIBRATION_FILE = "calibration.json"
RESULTS = "results"
_KEYS = {"format", "dataset", "variant", "settings", "files"}


@dataclass(frozen=True)
class ModelParts:
    """The folders of a model, and how it is run.

    Attributes:
        model: of the grounder.
        weights: of `detector/`, `tagger/` and the other parts, as far as they are needed.
        noun_head: of the noun head, where there is one.
        calibration: file of the calibration, where the model was evaluated.
        settings: of the parts beside the grounder.
        device: `auto`, `cpu` or `cuda`.
        remedy: what to do if a part is missing.
    """

    model: Path
    weights: Path
    noun_head: Path
    calibration: Path
    settings: RunSettings
    device: str
    remedy: str


@dataclass(frozen=True)
class ResultPlace:
    """A variant's results in a project.

    Attributes:
        root: folder of params.yaml.
        files: of the dataset, below the root.
        results: of dataset and variant, below the root.
    """

    root: Path
    files: DatasetFiles
    results: ResultFiles


def find_parts(path: Path) -> ModelParts:
    """Return the parts of the model in a folder.

    Args:
        path: `results/<dataset>/<variant>` of a project, its `model/`, or a packed folder.

    Raises:
        InputError: it is none of these, a packed file is missing or has other bytes than when it
            was packed, or params.yaml is wrong.
    """
    if (path / PACKED_FILE).is_file():
        return _packed_parts(path)
    place = find_results(path)
    params = read_params(place.root / PARAMS_FILE)
    return ModelParts(
        model=place.root / place.results.model,
        weights=place.root / place.files.weights,
        noun_head=place.root / place.files.noun_head,
        calibration=place.root / place.results.calibration,
        settings=settings_of(params),
        device=params.runtime.device,
        remedy="`dvc repro` makes it",
    )


def find_results(path: Path) -> ResultPlace:
    """Return the place of a trained variant: `results/<dataset>/<variant>` or its `model/`.

    Raises:
        InputError: there is no model, or no params.yaml above it.
    """
    folder = path.absolute()
    folder = folder.parent if folder.name == "model" else folder
    if folder.parent.parent.name != RESULTS:
        raise InputError(
            f"{path}: holds no model: name {RESULTS}/<dataset>/<variant> of a project, or a folder "
            "that `camground pack` wrote"
        )
    root, results = folder.parents[2], ResultFiles(folder.parent.name, folder.name)
    if not (root / results.model).is_dir():
        raise InputError(f"{path}: holds no trained model; `dvc repro` makes it")
    return ResultPlace(root, DatasetFiles(results.dataset), results)


def model_name(path: Path) -> str:
    """Return `<dataset>/<variant>` of the model in a folder, as of `find_parts`.

    Raises:
        InputError: there is no model.
    """
    if (path / PACKED_FILE).is_file():
        content = read_packed(path)
        return f"{content['dataset']}/{content['variant']}"
    results = find_results(path).results
    return f"{results.dataset}/{results.variant}"


def newest_model(root: Path) -> Path:
    """Return the variant below `root/results` whose model was written last.

    Raises:
        InputError: there is none.
    """
    models = list((root / RESULTS).glob("*/*/model/spec.json"))
    if not models:
        raise InputError(f"{root / RESULTS}: holds no trained model; `make repro` makes one")
    return max(models, key=lambda file: file.stat().st_mtime).parents[1]


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder but `camground.json`, by its path there.

    Names that begin with a dot are left out.
    """
    names = sorted(name for name in _names_below(folder) if name != PACKED_FILE)
    return {name: _sha256(folder / name) for name in names}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _names_below(folder: Path) -> Iterator[str]:
    for file in folder.rglob("*"):
        parts = file.relative_to(folder).parts
        if file.is_file() and not any(part.startswith(".") for part in parts):
            yield "/".join(parts)


def _packed_parts(folder: Path) -> ModelParts:
    content = read_packed(folder)
    _check_files(folder, content["files"])
    settings = build(RunSettings, content["settings"], PACKED_FILE)
    return ModelParts(
        model=folder / "model",
        weights=folder / "weights",
        noun_head=folder / "noun_head",
        calibration=folder / CALIBRATION_FILE,
        settings=settings,
        device="auto",
        remedy="copy the folder again, or pack it anew",
    )


def read_packed(folder: Path) -> Mapping[str, Any]:
    """Return the content of `camground.json`.

    Raises:
        InputError: it is not what `camground pack` writes, or of another version.
    """
    path = folder / PACKED_FILE
    try:
        content = read_json_value(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is not JSON: {cause_of(path, error)}") from error
    if not isinstance(content, dict) or set(content) != _KEYS or content["format"] != FORMAT:
        raise InputError(f"{path}: is not of format {FORMAT}, with the keys {sorted(_KEYS)}")
    files, names = content["files"], (content["dataset"], content["variant"])
    is_listed = isinstance(files, dict) and all(isinstance(one, str) for one in files.values())
    if not is_listed or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path}: does not map files to hashes, or has names that are no texts")
    return content


def _check_files(folder: Path, expected: Mapping[str, str]) -> None:
    """Refuse a folder whose files are not those that were packed.

    Raises:
        InputError: names the first file that is missing, changed or new.
    """
    found = file_hashes(folder)
    different = sorted(set(expected.items()) ^ set(found.items()))
    if not different:
        return
    name = different[0][0]
    state = f"is not in {PACKED_FILE}" if name in found else "is missing"
    if name in found and name in expected:
        state = "has other bytes than when it was packed"
    raise InputError(f"{folder / name}: {state}; copy the folder again")
