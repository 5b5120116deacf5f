"""Stages, `dvc repro` and the outer flow beside a real Prefect server that lives, or is killed."""

import os
import signal
import sys
from contextlib import suppress

import pytest

from tests.end_to_end.prefect_server import small_project, wait_for

pytestmark = pytest.mark.slow
CAMS = ("small_stage.py", "cams@shapes", "8", "0.05")  # as dvc.yaml has it
STAGES = ("nouns@shapes", "cams@shapes", "report@shapes", "proposals@shapes")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """What a rebuild makes without any server."""
    project = small_project(tmp_path_factory.mktemp("plain") / "project")
    status, console = project.repro()
    assert status == 0, console
    return project.files()


@pytest.fixture(scope="module")
def rebuilt(server, tmp_path_factory):
    """A project after a plain `dvc repro` beside a server, and its runs by stage."""
    project = small_project(tmp_path_factory.mktemp("watched") / "project")
    status, console = project.repro(**server.variables())
    assert status == 0, console
    return project, {stage: server.runs(stage)[0] for stage in STAGES}


@pytest.fixture(scope="module")
def watched(rebuilt):
    """The project after a plain `dvc repro` beside a server."""
    return rebuilt[0]


@pytest.fixture(scope="module")
def runs(rebuilt):
    """The runs of `watched`, by stage."""
    return rebuilt[1]


@pytest.fixture(scope="module")
def flow(server, tmp_path_factory):
    """A project after a slow `dvc repro nouns` and the outer flow, and the runs by name."""
    project = small_project(tmp_path_factory.mktemp("grouped") / "project")
    project.set_text("nouns@${item} 3 0.0", "nouns@${item} 3 1.1")
    assert project.repro("nouns", **server.variables())[0] == 0
    nouns = server.runs("nouns@shapes")[0]
    status, console = project.python("-m", "pipeline.flow", **server.variables())
    assert status == 0, console
    latest = {name: server.runs(name)[0] for name in ("rebuild", *STAGES)}
    return project, latest | {"nouns@shapes": nouns}


@pytest.fixture(scope="module")
def grouped(flow):
    """The project of the outer flow."""
    return flow[0]


@pytest.fixture(scope="module")
def grouped_runs(flow):
    """The runs of `grouped`, by name."""
    return flow[1]


@pytest.fixture
def fresh(tmp_path):
    return small_project(tmp_path / "project")


def assert_states(server, run, expected):
    """Task runs reach the server as events, a moment after they ended."""

    def states():
        return {task["name"]: task["state_name"] for task in server.task_runs(run)}

    with suppress(AssertionError):
        wait_for(lambda: states() == expected)
    assert states() == expected


def assert_logged(server, run, message):
    """Lines reach the server in batches, a moment after they were logged."""
    chosen = {"logs": {"flow_run_id": {"any_": [run["id"]]}}}
    wait_for(lambda: message in [line["message"] for line in server.ask("logs/filter", chosen)])


def start_and_wait_for_two_shards(project, server):
    variables = server.variables() | {"PREFECT_API_REQUEST_TIMEOUT": "2"}  # not 5: it is waited for
    process = project.start(sys.executable, *CAMS, **variables)
    wait_for(lambda: len([*project.folder.glob(".work/cams/f00d/*.h5")]) >= 2, 200)
    return process


def test_a_server_changes_no_byte_of_caches_and_lock(watched, plain):
    assert set(plain) >= {"dvc.lock", "cams-shapes.h5"}
    assert watched.files() == plain


def test_a_server_that_nothing_reports_to_leaves_the_cores_to_the_stages(server, watched):
    wait_for(lambda: server.cpu_share(2.0) < 0.2, 60)


@pytest.mark.parametrize("stage", STAGES)
def test_a_plain_repro_is_seen_stage_by_stage(runs, stage):
    assert runs[stage]["state_name"] == "Completed"


def test_shards_are_tasks(server, runs):
    expected = {f"shards {number}/8": "Completed" for number in range(1, 9)}
    assert_states(server, runs["cams@shapes"], expected)


def test_a_run_shows_parameters_and_fingerprint(runs):
    shown = runs["cams@shapes"]["parameters"]
    assert (shown["stage"], shown["fingerprint"]) == ("cams@shapes", "f00d")
    assert list(shown["params"]) == ["cams"]
    assert shown["params"]["cams"]["scorer"] == "nounhead"
    assert runs["cams@shapes"]["tags"] == ["shapes"]


def test_tables_texts_and_pictures_are_artifacts(server, runs):
    artifacts = server.artifacts(runs["cams@shapes"])
    assert '"method": "random"' in artifacts["cams-shapes-numbers"]["data"]
    picture = artifacts["cams-shapes-picture"]["data"]
    assert picture.startswith("data:image/png;base64,iVBOR")
    assert artifacts["cams-shapes-summary"]["data"] == f"![All is well]({picture})"
    assert artifacts["cams-shapes-picture"]["type"] == "image"


def test_what_a_stage_logs_is_in_the_runs_log(server, runs):
    assert_logged(server, runs["cams@shapes"], "8 maps")


def test_processes_that_a_stage_forks_end_well_beside_a_server(server, runs):
    assert_logged(server, runs["cams@shapes"], "a forked process ended with 0")


def test_the_outer_flow_nests_the_stages_and_shows_what_is_cached(server, grouped_runs):
    run = grouped_runs["rebuild"]
    expected = dict.fromkeys(STAGES, "Completed") | {"nouns@shapes": "Cached"}
    assert_states(server, run, expected)
    parents = {task["name"]: task["id"] for task in server.task_runs(run)}
    for stage in ("cams@shapes", "report@shapes", "proposals@shapes"):
        assert grouped_runs[stage]["parent_task_run_id"] == parents[stage]


def test_a_long_stage_shows_its_progress_and_a_short_one_does_not(server, grouped_runs, runs):
    long, short = (server.artifacts(each["nouns@shapes"]) for each in (grouped_runs, runs))
    assert float(long["nouns-shapes-shards"]["data"]) == 100.0
    assert "nouns-shapes-shards" not in short


def test_the_outer_flow_makes_the_same_bytes(grouped, plain):
    assert plain.items() >= grouped.caches().items()
    assert len(grouped.caches()) == 4


def test_the_outer_flow_runs_the_stage_that_it_is_asked_for(server, grouped):
    asked = ("-f", "-s", "cams")
    assert grouped.python("-m", "pipeline.flow", *asked, **server.variables())[0] == 0
    assert_states(server, server.runs("rebuild")[0], {"cams@shapes": "Completed"})


def test_a_stage_that_does_not_exist_is_one_clear_error(server, fresh):
    status, console = fresh.python("-m", "pipeline.flow", "cmas", **server.variables())
    assert (status, "Traceback" in console) == (1, False)
    assert "error: " in console
    assert "cmas" in console


def test_without_a_server_the_outer_flow_is_dvc_repro(fresh, plain):
    status, console = fresh.python("-m", "pipeline.flow", "cams")
    assert status == 0, console
    assert set(fresh.caches()) == {"nouns-shapes.h5", "cams-shapes.h5"}
    assert plain.items() >= fresh.caches().items()


def test_a_failing_stage_hides_no_stage_that_does_not_need_it(server, fresh):
    variables = server.variables() | {"FAILING_STAGE": "cams"}
    status, console = fresh.python("-m", "pipeline.flow", **variables)
    assert status == 1
    assert "error: cams@shapes failed" in console
    run = server.runs("rebuild")[0]
    assert run["state_name"] == "Failed"
    expected = {
        "nouns@shapes": "Completed",
        "cams@shapes": "Failed",
        "report@shapes": "Blocked",
        "proposals@shapes": "Completed",
    }
    assert_states(server, run, expected)
    assert set(fresh.caches()) == {"nouns-shapes.h5", "proposals-shapes.h5"}


def test_a_stage_that_raises_fails_for_dvc_and_in_the_server(server, fresh):
    variables = server.variables() | {"FAILING_STAGE": "nouns"}
    status, console = fresh.repro("nouns", **variables)
    assert status != 0
    assert "ValueError: nouns@shapes cannot" in console
    run = server.runs("nouns@shapes")[0]
    assert run["state_name"] == "Failed"
    assert "nouns@shapes cannot" in run["state"]["message"]


def test_a_part_of_a_stage_is_a_good_run(server, fresh):
    variables = server.variables() | {"PIPELINE_PART": "1/2", "DVC_ROOT": str(fresh.folder)}
    status, console = fresh.python("small_stage.py", "cams@shapes", "8", "0", **variables)
    assert status == 0, console
    assert server.runs("cams@shapes")[0]["state_name"] == "Completed"
    assert len(list((fresh.folder / ".work/cams/f00d").iterdir())) == 4


def test_a_server_that_hangs_costs_seconds_and_no_byte(server, fresh, plain):
    process = start_and_wait_for_two_shards(fresh, server)
    try:
        os.killpg(server.process.pid, signal.SIGSTOP)
        console, _ = process.communicate(timeout=300)
    finally:
        os.killpg(server.process.pid, signal.SIGCONT)
    assert process.returncode == 0, console
    assert "goes on without the Prefect server" in console
    assert fresh.caches()["cams-shapes.h5"] == plain["cams-shapes.h5"]


def test_a_server_that_is_killed_mid_stage_costs_seconds_and_no_byte(server, fresh, plain):
    process = start_and_wait_for_two_shards(fresh, server)
    server.kill()  # for good: this test comes last
    console, _ = process.communicate(timeout=300)
    assert process.returncode == 0, console
    assert "goes on without the Prefect server" in console
    assert fresh.caches()["cams-shapes.h5"] == plain["cams-shapes.h5"]
