from pipeline.params.datasets import OwnDataset
from pipeline.tables.runs import Runs
from pipeline.tables.transfer_table import Asked, transfer_section

OWN = OwnDataset("jsonl", "a", "b", 0, 0)


def runs(dataset, **accuracies):
    metrics = {
        variant: {
            "provenance": {"seed": 0},
            "splits": {"val": {"methods": {"reg": {"accuracy": a, "low": a, "high": a}}}},
        }
        for variant, a in accuracies.items()
    }
    return Runs(dataset, OWN, metrics, {variant: [variant] for variant in accuracies})


def test_each_model_is_a_row_and_each_split_a_column():
    asked = [
        Asked("a", runs("a", full=0.5, no_cam=0.25)),
        Asked("b", runs("b", full=0.75)),
        Asked("a", runs("c", full=0.125)),
    ]
    table = transfer_section(asked, ["full", "no_cam"]).blocks[1]
    assert table.columns == ("trained on", "variant", "a val", "b val", "c val")
    assert table.rows == [
        ["a", "full", "50.0 +-0.0", "-", "12.5 +-0.0"],
        ["a", "no_cam", "25.0 +-0.0", "-", "-"],
        ["b", "full", "-", "75.0 +-0.0", "-"],
        ["b", "no_cam", "-", "-", "-"],
    ]
