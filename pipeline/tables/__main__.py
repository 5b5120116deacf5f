"""Print the accuracies of every dataset and model that `run` names, and where the reports lie.

`python -m pipeline.tables` also writes `results/report.html` and `.md`: the paper's tables filled
in with these, models asked on other datasets, the time of each stage; and `results/tables/`, each
table as CSV and LaTeX. They compare variants, so no stage of one variant can make them
(docs/decisions/0007).
"""

import shutil
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from models.given_files.foreign_values import is_finite_number
from models.given_files.impostors import one_line
from models.given_files.json_files import read_json_value
from pipeline.caching.atomic import whole_file
from pipeline.errors import InputError
from pipeline.params.read import read_params, train_params
from pipeline.params.reader import ParamsError
from pipeline.params.schema import Params
from pipeline.paths import ResultFiles
from pipeline.reporting.document import Section, to_html, to_markdown
from pipeline.tables.ablation_tables import FULL, ablation_sections, read_rows
from pipeline.tables.comparison_tables import comparison_sections
from pipeline.tables.runs import Runs, models_of, seed_siblings, shown
from pipeline.tables.stage_times import times_section
from pipeline.tables.table_files import tables_of, to_csv, to_latex
from pipeline.tables.transfer_table import Asked, transfer_section

RESULTS = Path("results")
TITLE = "Results"
SUBTITLE = "What was run, in the tables of the paper, and beside its figures"
COLUMNS = ("reg", "proposal", "refined", "prior", "largest_label_match", "oracle_whole_image")


def main() -> None:
    """Print one row per dataset, split and model; end with status 1 if there is none."""
    try:
        params = read_params()
        rows = [row for files in result_files(params) for row in result_rows(files)]
    except (InputError, ParamsError) as error:
        sys.exit(f"error: {error}")
    if not rows:
        sys.exit("error: results/ holds nothing that `run` names; `dvc repro` makes it")
    sys.stdout.write(aligned([("dataset", "model", "split", "n", *COLUMNS), *rows]))
    sys.stdout.write("\nhits in % of phrases, with half the width of the 95 % interval\n")
    write_tables(collect_sections(params))
    sys.stdout.write(f"tables: {RESULTS / 'report.html'}\n")
    for dataset, model in dict.fromkeys((dataset, model) for dataset, model, *_ in rows):
        sys.stdout.write(f"report: {RESULTS / dataset / model / 'report' / 'report.html'}\n")


def result_files(params: Params) -> list[ResultFiles]:
    """Return where the results of everything lie that `run` names, models on targets last."""
    run = params.run
    own = [ResultFiles(*names) for names in product(run.datasets, run.variants)]
    asked = product(run.targets, run.variants, run.datasets)
    return [*own, *(ResultFiles(*names) for names in asked)]


def result_rows(files: ResultFiles) -> Iterator[tuple[str, ...]]:
    """Yield one row of texts per split; none if nothing was evaluated.

    Raises:
        InputError: evaluation.json is not what the evaluate stage writes.
    """
    evaluation = read_evaluation(files)
    for split, metrics in sorted(evaluation.get("splits", {}).items()):
        methods = metrics["methods"]
        cells = [shown([methods[name]] if name in methods else []) for name in COLUMNS]
        yield (files.dataset, files.model_name, split, str(metrics["phrases"]), *cells)


def read_evaluation(files: ResultFiles) -> dict[str, Any]:
    """Return what the evaluate stage wrote; nothing if it has not run.

    Raises:
        InputError: evaluation.json is not what the evaluate stage writes.
    """
    if not files.evaluation.is_file():
        return {}
    try:
        evaluation: dict[str, Any] = read_json_value(files.evaluation)
        _check_evaluation(evaluation)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _foreign(files, error) from error
    return evaluation


def _check_evaluation(evaluation: dict[str, Any]) -> None:
    """Check what the tables show.

    Raises:
        ValueError: a number is none.
        Exception: a `KeyError`, `TypeError` or `AttributeError`: a key or a mapping is missing.
    """
    numbers = [evaluation["provenance"]["seed"]]
    for split in evaluation["splits"].values():
        numbers.append(split["phrases"])
        for row in split["methods"].values():
            numbers += [row[name] for name in ("accuracy", "low", "high")]
    if not all(map(is_finite_number, numbers)):
        raise ValueError("a count, a share or the seed is no finite number")


def collect_sections(params: Params) -> list[Section]:
    """Return the paper's tables, models on other datasets, and times, of what `run` names."""
    every_run = [_runs(params, dataset, "") for dataset in params.run.datasets]
    ablated = {row["variant"] for row in read_rows()} - {FULL}
    models = [name for name in models_of(params) if name not in ablated]
    sections = comparison_sections(every_run, models)
    depth = train_params(params, FULL).model.depth if FULL in params.variants else ""
    for runs in every_run:
        sections += ablation_sections(runs, depth)
    if params.run.targets:
        asked = [Asked(runs.dataset, runs) for runs in every_run]
        pairs = product(params.run.datasets, params.run.targets)
        asked += [Asked(own, _runs(params, target, own)) for own, target in pairs]
        sections.append(transfer_section(asked, models_of(params)))
    times = times_section(_stage_names(params))
    return [*sections, *([times] if times else [])]


def write_tables(sections: Sequence[Section]) -> None:
    """Write the sections as HTML and Markdown, and each table as CSV and LaTeX."""
    for suffix, write in ((".html", to_html), (".md", to_markdown)):
        _write((RESULTS / "report").with_suffix(suffix), write(TITLE, SUBTITLE, sections))
    shutil.rmtree(RESULTS / "tables", ignore_errors=True)  # perhaps of datasets that go unnamed now
    for name, table in tables_of(sections).items():
        _write(RESULTS / "tables" / f"{name}.csv", to_csv(table))
        _write(RESULTS / "tables" / f"{name}.tex", to_latex(table))


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines whose columns have one width each."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines) + "\n"


def _runs(params: Params, dataset: str, trained_on: str) -> Runs:
    files = [ResultFiles(dataset, variant, trained_on) for variant in params.run.variants]
    metrics = {one.variant: read_evaluation(one) for one in files if one.evaluation.is_file()}
    return Runs(dataset, params.datasets[dataset], metrics, seed_siblings(params))


def _stage_names(params: Params) -> list[str]:
    """Return what the stages of a rebuild are of, as their names say it behind the `@`."""
    run = params.run
    parts = [
        *((dataset,) for dataset in (*run.datasets, *run.targets)),
        *product(run.datasets, run.variants),
        *product(run.datasets, run.targets),
        *product(run.datasets, run.targets, run.variants),
    ]
    return ["-".join(names) for names in parts]


def _foreign(files: ResultFiles, error: Exception) -> InputError:
    return InputError(
        f"{files.evaluation}: is not what the evaluate stage writes ({one_line(error)}); "
        f"`dvc repro evaluate` makes it anew"
    )


def _write(path: Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
