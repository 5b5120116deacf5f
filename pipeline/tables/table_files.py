r"""A table as CSV and as LaTeX.

The LaTeX is a `tabular` with the rules of booktabs, to be read by `\input`.
"""

import csv
import io
import re
from collections.abc import Sequence

from pipeline.reporting.document import Section, Table

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def to_csv(table: Table) -> str:
    """Return a table as CSV, the names of its columns first."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([table.columns, *table.rows])
    return stream.getvalue()


def to_latex(table: Table) -> str:
    """Return a table as LaTeX; rows that stand out are bold."""
    lines = [
        rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
        r"\toprule",
        _line(table.columns),
        r"\midrule",
    ]
    for number, row in enumerate(table.rows):
        lines.append(_line(row, number in table.strong))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def tables_of(sections: Sequence[Section]) -> dict[str, Table]:
    """Return the table of every section that has one, by the section's title as a file name."""
    return {
        re.sub(r"[^a-z0-9]+", "_", section.title.lower()).strip("_"): block
        for section in sections
        for block in section.blocks
        if isinstance(block, Table)
    }


def _line(cells: Sequence[str], is_strong: bool = False) -> str:
    texts = [_escaped(cell) for cell in cells]
    shown = [rf"\textbf{{{text}}}" if is_strong and text else text for text in texts]
    return " & ".join(shown) + r" \\"


def _escaped(text: str) -> str:
    escaped = "".join(_LATEX.get(character, character) for character in " ".join(text.split()))
    return escaped.replace("+-", r"$\pm$")
