"""Write a trained model's boxes for whoever trains on them or compares with them.

`camground export DATASET VARIANT --format jsonl --split train --to boxes.jsonl`

reads   annotations/, nouns.h5, proposals.h5, cams.h5, model/, the images; never ground_truth.jsonl
writes  the file; with `--format coco`, beside it NAME.results.json
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from models.given_files.json_files import write_json
from pipeline.caching.atomic import whole_file
from pipeline.command_line import StageCall, stage_call
from pipeline.errors import InputError
from pipeline.exporting.coco import coco_dataset, coco_results
from pipeline.exporting.lists import json_rows, transvg_collection, transvg_rows
from pipeline.exporting.predicted import Asked, PredictedBox, predict_split
from pipeline.observe.observer import Observer
from pipeline.reporting.methods import MODEL_METHODS

FORMATS = ("coco", "transvg", "jsonl")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add format, split, target and choice of boxes to the command line."""
    parser.add_argument("--format", choices=FORMATS, required=True, help="docs/formats.md has each")
    parser.add_argument("--split", required=True, help="train, val, test, ... of the dataset")
    parser.add_argument("--to", type=Path, required=True, help="the file to write")
    parser.add_argument(
        "--answer",
        choices=MODEL_METHODS,
        default=MODEL_METHODS[0],
        help="which of the model's boxes; default: %(default)s",
    )
    parser.add_argument(
        "--min-score", type=float, default=0.0, help="leave out boxes of a lower score, 0 to 1"
    )


def write_boxes(boxes: Sequence[PredictedBox], call: StageCall) -> list[Path]:
    """Write the boxes as the command line says, and return the files.

    Raises:
        WriteError: the disk is full or read-only, or the file may not be written.
    """
    options, target = call.options, call.options.to
    if options.format == "coco":
        info = {"dataset": call.dataset, "split": options.split, "answer": options.answer}
        dataset = coco_dataset(boxes, info | {"model": call.results.model.parent.as_posix()})
        results = target.with_name(f"{target.stem}.results.json")
        for path, content in ((target, dataset), (results, coco_results(dataset))):
            with whole_file(path) as partial:
                write_json(partial, content, indent=1)
        return [target, results]
    with whole_file(target) as partial:
        if options.format == "transvg":
            collection = transvg_collection(call.params.datasets[call.dataset])
            with partial.open("wb") as stream:
                torch.save(transvg_rows(boxes, collection), stream)
        else:
            lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in json_rows(boxes)]
            partial.write_text("".join(lines), encoding="utf-8", newline="\n")
    return [target]


def main() -> None:
    """Export the boxes that the command line asks for."""
    call = stage_call(__doc__, variant=True, add=add_options, is_of_models=True)
    options = call.options
    if options.to.is_dir() or not options.to.parent.is_dir():
        raise InputError(f"--to: {options.to} must be a file in a folder that exists")
    asked = Asked(call.files, call.results, call.image_folder, options.split, options.answer)
    params = call.params
    boxes = predict_split(asked, params.evaluate, params.runtime, Observer("export"))
    kept = [one for one in boxes if one.score >= options.min_score]
    paths = write_boxes(kept, call)
    names = " and ".join(str(path) for path in paths)
    sys.stdout.write(f"{len(kept)} of {len(boxes)} phrases of {options.split}: {names}\n")


if __name__ == "__main__":
    main()
