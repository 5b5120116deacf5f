"""One kill of a stage under DVC in a rebuilt project, and what the next run makes of it."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psutil
from ruamel.yaml import YAML

from tests.end_to_end.project import Project

STAGES = (
    "annotations",
    "weights",
    "nouns",
    "proposals",
    "noun_head",
    "cams",
    "train",
    "evaluate",
    "report",
)
PER_VARIANT = ("train", "evaluate", "report")
SIGNALS = {  # what is killed, and by what
    "KILL both": ("both", signal.SIGKILL),
    "KILL stage": ("stage", signal.SIGKILL),
    "KILL dvc": ("dvc", signal.SIGKILL),
    "TERM both": ("both", signal.SIGTERM),
    "TERM stage": ("stage", signal.SIGTERM),
    "Ctrl-C": ("both", signal.SIGINT),  # a terminal sends it to the whole group
}
LINKS = ("copy", "hardlink", "symlink")
MARK = "CAMGROUND_KILL"  # in the environment of a run and of all that it starts
END_S, POLL_S = 120.0, 0.01
STAGE_S, HELPER_S = 1.5, 10.0  # PyTorch's workers look for their parent every 5 s
SOON_AFTER_S = 0.05


@dataclass(frozen=True)
class Kill:
    """A kill to be done.

    Attributes:
        stage: name in dvc.yaml.
        signal: key of `SIGNALS`.
        link: how DVC links outputs to its cache.
        moment: share of the run, in [0, 1), after which it comes.
        at_write: it comes just after a file has appeared, instead of at a time.
    """

    stage: str
    signal: str
    link: str
    moment: float
    at_write: bool


@dataclass
class Fate:
    """What came of a kill.

    Attributes:
        equal: the next run ended at the bytes of an unbroken one.
        mended: it needed `python -m pipeline.doctor.dvc_files` first.
        orphans: command lines of processes that outlived the kill.
        left: files that it left in `.work`, `.dvc/tmp` and beside the outputs.
        said: the end of what was printed, if something went wrong.
    """

    equal: bool = False
    mended: bool = False
    orphans: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    said: str = ""


def instance(stage: str) -> str:
    """Return DVC's name of a stage of the drawn world."""
    return f"{stage}@shapes-full" if stage in PER_VARIANT else f"{stage}@shapes"


def outputs(project: Project) -> dict[str, str]:
    """Return the hash of every output, and what dvc.lock says of each stage.

    What killed writers left is not among them: files and folders whose name begins with a dot.
    """
    lock = YAML(typ="safe", pure=True).load(project.folder / "dvc.lock")
    found = {name: json.dumps(entry, sort_keys=True) for name, entry in lock["stages"].items()}
    for top in ("data", "results"):
        for path in (project.folder / top).rglob("*"):
            below = path.relative_to(project.folder)
            if path.is_file() and not any(part.startswith(".") for part in below.parts):
                found[below.as_posix()] = _digest(path.read_bytes())
    return found


def altered_in_cache(project: Project) -> list[str]:
    """Return the files of DVC's cache whose content is not the one they are named after."""
    files = project.folder / ".dvc" / "cache" / "files" / "md5"
    return [
        str(path)
        for path in files.glob("??/*")
        if not path.name.startswith(".") and "tmp" not in path.name
        if hashlib.md5(path.read_bytes()).hexdigest() != (path.parent.name + path.name)[:32]
    ]


def prepare(base: Path, folder: Path, link: str) -> Project:
    """Return a copy of a rebuilt project whose outputs are linked to DVC's cache in one way."""
    shutil.copytree(base, folder, symlinks=True)
    project = Project(folder)
    project.dvc("config", "--local", "cache.type", link)
    project.dvc("checkout", "--relink")
    return project


def forget(project: Project, stage: str) -> None:
    """Remove all from which a stage, or DVC, could take what it made before: it has to work."""
    for folder in (project.folder / ".work", project.folder / ".dvc" / "cache" / "runs"):
        shutil.rmtree(folder, ignore_errors=True)
    path, editor = project.folder / "dvc.lock", YAML(typ="safe", pure=True)
    content = editor.load(path)
    content["stages"].pop(instance(stage), None)
    editor.dump(content, path)


def duration(project: Project, stage: str, variables: Mapping[str, str]) -> float:
    """Return the seconds of an unbroken run of a stage under DVC."""
    forget(project, stage)
    begin = time.monotonic()
    done = project.repro("-s", instance(stage), **variables)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return time.monotonic() - begin


def kill_once(
    project: Project,
    kill: Kill,
    whole: Mapping[str, str],
    seconds: float,
    variables: Mapping[str, str],
) -> Fate:
    """Kill a run of a stage, run it again and return what came of it.

    Args:
        project: rebuilt, linked as the kill says.
        kill: what to do.
        whole: `outputs` of an unbroken run.
        seconds: that an unbroken run takes.
        variables: further ones of the environment.
    """
    share, fate = kill.moment, Fate()
    while True:
        forget(project, kill.stage)
        before = _files(project) | _unfinished_in_cache(project)
        if _run_and_kill(project, kill, seconds * share, variables, fate):
            break
        share /= 2  # it had ended before the moment
    fate.left = sorted((_files(project) | _unfinished_in_cache(project)) - before)
    again = project.repro("-s", instance(kill.stage), **variables)
    if again.returncode:
        fate.mended = project.python("-m", "pipeline.doctor.dvc_files").returncode == 0
        fate.said += again.stdout[-1500:] + again.stderr[-1500:]
        again = project.repro("-s", instance(kill.stage), **variables)
    now = outputs(project)
    differing = (name for name in {*now, *whole} if now.get(name) != whole.get(name))
    wrong = [f"{name}: {now.get(name)}, not {whole.get(name)}" for name in differing]
    wrong += altered_in_cache(project)
    fate.equal = again.returncode == 0 and not wrong
    if not fate.equal:
        killed = (project.folder.parent / "said").read_text(encoding="utf-8")
        said = [killed[-1500:], again.stdout[-1500:], again.stderr[-1500:], *wrong]
        fate.said += "\n".join(said)
    return fate


def _run_and_kill(
    project: Project, kill: Kill, after_s: float, variables: Mapping[str, str], fate: Fate
) -> bool:
    """Return whether a run was killed before it ended; wait for all that it had started."""
    mark = uuid4().hex
    command = [sys.executable, "-m", "dvc", "repro", "-s", instance(kill.stage)]
    environment = {**project.environment(), **variables, MARK: mark}
    with (project.folder.parent / "said").open("w") as said:
        process = subprocess.Popen(
            command,
            cwd=project.folder,
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    target = _wait_for_moment(project, kill, process, after_s)
    stage = _stage_of(process)
    landed = target is not None and _send(kill, process, target)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        fate.orphans.append("dvc does not end")
    fate.orphans += _orphans(mark, stage)
    return landed and (process.returncode != 0 or kill.signal == "Ctrl-C")


def _wait_for_moment(
    project: Project, kill: Kill, process: "subprocess.Popen[bytes]", after_s: float
) -> int | None:
    """Return the process to kill when its moment has come, or None if the run ended before."""
    needs_stage = SIGNALS[kill.signal][0] == "stage"
    if kill.at_write:
        _wait_for_write(project, process, 1 + int(kill.moment * 12))
        time.sleep(random.Random(kill.moment).uniform(0, SOON_AFTER_S))
    else:
        deadline = time.monotonic() + after_s
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
    while process.poll() is None:
        if (pid := _stage_of(process) if needs_stage else process.pid) is not None:
            return pid
        time.sleep(POLL_S)
    return None


def _wait_for_write(project: Project, process: "subprocess.Popen[bytes]", number: int) -> None:
    """Wait until so many files have come or gone."""
    known, changes = _files(project), 0
    while process.poll() is None and changes < number:
        now = _files(project)
        changes, known = changes + len(now ^ known), now
        time.sleep(POLL_S)


def _send(kill: Kill, process: "subprocess.Popen[bytes]", pid: int) -> bool:
    target, number = SIGNALS[kill.signal]
    try:
        if target == "both":
            os.killpg(process.pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _stage_of(process: "subprocess.Popen[bytes]") -> int | None:
    """Return the process of the stage that a DVC has started, if there is one."""
    try:
        for child in psutil.Process(process.pid).children(recursive=True):
            if any(word.startswith("stages.") for word in child.cmdline()):
                return child.pid
    except psutil.NoSuchProcess:
        return None
    return None


def _orphans(mark: str, stage: int | None) -> list[str]:
    """Return the command lines of the processes of a run that outlive it.

    The stage must end at once. What it has started may take as long as it needs to notice that it
    is alone; what is left then is ended here. A stage that outlives its DVC is left running beside
    the next run, as it would be.
    """
    found: dict[int, str] = {}
    begin = time.monotonic()
    while alive := [*_marked(mark)]:
        waited = time.monotonic() - begin
        for process in alive:
            if waited > (STAGE_S if process.pid == stage else HELPER_S):
                found[process.pid] = _command(process)
        if len(found) == len(alive) or stage in found:
            break
        time.sleep(0.1)
    for process in alive:
        if process.pid in found and process.pid != stage:
            process.kill()
    return [*found.values()]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:200]
    except psutil.NoSuchProcess:
        return "a process that ended late"


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def _unfinished_in_cache(project: Project) -> set[str]:
    """Return the files of DVC's cache that it was still writing."""
    files = project.folder / ".dvc" / "cache" / "files"
    return {path.relative_to(project.folder).as_posix() for path in files.rglob("*tmp*")}


def _files(project: Project) -> set[str]:
    """Return every file in `.work`, `.dvc/tmp`, `data` and `results`."""
    found = set()
    for top in (".work", ".dvc/tmp", "data", "results"):
        for folder, _, names in os.walk(project.folder / top):
            below = os.path.relpath(folder, project.folder)
            found |= {f"{below}/{name}" for name in names}
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
