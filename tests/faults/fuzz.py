"""Feed every reader damaged and hostile files, and count how the readings end.

`python -m tests.faults.fuzz --cases 10000 --seed 0 [--reader NAME]`

A case is a reader and a number: good files, of which one is damaged as that number says. It may
end in records, in counted skips, or in an error of our own that names the file. A fault is all
else: code that runs, a file opened outside of the folder, a hang, memory, another error. The exit
status is 1 if there is one; `--replay READER:NUMBER` shows a case again.
"""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import psutil
from PIL import Image

from tests.faults import fuzz_data, fuzz_hostile, fuzz_models, fuzz_mutators
from tests.faults.fuzz_reader import TARGET, Reader
from tests.faults.fuzz_watch import CPU_SECONDS, Verdict, bound_memory, install, judge

READERS: dict[str, Reader] = {**fuzz_data.READERS, **fuzz_models.READERS}
WALL_SECONDS = 60  # without an answer and without work, after which a process is ended
HOSTILE_SHARE, FILE_SHARE = 0.15, 0.03


@dataclass
class Row:
    """Counts of one reader."""

    cases: int = 0
    records: int = 0
    skips: int = 0
    own_errors: int = 0
    faults: int = 0
    seconds: float = 0.0

    def add(self, verdict: Verdict, seconds: float) -> None:
        """Add a case; a reading with skips counts as skips."""
        self.cases += 1
        self.seconds += seconds
        self.faults += bool(verdict.fault)
        self.own_errors += bool(verdict.own_error)
        if not verdict.fault and not verdict.own_error:
            self.skips += verdict.outcome.skips > 0
            self.records += verdict.outcome.skips == 0


@dataclass
class Bench:
    """A temporary folder with what lies outside, and the good files of each reader."""

    folder: Path
    made: dict[str, Path] = field(default_factory=dict)

    def good_files(self, name: str) -> Path:
        """Return the folder of the good files of a reader."""
        if name not in self.made:
            good = self.folder / "good" / name / "case"
            good.mkdir(parents=True)
            with contextlib.chdir(good):
                READERS[name].write(good)
            self.made[name] = good
        return self.made[name]

    @property
    def outside(self) -> Path:
        """Folder that no reader may look into."""
        return self.folder / "outside"


def make_bench(folder: Path) -> Bench:
    """Fill a temporary folder with the files outside, which are good of their kind."""
    outside = folder / "outside"
    outside.mkdir()
    for name in ("1.jpg", "25.jpg", "30.jpg", "9.jpg"):
        Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(outside / name)
    (outside / "1.txt").write_text("[/EN#1/people root:x:0:0]\n")
    fuzz_data.write_one_cache(outside)
    (outside / "cams.h5").rename(outside / "cache.h5")
    return Bench(folder)


def run_case(bench: Bench, name: str, number: int) -> Verdict:
    """Damage one good file of a reader as a number says, read, and return how it ended."""
    reader, rng = READERS[name], Random(f"{name}:{number}")
    good, folder = bench.good_files(name), bench.folder / "case"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder, symlinks=True, copy_function=_copy)
    found = {path for glob in reader.targets for path in folder.glob(glob) if path.is_file()}
    target = rng.choice(sorted(path for path in found if not path.is_symlink()))
    (folder / TARGET).write_text(str(target))
    refused = damage(target, rng, bench.outside, reader.is_closed)
    names = (target.name, target.parent.name + "/", str(folder)) if reader.is_named else ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        verdict = judge(reader.read, folder, names, refused)
    ran = bench.outside / "ran"
    if ran.exists():
        ran.unlink()
        return Verdict(fault="runs code", trace=verdict.trace)
    return verdict


def _copy(source: str, to: str) -> str:
    """Copy a file; link a large one, which is replaced if it is damaged."""
    (shutil.copyfile if Path(source).stat().st_size < 2**18 else os.link)(source, to)
    return to


def damage(target: Path, rng: Random, outside: Path, is_closed: bool) -> bool:
    """Damage a file; return whether no record may come of it."""
    content = target.read_bytes()
    target.unlink()
    hostile = fuzz_hostile.BY_SUFFIX.get(target.suffix)
    if hostile and rng.random() < HOSTILE_SHARE:
        target.write_bytes(rng.choice(hostile)(content, outside))
        return target.suffix == ".h5"  # which opens other files where Python does not see it
    if rng.random() < FILE_SHARE:
        _replace_by_no_file(target, content, rng, outside if is_closed else target.parent / ".own")
        return False
    mutators = fuzz_mutators.BY_SUFFIX.get(target.suffix, fuzz_mutators.BYTES)
    chosen = [rng.choice(mutators) for _ in range(rng.choice((1, 1, 1, 2)))]
    parsing = [mutate for mutate in chosen if mutate not in fuzz_mutators.TEXT][:1]
    changed = content
    for mutate in (*parsing, *(mutate for mutate in chosen if mutate in fuzz_mutators.TEXT)):
        changed = mutate(changed, rng)
    target.write_bytes(changed.replace(fuzz_mutators.OUTSIDE.encode(), os.fsencode(outside)))
    return False


def _replace_by_no_file(target: Path, content: bytes, rng: Random, elsewhere: Path) -> None:
    """Put a folder, a link into a folder elsewhere, a link to itself, a pipe or nothing there."""
    choice = rng.choice(("nothing", "folder", "link", "loop", "pipe"))
    if choice == "folder":
        target.mkdir()
    elif choice == "link":
        elsewhere.mkdir(exist_ok=True)
        copy = elsewhere / f"copy{target.suffix}"
        copy.write_bytes(content)
        target.symlink_to(copy)
    elif choice == "loop":
        target.symlink_to(target)
    elif choice == "pipe":
        os.mkfifo(target)


def cases_of(names: Sequence[str], cases: int, seed: int) -> list[tuple[str, int]]:
    """Return so many (reader, number) in any order, of each reader by its weight, one at least."""
    total = sum(READERS[name].weight for name in names)
    counts = {name: max(1, round(cases * READERS[name].weight / total)) for name in names}
    cases = [(name, seed * 1_000_000 + i) for name, count in counts.items() for i in range(count)]
    Random(seed).shuffle(cases)
    return cases


def work(connection, folder: Path) -> None:
    """Answer cases until there are no more: in a process of its own."""
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull if "FUZZ_STDERR" not in os.environ else 2, 2)
    bench = make_bench(folder)
    install()
    warmed: set[str] = set()
    connection.send(None)
    while (case := connection.recv()) is not None:
        name = case[0]
        if name not in warmed:
            warm(bench, name)  # an error here ends the process: the good files are not good
            warmed.add(name)
        start = time.process_time()
        try:
            verdict = run_case(bench, *case)
        except Exception as error:  # noqa: BLE001 - of the fuzzer itself
            verdict = Verdict(fault=f"no case: {error!r}"[:300], trace=traceback.format_exc())
        connection.send((case, verdict, time.process_time() - start))


def warm(bench: Bench, name: str) -> None:
    """Read the good files once, so that what a first reading imports is no damage; they must do."""
    good = bench.good_files(name)
    folder = bench.folder / "case"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder, symlinks=True)
    with contextlib.chdir(folder):
        outcome = READERS[name].read(folder)
    if not outcome.records:
        raise RuntimeError(f"{name}: its good files give no record")
    bound_memory()


def run_all(cases: Sequence[tuple[str, int]], workers: int, folder: Path) -> Iterator[tuple]:
    """Yield ((reader, number), verdict, seconds) of each case; a process that dies is a fault."""
    crew = Crew(list(reversed(cases)), folder)
    for _ in range(min(workers, len(cases))):
        crew.start()
    while crew.running:
        for connection in wait(list(crew.running), timeout=5):
            yield from crew.answer(connection)
        yield from crew.end_those_that_hang()


@dataclass
class Task:
    """What a process does: a case, None while it begins, and since when."""

    process: Any
    case: tuple[str, int] | None = None
    wall: float = 0.0
    cpu: float = 0.0


@dataclass
class Crew:
    """Processes that take cases, the last one first, and are replaced when they die."""

    waiting: list[tuple[str, int]]
    folder: Path
    running: dict[Any, Task] = field(default_factory=dict)
    started: int = 0

    def start(self) -> None:
        """Start a process with a folder of its own."""
        context = get_context("spawn")
        own, theirs = context.Pipe()
        place = self.folder / f"worker{self.started}"
        place.mkdir()
        self.started += 1
        process = context.Process(target=work, args=(theirs, place), daemon=True)
        process.start()
        theirs.close()
        self.running[own] = Task(process)

    def answer(self, connection: Any) -> Iterator[tuple]:
        """Yield the answer of a process, if it has one, and give it the next case."""
        task = self.running.pop(connection)
        try:
            answer = connection.recv()
        except (EOFError, ConnectionResetError):
            task.process.join()
            if task.case is None:
                raise RuntimeError(f"a process ends at once: {task.process.exitcode}") from None
            yield task.case, Verdict(fault=f"ends the process ({task.process.exitcode})"), 0.0
            self._replace()
            return
        if answer is not None:
            yield answer
        following = self.waiting.pop() if self.waiting else None
        connection.send(following)
        if following:
            now = Task(task.process, following, time.monotonic(), _cpu_seconds(task.process))
            self.running[connection] = now

    def end_those_that_hang(self) -> Iterator[tuple]:
        """End processes that use too much time, or none at all; yield what they did."""
        for connection, task in list(self.running.items()):
            if task.case is None:
                continue
            used = _cpu_seconds(task.process) - task.cpu
            is_late = time.monotonic() - task.wall > WALL_SECONDS and used < 1
            waits = is_late and not _wants_a_core(task.process)
            if waits or used > 3 * CPU_SECONDS:
                del self.running[connection]
                task.process.kill()
                yield task.case, Verdict(fault="waits for ever" if waits else "hangs"), used
                self._replace()

    def _replace(self) -> None:
        if self.waiting:
            self.start()


def _cpu_seconds(process: Any) -> float:
    try:
        return sum(psutil.Process(process.pid).cpu_times()[:2])
    except psutil.NoSuchProcess:
        return 0.0


def _wants_a_core(process: Any) -> bool:
    """Return whether a process would work if others left it a core."""
    try:
        return psutil.Process(process.pid).status() == psutil.STATUS_RUNNING
    except psutil.NoSuchProcess:
        return False


def tell(text: object) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def print_table(rows: dict[str, Row]) -> None:
    """Print one line of counts per reader, and their sum."""
    total = Row()
    for row in rows.values():
        for name in vars(total):
            setattr(total, name, getattr(total, name) + getattr(row, name))
    line = "{:<16} {:>7} {:>8} {:>7} {:>11} {:>7} {:>9}"
    tell(line.format("reader", "cases", "records", "skips", "own errors", "faults", "seconds"))
    for name, row in [*rows.items(), ("all", total)]:
        numbers = (row.cases, row.records, row.skips, row.own_errors, row.faults)
        tell(line.format(name, *numbers, f"{row.seconds:.1f}"))


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Yield a folder that is removed at the end, with what this program's processes leave."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        yield Path(folder)


def replay(text: str) -> int:
    """Show one case in this process, with the trace of its fault; return 1 if it has one."""
    name, _, number = text.partition(":")
    with _temporary_folder() as folder:
        bench = make_bench(folder)
        install()
        warm(bench, name)
        verdict = run_case(bench, name, int(number))
        tell(verdict.trace or verdict.own_error or verdict.outcome)
        tell(f"fault: {verdict.fault or 'none'}")
    return int(bool(verdict.fault))


def main() -> int:
    """Run the cases, print the table and the faults, each kind once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", type=int, default=1000, help="in all, shared by weight")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", choices=READERS, action="append", help="these alone")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--replay", metavar="READER:NUMBER", help="show one case again")
    options = parser.parse_args()
    if options.replay:
        return replay(options.replay)
    cases = cases_of(options.reader or list(READERS), options.cases, options.seed)
    rows: dict[str, Row] = defaultdict(Row)
    faults: dict[tuple[str, str], list[int]] = defaultdict(list)
    stopped = contextlib.suppress(KeyboardInterrupt)  # Ctrl-C: the table of what was done
    with _temporary_folder() as folder, stopped:
        for (name, number), verdict, seconds in run_all(cases, options.workers, folder):
            rows[name].add(verdict, seconds)
            if verdict.fault:
                if (name, verdict.fault) not in faults:
                    tell(f"{name}:{number} {verdict.fault}")
                faults[name, verdict.fault].append(number)
    print_table(dict(sorted(rows.items())))
    for (name, fault), numbers in sorted(faults.items()):
        tell(f"{name}: {len(numbers)} x {fault}; --replay {name}:{numbers[0]}")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
