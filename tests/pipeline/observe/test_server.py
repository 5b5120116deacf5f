"""Finding a server, and doing without; a real server is in tests/end_to_end/test_prefect.py."""

import os
import subprocess
import sys
import time
from urllib.request import ProxyHandler

import pytest

from pipeline.observe import server

NOBODY = "http://127.0.0.1:9/api"  # the discard port: refused


def write_profiles(home, text):
    (home / "profiles.toml").write_text(text)


TWO_PROFILES = """
active = "lab"
[profiles.lab]
PREFECT_API_URL = "http://lab:4200/api"
[profiles.home]
PREFECT_API_URL = "http://home:4200/api"
"""


def test_nothing_configured_is_no_address():
    assert server.configured_address() is None
    assert server.answering_address() is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_prefects_own_folder_is_in_the_persons_home(tmp_path, monkeypatch, encoding):
    monkeypatch.delenv("PREFECT_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".prefect").mkdir()
    (tmp_path / ".prefect" / "profiles.toml").write_text(TWO_PROFILES, encoding=encoding)
    assert server.configured_address() == "http://lab:4200/api"


def test_a_proxy_is_asked_for_another_machine_alone(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    proxies = {
        address: [
            handler.proxies
            for handler in server._opener(address).handlers
            if isinstance(handler, ProxyHandler)
        ]
        for address in ("http://lab:4200/api", "http://localhost:4200/api")
    }
    assert proxies["http://lab:4200/api"][0]["http"] == "http://127.0.0.1:9"
    assert proxies["http://localhost:4200/api"] == []


def test_the_active_profile_names_the_server(prefect_home):
    write_profiles(prefect_home, TWO_PROFILES)
    assert server.configured_address() == "http://lab:4200/api"


def test_the_environment_may_name_another_profile(prefect_home, monkeypatch):
    write_profiles(prefect_home, TWO_PROFILES)
    monkeypatch.setenv("PREFECT_PROFILE", "home")
    assert server.configured_address() == "http://home:4200/api"


def test_the_environment_goes_before_the_profile(prefect_home, monkeypatch):
    write_profiles(prefect_home, TWO_PROFILES)
    monkeypatch.setenv("PREFECT_API_URL", NOBODY)
    assert server.configured_address() == NOBODY


def test_a_damaged_profile_file_is_no_address(prefect_home):
    write_profiles(prefect_home, "active = ")
    assert server.configured_address() is None


def test_prefect_reads_the_same_address_from_the_profile(prefect_home):
    write_profiles(prefect_home, TWO_PROFILES)
    code = "from prefect.settings import get_current_settings as s; print(s().api.url)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == server.configured_address()


def test_a_healthy_server_answers(health, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", health.address)
    assert server.answering_address() == health.address


def test_a_proxy_does_not_come_between_a_process_and_its_own_machine(health, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", health.address)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert server.answering_address() == health.address


@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_server_that_is_not_well_does_not_answer(health, monkeypatch, status):
    monkeypatch.setenv("PREFECT_API_URL", health.address)
    health.status = status
    assert server.answering_address() is None


def test_a_server_that_takes_too_long_does_not_answer(health, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", health.address)
    health.pause_s = 1.3
    started = time.monotonic()
    assert server.answering_address() is None
    assert time.monotonic() - started < 1.25


@pytest.mark.parametrize("address", [NOBODY, "http://", "nonsense", "ftp://127.0.0.1/api"])
def test_an_address_where_nobody_is_does_not_answer(monkeypatch, address):
    monkeypatch.setenv("PREFECT_API_URL", address)
    assert server.answering_address() is None


@pytest.fixture
def environment(monkeypatch):
    """The environment without anything of Prefect or a proxy, put back after the test."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("PREFECT") and key.lower() != "no_proxy"
    }
    monkeypatch.setattr(os, "environ", kept)
    return kept


def test_what_prefect_reads_is_set_and_what_a_user_set_stays(environment):
    environment["PREFECT_API_REQUEST_TIMEOUT"] = "77"
    server.use_server("http://lab:4200/api")
    assert environment["PREFECT_API_URL"] == "http://lab:4200/api"
    assert environment["PREFECT_API_REQUEST_TIMEOUT"] == "77"
    assert environment["PREFECT_SERVER_EPHEMERAL_ENABLED"] == "false"
    assert "NO_PROXY" not in environment


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:4200/api", "http://localhost:4200/api", "http://[::1]:4200/api"]
)
def test_no_proxy_stands_before_this_machine_and_others_that_need_none_stay(environment, address):
    environment["no_proxy"] = "example.org"
    server.use_server(address)
    assert environment["no_proxy"] == environment["NO_PROXY"] == "example.org,127.0.0.1,localhost"
    del environment["no_proxy"], environment["NO_PROXY"]
    server.use_server(address)
    assert environment["NO_PROXY"] == "127.0.0.1,localhost"
    environment |= {"NO_PROXY": "a.org", "no_proxy": "b.org"}
    server.use_server(address)
    assert environment["no_proxy"] == "a.org,127.0.0.1,localhost"


def test_profiles_may_lie_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text(TWO_PROFILES)
    monkeypatch.setenv("PREFECT_HOME", "/nowhere")
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(tmp_path / "mine.toml"))
    assert server.active_profile() == {"PREFECT_API_URL": "http://lab:4200/api"}
