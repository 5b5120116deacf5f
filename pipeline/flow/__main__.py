"""Rebuild with one Prefect flow run around all stages: `python -m pipeline.flow` (`make flow`).

Arguments are those of `dvc repro`. Without a server, `dvc repro` itself runs. `--serve` waits for
rebuilds that are started in the UI, or by a schedule: `--serve --cron "0 3 * * *"`.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence

from pipeline.errors import InputError
from pipeline.observe.server import answering_address, configured_address, use_server
from pipeline.params.read import read_params

SERVED = "camground"
SERVE_TIMEOUT_S = 60.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Rebuild once, or serve rebuilds."""
    parser = argparse.ArgumentParser(prog="camground flow", description=__doc__, allow_abbrev=False)
    parser.add_argument("--serve", action="store_true", help="wait for rebuilds started in the UI")
    parser.add_argument("--cron", help="with --serve: rebuild on this schedule, too")
    options, for_dvc = parser.parse_known_args(arguments)
    try:
        if options.serve:
            _serve(options.cron)
        else:
            _rebuild(for_dvc)
    except InputError as error:
        sys.exit(f"error: {error}")


def _rebuild(arguments: Sequence[str]) -> None:
    address = answering_address()
    if address is None or "--dry" in arguments:
        command = [sys.executable, "-m", "dvc", "repro", "--keep-going", *arguments]
        os.execv(command[0], command)  # becomes DVC, so what ends this process ends it
    use_server(address)
    from pipeline.flow.rebuild import rebuild_observed  # Prefect and DVC are slow to import

    rebuild_observed(arguments)


def _serve(cron: str | None) -> None:
    use_server(_wait_for_address())
    from pipeline.flow.rebuild import rebuild

    run = read_params().run
    defaults = {"datasets": list(run.datasets), "variants": list(run.variants), "arguments": []}
    rebuild.serve(name=SERVED, cron=cron, parameters=defaults, limit=1)


def _wait_for_address() -> str:
    """Return the server's API address as soon as it answers, as it may just be starting.

    Raises:
        InputError: no server is configured, or none answers in time.
    """
    deadline = time.monotonic() + SERVE_TIMEOUT_S
    while (address := answering_address()) is None:
        if configured_address() is None or time.monotonic() > deadline:
            raise InputError("no Prefect server answers; `make ui` starts one")
        time.sleep(1)
    return address


if __name__ == "__main__":
    main()
