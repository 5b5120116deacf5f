"""`dvc repro` with nothing to do against `dvc status`."""

import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from dvc.repo import Repo

from benchmarks.made.pictures import write_picture
from benchmarks.ratios.row import Row, at_most, ratios_of
from benchmarks.ratios.timing import WALL, in_turns, run_process


@dataclass(frozen=True)
class ReproSizes:
    """How many pictures DVC tracks, and how often it is asked."""

    pictures: int = 1000
    rounds: int = 5


def measure(sizes: ReproSizes = ReproSizes()) -> list[Row]:
    """Return the row of the project's graph, with outputs in place that DVC has recorded."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "project"
        copy_project(Path.cwd(), clone)
        write_outputs(clone, sizes.pictures)
        dvc(clone, "commit", "--force", "--quiet")
        works = {
            "repro": lambda: dvc(clone, "repro"),
            "status": lambda: dvc(clone, "status"),
        }
        seconds = in_turns(works, sizes.rounds, time.perf_counter)
    return [
        Row(
            "repro",
            f"dvc repro with nothing to do, {sizes.pictures} pictures tracked",
            "dvc status",
            at_most(3),
            ratios_of(seconds["repro"], seconds["status"]),
            WALL,
            "both as commands, their start and imports included",
        )
    ]


def copy_project(source: Path, clone: Path) -> None:
    """Copy what git knows of the project, without the record of what was made in it."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=source,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listing.stdout.splitlines():
        if (source / name).is_file() and name != "dvc.lock":
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, clone / name)
    run_process(["git", "init", "--quiet"], clone)


def write_outputs(clone: Path, pictures: int) -> None:
    """Write something at the place of each output of each stage, and pictures in a folder."""
    with Repo(str(clone)) as repo:
        paths = [Path(out.fs_path) for out in repo.index.outs]
    for number, path in enumerate(paths):
        is_file = bool(path.suffix)
        (path.parent if is_file else path).mkdir(parents=True, exist_ok=True)
        (path if is_file else path / "manifest.json").write_text(f"{number}\n", encoding="utf-8")
    folder = next(path for path in paths if path.name == "annotations")
    for number in range(pictures):
        write_picture(folder / "images" / f"{number}.jpg", number, (64, 48))


def dvc(clone: Path, *arguments: str) -> None:
    """Run a command of DVC that must end well."""
    home = {"HOME": str(clone.parent), "DVC_NO_ANALYTICS": "1"}
    run_process([sys.executable, "-m", "dvc", *arguments], clone, home)
