"""Kill stages at random moments: `python -m tests.faults.kill --kills 54 --seed 1`.

A small world is rebuilt first (`--base` takes one that is there). Then DVC runs one stage of it at
a time, anew, and is killed: with the stage or alone, or the stage alone, by SIGKILL, SIGTERM or
Ctrl-C; half of the kills come at a random time, half just after a file has come or gone. After
each, no process may be left, and the next `dvc repro` must end at the bytes of an unbroken run,
with a DVC cache in which every file is what its name says. Exit status 1 if one does not.
"""

import argparse
import json
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import product
from pathlib import Path

from tests.end_to_end.prefect_server import Server
from tests.end_to_end.project import Project, clone
from tests.faults.killing import (
    LINKS,
    SIGNALS,
    STAGES,
    Fate,
    Kill,
    duration,
    kill_once,
    outputs,
    prepare,
)

Rows = Sequence[tuple[Kill, Fate]]


def plan_kills(
    count: int, seed: int, stages: Sequence[str], links: Sequence[str], latest: float = 1.0
) -> list[Kill]:
    """Return kills in random order, of every stage by every signal before one comes twice.

    None comes after `latest`, a share of the run.
    """
    rng = random.Random(seed)
    kills: list[Kill] = []
    while len(kills) < count:
        pairs = [*product(stages, SIGNALS)]
        rng.shuffle(pairs)
        kills += [
            Kill(stage, by, links[number % len(links)], latest * rng.random(), rng.random() < 0.5)
            for number, (stage, by) in enumerate(pairs)
        ]
    return kills[:count]


def table(rows: Rows) -> str:
    """Return the kills as Markdown: a row for each stage and kind of link, a column per signal.

    A cell `3/4` means four kills of which three ended at equal bytes.
    """
    names = [*SIGNALS]
    lines = [
        f"| stage | links | {' | '.join(names)} | mended by command | orphans |",
        f"|---|---|{'---|' * len(names)}---|---|",
    ]
    for stage, link in product(STAGES, LINKS):
        own = [(kill, fate) for kill, fate in rows if (kill.stage, kill.link) == (stage, link)]
        if own:
            cells = [_cell(own, name) for name in names]
            lines.append(f"| `{stage}` | {link} | {' | '.join(cells)} | {_sums(own)} |")
    cells = [_cell(rows, name) for name in names]
    return "\n".join([*lines, f"| all | | {' | '.join(cells)} | {_sums(rows)} |"])


def left_behind(rows: Rows) -> str:
    """Return what kills left, by place, and after how many of them."""
    places = Counter(place for _, fate in rows for place in {_place(name) for name in fate.left})
    return "\n".join(f"{count:4} {place}" for place, count in sorted(places.items()))


def _cell(rows: Rows, name: str) -> str:
    fates = [fate for kill, fate in rows if kill.signal == name]
    return f"{sum(fate.equal for fate in fates)}/{len(fates)}" if fates else ""


def _sums(rows: Rows) -> str:
    mended = sum(fate.mended for _, fate in rows)
    return f"{mended} | {sum(len(fate.orphans) for _, fate in rows)}"


def _place(name: str) -> str:
    """Return a file's name without what differs from run to run."""
    return re.sub(r"[0-9a-f]{8,}", "*", name)


@contextmanager
def _world(base: Path | None, links: Sequence[str]) -> Iterator[dict[str, Project]]:
    """Yield a rebuilt project for each kind of link."""
    with tempfile.TemporaryDirectory(prefix="kill-") as folder:
        if base is None:
            base = Path(folder) / "base" / "project"
            base.mkdir(parents=True)
            done = clone(base).repro()
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        yield {link: prepare(base, Path(folder) / link / "project", link) for link in links}


@contextmanager
def _watching(prefect: bool) -> Iterator[Mapping[str, str]]:
    """Yield the variables that make a Prefect server watch, or none."""
    if not prefect:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="kill-prefect-") as home:
        server = Server.started(Path(home))
        try:
            yield server.variables()
        finally:
            server.kill()


def run(options: argparse.Namespace) -> list[tuple[Kill, Fate]]:
    """Do the kills, print each, and return them."""
    rows: list[tuple[Kill, Fate]] = []
    links, stages = options.links.split(","), options.stages.split(",")
    with _watching(options.prefect) as variables, _world(options.base, links) as projects:
        whole = outputs(projects[links[0]])
        seconds: dict[str, float] = {}
        kills = plan_kills(options.kills, options.seed, stages, links, options.latest)
        for number, kill in enumerate(kills, start=1):
            project = projects[kill.link]
            if kill.stage not in seconds:
                seconds[kill.stage] = duration(project, kill.stage, variables)
            fate = kill_once(project, kill, whole, seconds[kill.stage], variables)
            rows.append((kill, fate))
            _say(f"{number}/{len(kills)} {kill}: {fate}", options.keep, (kill, fate))
            if not fate.equal:
                base = next(one for one in projects.values() if outputs(one) == whole)
                shutil.rmtree(project.folder)
                prepare(base.folder, project.folder, kill.link)
    return rows


def _say(line: str, keep: Path | None, row: tuple[Kill, Fate]) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    if keep is not None:
        with keep.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps([asdict(one) for one in row]) + "\n")


def main() -> None:
    """Read the command line, kill, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=54, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="of the order and the moments")
    parser.add_argument("--stages", default=",".join(STAGES), help="some of them")
    parser.add_argument(
        "--latest", type=float, default=1.0, help="share of a run, when it may come"
    )
    parser.add_argument("--links", default=",".join(LINKS), help="kinds of link to DVC's cache")
    parser.add_argument("--prefect", action="store_true", help="let a Prefect server watch")
    parser.add_argument("--base", type=Path, help="a rebuilt project, which is copied")
    parser.add_argument("--keep", type=Path, help="file to which each kill is added as a JSON line")
    options = parser.parse_args()
    rows = run(options)
    left = f"left behind, after so many kills:\n{left_behind(rows)}"
    sys.stdout.write(f"\n{table(rows)}\n\n{left}\n")
    raise SystemExit(int(not all(fate.equal and not fate.orphans for _, fate in rows)))


if __name__ == "__main__":
    main()
