"""Every stage on a full and on a read-only disk: `python -m tests.faults.disk`.

A small world is rebuilt first (`--base` takes one that is there). Then each stage runs where no
file may grow beyond some bytes, which the system refuses as it refuses to write to a full disk, and
where the folders that it writes to are read-only (as root alone, who may mount them so). It must
end with one line, leave no half-written file, and end at the bytes of an unbroken run afterwards.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.project import Project, clone
from tests.faults.killing import PER_VARIANT, STAGES, forget, outputs, prepare

MOST_BYTES = (100, 3_000, 60_000)  # a library needs some for a temporary file
WRITTEN = ("data", "results", ".work")


@dataclass(frozen=True)
class Ending:
    """How a stage ended.

    Attributes:
        status: exit status.
        said: its last lines on stderr.
        wrong: what it left that an unbroken run does not make.
    """

    status: int
    said: str
    wrong: tuple[str, ...] = ()

    @property
    def is_clear(self) -> bool:
        """Whether it ended well, or with one line and nothing half done."""
        one_line = self.said.splitlines()[-1:] and self.said.splitlines()[-1].startswith("error: ")
        is_told = self.status == 1 and bool(one_line) and "Traceback" not in self.said
        return (self.status == 0 or is_told) and not self.wrong


def run_limited(project: Project, stage: str, most_bytes: int | None) -> Ending:
    """Return how a stage ends where no file may grow beyond so many bytes (None: as it likes)."""

    def limit() -> None:
        if most_bytes is not None:
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))

    names = ["shapes", "full"] if stage in PER_VARIANT else ["shapes"]
    done = subprocess.run(
        [sys.executable, "-m", f"stages.{stage}", *names],
        cwd=project.folder,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )
    return Ending(done.returncode, done.stderr[-3000:].strip())


def half_done(project: Project, whole: Mapping[str, str]) -> tuple[str, ...]:
    """Return the outputs that are there but not as an unbroken run makes them."""
    now = outputs(project)
    return tuple(
        name for name in now if "@" not in name and now[name] != whole.get(name, "no such file")
    )


@contextmanager
def read_only(folders: Sequence[Path]) -> Iterator[None]:
    """Make folders read-only for root, too."""
    mounted = []
    try:
        for folder in folders:
            folder.mkdir(exist_ok=True)
            subprocess.run(["mount", "--bind", folder, folder], check=True)
            mounted.append(folder)
            subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        for folder in reversed(mounted):
            subprocess.run(["umount", folder], check=True)


def endings(project: Project, stage: str, whole: Mapping[str, str]) -> Iterator[tuple[str, Ending]]:
    """Yield how a stage ends on each kind of disk, and at last on a good one."""
    lock = (project.folder / "dvc.lock").read_bytes()
    for most_bytes in MOST_BYTES:
        forget(project, stage)
        ending = run_limited(project, stage, most_bytes)
        yield f"{most_bytes} bytes", _with_wrong(ending, half_done(project, whole))
    if os.geteuid() == 0:
        forget(project, stage)
        with read_only([project.folder / name for name in WRITTEN]):
            ending = run_limited(project, stage, None)
        yield "read-only", _with_wrong(ending, half_done(project, whole))
    ending = run_limited(project, stage, None)
    (project.folder / "dvc.lock").write_bytes(lock)
    now = outputs(project)
    wrong = tuple(name for name in {*now, *whole} if now.get(name) != whole.get(name))
    yield "good", _with_wrong(ending, wrong)


def _with_wrong(ending: Ending, wrong: tuple[str, ...]) -> Ending:
    return Ending(ending.status, ending.said, wrong)


def main() -> None:
    """Run every stage on every kind of disk and print how it ended."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base", type=Path, help="a rebuilt project, which is copied")
    parser.add_argument("--stages", default=",".join(STAGES), help="some of them")
    options = parser.parse_args()
    all_clear = True
    with tempfile.TemporaryDirectory(prefix="disk-") as folder:
        base = options.base
        if base is None:
            base = Path(folder) / "base" / "project"
            base.mkdir(parents=True)
            assert clone(base).repro().returncode == 0
        project = prepare(base, Path(folder) / "copy" / "project", "copy")
        project.set(runtime__workers=0)  # theirs is the memory that the limit is on, too
        whole = outputs(project)
        for stage in options.stages.split(","):
            for disk, ending in endings(project, stage, whole):
                clear = "clear" if ending.is_clear else "NOT CLEAR"
                last = ending.said.splitlines()[-1] if ending.status else ""
                sys.stdout.write(f"{stage:12} {disk:12} {ending.status} {clear} {last[:160]}\n")
                if not ending.is_clear:
                    sys.stdout.write(f"{ending.said}\n{ending.wrong}\n")
                sys.stdout.flush()
                all_clear = all_clear and ending.is_clear
    raise SystemExit(int(not all_clear))


if __name__ == "__main__":
    main()
