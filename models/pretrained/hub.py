"""Download of published weights from their hubs; no other module downloads.

A download is reused: torch and huggingface_hub keep caches of their own.
"""

import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import stanza
import torch
import torchvision
from huggingface_hub import snapshot_download
from ruamel.yaml import YAML

SILENCE_S = 30.0  # a hub without an answer for so long counts as unreachable
HASH_IN_NAME = re.compile(r"-(?=\d*[a-f])([0-9a-f]{8,64})\.pth$")  # of its sha256
STANZA_LANGUAGE = "en"
WEIGHTS_FILE = "model.safetensors"
TRANSFORMERS_FILES = ("*.json", "vocab.txt", "merges.txt", WEIGHTS_FILE)
MakeFolder = Callable[[Path, Callable[[Path], None]], object]


class HubError(OSError):
    """A failed download; the message names the cause, and what to get from where by hand."""


def fetch(hub: str, name: str, folder: Path, make_folder: MakeFolder) -> Path:
    """Return the file or folder that a hub publishes under a name.

    Args:
        hub: torchvision, timm, mmdet, transformers or stanza.
        name: as the function of that hub takes it.
        folder: for downloads that have no cache of their own.
        make_folder: function of a folder and of what fills an empty one, which makes the folder
            whole or not at all, and only if it is not there.

    Raises:
        HubError: there is no such hub or name, or the hub cannot be reached.
    """
    match hub:
        case "torchvision":
            return fetch_torchvision(name)
        case "timm":
            return fetch_timm(name)
        case "mmdet":
            return fetch_mmdet(name)
        case "transformers":
            return fetch_transformers(name)
        case "stanza":
            return fetch_stanza(name, folder, make_folder)
    raise HubError(f"path: no hub publishes {name}; docs/weights.md says where it lies")


def fetch_torchvision(name: str) -> Path:
    """Return the file of torchvision weights, such as `ResNet50_Weights.IMAGENET1K_V1`.

    Raises:
        HubError: torchvision has no such name, or its server cannot be reached.
    """
    try:
        url = torchvision.models.get_weight(name).url
    except (ValueError, KeyError) as error:
        raise HubError(f"hub: torchvision knows no weights {name!r}: {error}") from error
    return _fetch_file(url)


def fetch_mmdet(config: str) -> Path:
    """Return the checkpoint that mmdet publishes for one of its configs.

    Args:
        config: below the configs in mmdet's wheel, such as `yolox/yolox_tiny_8xb8-300e_coco.py`.

    Raises:
        HubError: mmdet publishes none for it, or its server cannot be reached.
    """
    return _fetch_file(mmdet_url(config))


def mmdet_url(config: str) -> str:
    """Return the address of the weights that the index in mmdet's wheel lists for a config.

    Raises:
        HubError: the index has none.
    """
    metafile = Path(str(files("mmdet"))) / ".mim" / "configs" / Path(config).parent / "metafile.yml"
    if metafile.is_file():
        for model in YAML(typ="safe", pure=True).load(metafile).get("Models", []):
            if model.get("Config") == f"configs/{config}" and model.get("Weights"):
                return str(model["Weights"])
    raise HubError(f"config: mmdet publishes no weights for {config!r}; name a file in `path`")


def fetch_transformers(name: str) -> Path:
    """Return the folder of a model on the Hugging Face hub.

    Args:
        name: such as `google-bert/bert-base-uncased`; `@` and a revision may follow.

    Raises:
        HubError: there is no such model, or the hub cannot be reached.
    """
    what = f"a folder of its {', '.join(TRANSFORMERS_FILES)}"
    folder = _snapshot(name, TRANSFORMERS_FILES, what)
    if (folder / WEIGHTS_FILE).is_file():
        return folder
    return _snapshot(name, (*TRANSFORMERS_FILES, "pytorch_model.bin"), what)


def fetch_timm(name: str) -> Path:
    """Return the weight file of a network of timm on the Hugging Face hub.

    Args:
        name: such as `timm/tf_efficientnet_lite2.in1k`; `@` and a revision may follow.

    Raises:
        HubError: there is no such model, it has no such file, or the hub cannot be reached.
    """
    path = _snapshot(name, (WEIGHTS_FILE,), f"its {WEIGHTS_FILE}") / WEIGHTS_FILE
    if not path.is_file():
        raise HubError(f"hub: {name} holds no {WEIGHTS_FILE}; name a file in `path`")
    return path


def _snapshot(name: str, patterns: Sequence[str], what: str) -> Path:
    """Return a folder of the files of a model on the Hugging Face hub that match a pattern.

    An error asks for `what`.
    """
    repository, _, revision = name.partition("@")
    url = f"https://huggingface.co/{repository}"
    with _hub_errors(url, what):
        return Path(
            snapshot_download(repository, revision=revision or None, allow_patterns=list(patterns))
        )


def fetch_stanza(package: str, folder: Path, make_folder: MakeFolder) -> Path:
    """Return a folder of English stanza models: tokenize, mwt and one tagger.

    Args:
        package: of the tagger, such as `combined_charlm`.
        folder: where the folder of the package is made.
        make_folder: as for `fetch`.

    Raises:
        HubError: stanza has no such package, or its servers cannot be reached.
    """
    processors = {"tokenize": "combined", "mwt": "combined", "pos": package}
    command = f"stanza.download('en', 'stanza', None, {processors}) of Python's stanza"

    def download(models: Path) -> None:
        with _hub_errors("https://huggingface.co/stanfordnlp/stanza-en", f"what {command} makes"):
            stanza.download(
                STANZA_LANGUAGE, str(models), package=None, processors=processors, verbose=False
            )

    target = folder / f"stanza-{package}"
    make_folder(target, download)
    return target


def _fetch_file(url: str) -> Path:
    """Return a file of torch's cache, downloaded if absent and checked by the hash in its name."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    named = HASH_IN_NAME.search(path.name)
    with _hub_errors(url, path.name):
        torch.hub.download_url_to_file(url, str(path), named and named[1])
    return path


@contextmanager
def _hub_errors(url: str, what: str) -> Iterator[None]:
    """Raise `HubError` with a remedy where a hub fails or is silent."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_S)
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError) as error:  # of every hub
        reason = " ".join(str(error).split())[:200]
        raise HubError(
            f"path: {url} cannot be fetched ({type(error).__name__}: {reason}); get {what} "
            "elsewhere, bring it here and name it in `path`"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
