"""The cached world with a small grounder that was never trained, evaluated."""

import torch

from models.grounder.checkpoint import save_grounder
from pipeline.evaluation.leakage import DRAWN
from pipeline.observe.observer import Observer
from pipeline.params.read import read_params, train_params
from pipeline.paths import ResultFiles
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.sample_spec import write_sample_spec
from stages import evaluate
from stages.train import build_training
from tests.cached_world import FILES, write_world

IMAGES = FILES.annotations / "images"


class Listener(Observer):
    """Keeps what it is told."""

    def __init__(self, stage="evaluate"):
        super().__init__(stage)
        self.messages, self.tables, self.facts = [], {}, {}
        self.images, self.texts, self.totals = {}, {}, {}

    def log(self, message):
        self.messages.append(message)

    def progress(self, items, total, label):
        self.totals[label] = total
        return items

    def fact(self, name, value):
        self.facts[name] = value

    def table(self, key, rows):
        self.tables[key] = rows

    def image(self, key, png, caption=""):  # noqa: ARG002
        self.images[key] = png

    def markdown(self, key, text, pictures=()):
        self.texts[key] = (text, dict(pictures))


def save_untrained(root, variant="full", **changes):
    """Write the world below `root` and a grounder of random weights as the variant's model."""
    write_world(root, **changes)
    torch.manual_seed(0)
    tables, params = (
        GroundingTables.from_caches(FILES, IMAGES, ("train",)),
        train_params(read_params(), variant),
    )
    step, dataset = build_training(FILES, tables, params, torch.device("cpu"))
    results = ResultFiles("shapes", variant)
    text = dataset.text
    save_grounder(results.model, step.grounder, text.tokenize.tokenizer, text.vocabulary.words)
    write_sample_spec(results.model, dataset.spec)
    return results


def run_evaluate(results, files=FILES):
    """Run the stage on what lies in the working directory."""
    params, listener = read_params(), Listener()
    inputs = evaluate.EvaluateInputs(files, results, IMAGES, DRAWN, train_seed=0)
    evaluate.run(inputs, params.evaluate, params.runtime, listener)
    return listener
