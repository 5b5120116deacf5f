"""Readers of data sets, proposals, pictures, caches, parameters, results: each with good files."""

import json
import shutil
from functools import cache, partial
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from models.grounder.confidence import read_calibration
from pipeline.caching.cache import Cache, Provenance, write_cache
from pipeline.datasets.proposals.bottom_up_files import BadRowError, read_given
from pipeline.datasets.proposals.given_proposals import GivenLimits, import_given, read_names
from pipeline.datasets.summary import summarise
from pipeline.doctor.dvc_files import is_readable
from pipeline.images.images import image_hw_of, read_image, whole_image_hw
from pipeline.observe.observer import Observer
from pipeline.params.datasets import Flickr30kDataset
from pipeline.params.profile import apply_values, read_values
from pipeline.params.read import read_params, train_params
from pipeline.paths import DatasetFiles, ResultFiles
from pipeline.records import GroundTruth, ImageRecord, PhraseRecord, read_records
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.serving.answer_file import open_answers
from pipeline.serving.requests import read_requests
from pipeline.serving.rows import Kind
from pipeline.tables.__main__ import collect_sections, result_files, result_rows
from pipeline.training.curves import CurveFile
from stages.annotations import compute_plan, write_readings, write_summary
from stages.report import ReportInputs
from stages.report import run as run_report
from tests.cached_world import FILES, write_nouns, write_proposals, write_tables
from tests.cached_world import write_cams as write_maps
from tests.faults.fuzz_reader import Reader, damaged_file
from tests.faults.fuzz_watch import Outcome
from tests.golden_layouts import SIZES_WH, write_layout, write_pictures
from tests.pipeline.datasets.proposals.test_bottom_up_files import (
    BOXES,
    SCORES,
    lxmert_row,
    original_row,
    write_milvlg,
)

ROOT = Path(__file__).parents[2]
NAME = "fuzzed"
XML = (
    "<annotation><filename>{id}.jpg</filename>"
    "<size><width>{w}</width><height>{h}</height><depth>3</depth></size>"
    "<object><name>1</name><name>2</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>20</xmax>"
    "<ymax>30</ymax></bndbox></object>"
    "<object><name>3</name><scene>0</scene><nobndbox>1</nobndbox></object></annotation>"
)


def write_flickr30k(folder: Path) -> None:
    write_pictures(folder / "images", "{}.jpg".format)
    for part in ("Sentences", "Annotations"):
        (folder / "root" / part).mkdir(parents=True)
    for split, number in (("train", 9), ("val", 25), ("test", 30)):
        width, height = SIZES_WH[number]
        (folder / "root" / f"{split}.txt").write_text(f"{number}\n")
        sentences = "[/EN#1/people A man] in [/EN#2/clothing/other a hat] by [/EN#0/scene rain] .\n"
        (folder / "root" / "Sentences" / f"{number}.txt").write_text(sentences * 2)
        xml = XML.format(id=number, w=width, h=height)
        (folder / "root" / "Annotations" / f"{number}.xml").write_text(xml)
    add_link(folder)


def add_link(folder: Path) -> None:
    """Add a picture that is a link to one outside."""
    for name in ("link.jpg", "link"):
        (folder / "images" / name).symlink_to(Path("../../outside/1.jpg"))


def write_data(layout: str, folder: Path) -> None:
    write_layout(layout, folder)
    add_link(folder)


def read_data(section_of, folder: Path) -> Outcome:
    """Read a data set as the stage does, and write its tables."""
    plan = compute_plan(NAME, section_of(folder), folder / "drawn")
    readings = list(map(plan.read, plan.items))
    summary = summarise(readings, plan.bad, plan.remarks)
    files = DatasetFiles(NAME)
    write_summary(files.annotations / "summary.json", summary)
    write_readings(files, readings)
    records = sum(len(reading.phrases) + (reading.image is not None) for reading in readings)
    return Outcome(records, sum(counts.count for counts in summary.bad.values()))


def section_of_flickr30k(folder: Path) -> Flickr30kDataset:
    return Flickr30kDataset("flickr30k", str(folder / "root"), str(folder / "images"), 0, 0)


@cache
def _section_of_layout(layout: str, folder: Path):
    scratch = folder / "scratch"
    section = write_layout(layout, scratch)
    shutil.rmtree(scratch)
    return section


def section_of(layout: str, folder: Path):
    """Return the section of params.yaml of a layout whose files lie in `folder`."""
    section = _section_of_layout(layout, folder)
    return type(section)(
        **{**vars(section), "root": str(folder / "root"), "images": str(folder / "images")}
    )


def write_tsv(folder: Path) -> None:
    rows = original_row("150367"), lxmert_row("3"), original_row("4")
    (folder / "given.tsv").write_text("".join(rows), newline="")
    (folder / "names.txt").write_text("\n".join(f"class {i},other" for i in range(1600)) + "\n")


def write_npz(folder: Path) -> None:
    (folder / "npz").mkdir()
    write_milvlg(folder / "npz" / "150367.npz")
    sizes = {"norm_bb": np.c_[BOXES / 640, np.ones((3, 2))], "conf": SCORES, "soft_labels": BOXES}
    np.savez_compressed(folder / "npz" / "3.npz", **sizes, num_bbox=3)
    (folder / "names.txt").write_text("\n".join(f"class {i}" for i in range(1600)) + "\n")


def read_proposals(name: str, first_label: int, folder: Path) -> Outcome:
    images = [ImageRecord(key, f"{key}.jpg", (480, 640), "test") for key in ("150367", "3", "4")]
    limits = GivenLimits(10, 0.0, read_names(folder / "names.txt"), first_label)
    rows = list(read_given(folder / name))
    found = import_given(images, rows, limits)
    errors = [row for row in rows if isinstance(row, BadRowError)]
    for error in errors:
        str(error).encode()
    return Outcome(len(found.arrays["scores"]), len(errors) + sum(found.counts.values()))


def write_images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (23, 31, 3), np.uint8)
    picture = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[274], exif[270] = 6, "a text"
    picture.save(folder / "a.jpg", exif=exif, quality=80)
    picture.save(folder / "b.jpg", progressive=True)
    picture.convert("CMYK").save(folder / "c.jpg")
    picture.save(folder / "a.png", exif=exif)
    picture.convert("P").save(folder / "b.png", transparency=3)
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "c.png")
    picture.save(folder / "a.gif", save_all=True, append_images=[picture.rotate(9)])
    picture.save(folder / "a.tif", compression="tiff_lzw")
    picture.save(folder / "a.bmp")
    picture.save(folder / "a.webp", exif=exif)
    picture.save(folder / "a.ppm")


def read_pictures(folder: Path) -> Outcome:
    """Read the picture that was damaged in every way."""
    path = damaged_file(folder, "a.jpg")
    outcomes = [_tried(read, path) for read in (image_hw_of, whole_image_hw, read_image)]
    failed = [error for error in outcomes if error is not None]
    if len(failed) == len(outcomes):
        raise failed[-1]
    return Outcome(3 - len(failed), len(failed))


def _tried(read, path):
    from pipeline.images.images import BadImageError

    try:
        read(path)
    except BadImageError as error:
        return error
    return None


def write_caches(folder: Path) -> None:
    write_tables(folder)
    write_nouns(folder)
    write_proposals(folder)
    write_maps(folder)


def read_caches(folder: Path) -> Outcome:
    tables = GroundingTables.from_caches(FILES, folder / FILES.annotations / "images", None)
    rows = [
        rows.of(image.image_id)
        for image in tables.images
        for rows in (tables.cams, tables.proposals)
    ]
    return Outcome(len(rows))


def write_one_cache(folder: Path) -> None:
    arrays = {"offsets": np.arange(4), "x": np.ones((3, 2), np.float32), "mask": np.ones(5, bool)}
    texts = {"name": ["a", "ß", "noun"]}
    write_cache(folder / "cams.h5", arrays, texts, {"scorer": "x"}, Provenance("cams", "f"))


def read_one_cache(folder: Path) -> Outcome:
    cache_ = Cache(folder / "cams.h5", "cams")
    arrays = [cache_.array(name) for name in ("offsets", "x", "mask")]
    texts = cache_.texts("name")
    cache_.attribute("scorer")
    cache_.close()
    return Outcome(len(texts) + len(arrays))


def write_params(folder: Path) -> None:
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    profiles = sorted((ROOT / "profiles").glob("*.yaml"))
    shutil.copyfile(profiles[0], folder / "profile.yaml")


def read_parameters(folder: Path) -> Outcome:
    params = read_params(folder / "params.yaml")
    for variant in params.variants:
        train_params(params, variant)
    values = read_values(str(folder / "profile.yaml"))
    apply_values(folder / "params.yaml", values)
    return Outcome(len(values))


def write_lock(folder: Path) -> None:
    content = {
        "schema": "2.0",
        "stages": {"a": {"cmd": "x", "deps": [{"path": "b", "hash": "md5", "md5": "0"}]}},
    }
    (folder / "dvc.lock").write_text(yaml.safe_dump(content))
    (folder / ".dvc" / "tmp").mkdir(parents=True)
    (folder / ".dvc" / "tmp" / "rwlock").write_text('{"a": {"write": {"pid": 1, "cmd": "x"}}}')


def read_lock(folder: Path) -> Outcome:
    from pipeline.doctor.dvc_files import check_dvc_files

    findings = list(check_dvc_files(folder))
    return Outcome(is_readable(folder / ".dvc" / "tmp" / "rwlock"), len(findings))


def read_tables(folder: Path) -> Outcome:
    kinds = {
        FILES.images: ImageRecord,
        FILES.phrases: PhraseRecord,
        FILES.ground_truth: GroundTruth,
    }
    return Outcome(sum(len(read_records(folder / path, kind)) for path, kind in kinds.items()))


@cache
def _evaluated() -> Path:
    """Return the folder of an evaluated small world."""
    import tempfile

    from tests.stages.test_report import write_evaluated

    folder, here = Path(tempfile.mkdtemp(prefix="fuzz-evaluated-")), Path.cwd()
    import os

    os.chdir(folder)
    try:
        write_evaluated("full")
    finally:
        os.chdir(here)
    return folder


RESULTS = ResultFiles("shapes", "full")


def write_results(folder: Path) -> None:
    source = _evaluated()
    shutil.copytree(source, folder, dirs_exist_ok=True)
    shutil.rmtree(folder / RESULTS.model)


def read_results(folder: Path) -> Outcome:
    params = read_params(folder / "params.yaml")
    rows = [row for files in result_files(params) for row in result_rows(files)]
    collect_sections(params)
    read_calibration(folder / RESULTS.calibration)
    CurveFile(folder / RESULTS.curves, 1, 2)
    return Outcome(len(rows))


def read_report(folder: Path) -> Outcome:
    params = read_params(folder / "params.yaml")
    images = folder / FILES.annotations / "images"
    run_report(ReportInputs(FILES, RESULTS, images), params.report, {}, Observer("report"))
    return Outcome(1)


KIND = Kind("shapes/full", "reg", False)


def write_asked(folder: Path) -> None:
    lines = [{"image": f"{i}.jpg", "phrase": "the dog"} for i in range(3)]
    (folder / "ask.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    own = {"model": KIND.model, "answer": KIND.answer, "box_xyxy": [0, 1, 2, 3], "score": 0.5}
    rows = [{**line, **own, "nouns": ["dog"]} for line in lines]
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def read_asked(folder: Path) -> Outcome:
    requests = read_requests([str(folder / "ask.jsonl")], [])
    with open_answers(folder / "answers.jsonl", KIND) as answers:
        return Outcome(len(requests) + len(answers.done))


LAYOUTS = (
    "refer",
    "referit_json",
    "transvg_coco",
    "transvg_old",
    "transvg_flickr",
    "simrec",
    "own",
)
READERS = {
    "flickr30k": Reader(
        write_flickr30k, partial(read_data, section_of_flickr30k), ("root/**/*.[tx]*",),
        weight=10, is_closed=True,
    ),
    **{
        layout: Reader(
            partial(write_data, layout), partial(read_data, partial(section_of, layout)),
            ("root/**/*",), weight=6, is_closed=True,
        )
        for layout in LAYOUTS
    },
    "proposals_tsv": Reader(write_tsv, partial(read_proposals, "given.tsv", 0), ("*.t*",), 6),
    "proposals_npz": Reader(write_npz, partial(read_proposals, "npz", 1), ("npz/*",), weight=6),
    "pictures": Reader(write_images, read_pictures, ("*",), weight=20),
    "cache": Reader(write_one_cache, read_one_cache, ("cams.h5",), weight=10),
    "caches": Reader(write_caches, read_caches, ("data/shapes/*.h5",), weight=6),
    "records": Reader(write_tables, read_tables, ("data/**/*.jsonl",), weight=5),
    "params": Reader(write_params, read_parameters, ("*.yaml",), weight=2, is_named=False),
    "dvc_files": Reader(write_lock, read_lock, ("dvc.lock", ".dvc/tmp/*"), weight=2),
    "results": Reader(
        write_results, read_results,
        ("results/**/evaluation.json", "results/**/calibration.json", "results/**/curves.csv"),
        weight=4,
    ),
    "report": Reader(
        write_results, read_report,
        ("results/**/*.json*", "results/**/curves.csv", "data/**/*.json", "data/**/images.jsonl"),
        weight=2,
    ),
    "predict_lines": Reader(write_asked, read_asked, ("*.jsonl",), weight=5),
}  # fmt: skip
