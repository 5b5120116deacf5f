"""Print the accuracies of every dataset and variant that `run` names, and where the reports lie.

`python -m pipeline.reporting.results` also writes `results/report.html` and `.md`: the ablation
tables filled in with these. They compare variants, so no stage of one variant can make them
(docs/decisions/0007).
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.caching.atomic import whole_file
from pipeline.errors import InputError
from pipeline.params.read import read_params, train_params
from pipeline.params.reader import ParamsError
from pipeline.params.schema import Params
from pipeline.paths import ResultFiles
from pipeline.reporting.document import Section, to_html, to_markdown
from pipeline.reporting.paper_tables import FULL, Runs, accuracy, table_sections

TABLES = Path("results") / "report"
TITLE = "The paper's Tables 3 to 6"
SUBTITLE = "Every row is a variant that differs from the variant full in one parameter"
COLUMNS = ("reg", "proposal", "refined", "prior", "largest_label_match", "oracle_whole_image")


def main() -> None:
    """Print one row per dataset, split and variant; end with status 1 if there is none."""
    try:
        params = read_params()
        rows = [
            row
            for dataset in params.run.datasets
            for variant in params.run.variants
            for row in result_rows(ResultFiles(dataset, variant))
        ]
    except (InputError, ParamsError) as error:
        sys.exit(f"error: {error}")
    if not rows:
        sys.exit("error: results/ holds nothing that `run` names; `dvc repro` makes it")
    sys.stdout.write(aligned([("dataset", "variant", "split", "n", *COLUMNS), *rows]))
    sys.stdout.write("\nhits in % of phrases, with half the width of the 95 % interval\n")
    write_tables(params)
    sys.stdout.write(f"tables: {TABLES.with_suffix('.html')}\n")
    for report in dict.fromkeys((dataset, variant) for dataset, variant, *_ in rows):
        sys.stdout.write(f"report: {ResultFiles(*report).report / 'report.html'}\n")


def result_rows(files: ResultFiles) -> Iterator[tuple[str, ...]]:
    """Yield one row of texts per split; none if nothing was evaluated.

    Raises:
        InputError: evaluation.json is not what the evaluate stage writes.
    """
    if not files.evaluation.is_file():
        return
    try:
        splits = json.loads(files.evaluation.read_text(encoding="utf-8"))["splits"]
        for split, metrics in sorted(splits.items()):
            cells = [accuracy(metrics["methods"].get(name)) for name in COLUMNS]
            yield (files.dataset, files.variant, split, str(metrics["phrases"]), *cells)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{files.evaluation}: is not what the evaluate stage writes ({error!r}); "
            f"`dvc repro evaluate` makes it anew"
        ) from error


def write_tables(params: Params) -> None:
    """Write the paper's tables, filled in with what `run` names, as HTML and Markdown."""
    sections: list[Section] = []
    for dataset in params.run.datasets:
        files = [ResultFiles(dataset, variant) for variant in params.run.variants]
        metrics = {
            one.variant: json.loads(one.evaluation.read_text(encoding="utf-8"))
            for one in files
            if one.evaluation.is_file()
        }
        depth = train_params(params, FULL).model.depth if FULL in params.variants else ""
        sections += table_sections(Runs(dataset, metrics, depth))
    for suffix, write in ((".html", to_html), (".md", to_markdown)):
        with whole_file(TABLES.with_suffix(suffix)) as partial:
            partial.write_text(write(TITLE, SUBTITLE, sections), encoding="utf-8")


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines whose columns have one width each."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
