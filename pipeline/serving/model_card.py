"""The README of a packed model: what it is, what it was made from, how good it is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

METHODS = {  # of evaluation.json that the card lists, and their names in it
    "reg": "the model's box",
    "proposal": "its best proposal",
    "refined": "that one, refined",
    "prior": "prior only, no training",
    "oracle_whole_image": "best proposal there is",
}
LIMITS = (
    "The box is always given, also where the picture does not show what the phrase means.",
    "A phrase about several things gets one box around them.",
    "Only English phrases are understood. What a phrase means beyond its nouns, its number, its "
    "colours, its words of place and what training has seen is not.",
    "What the detector has no label for is found by the heat map alone.",
    "Figures hold for the data they were measured on. On other pictures, measure anew.",
)


@dataclass(frozen=True)
class CardFacts:
    """What a card tells.

    Attributes:
        name: `<dataset>/<variant>`.
        manifest: `source`, `sha256`, `training_set` and `licence` of every pre-trained part.
        evaluation: content of `evaluation.json`; None where the model was not evaluated.
    """

    name: str
    manifest: Mapping[str, Mapping[str, str]]
    evaluation: Mapping[str, Any] | None


def write_card(facts: CardFacts) -> str:
    """Return the card as Markdown."""
    parts = [
        f"# camground model {facts.name}",
        "Given a picture and a phrase such as `dog on the left`, it returns a box. It was trained "
        "on pictures and phrases without boxes.",
        "## Use",
        "```python\nfrom camground import Grounder\n"
        'model = Grounder.load("THIS_FOLDER")\n'
        'found = model.ground("x.jpg", ["dog on the left", "the red cup"])\n```',
        "`found[0].box_xyxy` is the first phrase's box in pixels: left, top, right, bottom. "
        "`found[0].confidence` is the probability that it is a hit, on pictures such as those "
        "below; None if there are no results. On the "
        'command line: `camground predict THIS_FOLDER x.jpg --phrase "dog on the left"`.',
        "Loading checks the SHA-256 of every file and runs no code from this folder.",
        "## Results",
        *_results(facts.evaluation),
        "## Pre-trained parts",
        "Licences are those of the weights, as their publishers state them; what was trained from "
        "these weights is bound by them as well. The pre-trained image backbone and text encoder "
        "are inside `model/`.",
        _table(("part", "source", "SHA-256", "trained on", "licence"), _part_rows(facts.manifest)),
        "## Limits",
        "\n".join(f"- {text}" for text in LIMITS),
    ]
    return "\n\n".join(parts) + "\n"


def _results(evaluation: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the paragraphs and the table on how good the model is."""
    if evaluation is None:
        yield "Not evaluated."
        return
    origin = evaluation["provenance"]
    yield (
        f"Trained and evaluated on `{origin['dataset']}`, variant `{origin['variant']}`, seed "
        f"{origin['seed']}, one run. A box is a hit if its IoU with the annotated box is at least "
        f"{origin['iou']}. The interval is Wilson's."
    )
    columns = ("split", "box", "hits %", "95 %", "phrases")
    yield _table(columns, _result_rows(evaluation["splits"]))
    yield origin["leakage"]


def _result_rows(splits: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for split, metrics in sorted(splits.items()):
        for method, title in METHODS.items():
            if row := metrics["methods"].get(method):
                interval = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
                yield (split, title, f"{100 * row['accuracy']:.1f}", interval, str(row["n"]))


def _part_rows(manifest: Mapping[str, Mapping[str, str]]) -> Iterator[Sequence[str]]:
    for part, origin in sorted(manifest.items()):
        keys = ("source", "sha256", "training_set", "licence")
        yield (part, *(origin.get(key) or "unknown" for key in keys))


def _table(columns: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
