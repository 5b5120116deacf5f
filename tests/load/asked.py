"""Ask the demo page many times at once: `python -m tests.load.asked --requests 50 --rounds 10`.

`--model` names a trained model; without it a small one that was never trained is made, in a minute.
Each request has a picture of its own. All are asked one after the other, then all at once, in
rounds. It prints for each round the seconds, the longest wait for the page itself meanwhile, and
the server's memory and threads. Exit status 1 if an answer is lost or differs from the single one.
"""

import argparse
import base64
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.cached_world import ROOT

PHRASES = ["the red dog", "the dog on the cup", "left one !"]
MIB = 2**20


@dataclass(frozen=True)
class Round:
    """What happened while all requests were asked at once.

    Attributes:
        answers: what was answered, in the order of the requests.
        seconds: until the last answer.
        page_s: the longest that the page itself took meanwhile.
        rss_mib: memory of the server's process after it.
        threads: most threads of the server's process.
    """

    answers: list[dict]
    seconds: float
    page_s: float
    rss_mib: float
    threads: int


def bodies(count: int, image_hw: tuple[int, int]) -> list[bytes]:
    """Return requests, each with a blurred random picture of its own."""
    rng = np.random.default_rng(0)
    return [_body(rng.integers(0, 256, (7, 5, 3)).astype(np.uint8), image_hw) for _ in range(count)]


def _body(pixels: np.ndarray, image_hw: tuple[int, int]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).resize(image_hw[::-1], Image.Resampling.BICUBIC).save(stream, "PNG")
    picture = base64.b64encode(stream.getvalue()).decode()
    return json.dumps({"picture": picture, "phrases": PHRASES}).encode()


def ask(address: str, body: bytes) -> dict:
    """Return the answer to one request."""
    request = urllib.request.Request(
        f"{address}/ground", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.loads(answer.read())


def ask_all(address: str, process: psutil.Process, requests: Sequence[bytes]) -> Round:
    """Ask all requests at once, and for the page again and again until all are answered."""
    page_s, threads, started = 0.0, 0, time.monotonic()
    with ThreadPoolExecutor(len(requests)) as pool:
        asked = [pool.submit(ask, address, body) for body in requests]
        while not all(one.done() for one in asked):
            before = time.monotonic()
            urllib.request.urlopen(address, timeout=600).close()
            page_s = max(page_s, time.monotonic() - before)
            threads = max(threads, process.num_threads())
            time.sleep(0.05)
        answers = [one.result() for one in asked]
    seconds = time.monotonic() - started
    return Round(answers, seconds, page_s, process.memory_info().rss / MIB, threads)


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[tuple[str, psutil.Process]]:
    """Serve a model of a project's folder; the address and the server's process."""
    command = [sys.executable, "-m", "camground", "demo", *arguments, "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        yield (
            re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0],
            psutil.Process(process.pid),
        )
        process.terminate()


@contextmanager
def small_model() -> Iterator[Path]:
    """Make a project with a small model in a temporary folder."""
    from tests.served_world import write_served_world

    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.chdir(name)
        patch.setenv("DVC_ROOT", name)
        write_served_world(Path(name))
        yield Path(name)


def main() -> None:
    """Ask, and print what happened."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--model", type=Path, help="results/<dataset>/<variant>")
    given = parser.parse_args()
    requests = bodies(given.requests, (480, 640))
    if given.model:
        with serving(Path(), str(given.model)) as (address, process):
            sys.exit(_rounds(address, process, requests, given.rounds))
    with small_model() as folder, serving(folder) as (address, process):
        sys.exit(_rounds(address, process, requests, given.rounds))


def _rounds(
    address: str, process: psutil.Process, requests: Sequence[bytes], num_rounds: int
) -> int:
    started = time.monotonic()
    single = [ask(address, body) for body in requests]
    rss = process.memory_info().rss / MIB
    print(f"one after the other: {time.monotonic() - started:.1f} s, {rss:.0f} MiB")
    wrong = 0
    for number in range(num_rounds):
        one = ask_all(address, process, requests)
        wrong += sum(got != wanted for got, wanted in zip(one.answers, single, strict=True))
        print(
            f"round {number + 1}: {one.seconds:.1f} s, page {one.page_s:.2f} s, "
            f"{one.rss_mib:.0f} MiB, {one.threads} threads, {wrong} other answers so far",
            flush=True,
        )
    return int(wrong > 0)


if __name__ == "__main__":
    main()
