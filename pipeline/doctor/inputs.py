"""Checks of the files that a user provides: datasets, weights, given proposals."""

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from models.given_files.text_files import given_files
from models.given_files.transformers_folder import FolderError, check_folder
from pipeline.caching.atomic import work_folder
from pipeline.doctor.findings import Finding, missing, ok, warning
from pipeline.errors import InputError
from pipeline.params.datasets import DatasetSection, ShapesDataset
from pipeline.params.schema import GivenProposals
from pipeline.params.weights import (
    EmbeddedWeights,
    TaggerFolder,
    WeightFiles,
    WeightPart,
)
from pipeline.paths import DatasetFiles
from pipeline.weight_sources import MODEL_TYPES, check_present, hub_of, parts_of

NEEDED: Mapping[str, tuple[str, ...]] = {  # below the root, or below a folder in it
    "flickr30k": ("Annotations", "Sentences", "*.txt"),
    "refer": ("refs(*).p", "instances.json"),
    "referit_json": ("referit_query_*.json", "referit_bbox.json"),
    "transvg": ("*.pth",),
    "simrec": ("*.json",),
    "jsonl": ("*.jsonl",),
}
HOSTS = {
    "torchvision": "https://download.pytorch.org",
    "timm": "https://huggingface.co",
    "mmdet": "https://download.openmmlab.com",
    "transformers": "https://huggingface.co",
    "stanza": "https://huggingface.co",
}
OPTIONAL: Mapping[str, str] = {  # parts of weights, and what to do where one is asked for
    "language": "set its hub to google-bert/bert-base-uncased, or its path to such a folder",
    "wordnet": "set its path to a folder such as /usr/share/wordnet of Debian's wordnet-base",
    "clip": "set its hub to openai/clip-vit-base-patch32, or its path to such a folder",
}
ANSWER_S = 3.0


def check_dataset(name: str, section: DatasetSection) -> Iterator[Finding]:
    """Yield findings on a dataset's annotations and pictures, from file names alone."""
    key = f"datasets.{name}"
    if isinstance(section, ShapesDataset):
        yield ok(f"{key}: drawn here")
        return
    root, images = Path(section.root), Path(section.images)
    if not root.exists():
        yield missing(f"{key}.root: {root} does not exist", "put the annotations there, or set it")
    else:
        absent = [pattern for pattern in NEEDED[section.format] if not _holds(root, pattern)]
        if absent:
            remedy = f"complete it, or set {key}.format to what it is"
            yield missing(f"{key}.root: {root} holds no {', no '.join(absent)}", remedy)
        else:
            yield ok(f"{key}.root: {root}")
    if next(given_files(images, "*"), None) is None:
        remedy = "put the pictures there, or set it"
        yield missing(f"{key}.images: {images} is no folder with pictures", remedy)
    else:
        yield ok(f"{key}.images: {images}")


def check_weights(
    dataset: str, section: EmbeddedWeights | WeightFiles, key: str
) -> Iterator[Finding]:
    """Yield whether each part of a dataset's weights exists or can be fetched, without hashes."""
    if isinstance(section, EmbeddedWeights):
        yield ok(f"{key}: trained here")
    elif (DatasetFiles(dataset).weights / "manifest.json").is_file():
        yield _check_converted(dataset, DatasetFiles(dataset).weights, key)
    else:
        for part_name, part in parts_of(section).items():
            yield _check_part(part, f"{key}.{part_name}")


def check_named(section: EmbeddedWeights | WeightFiles, key: str, part: str, asker: str) -> Finding:
    """Return whether the weights name a part that need not be there.

    Args:
        section: of the weights.
        key: its dotted name in params.yaml.
        part: `language`, `wordnet` or `clip`.
        asker: the key in params.yaml that needs the part, and its value.
    """
    if isinstance(section, WeightFiles) and part in parts_of(section):
        return ok(f"{key}.{part}: named")
    return missing(f"{key}.{part}: names none, but {asker}", OPTIONAL[part])


def check_given(dataset: str, given: GivenProposals) -> Finding:
    """Return whether the file of given proposals exists."""
    path = Path(given.path.replace("{dataset}", dataset))
    if path.exists():
        return ok(f"proposals.given.path: {path}")
    return missing(
        f"proposals.given.path: {path} does not exist",
        "put the file there, or set proposals.source to detector",
    )


def _holds(root: Path, pattern: str) -> bool:
    return any(next(given_files(root, below + pattern), None) for below in ("", "*/"))


def _check_part(part: WeightPart, key: str) -> Finding:
    return _check_path(part, key) if part.path else _check_hub(part, key)


def _check_converted(dataset: str, weights: Path, key: str) -> Finding:
    """Return whether the transformers folders among converted weights are whole."""
    for name, kind in MODEL_TYPES.items():
        if (weights / name).is_dir():
            try:
                check_folder(weights / name, kind)
            except FolderError as error:
                remedy = f"`dvc repro -f weights@{dataset}`, from a whole folder in {key}.{name}"
                return missing(f"{key}.{name}: {error}", remedy)
    return ok(f"{key}: converted before, to {weights}")


def _check_path(part: WeightPart, key: str) -> Finding:
    try:
        check_present(part, Path(part.path), key)
    except InputError as error:
        return missing(str(error), "docs/weights.md says where to get it")
    return ok(f"{key}: {part.path}")


def _check_hub(part: WeightPart, key: str) -> Finding:
    hub, name = hub_of(part)
    if hub not in HOSTS:
        return missing(f"{key}.path: is empty", "no hub has it; docs/weights.md says where it lies")
    if _is_cached(part, hub, name):
        return ok(f"{key}: {name}, fetched before")
    if _answers(HOSTS[hub]):
        return warning(f"{key}: {name} is not here", f"`dvc repro` fetches it from {HOSTS[hub]}")
    return missing(
        f"{key}: {name} is not here, and {HOSTS[hub]} does not answer",
        f"bring it (docs/weights.md) and name it in {key}.path",
    )


def _is_cached(part: WeightPart, hub: str, name: str) -> bool:
    """Return whether a hub's cache holds a part; False for mmdet, whose file names are unknown."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    if hub == "torchvision":
        torch_home = Path(os.environ.get("TORCH_HOME") or home / "torch")
        pattern = f"{name.partition('_Weights')[0].lower()}-{part.sha256[:8]}*.pth"
        return any(given_files(torch_home / "hub" / "checkpoints", pattern))
    if hub in ("timm", "transformers"):
        hf_home = Path(os.environ.get("HF_HOME") or home / "huggingface")
        cache = Path(os.environ.get("HF_HUB_CACHE") or hf_home / "hub")
        folder = cache / f"models--{name.partition('@')[0].replace('/', '--')}"
        return any(folder.glob("snapshots/*/model.safetensors"))
    if isinstance(part, TaggerFolder):
        folder = work_folder("weights", "hub") / f"stanza-{name}"
        return (folder / "en" / "pos" / f"{name}.pt").is_file()
    return False


def _answers(address: str) -> bool:
    request = urllib.request.Request(address, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError, http.client.HTTPException):
        return False
