"""Start the Prefect server and its UI on this machine: `python -m pipeline.flow.ui` (`make ui`).

It listens on 127.0.0.1 at `runtime.port` of params.yaml and stays in the foreground. Its data lie
in `$PREFECT_HOME` (`~/.prefect`), or in PostgreSQL where PREFECT_SERVER_DATABASE_CONNECTION_URL
names one. Nothing is sent anywhere.
"""

import os
import signal
import subprocess
import sys
import time
from types import FrameType

from pipeline.errors import InputError
from pipeline.observe.server import is_healthy, use_server
from pipeline.params.read import read_params

HOST = "127.0.0.1"
START_TIMEOUT_S = 180.0  # the first start makes a database
SERVER_SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_API_HOST": HOST,
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # many task runs in one transaction: the server keeps up with stages of thousands of shards
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",  # whole seconds alone
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
}


def start_server(port: int) -> subprocess.Popen[bytes]:
    """Start a Prefect server at a port of this machine, and return it once it is healthy.

    Raises:
        InputError: the server ends, or does not answer in time; its output is on the console.
    """
    # the port is set by the environment: with --port the UI would still call port 4200
    environment = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    settings = SERVER_SETTINGS | {"PREFECT_SERVER_API_PORT": str(port)}
    command = [sys.executable, "-m", "pipeline.flow.prefect_server"]
    server = subprocess.Popen(command, env=environment | settings, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not is_healthy(api_address(port)):
        if server.poll() is not None or time.monotonic() > deadline:
            stop_server(server)
            raise InputError(
                f"no Prefect server at {HOST}:{port}; if the port is taken, set runtime.port in "
                "params.yaml to a free one"
            )
        time.sleep(0.2)
    return server


def stop_server(server: subprocess.Popen[bytes]) -> None:
    """Terminate a server, and kill it after 20 seconds."""
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def api_address(port: int) -> str:
    """Return the address of the API of the server at a port of this machine."""
    return f"http://{HOST}:{port}/api"


def main() -> None:
    """Start the server unless it runs, set it up, and wait until it is stopped."""
    signal.signal(signal.SIGTERM, _stop)
    server = None
    try:
        port = read_params().runtime.port
        if not is_healthy(api_address(port)):
            server = start_server(port)
        _set_up(port)
        if server is not None:
            server.wait()
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("the server stops; stages go on and report to the console")  # noqa: T201
    finally:
        if server is not None:
            stop_server(server)


def _set_up(port: int) -> None:
    """Make stages find the server and the server find killed runs; print its address."""
    user_address = os.environ.get("PREFECT_API_URL")
    use_server(api_address(port))
    from pipeline.flow.ui_setup import (  # Prefect is slow to import
        choose_profile,
        crash_silent_runs,
    )

    crash_silent_runs()
    print(f"Prefect UI: http://{HOST}:{port}")  # noqa: T201
    for line in choose_profile(api_address(port), user_address):
        print(line)  # noqa: T201
    sys.stdout.flush()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
