import numpy as np
import pytest

from pipeline.reporting.plots import plots

ROW = {"accuracy": 0.5, "low": 0.4, "high": 0.6}
CURVES = "step,epoch,loss,mining_loss,note,learning_rate\n3,1,2.5,1.0,,0.1\n6,2,1.5,0.5,,0.2\n"


def split(**groups):
    return {
        "phrases": 1007,
        "methods": {"prior": ROW, "reg": ROW | {"accuracy": 0.25}},
        "groups": groups,
        "proposal_recall": {"100": 1.0, "10": 0.25, "50": 0.75},
        "confidence": {"ece": 0.125, "bins": [ROW | {"confidence": 0.75}]},
    }


@pytest.fixture
def drawn(figures):
    """Return a function that draws all plots and returns the figures by file name."""

    def draw(splits, curves=CURVES):
        figures.clear()
        names = [picture.name for picture in plots(splits, curves)]
        return dict(zip(names, figures, strict=True))

    return draw


def test_every_split_has_its_charts_and_the_training_one(drawn):
    charts = drawn({"val": split(kind={"animals": {"reg": ROW}}), "testA": split()})
    assert list(charts) == [
        "losses.png",
        "accuracy_testA.png",
        "reliability_testA.png",
        "recall_testA.png",
        "accuracy_val.png",
        "kinds_val.png",
        "reliability_val.png",
        "recall_val.png",
    ]
    for name, chart in charts.items():
        assert name == "losses.png" or name.split("_")[1][:-4] in chart.get_suptitle()


def test_pictures_are_png():
    [picture] = plots({}, CURVES)
    assert picture.content.startswith(b"\x89PNG")


def test_the_losses_and_nothing_else_are_drawn(drawn):
    axes = drawn({})["losses.png"].axes
    assert [one.get_title(loc="left") for one in axes] == ["loss", "mining_loss"]
    assert [one.get_xlabel() for one in axes] == ["step"] * 2
    np.testing.assert_array_equal(axes[0].lines[0].get_xydata(), [[3, 2.5], [6, 1.5]])


def test_a_training_that_logged_nothing_has_no_losses(drawn):
    assert "losses.png" not in drawn({"test": split()}, "epoch,step\n")


def test_bars_are_the_methods_and_the_model_s_hits_by_kind_of_phrase(drawn):
    kinds = {"animals": {"prior": ROW, "reg": ROW | {"accuracy": 0.375}}}
    charts = drawn({"test": split(kind=kinds, words={"1 to 2": {"reg": ROW}})})
    [axes] = charts["accuracy_test.png"].axes
    assert [bar.get_width() for bar in axes.patches] == [25, 50]  # the model's first
    assert "1,007" in charts["accuracy_test.png"].get_suptitle()
    [axes] = charts["kinds_test.png"].axes
    assert [bar.get_width() for bar in axes.patches] == [37.5, 50]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["kind: animals", "words: 1 to 2"]
    [intervals] = axes.collections
    ends = [part[:, 0] for part in intervals.get_segments()]
    np.testing.assert_allclose(ends, [[37.5, 60], [40, 60]])


def test_recall_is_drawn_by_rank_and_hits_over_confidence(drawn):
    charts = drawn({"test": split()})
    [axes] = charts["recall_test.png"].axes
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[10, 25], [50, 75], [100, 100]])
    assert "proposals" in axes.get_xlabel()
    assert "hit" in axes.get_ylabel()
    [axes] = charts["reliability_test.png"].axes
    np.testing.assert_array_equal(axes.lines[1].get_xydata(), [[75, 50]])
    assert "0.125" in charts["reliability_test.png"].get_suptitle()
