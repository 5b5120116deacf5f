"""Watch one reading of hostile files: what it opens and runs, how much time and memory it takes.

A reading may end in records, in counted skips, or in an error of our own that names a file. All
else is a fault. Audit hooks see what Python opens and starts; they stay for the life of a process.
"""

import os
import resource
import signal
import sys
import sysconfig
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from models.given_files.safe_load import ModelFileError
from models.given_files.transformers_folder import FolderError
from pipeline.errors import InputError

OWN_ERRORS = (InputError, ModelFileError, FolderError)
CPU_SECONDS = 10
MOST_BYTES = 2**30  # that the memory in use may grow by
MOST_ADDRESSES = 8 * 2**30  # that the address space may grow by, so that this machine survives
ROOT = Path(__file__).parents[2]
_OPEN_TO_ALL = tuple(
    os.path.realpath(path)
    for path in (
        *(
            "/usr",
            "/lib",
            "/lib64",
            "/proc",
            "/sys",
            "/dev/null",
            "/dev/urandom",
            "/etc/ld.so.cache",
            "/etc/localtime",
        ),
        *(sys.prefix, sys.base_prefix, sysconfig.get_paths()["stdlib"], ROOT),
    )
)
_RUNNING = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn")
_CHANGING = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "shutil.rmtree", "os.symlink")


@dataclass(frozen=True)
class Outcome:
    """What a reading gave.

    Attributes:
        records: number of usable records.
        skips: number of counted skips.
    """

    records: int = 0
    skips: int = 0


@dataclass(frozen=True)
class Verdict:
    """How a case ended.

    Attributes:
        outcome: of a reading without an error.
        own_error: text of an error of our own.
        fault: what must not be; empty if there is none.
        trace: of the error behind a fault.
    """

    outcome: Outcome = Outcome()
    own_error: str = ""
    fault: str = ""
    trace: str = ""


class TooLong(BaseException):
    """The processor time of a case is over."""


@dataclass
class _Watch:
    folder: str = ""
    seen: list[str] = field(default_factory=list)

    def hear(self, event: str, arguments: tuple) -> None:
        """Note what a reader must not do; running a program is prevented, too."""
        if not self.folder:
            return
        if event in _RUNNING:
            self.seen.append(f"runs {arguments[0]!r}")
            raise PermissionError(f"{event} in a reader")
        if event == "socket.connect":
            self.seen.append(f"connects to {arguments[1]!r}")
        elif event == "open" or event in _CHANGING:
            self._check_path(event, arguments[0])

    def _check_path(self, event: str, path: object) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        real = os.path.realpath(os.fsdecode(path)) if b"\0" not in os.fsencode(path) else ""
        inside = (self.folder, *(_OPEN_TO_ALL if event == "open" else ()))
        if real and not any(real == one or real.startswith(one + os.sep) for one in inside):
            self.seen.append(f"{event} outside of its folder: {real}")


_WATCH = _Watch()
_INSTALLED: list[bool] = []


def install() -> None:
    """Begin to listen, and bound the address space of this process; once in a process."""
    if not _INSTALLED:
        sys.addaudithook(_WATCH.hear)
        signal.signal(signal.SIGPROF, _stop)
        _INSTALLED.append(True)


def bound_memory() -> None:
    """Bound the address space of this process to what it has and `MOST_ADDRESSES` more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MOST_ADDRESSES
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def judge(
    read: Callable[[Path], Outcome], folder: Path, names: tuple[str, ...], refused: bool
) -> Verdict:
    """Return how a reading ended.

    Args:
        read: of the folder.
        folder: that it may open files of, beside Python's and the project's own.
        names: one of which an error of our own must hold; none: it may be any.
        refused: whether no record may come of it.
    """
    before, here = _resident(), Path.cwd()
    Path("/proc/self/clear_refs").write_text("5")
    _WATCH.seen.clear()
    os.chdir(folder)
    (folder / ".tmp").mkdir(exist_ok=True)
    tempfile.tempdir = str(folder / ".tmp")  # of libraries
    _WATCH.folder = os.path.realpath(folder)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        verdict = Verdict(read(folder))
        if refused and verdict.outcome.records:
            verdict = Verdict(fault="takes what it must refuse")
    except OWN_ERRORS as error:
        verdict = _own(error, names)
    except TooLong:
        verdict = Verdict(fault="hangs", trace=traceback.format_exc())
    except BaseException as error:  # noqa: BLE001 - all others are what is looked for
        verdict = Verdict(fault=_place(error), trace=traceback.format_exc())
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        _WATCH.folder = ""
        os.chdir(here)
        tempfile.tempdir = None
    grown = _peak() - before
    if _WATCH.seen:
        return Verdict(fault=_WATCH.seen[0], trace=verdict.trace)
    if grown > MOST_BYTES:
        return Verdict(fault=f"takes {grown / 2**20:.0f} MiB", trace=verdict.trace)
    return verdict


def _own(error: BaseException, names: tuple[str, ...]) -> Verdict:
    text = str(error)
    try:
        text.encode()
    except UnicodeEncodeError:
        return Verdict(fault="an error that no terminal can show", trace=repr(text))
    if len(text) > 5000:
        return Verdict(fault=f"an error of {len(text)} characters", trace=text[:300])
    if names and not any(name in text for name in names):
        return Verdict(fault="an error that names no file", trace=traceback.format_exc())
    return Verdict(own_error=text)


def _place(error: BaseException) -> str:
    """Return the error and the last line of the project's own that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(str(ROOT))]
    own = [frame for frame in own if "/tests/" not in frame.filename] or own
    where = f"{Path(own[-1].filename).relative_to(ROOT)}:{own[-1].lineno}" if own else "?"
    kind = type(error)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    return f"{name} at {where}"


def _stop(*_: object) -> None:
    raise TooLong


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
