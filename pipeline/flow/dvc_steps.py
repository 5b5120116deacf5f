"""The stages that a `dvc repro` would go through, one by one, each a command of its own."""

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil
from dvc.cli import DvcParserError, parse_args
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro

from pipeline.errors import InputError

_PASSED_ON = ("force", "interactive", "pull", "allow_missing", "no_commit", "no_run_cache")


@dataclass(frozen=True)
class Step:
    """One stage of the graph.

    Attributes:
        name: as DVC names it, such as `cams@shapes`.
        upstream: names of the stages whose outputs it reads.
    """

    name: str
    upstream: tuple[str, ...]


def parse_repro(arguments: Sequence[str]) -> Namespace:
    """Return what DVC understands of the arguments of a `dvc repro`.

    Raises:
        SystemExit: it was asked for help.
        InputError: it does not understand them, or nothing is to be run.
    """
    try:
        asked = parse_args(["repro", *arguments])
    except DvcParserError as error:
        raise InputError(f"dvc repro does not know these arguments: {list(arguments)}") from error
    if asked.dry:
        raise InputError("--dry runs nothing that could be watched; ask `dvc repro --dry` itself")
    return asked


def plan_steps(asked: Namespace) -> list[Step]:
    """Return the stages that a `dvc repro` goes through, in an order in which they can run.

    Raises:
        InputError: a target is unknown, or dvc.yaml or params.yaml is wrong.
    """
    try:
        with Repo() as repo:
            return list(_steps(repo, asked))
    except DvcException as error:
        raise InputError(str(error)) from error


def _steps(repo: Repo, asked: Namespace) -> Iterator[Step]:
    graph = get_active_graph(repo.index.graph)
    targets = [] if asked.all_pipelines else asked.targets or ["dvc.yaml"]
    stages = collect_stages(repo, targets, asked.recursive, asked.glob)
    if not asked.single_item:
        stages = plan_repro(graph, stages, asked.pipeline, asked.downstream)
    for stage in stages:
        above = tuple(needed.addressing for needed in graph.successors(stage))
        yield Step(stage.addressing, above)


def run_step(step: Step, asked: Namespace, forced: bool, variables: Mapping[str, str]) -> bool:
    """Let DVC bring one stage up to date; what it and the stage say goes to the console.

    Args:
        step: the stage.
        asked: what the user asked `dvc repro` for.
        forced: whether it runs although nothing changed.
        variables: environment variables of the stage.

    What interrupts this process, such as cancelling its run in the UI, ends the stage, too.

    Returns:
        Whether the stage's command ran; it did not if DVC had its outputs.

    Raises:
        CalledProcessError: DVC or the stage failed.
    """
    flags = [f"--{name.replace('_', '-')}" for name in _PASSED_ON if getattr(asked, name)]
    flags += ["--force"] if forced else []
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item"]
    command += [*flags, step.name]
    ran = False
    known = os.environ | {"PYTHONUNBUFFERED": "1"} | dict(variables)
    with subprocess.Popen(command, env=known, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout or ():
                ran = ran or line.startswith("Running stage '")
                sys.stdout.write(line)
                sys.stdout.flush()
        except BaseException:
            _end_with_children(process)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return ran


def _end_with_children(process: subprocess.Popen[str]) -> None:
    """Ask DVC and all below it to end; DVC by itself would leave the stage running."""
    with suppress(psutil.NoSuchProcess):
        dvc = psutil.Process(process.pid)
        for each in [*dvc.children(recursive=True), dvc]:
            with suppress(psutil.NoSuchProcess):
                each.terminate()
