"""The sections of a report on the origin of the results: nouns, weights, training, params."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.reporting.charts import curves_png
from pipeline.reporting.document import Paragraph, Picture, Section, Table

LISTED = 5  # entries of a list that are shown
STEP_COLUMNS = ("step", "epoch")


def nouns_section(nouns: Mapping[str, Any]) -> Section:
    """Return the section on how well the noun head does, and which nouns have no class."""
    text = "How far the head that gives the nouns of training phrases a class covers them:"
    return Section("Nouns", [Paragraph(text), Table(("nouns", "value"), flat_rows(nouns))])


def weights_section(manifest: Mapping[str, Any], origin: Mapping[str, Any]) -> Section:
    """Return the section on origin, licence and training set of every pre-trained part.

    Args:
        manifest: of the weights stage.
        origin: `provenance` of `evaluation.json`.
    """
    columns = ("part", "training set", "licence", "source", "sha256")
    keys = ("training_set", "licence", "source", "sha256")
    rows = [
        [part, *(str(entry.get(key, "")) or "unknown" for key in keys)]
        for part, entry in sorted(manifest.items())
    ]
    note = Paragraph(origin["leakage"], warning=origin["leakage_possible"])
    return Section("Weights", [note, Table(columns, rows)])


def read_curves(content: str) -> tuple[str, dict[str, list[tuple[float, float]]]]:
    """Return what the numeric columns of `curves.csv` run over, and their points (step, value)."""
    rows = list(csv.DictReader(io.StringIO(content)))
    columns = list(rows[0]) if rows else []
    over = next((name for name in STEP_COLUMNS if name in columns), "")
    curves = {
        name: [(float(row[over]), float(row[name])) for row in rows if row[name]]
        for name in columns
        if over and name not in STEP_COLUMNS and all(_is_number(row[name]) for row in rows)
    }
    return over, {name: points for name, points in curves.items() if points}


def curves_section(content: str) -> Section:
    """Return the section that draws every numeric column of `curves.csv` over the steps."""
    over, curves = read_curves(content)
    if not curves:
        return Section("Training", [Paragraph("The train stage left no curves.")])
    caption = "What the train stage logged."
    return Section("Training", [Picture("curves.png", curves_png(curves, over), caption)])


def params_section(params: Mapping[str, Any]) -> Section:
    """Return the section of every parameter, as the variant has it."""
    return Section("Parameters", [Table(("parameter", "value"), flat_rows(params))])


def flat_rows(values: Mapping[str, Any], parent: str = "") -> list[list[str]]:
    """Return (dotted key, value) of nested mappings; of a long list, its length and first entries.

    A list of mappings counts as a list of values.
    """
    rows = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            rows += flat_rows(value, f"{parent}{key}.")
        else:
            rows.append([f"{parent}{key}", _shown(value)])
    return rows


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "none"
    if not isinstance(value, list | tuple):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return _listed(value)


def _listed(values: Sequence[Any]) -> str:
    shown = ", ".join(
        json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else str(value)
        for value in values[:LISTED]
    )
    if len(values) > LISTED:
        return f"{len(values)}: {shown}, ..."
    return shown or "none"


def _is_number(text: str | None) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True
