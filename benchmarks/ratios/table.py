"""The table of rows as text, as Markdown and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.ratios.row import Row

HEADINGS = ("row", "what", "against", "ratio", "interval", "mark", "met", "by", "equal to")
_READING = (
    "A ratio is the median over rounds in which both took turns; its interval is the least and the "
    "largest round. Of a mark `>=` it is the peer's time over ours, of `<=` ours over the limit's."
)


def cells_of(row: Row) -> tuple[str, ...]:
    """Return the texts of a row, in the order of `HEADINGS`."""
    low, high = row.interval
    return (
        row.name,
        row.ours,
        row.against,
        digits(row.middle),
        f"{digits(low)} to {digits(high)}, n = {len(row.ratios)}",
        str(row.mark),
        "yes" if row.is_met else "no",
        row.clock,
        "" if row.difference is None else f"{row.difference:.0e}",
    )


def digits(ratio: float) -> str:
    """Return a ratio with three digits that count, and none after the point from 100 on."""
    return f"{ratio:.0f}" if ratio >= 99.5 else f"{ratio:.3g}"


def as_text(rows: Sequence[Row], machine: Mapping[str, str]) -> str:
    """Return the table for a console: a line for what was found, one for what it means."""
    lines = [_heading(machine), _READING, ""]
    table = [HEADINGS, *map(cells_of, rows)]
    kept = [HEADINGS.index(name) for name in ("row", "ratio", "interval", "mark", "met", "by")]
    widths = {column: max(len(line[column]) for line in table) for column in kept}
    lines += [
        "  ".join(line[column].ljust(widths[column]) for column in kept).rstrip() for line in table
    ]
    return "\n".join([*lines, "", *(f"{row.name}: {_sentence(row)}" for row in rows)])


def as_markdown(rows: Sequence[Row], machine: Mapping[str, str]) -> str:
    """Return the table for a document, with its notes below."""
    table = [HEADINGS, tuple("---" for _ in HEADINGS), *map(cells_of, rows)]
    lines = [_heading(machine), "", _READING, ""]
    lines += ["| " + " | ".join(cell or " " for cell in line) + " |" for line in table]
    notes = [f"- `{row.name}`: {row.note}." for row in rows if row.note]
    return "\n".join([*lines, "", *notes])


def as_json(rows: Sequence[Row], machine: Mapping[str, str]) -> dict[str, Any]:
    """Return machine and rows, with every round, as what JSON can hold."""
    return {
        "machine": dict(machine),
        "rows": [
            asdict(row) | {"median": row.middle, "interval": row.interval, "is_met": row.is_met}
            for row in rows
        ],
    }


def _heading(machine: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in machine.items())


def _sentence(row: Row) -> str:
    equal = (
        "" if row.difference is None else f" The outputs differ by {row.difference:.0e} at most."
    )
    note = f" {row.note[0].upper()}{row.note[1:]}." if row.note else ""
    return f"{row.ours}, against {row.against}.{note}{equal}"
