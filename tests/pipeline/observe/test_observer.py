"""Finding a server, and doing without; a real server is in tests/end_to_end/test_prefect.py."""

import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.observe import server
from pipeline.observe.observer import Observer
from pipeline.observe.run_stage import run_stage, tracked_params
from tests.conftest import ROOT

NOBODY = "http://127.0.0.1:9/api"  # the discard port: refused


@pytest.fixture(autouse=True)
def prefect_home(tmp_path, monkeypatch):
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH", "RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def health():
    """A server whose /api/health answers as `health.status` and `health.pause_s` say."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(self.server.pause_s)
            self.send_response(self.server.status if self.path == "/api/health" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.status, server.pause_s = 200, 0.0
    server.address = f"http://127.0.0.1:{server.server_port}/api"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


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


def test_only_the_first_of_several_processes_looks_for_a_server(health, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", health.address)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr("pipeline.observe.run_stage.use_server", None)  # calling it would fail
    assert type(run_stage("train@shapes-full", lambda observer: observer)) is Observer


def test_without_a_server_prefect_is_not_imported(tmp_path):
    code = (
        "import sys; from pipeline.observe.run_stage import run_stage\n"
        "run_stage('cams@shapes', lambda observer: observer.map(abs, [-3, 4], 'shards'))\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'prefect'])"
    )
    known = {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": NOBODY, "PREFECT_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=known
    )
    assert done.stdout == "[]\n"


def test_values_and_errors_of_a_stage_are_those_of_the_process():
    assert run_stage("cams@shapes", lambda observer: observer.stage) == "cams@shapes"
    with pytest.raises(ZeroDivisionError):
        run_stage("cams@shapes", lambda _: 1 / 0)


def test_mapped_values_come_in_the_order_of_the_items():
    assert Observer("cams").map(lambda item: item * item, [3, 1, 2], "shards") == [9, 1, 4]


def test_a_table_is_shown_in_columns(capsys):
    Observer("cams").table("hits", [{"method": "reg", "n": 20}, {"method": "random", "n": 5}])
    assert capsys.readouterr().out.splitlines() == [
        "[cams] hits",
        "[cams]   method  n ",
        "[cams]   reg     20",
        "[cams]   random  5 ",
    ]


def test_a_table_without_rows_is_its_name(capsys):
    Observer("cams").table("hits", [])
    assert capsys.readouterr().out.splitlines()[0] == "[cams] hits"


def test_tracked_parameters_are_those_that_dvc_lists():
    assert list(tracked_params("train@shapes-full", ROOT)) == ["train", "variants.full"]
    assert list(tracked_params("annotations@shapes", ROOT)) == ["annotations", "datasets.shapes"]
    assert tracked_params("cams@shapes", ROOT)["cams"]["scorer"]


def test_a_stage_that_dvc_does_not_know_has_no_parameters(tmp_path):
    assert tracked_params("predict@shapes", ROOT) == {}
    assert tracked_params("cams@shapes", tmp_path) == {}
