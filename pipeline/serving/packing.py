"""A folder that holds all of a trained model, for others to load: `camground pack`."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.given_files.json_files import read_json_value, write_json
from models.grad_cam.load_scorer import PARTS
from pipeline.caching.atomic import whole_folder
from pipeline.errors import InputError
from pipeline.params.read import PARAMS_FILE, read_params
from pipeline.samples.sample_spec import read_sample_spec
from pipeline.serving.frozen_parts import DETECTOR, TAGGER
from pipeline.serving.model_card import CardFacts, write_card
from pipeline.serving.model_folder import (
    CALIBRATION_FILE,
    CARD_FILE,
    FORMAT,
    PACKED_FILE,
    ResultPlace,
    file_hashes,
    find_results,
    model_name,
)
from pipeline.serving.phrase_grounder import PhraseGrounder
from pipeline.serving.settings import RunSettings, settings_of

MANIFEST = "manifest.json"


def pack(path: Path, target: Path) -> None:
    """Write a folder that `PhraseGrounder.load` takes anywhere; it appears whole or not at all.

    Args:
        path: `results/<dataset>/<variant>` of a project.
        target: the folder to write; it must not be there, or be empty.

    Raises:
        InputError: there is no model, a part of it is missing or cannot be read, or `target` is
            taken.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: is there already; name a new folder, or remove it")
    place = find_results(path)
    settings = settings_of(read_params(place.root / PARAMS_FILE))
    PhraseGrounder.load(path, "cpu")
    with whole_folder(target) as folder:
        shutil.copytree(
            place.root / place.results.model, folder / "model", copy_function=shutil.copyfile
        )
        calibration = place.root / place.results.calibration
        if calibration.is_file():
            shutil.copyfile(calibration, folder / CALIBRATION_FILE)
        manifest = _copy_weights(place, settings, folder)
        card = CardFacts(model_name(path), manifest, _read_evaluation(place))
        (folder / CARD_FILE).write_text(write_card(card), encoding="utf-8", newline="\n")
        content = {
            "format": FORMAT,
            "dataset": place.results.dataset,
            "variant": place.results.variant,
            "settings": asdict(settings),
            "files": file_hashes(folder),
        }
        write_json(folder / PACKED_FILE, content, indent=1)


def _copy_weights(place: ResultPlace, settings: RunSettings, folder: Path) -> dict[str, Any]:
    """Copy the frozen parts that running the model takes; return the manifest of all weights."""
    source, target = place.root / place.files.weights, folder / "weights"
    spec = read_sample_spec(place.root / place.results.model)
    needed = {DETECTOR, TAGGER, PARTS[settings.cams.scorer], spec.labels.weights_part}
    for name in sorted(filter(None, needed)):
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, copy_function=shutil.copyfile)
    if settings.cams.scorer == "nounhead":
        shutil.copytree(
            place.root / place.files.noun_head,
            folder / "noun_head",
            copy_function=shutil.copyfile,
        )
    manifest = _read_json(source / MANIFEST)
    target.mkdir(exist_ok=True)
    write_json(target / MANIFEST, manifest, indent=2)
    return dict(manifest)


def _read_evaluation(place: ResultPlace) -> Mapping[str, Any] | None:
    """Return what was measured of the model; None where it was not evaluated."""
    path = place.root / place.results.evaluation
    return _read_json(path) if path.is_file() else None


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        content: Mapping[str, Any] = read_json_value(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}; `dvc repro` makes it anew") from error
    return content
