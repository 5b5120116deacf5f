"""Which profile `make ui` chooses; what it sets up in a server is in tests/end_to_end."""

import os
import subprocess
import sys
import tomllib
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from pipeline.observe.prefect_client import HEARTBEAT, HEARTBEAT_S
from tests.conftest import ROOT

HERE, ELSEWHERE = "http://127.0.0.1:4200/api", "http://lab:4200/api"
CODE = """
import sys
from pipeline.flow.ui_setup import choose_profile
for line in choose_profile(sys.argv[1], sys.argv[2] or None):
    print(line)
"""


def profiles(active, **addresses):
    lines = [f'active = "{active}"']
    for name, address in addresses.items():
        lines += [f"[profiles.{name}]", f'PREFECT_API_URL = "{address}"']
    return "\n".join(lines)


@pytest.fixture
def choose(tmp_path):
    """Return a function that chooses in a process of its own, as Prefect reads profiles once."""

    def run(text, asked_for=""):
        file = tmp_path / "profiles.toml"
        file.write_text(text)
        known = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT")}
        known |= {"PREFECT_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", CODE, HERE, asked_for]
        done = subprocess.run(command, env=known, capture_output=True, text=True, check=True)
        found = tomllib.loads(file.read_text())
        active = found["profiles"].get(found["active"], {}).get("PREFECT_API_URL")
        return found["active"], active, done.stdout

    return run


def test_where_no_profile_names_a_server_one_is_made_and_can_be_taken_back(choose):
    active, address, said = choose('active = "mine"\n[profiles.mine]\n')
    assert (active, address) == ("camground", HERE)
    assert "prefect profile use mine" in said


def test_the_projects_own_profile_follows_the_port(choose):
    active, address, said = choose(profiles("camground", camground="http://127.0.0.1:9/api"))
    assert (active, address) == ("camground", HERE)
    assert "profile use" not in said


def test_a_server_that_the_user_chose_stays_and_the_way_to_change_is_said(choose):
    before = profiles("lab", lab=ELSEWHERE)
    assert choose(before)[:2] == ("lab", ELSEWHERE)
    assert f"export PREFECT_API_URL={HERE}" in choose(before)[2]


def test_the_environment_goes_before_a_profile(choose):
    own = profiles("camground", camground=HERE)
    assert f"export PREFECT_API_URL={HERE}" in choose(own, asked_for=ELSEWHERE)[2]
    active, _, said = choose(profiles("lab", lab=ELSEWHERE), asked_for=HERE)
    assert (active, "export" in said) == ("lab", False)


def test_a_run_that_is_silent_for_three_heartbeats_is_marked_once(monkeypatch):
    ui_setup = pytest.importorskip("pipeline.flow.ui_setup")
    made = []
    client = SimpleNamespace(
        create_automation=made.append,
        read_automations_by_name=lambda name: [one for one in made if one.name == name],
    )
    monkeypatch.setattr(ui_setup, "get_client", lambda **_: nullcontext(client))
    for _ in range(2):
        ui_setup.crash_silent_runs()
    [automation] = made
    trigger, [action] = automation.trigger, automation.actions
    assert (trigger.posture.value, trigger.threshold) == ("Proactive", 1)
    assert trigger.within.total_seconds() == 3 * HEARTBEAT_S
    assert trigger.after == {HEARTBEAT} < trigger.expect
    assert {f"prefect.flow-run.{end}" for end in ("Completed", "Failed")} < trigger.expect
    assert trigger.match["prefect.resource.id"] == ["prefect.flow-run.*"]
    assert trigger.for_each == {"prefect.resource.id"}
    assert (action.type, action.state.value) == ("change-flow-run-state", "CRASHED")
