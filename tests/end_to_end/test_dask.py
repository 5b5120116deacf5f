"""Shards on a Dask cluster of four worker processes on this machine, two of which are killed."""

import pytest

from pipeline.errors import InputError
from tests.end_to_end.prefect_server import small_project, wait_for
from tests.load.dask_kills import CACHE, Cluster, make, make_with_kills, stage

pytest.importorskip("prefect_dask", reason="the extra [dask] is not installed")
pytestmark = pytest.mark.slow

STAGE = stage(num_shards=11, pause_s=0.4)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return small_project(tmp_path_factory.mktemp("dask") / "project")


@pytest.fixture(scope="module")
def in_one_process(project):
    """The bytes of the cache, made without a cluster."""
    return make(project, STAGE)


@pytest.fixture(scope="module")
def cluster(project, in_one_process):
    cluster = Cluster(project, num_workers=4)
    yield cluster
    cluster.stop()


def test_a_cluster_that_loses_two_of_four_workers_makes_the_same_bytes(
    project, cluster, in_one_process
):
    status, console = make_with_kills(project, cluster, STAGE, kill_at=[1, 4])
    assert status == 0, console
    assert (project.folder / CACHE).read_bytes() == in_one_process


def test_what_a_cluster_does_is_seen(project, cluster, server, in_one_process):
    variables = cluster.variables | server.variables()
    assert make(project, STAGE, **variables) == in_one_process
    run = server.runs("cams@shapes")[0]
    expected = {f"shards {number}/11": "Completed" for number in range(1, 12)}
    wait_for(
        lambda: {task["name"]: task["state_name"] for task in server.task_runs(run)} == expected
    )


def test_an_error_on_a_worker_is_the_stages_error(project, cluster, server):
    variables = cluster.variables | server.variables() | {"FAILING_STAGE": "cams"}
    status, console = project.python(*STAGE, **variables)
    assert status == 1
    assert console.rstrip().endswith("ValueError: cams@shapes cannot")
    assert server.runs("cams@shapes")[0]["state_name"] == "Failed"


def test_a_cluster_that_does_not_answer_is_no_place_for_tasks(monkeypatch):
    from pipeline.observe.prefect_dask import dask_runner

    monkeypatch.setattr("pipeline.observe.dask_workers.CONNECT_TIMEOUT_S", 0.5)
    with pytest.raises(InputError, match=r"tcp://127\.0\.0\.1:9"):
        dask_runner("tcp://127.0.0.1:9")


def test_workers_of_another_folder_are_refused(cluster, tmp_path):
    other = small_project(tmp_path / "project")
    status, console = other.python(*STAGE, **cluster.variables)
    assert status == 1
    assert f"start it in {other.folder}" in console
