"""A training in two processes, with the environment that torchrun gives each."""

import multiprocessing
import os
import socket
import sys

from pipeline.errors import InputError
from stages import train


def train_in_two(folder):
    """Train in a folder; return the exit status of each process, and the message of each error."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")  # imports nothing again
    messages = context.SimpleQueue()
    processes = [
        context.Process(target=_train, args=(folder, rank, port, messages)) for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
        process.kill()
    said = []
    while not messages.empty():
        said.append(messages.get())
    return [process.exitcode for process in processes], said


def _train(folder, rank, port, messages):
    os.chdir(folder)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "PIPELINE_NPROC": "2",
    }
    sys.argv = ["stages.train", "shapes", "full"]
    try:
        train.main()
    except InputError as error:
        messages.put(str(error))
        raise
