"""The Prefect server that a process reports to, determined without importing Prefect.

The address is `PREFECT_API_URL`, of the environment or else of the active profile. A server that
does not answer in time is ignored.
"""

import http.client
import ipaddress
import os
import tomllib
import urllib.parse
import urllib.request
from pathlib import Path

HEALTH_TIMEOUT_S = 1.0
ADDRESS = "PREFECT_API_URL"

_DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",  # a hidden server of one process loses records
    "PREFECT_CLIENT_MAX_RETRIES": "1",  # a dead server stalls seconds instead of minutes
    "PREFECT_API_REQUEST_TIMEOUT": "5",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the observer itself writes there
}


def answering_address() -> str | None:
    """Return the API address of the configured server if it answers within a second, or None."""
    address = configured_address()
    return address if address and is_healthy(address) else None


def configured_address() -> str | None:
    """Return the configured server's API address, such as `http://127.0.0.1:4200/api`, or None."""
    return os.environ.get(ADDRESS) or active_profile().get(ADDRESS)


def active_profile() -> dict[str, str]:
    """Return the settings of Prefect's active profile; {} if there is no file of profiles."""
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    file = Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    name = os.environ.get("PREFECT_PROFILE") or content.get("active", "")
    profile = content.get("profiles", {}).get(name, {})
    return {key: str(value) for key, value in profile.items()}


def is_healthy(address: str) -> bool:
    """Return whether the server at an API address answers `/health` with 200 within a second."""
    try:
        opener = _opener(address)
        with opener.open(f"{address.rstrip('/')}/health", timeout=HEALTH_TIMEOUT_S) as answer:
            return answer.status == 200
    except (OSError, ValueError, http.client.HTTPException):
        return False


def use_server(address: str) -> None:
    """Set the environment variables that Prefect reads on import; existing ones are kept."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    os.environ[ADDRESS] = address
    if _is_loopback(address):
        hosts = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = f"{hosts},127.0.0.1,localhost".strip(",")


def _opener(address: str) -> urllib.request.OpenerDirector:
    """Return a URL opener, without proxy if the address is this machine."""
    if _is_loopback(address):
        return urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener()


def _is_loopback(address: str) -> bool:
    host = urllib.parse.urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
