"""Stage `annotations`: every data set as the same records, ground truth apart.

reads   the data set as it is distributed; for shapes nothing, its scenes are drawn here
writes  data/<dataset>/annotations/{images.jsonl, phrases.jsonl, summary.json[, images/]}
        data/<dataset>/ground_truth.jsonl (evaluation splits alone)
params  datasets.<dataset>, annotations
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path

from models.given_files.json_files import write_json
from pipeline.caching.atomic import whole_file, whole_folder
from pipeline.caching.fingerprint import fingerprint
from pipeline.command_line import stage_call
from pipeline.datasets.published import published_of
from pipeline.datasets.readers.flickr30k import plan_flickr30k
from pipeline.datasets.readers.jsonl import read_own_lines
from pipeline.datasets.readers.refer import read_refer
from pipeline.datasets.readers.referit_json import read_referit_json
from pipeline.datasets.readers.simrec import read_simrec
from pipeline.datasets.readers.transvg import read_transvg
from pipeline.datasets.reading import ImageReading, ReadingPlan, map_in_processes
from pipeline.datasets.referring import plan_referring
from pipeline.datasets.shapes.records import plan_shapes
from pipeline.datasets.summary import Summary, check_usable, describe_counts, summarise
from pipeline.observe.observer import Observer
from pipeline.params.datasets import DatasetSection, Flickr30kDataset, OwnDataset, ShapesDataset
from pipeline.paths import DatasetFiles, image_folder
from pipeline.records import write_records

READERS = {
    "refer": read_refer,
    "referit_json": read_referit_json,
    "transvg": read_transvg,
    "simrec": read_simrec,
}


def compute_plan(name: str, dataset: DatasetSection, drawn: Path) -> ReadingPlan:
    """Return what to read, and how.

    Args:
        name: of the data set.
        dataset: its section.
        drawn: folder for the pictures of a data set that is drawn.

    Raises:
        InputError: the data set is not where params.yaml says.
    """
    if isinstance(dataset, ShapesDataset):
        return plan_shapes(dataset, drawn)
    if isinstance(dataset, Flickr30kDataset):
        return plan_flickr30k(name, dataset)
    if isinstance(dataset, OwnDataset):
        data = read_own_lines(name, dataset)
    else:
        data = READERS[dataset.format](name, dataset)
    limits = (dataset.train_images, dataset.eval_images)
    return plan_referring(data, Path(dataset.images), *limits)


def run(
    files: DatasetFiles,
    dataset: DatasetSection,
    max_bad_fraction: float,
    workers: int,
    observer: Observer,
    is_trained_on: bool = True,
) -> None:
    """Read the data set and write its records; the summary is written even if it is refused.

    Raises:
        InputError: the data set is missing, too much of it is bad, or it lacks what to evaluate or,
            if it is trained on, what to train with.
    """
    stamp = fingerprint(Path(__file__), [dataset, max_bad_fraction], [])
    observer.fact("fingerprint", stamp)
    with _folder_to_draw_in(files.dataset, dataset) as drawn:
        plan = compute_plan(files.dataset, dataset, drawn)
        results = map_in_processes(plan.read, plan.items, workers)
        readings = list(observer.progress(results, len(plan.items), "images"))
    summary = summarise(readings, plan.bad, plan.remarks, published_of(dataset))
    write_summary(files.annotations / "summary.json", summary)
    _report(summary, observer)
    check_usable(files.dataset, summary, max_bad_fraction, is_trained_on)
    write_readings(files, readings)


def write_readings(files: DatasetFiles, readings: Sequence[ImageReading]) -> None:
    """Write image table, phrases and ground truth."""
    images = [reading.image for reading in readings if reading.image is not None]
    with whole_file(files.images) as path:
        write_records(path, images)
    with whole_file(files.phrases) as path:
        write_records(path, [phrase for reading in readings for phrase in reading.phrases])
    with whole_file(files.ground_truth) as path:
        write_records(path, [truth for reading in readings for truth in reading.ground_truth])


def write_summary(path: Path, summary: Summary) -> None:
    """Write the counts as JSON."""
    with whole_file(path) as partial:
        write_json(partial, asdict(summary), indent=2)


def _report(summary: Summary, observer: Observer) -> None:
    """Log what was read and what was skipped or repaired."""
    for line in describe_counts(summary):
        observer.log(line)
    rows = [
        {"cause": cause, "count": counts.count, "first": counts.examples[0]}
        for cause, counts in summary.bad.items()
    ]
    if rows:
        observer.table("bad records", rows)


def _folder_to_draw_in(name: str, dataset: DatasetSection) -> AbstractContextManager[Path]:
    """Return the pictures' folder, which appears as a whole where they are drawn."""
    folder = image_folder(name, dataset)
    return whole_folder(folder) if isinstance(dataset, ShapesDataset) else nullcontext(folder)


def main() -> None:
    """Read the data set that the command line names."""
    call = stage_call(__doc__)
    dataset, most_bad = call.params.datasets[call.dataset], call.params.annotations.max_bad_fraction
    workers = call.params.runtime.workers
    is_trained_on = call.dataset not in call.params.run.targets
    call.run(
        "annotations",
        lambda observer: run(call.files, dataset, most_bad, workers, observer, is_trained_on),
    )


if __name__ == "__main__":
    main()
