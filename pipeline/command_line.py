"""How every stage process starts: its command line, its error messages, its observer."""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType

from models.given_files.foreign_values import is_finite_number
from models.given_files.json_files import read_json_value
from pipeline.caching.atomic import whole_file, work_folder
from pipeline.errors import InputError
from pipeline.freed_memory import begin_collection, keep_freed_memory
from pipeline.observe.observer import Observer
from pipeline.observe.run_stage import run_stage
from pipeline.params.read import read_params
from pipeline.params.schema import NAME, Params
from pipeline.paths import DatasetFiles, ResultFiles, image_folder

NAME_FLAGS = ("--dataset", "--variant")
TRAINED_ON = "--trained_on"  # spelt as dvc.yaml's key, for DVC writes it


@dataclass(frozen=True)
class StageCall:
    """What a stage process has to do.

    Attributes:
        dataset: a key of `datasets` in params.yaml.
        variant: a key of `variants`; empty for a stage that runs once per data set.
        params: all of params.yaml.
        options: further arguments of the command line.
        trained_on: another key of `datasets`, whose models are asked; empty: the data set's own.
    """

    dataset: str
    variant: str
    params: Params
    options: argparse.Namespace
    trained_on: str = ""

    @property
    def files(self) -> DatasetFiles:
        """The files of the data set."""
        return DatasetFiles(self.dataset, self.trained_on)

    @property
    def results(self) -> ResultFiles:
        """The files of data set and model."""
        return ResultFiles(self.dataset, self.variant, self.trained_on)

    @property
    def image_folder(self) -> Path:
        """The folder that the `file` of every `ImageRecord` is relative to."""
        return image_folder(self.dataset, self.params.datasets[self.dataset])

    def run(self, stage: str, body: Callable[[Observer], None]) -> None:
        """Run the body of a stage, watched by an observer, and note how long it took.

        Args:
            stage: its name in dvc.yaml; of a model that is asked on a target, without `target_`.
            body: the work; an exception passes.
        """
        name = f"target_{stage}" if self.trained_on else stage
        instance = "-".join(filter(None, (self.trained_on, self.dataset, self.variant)))
        begin = time.perf_counter()
        run_stage(f"{name}@{instance}", body)
        if "PIPELINE_PART" not in os.environ and os.environ.get("RANK", "0") == "0":
            note_seconds(f"{name}@{instance}", time.perf_counter() - begin)


def stage_call(
    doc: str | None,
    variant: bool = False,
    add: Callable[[argparse.ArgumentParser], None] | None = None,
    is_of_models: bool = False,
) -> StageCall:
    """Read `python -m stages.X DATASET [VARIANT]`; from now on an `InputError` is one line.

    DVC writes `--dataset DATASET [--variant VARIANT]`, which means the same.

    Args:
        doc: the stage's docstring; its first line is the help text.
        variant: whether the stage runs once per variant.
        add: adds further arguments.
        is_of_models: whether `--trained_on DATASET` may name whose models are asked.

    Raises:
        InputError: params.yaml is wrong, or does not have the name.
    """
    sys.excepthook = show_error
    begin_collection()
    keep_freed_memory()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("dataset", help="a key of `datasets` in params.yaml")
    if variant:
        parser.add_argument("variant", help="a key of `variants` in params.yaml")
    if is_of_models:
        parser.add_argument(TRAINED_ON, default="", help="another dataset, whose model is asked")
    if add is not None:
        add(parser)
    options = parser.parse_args(positional_names(sys.argv[1:]))
    params = read_params()
    _check_name("datasets", options.dataset, params.datasets)
    if variant:
        _check_name("variants", options.variant, params.variants)
    trained_on = options.trained_on if is_of_models else ""
    if trained_on:
        _check_name("datasets", trained_on, params.datasets)
    chosen = options.variant if variant else ""
    return StageCall(options.dataset, chosen, params, options, trained_on)


def positional_names(arguments: Sequence[str]) -> list[str]:
    """Return a command line of DVC as a person writes it: names without `--dataset`, `--variant`.

    Raises:
        InputError: what follows one of these is no name.
    """
    short: list[str] = []
    for flag, text in pairwise(["", *arguments]):
        if flag in (*NAME_FLAGS, TRAINED_ON) and text not in NAME:
            key = "run.variants" if flag == "--variant" else "run.datasets"
            raise InputError(f"{key}: {text!r}: a name must be {NAME}")
        short += [] if text in NAME_FLAGS else [text]
    return short


def note_seconds(stage: str, seconds: float) -> None:
    """Keep how long a stage took, outside DVC's outputs: two runs never take equal times."""
    folder = work_folder("seconds", stage)
    with whole_file(folder / "seconds.json") as partial:
        partial.write_text(json.dumps(round(seconds, 1)), encoding="utf-8")


def read_seconds() -> dict[str, float]:
    """Return the seconds of the last run of each stage here, in the order in which they ended."""
    files = work_folder("seconds", "").glob("*/seconds.json")
    ended = sorted(files, key=lambda path: path.stat().st_mtime_ns)
    return {path.parent.name: _seconds_in(path) for path in ended}


def _seconds_in(path: Path) -> float:
    try:
        seconds = read_json_value(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: holds no time: {error}; remove it") from error
    if not is_finite_number(seconds):
        raise InputError(f"{path}: holds no time; remove it")
    return float(seconds)


def show_error(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print an uncaught `InputError` or Ctrl-C as one line on stderr, all else with its traceback.

    It is a `sys.excepthook`: it leaves the exit status as it is.
    """
    if isinstance(error, InputError):
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
    elif isinstance(error, KeyboardInterrupt):
        sys.stderr.write("stopped\n")
    else:
        sys.__excepthook__(kind, error, trace)


def _check_name(section: str, name: str, names: Mapping[str, object]) -> None:
    if name not in names:
        raise InputError(f"{name!r} is no key of `{section}` in params.yaml: {', '.join(names)}")
