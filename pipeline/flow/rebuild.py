"""One rebuild as a Prefect flow: a task per DVC stage, the stages' own runs nested below."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from enum import Enum
from subprocess import CalledProcessError
from uuid import UUID

from prefect import State, flow
from prefect.runtime import flow_run, task_run
from prefect.states import Cancelled, Completed, Failed

from pipeline.errors import InputError
from pipeline.flow.dvc_steps import Step, parse_repro, plan_steps, run_step
from pipeline.observe.prefect_client import PARENT_TASK_RUN, heartbeats
from pipeline.observe.prefect_observer import PrefectObserver
from pipeline.params.profile import apply_values
from pipeline.params.read import PARAMS_FILE, read_params


class End(Enum):
    """Outcome of a stage of a rebuild."""

    RAN = "Completed"
    CACHED = "Cached"
    FAILED = "Failed"
    BLOCKED = "Blocked"


class RebuildError(InputError):
    """One or more stages failed; their output is on the console."""


def rebuild_observed(arguments: Sequence[str]) -> None:
    """Run the stages of `dvc repro ARGUMENTS` as task runs of the configured server.

    Raises:
        RebuildError: a stage failed; stages that do not depend on it ran all the same.
        InputError: a target is unknown, or dvc.yaml or params.yaml is wrong.
    """
    observer = PrefectObserver("rebuild", {"arguments": list(arguments)})
    observer.watch(lambda _: rebuild_stages(observer, parse_repro(arguments)))


@flow(name="rebuild", persist_result=False)
def rebuild(datasets: list[str], variants: list[str], arguments: Sequence[str] = ()) -> None:
    """Rebuild the results of some datasets and variants with `dvc repro`.

    Args:
        datasets: keys of `datasets` in params.yaml; they become its `run.datasets`.
        variants: keys of `variants` in params.yaml; they become its `run.variants`.
        arguments: of `dvc repro`, such as `--force`.
    """
    selection = {"datasets": datasets, "variants": variants}
    select(selection)
    with heartbeats(UUID(flow_run.id)):
        rebuild_stages(PrefectObserver("rebuild", selection), parse_repro(arguments))


def select(selection: Mapping[str, Sequence[str]]) -> None:
    """Write what `run` names into params.yaml, where it differs.

    Raises:
        ParamsError: params.yaml is not valid, or would not be.
    """
    current = read_params().run
    changed = [
        (f"run.{key}", list(names))
        for key, names in selection.items()
        if tuple(names) != getattr(current, key)
    ]
    if changed:
        apply_values(PARAMS_FILE, changed)


def rebuild_stages(observer: PrefectObserver, options: Namespace) -> None:
    """Bring stage after stage up to date, each as a task run.

    Raises:
        RebuildError: a stage failed; stages that do not depend on it ran all the same.
    """
    ends: dict[str, End] = {}
    for step in plan_steps(options):
        above = {ends.get(name) for name in step.upstream}
        blocked = bool(above & {End.FAILED, End.BLOCKED}) and options.on_error != "ignore"
        forced = options.force_downstream and End.RAN in above

        def bring_up_to_date(
            step: Step = step, blocked: bool = blocked, forced: bool = forced
        ) -> End:
            return End.BLOCKED if blocked else _run(step, options, forced)

        ends[step.name] = observer.unit(bring_up_to_date, step.name, step.name, _state)
    observer.log(", ".join(f"{name} {end.value}" for name, end in ends.items()))
    if failed := [name for name, end in ends.items() if end is End.FAILED]:
        raise RebuildError(f"{', '.join(failed)} failed")


def _run(step: Step, options: Namespace, forced: bool) -> End:
    parent = task_run.id  # none if the server is gone
    try:
        ran = run_step(step, options, forced, {PARENT_TASK_RUN: parent} if parent else {})
    except CalledProcessError:
        return End.FAILED
    return End.RAN if ran else End.CACHED


def _state(end: End) -> State | None:
    if end is End.FAILED:
        return Failed(message="the stage's own run and the console tell why")
    if end is End.BLOCKED:
        return Cancelled(name=end.value, message="a stage that it needs failed")
    return Completed(name=end.value)
