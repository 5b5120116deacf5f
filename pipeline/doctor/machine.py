"""Checks of the machine: packages, disk, git, DVC's cache, GPU, Prefect."""

import configparser
import fcntl
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.doctor.findings import Finding, missing, ok, warning
from pipeline.observe.server import answering_address, configured_address

PACKAGES = ("torch", "torchvision", "transformers", "mmdet", "stanza", "h5py", "dvc", "prefect")
LEAST_FREE_GB, ENOUGH_FREE_GB = 2, 20
_FICLONE = 0x40049409  # of Linux's fs.h: share the blocks of another file
DEFAULT_LINKS = "reflink,copy"  # DVC's


def check_machine(root: Path, device: str) -> Iterator[Finding]:
    """Yield the findings on the machine.

    Args:
        root: folder of the project.
        device: `runtime.device`.
    """
    yield _packages()
    yield _disk(root)
    yield from _git(root)
    yield _cache_links(root)
    yield _gpu(device)
    yield _prefect()


def _packages() -> Finding:
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if absent:
        return missing(f"packages: no {', '.join(absent)}", "`make` installs into .venv; use it")
    return ok("packages")


def _disk(root: Path) -> Finding:
    free_gb = shutil.disk_usage(root).free / 1e9
    space = f"disk: {free_gb:.1f} GB free at {root.resolve()}"
    if free_gb >= ENOUGH_FREE_GB:
        return ok(space)
    remedy = "free some, or move data/, results/, .work/ and DVC's cache to another disk"
    return (missing if free_gb < LEAST_FREE_GB else warning)(space, remedy)


def _git(root: Path) -> Iterator[Finding]:
    if shutil.which("git") is None:
        yield missing("git: not installed", "install git; DVC needs it")
    elif _git_says(root, "rev-parse", "--git-dir") is None:
        yield missing("git: the project is no repository", "`git init` here, or clone it")
    elif not (_git_says(root, "config", "user.name") and _git_says(root, "config", "user.email")):
        yield warning(
            "git: no identity, so that nothing can be committed and no experiment kept",
            "`git config user.name NAME` and `git config user.email ADDRESS`",
        )
    else:
        yield ok("git")


def _git_says(root: Path, *arguments: str) -> str | None:
    done = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _cache_links(root: Path) -> Finding:
    """Return how DVC links outputs to its cache; with copies they take their space twice."""
    if not (root / ".dvc").is_dir():
        return missing("dvc: not initialised", "`dvc init` here, or clone the project")
    settings = configparser.ConfigParser()
    settings.read([root / ".dvc" / "config", root / ".dvc" / "config.local"])
    links = settings.get("cache", "type", fallback=DEFAULT_LINKS).strip("\"'")
    folder = root / ".dvc" / settings.get("cache", "dir", fallback="cache").strip("\"'")
    for link in (name.strip() for name in links.split(",")):
        if _links(link, root, folder):
            return ok(f"dvc: outputs are {link}s of DVC's cache at {folder}")
    return warning(
        f"dvc: outputs are copies of DVC's cache at {folder}, and take their space twice",
        '`dvc config cache.type "reflink,hardlink,copy"`, with the cache on the same disk',
    )


def _links(link: str, root: Path, folder: Path) -> bool:
    """Return whether a kind of link works between the cache and the project."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    if link == "hardlink":
        return existing.stat().st_dev == root.stat().st_dev
    return link == "symlink" or (link == "reflink" and _clones(root, existing))


def _clones(root: Path, folder: Path) -> bool:
    """Return whether files of one folder may share the blocks of files of another."""
    if not (os.access(root, os.W_OK) and os.access(folder, os.W_OK)):
        return False
    with tempfile.TemporaryFile(dir=folder) as source, tempfile.TemporaryFile(dir=root) as target:
        source.write(b"reflink")
        source.flush()
        try:
            fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
        except OSError:
            return False
    return True


def _gpu(device: str) -> Finding:
    if any(Path("/dev").glob("nvidia[0-9]*")):
        return ok("gpu: NVIDIA")
    if device == "cuda":
        return missing("gpu: none, but runtime.device is cuda", "set runtime.device to auto or cpu")
    return warning(
        "gpu: none; enough for the drawn world, not for a whole real dataset",
        "run on a machine with an NVIDIA GPU, or set datasets.<name>.train_images",
    )


def _prefect() -> Finding:
    address = configured_address()
    if address is None:
        return ok("prefect: no server configured; stages run without one")
    if answering_address() is None:
        return warning(
            f"prefect: {address} does not answer; stages run unobserved",
            "`make ui` starts a server on this machine; or unset PREFECT_API_URL",
        )
    return ok(f"prefect: {address} answers")
