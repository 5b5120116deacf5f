"""The project's speed against named peers: `make bench`, or `python -m benchmarks`.

Every row is a ratio taken in one run, with ours and the peer in turns. `--only NAME[,NAME]` takes
some groups of rows; each runs in a process of its own. No row needs a network or a file that is
not made here: networks have random weights, or were trained for seconds, which changes nothing in
what their arithmetic costs.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch

from benchmarks.groups import GROUPS, measure_group
from benchmarks.ratios.machine import describe_machine
from benchmarks.ratios.row import Row
from benchmarks.ratios.table import as_json, as_markdown, as_text, digits
from models.given_files.json_files import write_json

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # read as NumPy is imported


def group_names(text: str) -> list[str]:
    """Return the names in a list with commas, all for an empty one.

    Raises:
        argparse.ArgumentTypeError: there is no such group.
    """
    names = text.split(",") if text else list(GROUPS)
    unknown = sorted(set(names) - set(GROUPS))
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(GROUPS)}")
    return names


def main() -> None:
    """Measure the groups one after the other and print the table."""
    parser = argparse.ArgumentParser(
        prog="benchmarks", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--only",
        type=group_names,
        default=list(GROUPS),
        metavar="NAME[,NAME]",
        help=f"of {', '.join(GROUPS)}; default: all",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every round there")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    given = parser.parse_args()
    torch.set_num_threads(1)
    os.environ |= ONE_THREAD
    machine, rows = describe_machine(), list[Row]()
    for name in given.only:
        started = time.monotonic()
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            measured = process.submit(measure_group, name).result()
        found = ", ".join(f"{row.name} {digits(row.middle)}" for row in measured)
        sys.stderr.write(f"{found}; {time.monotonic() - started:.0f} s\n")
        rows += measured
        if given.json:  # what was measured stays if the run is cut off
            write_json(given.json, as_json(rows, machine), indent=1)
    print(as_markdown(rows, machine) if given.markdown else as_text(rows, machine))


if __name__ == "__main__":
    main()
