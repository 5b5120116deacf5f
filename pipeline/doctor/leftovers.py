"""What killed and changed runs leave behind: `camground leftovers [--remove]`.

Unfinished work lies in `.work/<stage>/<fingerprint>/`: shards, checkpoints, trained parts of the
weights. The next run of the same work takes it up and removes it; that of other parameters or code
leaves it. A killed writer leaves `.NAME.*.partial` and its lock, which the next writer of NAME
removes. What was fetched from a hub and how long each stage took stays.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline.caching.atomic import LOCK, PARTIAL, remove_partial_of_the_killed, work_folder
from pipeline.doctor.findings import Finding, ok, warning
from pipeline.errors import InputError

KEPT = {Path("seconds"), Path("weights") / "hub"}  # below the folder of work
WRITTEN = (Path("data"), Path("results"))
MANY_BYTES = 1e9
COMMAND = "camground leftovers --remove"


@dataclass(frozen=True)
class Leftover:
    """A folder of unfinished work, or what a killed writer left.

    Attributes:
        path: a folder, or the lock of the writer.
        num_bytes: that it takes.
    """

    path: Path
    num_bytes: int


def find_leftovers(root: Path) -> Iterator[Leftover]:
    """Yield what is left behind below a project, of running stages too."""
    work = root / work_folder("", "")
    for folder in sorted(path for path in work.glob("*/*") if path.is_dir()):
        if not {folder.relative_to(work), folder.relative_to(work).parent} & KEPT:
            yield Leftover(folder, _num_bytes(folder))
    for top in (*WRITTEN, work_folder("weights", "hub")):
        for lock in sorted((root / top).rglob(f".*{LOCK}")):
            yield Leftover(lock, _num_bytes(lock.with_suffix(PARTIAL)))


def check_leftovers(root: Path) -> Finding:
    """Return how much is left behind."""
    found = [*find_leftovers(root)]
    num_bytes = sum(leftover.num_bytes for leftover in found)
    what = f"unfinished work: {num_bytes / 1e6:.0f} MB in {len(found)} places"
    if num_bytes < MANY_BYTES:
        return ok(what)
    return warning(what, f"if no stage is to be taken up again, `{COMMAND}` removes it")


def remove_leftovers(root: Path) -> None:
    """Remove all of it.

    Raises:
        InputError: a stage of the project is running on this machine.
    """
    running = next(_running_stages(root), None)
    if running is not None:
        raise InputError(f"process {running} runs a stage of this project; end it first")
    for leftover in find_leftovers(root):
        if leftover.path.suffix == LOCK:
            remove_partial_of_the_killed(leftover.path)
        else:
            shutil.rmtree(leftover.path)


def _running_stages(root: Path) -> Iterator[int]:
    """Yield the processes of this user that run a stage in a folder."""
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            is_stage = any(word.startswith("stages.") for word in process.cmdline())
            if is_stage and Path(process.cwd()) == root.resolve():
                yield process.pid


def _num_bytes(path: Path) -> int:
    return sum(one.stat().st_size for one in (path, *path.rglob("*")) if one.is_file())


def main() -> None:
    """List what is left behind, and remove it if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--remove", action="store_true", help="remove it")
    options = parser.parse_args()
    for leftover in find_leftovers(Path()):
        sys.stdout.write(f"{leftover.num_bytes / 1e6:10.1f} MB  {leftover.path}\n")
    try:
        if options.remove:
            remove_leftovers(Path())
    except InputError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
