"""What a killed DVC leaves half written: `python -m pipeline.doctor.dvc_files` mends what it can.

DVC writes `.dvc/tmp/rwlock` (who reads and writes which outputs now) and `dvc.lock` in place. A
DVC killed while it does leaves a part of a file, on which every later `dvc` command fails.
"""

from collections.abc import Iterator
from pathlib import Path

from models.given_files.json_files import read_json_value
from pipeline.doctor.findings import Finding, Level, missing
from pipeline.params.reader import ParamsError, read_yaml

TMP = Path(".dvc") / "tmp"
RWLOCK, GUARD = "rwlock", "rwlock.lock"
LOCK = "dvc.lock"
MOST_BYTES = 10_000_000  # of a lock file: a hundred data sets; DVC needs minutes to read more


def check_dvc_files(root: Path) -> Iterator[Finding]:
    """Yield what DVC cannot read of its own files; nothing where all is well.

    Args:
        root: the project.
    """
    if not is_readable(root / TMP / RWLOCK):
        yield missing(
            f"dvc: {TMP / RWLOCK} is half written, as a killed DVC leaves it; every command fails",
            "`python -m pipeline.doctor.dvc_files` removes it (`make repro` does); nothing is lost",
        )
    if (root / LOCK).is_file() and not _is_whole(root / LOCK):
        yield missing(
            f"dvc: {LOCK} is half written, as a killed DVC leaves it, or damaged; dvc fails",
            f"`git checkout {LOCK}` if git has it, else `rm {LOCK}`: `dvc repro` then takes what "
            "is unchanged from DVC's run cache",
        )


def _is_whole(lock: Path) -> bool:
    """Return whether every stage has its command, and every file in it a path and a hash.

    A file that is larger than DVC makes it, by itself or by aliases, is not whole.
    """
    try:
        stages = read_yaml(lock, MOST_BYTES)["stages"]
        entries = [
            entry
            for stage in stages.values()
            for entry in [*stage.get("deps", []), *stage.get("outs", [])]
        ]
        return all("cmd" in stage for stage in stages.values()) and all(
            {"path", "hash"} <= set(entry) and entry["hash"] in entry for entry in entries
        )
    except (ParamsError, KeyError, AttributeError, TypeError):
        return False


def is_readable(rwlock: Path) -> bool:
    """Return whether DVC can read its lock file, or there is none."""
    try:
        return isinstance(read_json_value(rwlock), dict)
    except FileNotFoundError:
        return True
    except (OSError, ValueError):  # a pipe, a folder, no JSON, or no UTF-8
        return False


def mend_rwlock(root: Path) -> bool:
    """Remove a half-written lock file, unless a DVC is writing it now; return whether it did.

    Args:
        root: the project.
    """
    folder = root / TMP
    if is_readable(folder / RWLOCK):
        return False
    from dvc.lock import make_lock  # slow to import, and seldom needed

    with make_lock(str(folder / GUARD), tmp_dir=str(folder)):  # as DVC does when it writes
        if is_readable(folder / RWLOCK):
            return False
        (folder / RWLOCK).unlink()
    return True


def main() -> None:
    """Mend what can be mended; end with status 1 if something is left that a person must do."""
    if mend_rwlock(Path()):
        print(f"removed {TMP / RWLOCK}, which a killed DVC left half written")  # noqa: T201
    findings = list(check_dvc_files(Path()))
    for finding in findings:
        print(finding)  # noqa: T201
    raise SystemExit(int(any(finding.level is Level.MISSING for finding in findings)))


if __name__ == "__main__":
    main()
