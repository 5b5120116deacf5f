import io

import numpy as np
import pytest
from PIL import Image

from pipeline.reporting.plots import plots

ROW = {"accuracy": 0.5, "low": 0.4, "high": 0.6}
CURVES = "step,epoch,loss,mining_loss,note\n3,1,2.5,1.0,\n6,2,1.5,0.5,\n"


def split(**groups):
    return {
        "phrases": 7,
        "methods": {"reg": ROW, "prior": ROW},
        "groups": groups,
        "proposal_recall": {"10": 0.25, "100": 1.0, "50": 0.75},
        "confidence": {"ece": 0.25, "bins": [ROW | {"confidence": 0.75}]},
    }


def drawn(splits, curves=CURVES):
    pictures = {picture.name: picture.content for picture in plots(splits, curves)}
    return {name: np.asarray(Image.open(io.BytesIO(data))) for name, data in pictures.items()}


def test_every_split_has_its_charts_and_the_training_one():
    splits = {"val": split(kind={"animals": {"reg": ROW}}), "testA": split()}
    assert list(drawn(splits)) == [
        "losses.png",
        "accuracy_testA.png",
        "reliability_testA.png",
        "recall_testA.png",
        "accuracy_val.png",
        "kinds_val.png",
        "reliability_val.png",
        "recall_val.png",
    ]


def test_the_losses_and_nothing_else_are_drawn():
    header = "step,epoch,loss,mining_loss,learning_rate\n"
    one, other_loss, other_rate = (
        drawn({}, f"{header}3,1,2.5,1.0,0.1\n6,2,1.5,{loss},{rate}\n")["losses.png"]
        for loss, rate in ((0.5, 0.2), (0.75, 0.2), (0.5, 0.3))
    )
    assert not np.array_equal(one, other_loss)
    assert np.array_equal(one, other_rate)


def test_a_training_that_logged_nothing_has_no_losses():
    assert "losses.png" not in drawn({"test": split()}, "epoch,step\n")


@pytest.mark.parametrize("value", [0.9, 0.1])
def test_another_value_is_another_chart(value):
    changed = split(kind={"animals": {"reg": ROW | {"accuracy": value, "low": 0.0, "high": 1.0}}})
    changed["proposal_recall"] = {"10": value, "100": 1.0, "50": 0.75}
    before, after = drawn({"test": split(kind={"animals": {"reg": ROW}})}), drawn({"test": changed})
    for name in ("kinds_test.png", "recall_test.png"):
        assert not np.array_equal(before[name], after[name])


def test_recall_is_drawn_by_rank_and_not_by_text():
    ranks = {"test": split()}
    ranks["test"]["proposal_recall"] = {"100": 1.0, "10": 0.25, "50": 0.75}
    assert np.array_equal(
        drawn(ranks)["recall_test.png"], drawn({"test": split()})["recall_test.png"]
    )
