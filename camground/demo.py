"""Try a trained model in the browser, on this machine: `camground demo`.

The page takes a picture and phrases and shows boxes, heat maps, and what speaks for each proposal.
It listens on 127.0.0.1 alone and asks no other machine for anything. Ctrl-C ends it.
"""

import argparse
import logging
import socket
import sys
from pathlib import Path
from typing import get_args

import uvicorn

from pipeline.demo.app import build_app
from pipeline.demo.examples import find_examples
from pipeline.errors import InputError
from pipeline.freed_memory import keep_freed_memory
from pipeline.params.schema import Device
from pipeline.serving.model_folder import model_name, newest_model
from pipeline.serving.phrase_grounder import PhraseGrounder

HOST, PORT = "127.0.0.1", 7860
MOST_OPEN = 100  # connections; more are told that the page is busy
GRACE_S = 5  # for answers under way when Ctrl-C comes


def main() -> None:
    """Serve the page of the model that the command line names."""
    options = _parser().parse_args()
    logging.basicConfig(level=logging.WARNING)
    keep_freed_memory()
    model = options.model or newest_model(Path())
    with _listen(options.port) as listener:
        app = build_app(
            PhraseGrounder.load(model, options.device), model_name(model), find_examples(model)
        )
        sys.stdout.write(f"{model}: http://{HOST}:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        config = uvicorn.Config(
            app,
            log_level="warning",
            limit_concurrency=MOST_OPEN,
            timeout_graceful_shutdown=GRACE_S,
        )
        uvicorn.Server(config).run(sockets=[listener])


def _listen(port: int) -> socket.socket:
    """Return a socket at a port of this machine; 0 means any that is free.

    Raises:
        InputError: the port is taken or not allowed.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise InputError(f"--port {port}: {error}; name another") from error
    return listener


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "model",
        nargs="?",
        type=Path,
        help="results/<dataset>/<variant>, or a folder of `camground pack`; the newest by default",
    )
    parser.add_argument("--port", type=int, default=PORT, help="default: %(default)s; 0: any")
    parser.add_argument("--device", choices=get_args(Device), help="default: params.yaml's")
    return parser


if __name__ == "__main__":
    main()
