"""Find phrases in pictures with a trained model: `camground predict`."""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import get_args

from tqdm import tqdm

from pipeline.errors import InputError
from pipeline.freed_memory import keep_freed_memory
from pipeline.images.images import read_image
from pipeline.params.schema import Device
from pipeline.serving.answer_file import NO_ANSWER, AnswerFile, open_answers
from pipeline.serving.drawing import draw_found, write_drawing
from pipeline.serving.found import ANSWERS
from pipeline.serving.model_folder import model_name
from pipeline.serving.phrase_grounder import PhraseGrounder, phrase_problem
from pipeline.serving.requests import read_requests
from pipeline.serving.rows import Kind, Request, Row, answer_row, error_row

EPILOG = """\
examples:
  camground predict results/shapes/full x.jpg --phrase "dog on the left"
  camground predict results/shapes/full photos/ --phrase "a cup" --phrase "a cat" --out found.jsonl
  camground predict results/shapes/full asked.jsonl --out found.jsonl --draw drawn/

The output has one JSON object a line for each picture and phrase: image, phrase, model, answer,
box_xyxy (left, top, right, bottom in pixels), score, confidence (probability that the box is right,
null for a model that was not evaluated) and nouns; or error where there is no answer.
Run the same command again after it was stopped: it goes on where it was.
Exit status 1: a picture or phrase had no answer.
"""


@dataclass(frozen=True)
class Asked:
    """What the command line asks.

    Attributes:
        requests: pictures and phrases, in order.
        kind: of the lines that are written.
        drawings: folder for pictures with the boxes; None for none.
    """

    requests: Sequence[Request]
    kind: Kind
    drawings: Path | None


def main() -> int:
    """Answer what the command line asks; return 1 if something had no answer."""
    options = build_parser().parse_args()
    logging.basicConfig(level=logging.WARNING)
    keep_freed_memory()
    kind = Kind(model_name(options.model), options.answer, options.why)
    asked = Asked(
        read_requests(options.pictures, options.phrase, options.sentence), kind, options.draw
    )
    with open_answers(options.out, kind) as answers:
        if not answers.done.keys() >= set(asked.requests):
            grounder = PhraseGrounder.load(options.model, options.device)
            answer_all(grounder, asked, answers)
        failed = sum(NO_ANSWER in answers.done[request] for request in asked.requests)
    if failed:
        sys.stderr.write(f"{failed} of {len(asked.requests)} had no answer; see `error` there\n")
    return int(failed > 0)


def answer_all(grounder: PhraseGrounder, asked: Asked, answers: AnswerFile) -> None:
    """Add a line for every request that has none, picture by picture.

    A picture of which some lines are missing is asked all its phrases again, so that these lines
    are what an unbroken run would have written.
    """
    numbered = list(enumerate(asked.requests, start=1))
    pictures = [list(own) for _, own in groupby(numbered, key=lambda pair: pair[1].image)]
    with tqdm(total=len(numbered), unit="phrase", disable=_bar_switch(answers)) as bar:
        for own in pictures:
            if not answers.done.keys() >= {request for _, request in own}:
                answers.add(answer_picture(grounder, own, asked))
            bar.update(len(own))


def answer_picture(
    grounder: PhraseGrounder, own: Sequence[tuple[int, Request]], asked: Asked
) -> dict[Request, Row]:
    """Return the rows of one picture's requests, by request; write its drawings.

    Args:
        grounder: is asked.
        own: number and request of each phrase.
        asked: what all of it is for.
    """
    problems = {request: phrase_problem(request.phrase) for _, request in own}
    good = [request for request, problem in problems.items() if problem is None]
    try:
        pixels = read_image(Path(own[0][1].image))
        found = grounder.ground_placed(pixels, [one.placed for one in good], asked.kind.answer)
    except InputError as error:
        return {request: error_row(request, str(error), asked.kind) for _, request in own}
    found_of = dict(zip(good, found, strict=True))
    for number, request in own:
        if asked.drawings is not None and request in found_of:
            drawing = draw_found(pixels, found_of[request])
            write_drawing(asked.drawings, number, request, drawing)
    return {
        request: answer_row(request, found_of[request], asked.kind)
        if problem is None
        else error_row(request, problem, asked.kind)
        for request, problem in problems.items()
    }


def _bar_switch(answers: AnswerFile) -> bool | None:
    """Return tqdm's `disable`: no bar among the lines, None (on a terminal only) else."""
    return True if answers.is_standard_output else None


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "model", type=Path, help="results/<dataset>/<variant>, or a folder of `camground pack`"
    )
    parser.add_argument(
        "pictures",
        nargs="+",
        help="pictures, folders of them, or .jsonl of image, phrase and, if there is one, sentence",
    )
    parser.add_argument(
        "--phrase",
        action="append",
        default=[],
        help="what to look for in pictures and folders; may be given again",
    )
    parser.add_argument(
        "--sentence", metavar="TEXT", help="that the phrases are from; they are asked in its order"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the lines there, or go on")
    parser.add_argument(
        "--draw", type=Path, metavar="DIR", help="write pictures with box and heat map there"
    )
    parser.add_argument(
        "--why", action="store_true", help="list the best proposals and what speaks for each"
    )
    parser.add_argument(
        "--answer",
        choices=ANSWERS,
        default=ANSWERS[0],
        help="reg: the box that the model predicts (default); proposal: its best proposal; "
        "refined: that one after its predicted offset",
    )
    parser.add_argument("--device", choices=get_args(Device), help="default: params.yaml's")
    return parser


if __name__ == "__main__":
    sys.exit(main())
