"""Prefect settings of `make ui`: a profile with the server, an automation for killed runs."""

from collections.abc import Iterator
from datetime import timedelta

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.settings import PREFECT_API_URL, Profile, load_profiles, save_profiles

from pipeline.observe.prefect_client import HEARTBEAT

PROFILE = "camground"
SILENT_RUNS = "camground: runs without a heartbeat are crashed"
SILENCE = timedelta(seconds=90)  # three heartbeats


def crash_silent_runs() -> None:
    """Register an automation that marks a run Crashed after 90 s without heartbeat or end."""
    ends = {f"prefect.flow-run.{end}" for end in ("Completed", "Failed", "Cancelled", "Crashed")}
    automation = AutomationCore(
        name=SILENT_RUNS,
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={HEARTBEAT, *ends},
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[
            ChangeFlowRunState(
                name=None, state=StateType.CRASHED, message="its process is gone", force=False
            )
        ],
    )
    with get_client(sync_client=True) as client:
        if not client.read_automations_by_name(SILENT_RUNS):
            client.create_automation(automation)


def choose_profile(address: str, user_address: str | None) -> Iterator[str]:
    """Activate a Prefect profile with the address, unless the user has another server.

    Args:
        address: of the server's API.
        user_address: PREFECT_API_URL in the user's environment, which precedes any profile.

    Yields:
        Lines for the console.
    """
    profiles = load_profiles()
    active = profiles.active_profile
    theirs = user_address or (active.settings.get(PREFECT_API_URL) if active else None)
    if theirs == address:
        yield "stages report to it"
    elif theirs and not (active and active.name == PROFILE and not user_address):
        yield f"stages report to {theirs}; to let them report here, run"
        yield f"export PREFECT_API_URL={address}"
    else:
        before = active.name if active else "ephemeral"
        if PROFILE in profiles.names:
            profiles.remove_profile(PROFILE)
        profiles.add_profile(Profile(name=PROFILE, settings={PREFECT_API_URL: address}))
        profiles.set_active(PROFILE)
        save_profiles(profiles)
        yield f"stages report to it: Prefect's active profile is now {PROFILE}"
        if before != PROFILE:
            yield f"`prefect profile use {before}` takes that back"
