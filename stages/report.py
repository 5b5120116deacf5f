"""Stage `report`: what a person looks at, in one HTML file that needs no other.

reads   evaluation.json, predictions.jsonl, curves.csv; annotations/ (images.jsonl, summary.json),
        noun_head/summary.json, cams_coverage.json, weights/manifest.json; images of shown phrases
writes  report/report.html, report/report.md, report/pictures/, report/data.json; plots/
params  report
"""

import csv
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.given_files.impostors import cause_of, one_line
from models.given_files.json_files import parse_writable_json, write_json
from models.given_files.text_files import read_text, split_lines
from pipeline.caching.atomic import whole_file
from pipeline.caching.fingerprint import fingerprint
from pipeline.command_line import stage_call
from pipeline.errors import InputError
from pipeline.images.images import read_image
from pipeline.observe.observer import Observer
from pipeline.params.read import train_params
from pipeline.params.schema import Params, ReportParams
from pipeline.paths import DatasetFiles, ResultFiles
from pipeline.records import ImageRecord, read_records
from pipeline.reporting.data_section import collect_data, data_section
from pipeline.reporting.document import (
    Card,
    Paragraph,
    Picture,
    Section,
    checked,
    pictures_of,
    to_html,
    to_markdown,
)
from pipeline.reporting.origin_sections import (
    curves_section,
    nouns_section,
    params_section,
    weights_section,
)
from pipeline.reporting.pictures import choose_rows, draw_boxes, draw_map
from pipeline.reporting.plots import plots
from pipeline.reporting.result_sections import (
    confidence,
    differences,
    groups,
    headline,
    results,
)

Row = Mapping[str, Any]
_FOREIGN = (  # what building a section of a foreign file raises
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    csv.Error,
)
FILTERS = {
    "kind": "kind",
    "words": "words",
    "fitting_proposals": "proposals that fit",
    "cam": "heat map",
    "direction": "direction word",
}
COMPARED = ("proposal", "prior", "largest_label_match", "cam_box")
LEGEND = (
    "Drawn by lot, hits and misses in equal numbers as far as there are any. Green: annotated; "
    "orange: REG box; blue: the model's best proposal. Maps: blue is 0, yellow is 1; before "
    "training it is the head noun's Grad-CAM, after it what the CAM encoder has made of that, by "
    "attention mining where the variant has it."
)
CAPTIONS = {"raw": "heat map before training", "learned": "heat map after training"}


@dataclass(frozen=True)
class ReportInputs:
    """Where the report finds what it shows."""

    files: DatasetFiles
    results: ResultFiles
    image_folder: Path


def compute_cards(rows: Sequence[Row], paths: Mapping[str, Path], iou: float) -> list[Card]:
    """Return one card per row of predictions; `paths` leads to the images by id."""
    return [_card(number, row, paths[row["image_id"]], iou) for number, row in enumerate(rows, 1)]


def run(
    inputs: ReportInputs, params: ReportParams, shown_params: Mapping[str, Any], observer: Observer
) -> None:
    """Write the report of one dataset and variant.

    Raises:
        InputError: a file is missing or is not what its stage writes.
    """
    metrics = _read_json(inputs.results.evaluation)
    stamp = fingerprint(Path(__file__), params, [inputs.results.evaluation])
    observer.fact("fingerprint", stamp)
    results, data = _results(inputs, params, metrics, observer), _collect_data(inputs, metrics)
    title = f"{inputs.results.dataset}, {inputs.results.model_name}"
    sections = [*results, *_data_sections(inputs, data)]
    sections += _origin_sections(inputs, metrics, shown_params)
    subtitle = "Weakly supervised phrase grounding: accuracy, baselines, pictures, origin"
    pictures = pictures_of(sections)
    html, markdown = (write(title, subtitle, sections) for write in (to_html, to_markdown))
    pages = {"report.html": html.encode(), "report.md": markdown.encode()}
    shutil.rmtree(inputs.results.report, ignore_errors=True)  # an output as a whole
    for picture in pictures:
        _write(inputs.results.report / "pictures" / picture.name, picture.content)
    with whole_file(inputs.results.report / "data.json") as partial:
        write_json(partial, data, indent=1, sort_keys=True)
    for name, content in pages.items():
        _write(inputs.results.report / name, content)
    _write_plots(inputs.results, metrics["splits"])
    for picture in (picture for picture in pictures if picture.name.endswith(".png")):
        observer.image(picture.name.partition(".")[0], picture.content, picture.caption)
    files = [(f"pictures/{picture.name}", picture.content) for picture in pictures]
    observer.markdown("report", to_markdown(title, subtitle, results), files)
    observer.log(f"open {(inputs.results.report / 'report.html').resolve()}")


@contextmanager
def _made_by_stages(*paths: Path) -> Iterator[None]:
    """Raise an `InputError` that names files which are not what their stages write."""
    try:
        yield
    except InputError:
        raise
    except _FOREIGN as error:
        names = " or ".join(map(str, paths))
        raise InputError(
            f"{names}: is not what its stage writes: {one_line(error)}; `dvc repro` makes it anew"
        ) from error


def _results(
    inputs: ReportInputs, params: ReportParams, metrics: Row, observer: Observer
) -> list[Section]:
    """Return what begins the report: accuracies and pictures."""
    with _made_by_stages(inputs.results.evaluation):
        sections = checked(_result_sections(metrics))
    tables = inputs.results.predictions, inputs.results.evaluation, inputs.files.images
    with _made_by_stages(*tables):
        return [*sections, *checked(_gallery(inputs, params, metrics, observer))]


def _collect_data(inputs: ReportInputs, metrics: Row) -> dict[str, Any]:
    """Return what is known of the data set, the content of `data.json`."""
    summary, coverage = inputs.files.annotations / "summary.json", inputs.files.cams_coverage
    with _made_by_stages(summary, coverage, inputs.results.evaluation):
        return collect_data(_read_json(summary), _read_json(coverage), metrics["splits"])


def _data_sections(inputs: ReportInputs, data: Mapping[str, Any]) -> list[Section]:
    nouns, summary = (
        inputs.files.noun_head / "summary.json",
        inputs.files.annotations / "summary.json",
    )
    with _made_by_stages(summary, inputs.files.cams_coverage):
        sections = checked([data_section(data)])
    with _made_by_stages(nouns):
        return [*sections, *checked([nouns_section(_read_json(nouns))])]


def _result_sections(metrics: Row) -> list[Section]:
    return [
        part(split, values)
        for split, values in sorted(metrics["splits"].items())
        for part in (headline, results, differences, groups, confidence)
    ]


def _origin_sections(inputs: ReportInputs, metrics: Row, shown: Mapping[str, Any]) -> list[Section]:
    files, origin = inputs.files, metrics["provenance"]
    manifest, curves = files.weights / "manifest.json", inputs.results.curves
    with _made_by_stages(curves):
        sections = checked([curves_section(_read_text(curves))])
    with _made_by_stages(manifest, inputs.results.evaluation):
        weights = weights_section(_read_json(manifest), origin)
        stamp = {"fingerprint of the results": origin["fingerprint"]}
        return [*sections, *checked([weights, params_section({**shown, **stamp})])]


def _gallery(
    inputs: ReportInputs, params: ReportParams, metrics: Row, observer: Observer
) -> list[Section]:
    lines = split_lines(_read_text(inputs.results.predictions))
    kept = [row for row in map(parse_writable_json, lines) if "attention" in row]
    iou = metrics["provenance"]["iou"]
    chosen = choose_rows(kept, params.pictures, "reg", iou, params.seed)
    images = read_records(inputs.files.images, ImageRecord)
    paths = {image.image_id: inputs.image_folder / image.file for image in images}
    observer.log(f"draws {len(chosen)} of {len(kept)} phrases")
    cards = compute_cards(chosen, paths, iou)
    return [Section("Pictures", [Paragraph(LEGEND), cards])] if cards else []


def _card(number: int, row: Row, path: Path, iou: float) -> Card:
    image = read_image(path)
    reg_iou = row["iou"]["reg"]
    boxes = {"gt": row["gt_boxes_xyxy"]} | {
        name: [row["boxes_xyxy"][name]] for name in ("reg", "proposal") if name in row["boxes_xyxy"]
    }
    panels = [Picture(f"{number:03d}_boxes.jpg", draw_boxes(image, boxes), "boxes")]
    for name, caption in CAPTIONS.items():
        if name in row["attention"]:
            heights = np.array(row["attention"][name], np.float32)
            panels.append(Picture(f"{number:03d}_{name}.jpg", draw_map(image, heights), caption))
    others = ", ".join(f"{name} {row['iou'][name]:.2f}" for name in COMPARED if name in row["iou"])
    return Card(
        title=row["phrase"],
        badge=f"{'hit' if reg_iou >= iou else 'miss'}, IoU {reg_iou:.2f}",
        good=reg_iou >= iou,
        text=f"{row['split']}, phrase {row['phrase_id']}. IoU of others: {others}.",
        panels=panels,
        tags=_tags(row, reg_iou >= iou),
    )


def _tags(row: Row, is_hit: bool) -> dict[str, list[str]]:
    """Return what a card can be filtered by."""
    named = {FILTERS[by]: members for by, members in row["groups"].items() if by in FILTERS}
    return {"result": ["hit" if is_hit else "miss"], "split": [row["split"]], **named}


def _write_plots(results: ResultFiles, splits: Mapping[str, Row]) -> None:
    """Write the charts that `dvc plots` puts beside those of another experiment."""
    with _made_by_stages(results.evaluation, results.curves):
        pictures = list(plots(splits, _read_text(results.curves)))
    shutil.rmtree(results.plots, ignore_errors=True)  # an output as a whole
    for picture in pictures:
        _write(results.plots / picture.name, picture.content)


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as partial:
        partial.write_bytes(content)


def _read_text(path: Path) -> str:
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read: {cause_of(path, error)}; `dvc repro` makes it"
        ) from error


def _read_json(path: Path) -> Any:
    try:
        return parse_writable_json(_read_text(path))
    except InputError:
        raise
    except ValueError as error:
        cause = cause_of(path, error)
        raise InputError(f"{path}: is not JSON: {cause}; `dvc repro` makes it anew") from error


def shown_params(params: Params, dataset: str, variant: str) -> dict[str, Any]:
    """Return the sections that made these results, with what the variant changes."""
    stages = ("annotations", "nouns", "proposals", "noun_head", "cams", "evaluate", "report")
    return {
        "dataset": asdict(params.datasets[dataset]),
        "weights": asdict(params.weights[dataset]),
        "train": asdict(train_params(params, variant)),
        **{stage: asdict(getattr(params, stage)) for stage in stages},
    }


def main() -> None:
    """Write the report of the variant that the command line names."""
    call = stage_call(__doc__, variant=True, is_of_models=True)
    inputs = ReportInputs(call.files, call.results, call.image_folder)
    shown = shown_params(call.params, call.dataset, call.variant)
    call.run("report", lambda observer: run(inputs, call.params.report, shown, observer))


if __name__ == "__main__":
    main()
