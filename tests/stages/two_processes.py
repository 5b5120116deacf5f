"""A training in two processes, with the environment that torchrun gives each."""

import multiprocessing
import os
import socket
import sys
import time

from pipeline.errors import InputError
from stages import train


def train_in_two(folder, is_to_be_killed=None):
    """Train in a folder; return the exit status of each process, and the message of each error.

    Args:
        folder: with a world.
        is_to_be_killed: function that is asked all the time; both are killed when it is true.
    """
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
    while is_to_be_killed is not None and processes[0].is_alive():
        if is_to_be_killed():
            for process in processes:
                process.kill()
            break
        time.sleep(0.005)
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
