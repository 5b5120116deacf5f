"""The stages of a `dvc repro` as single steps, each run by a `dvc` command of its own."""

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
    """Return the arguments of a `dvc repro` as DVC parses them.

    Raises:
        SystemExit: `--help` is among them.
        InputError: DVC has no such arguments, or `--dry` is among them.
    """
    try:
        options = parse_args(["repro", *arguments])
    except DvcParserError as error:
        raise InputError(f"dvc repro does not know these arguments: {list(arguments)}") from error
    if options.dry:
        raise InputError("--dry runs nothing that could be watched; ask `dvc repro --dry` itself")
    return options


def plan_steps(options: Namespace) -> list[Step]:
    """Return the stages of a `dvc repro` in an order in which they can run.

    Raises:
        InputError: a target is unknown, or dvc.yaml or params.yaml is wrong.
    """
    try:
        with Repo() as repo:
            return list(_steps(repo, options))
    except DvcException as error:
        raise InputError(str(error)) from error


def _steps(repo: Repo, options: Namespace) -> Iterator[Step]:
    graph = get_active_graph(repo.index.graph)
    targets = [] if options.all_pipelines else options.targets or ["dvc.yaml"]
    stages = collect_stages(repo, targets, options.recursive, options.glob)
    if not options.single_item:
        stages = plan_repro(graph, stages, options.pipeline, options.downstream)
    for stage in stages:
        above = tuple(needed.addressing for needed in graph.successors(stage))
        yield Step(stage.addressing, above)


def run_step(step: Step, options: Namespace, forced: bool, variables: Mapping[str, str]) -> bool:
    """Bring one stage up to date by DVC; its output goes to the console.

    An interrupt of this process, such as cancelling its run in the UI, ends the stage, too.

    Args:
        step: the stage.
        options: of `dvc repro`, as `parse_repro` returns them.
        forced: whether it runs although nothing changed.
        variables: environment variables of the stage.

    Returns:
        Whether the stage's command ran; False if DVC had its outputs.

    Raises:
        CalledProcessError: DVC or the stage failed.
    """
    flags = [f"--{name.replace('_', '-')}" for name in _PASSED_ON if getattr(options, name)]
    flags += ["--force"] if forced else []
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item"]
    command += [*flags, step.name]
    ran = False
    environment = os.environ | {"PYTHONUNBUFFERED": "1"} | dict(variables)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
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
    """Terminate DVC and its child processes; DVC alone would leave the stage running."""
    with suppress(psutil.NoSuchProcess):
        dvc = psutil.Process(process.pid)
        for child in [*dvc.children(recursive=True), dvc]:
            with suppress(psutil.NoSuchProcess):
                child.terminate()
