"""Two rebuilds at once, and two kills of real stages on a hard-linked cache.

`python -m tests.faults.kill` does many more.
"""

import sys

import pytest

from tests.end_to_end.prefect_server import small_project
from tests.faults.killing import Kill, kill_once, outputs, prepare

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SECONDS = 6.0  # of a run; a kill that comes too late is done again, earlier


@pytest.fixture(scope="module")
def linked(rebuilt, tmp_path_factory):
    return prepare(rebuilt.folder, tmp_path_factory.mktemp("linked") / "project", "hardlink")


@pytest.mark.parametrize(
    "kill",
    [
        Kill("nouns", "KILL both", "hardlink", moment=0.4, at_write=True),
        Kill("annotations", "TERM both", "hardlink", moment=0.5, at_write=True),
    ],
    ids=lambda kill: f"{kill.stage}, {kill.signal}",
)
def test_a_killed_stage_leaves_no_process_and_ends_at_the_same_bytes(linked, kill):
    whole = outputs(linked)
    fate = kill_once(linked, kill, whole, SECONDS, {})
    assert fate.equal, fate.said
    assert fate.orphans == []


def test_of_two_rebuilds_at_once_one_goes_on_and_the_other_says_why_not(tmp_path):
    project = small_project(tmp_path / "project")
    both = [project.start(sys.executable, "-m", "dvc", "repro") for _ in range(2)]
    consoles = [process.communicate()[0] for process in both]
    statuses = [process.returncode for process in both]
    assert 0 in statuses
    for status, console in zip(statuses, consoles, strict=True):
        assert "Traceback" not in console
        assert (status != 0) == ("is busy" in console)
    made = project.files()
    assert len(made) == 5
    assert project.repro()[0] == 0
    assert project.files() == made
