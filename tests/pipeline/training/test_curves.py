import pytest

from pipeline.errors import InputError
from pipeline.training.curves import CurveFile


def lines(path):
    return path.read_text().splitlines()


def test_rows_are_means_over_steps_and_an_epoch_ends_a_row(tmp_path):
    path = tmp_path / "curves.csv"
    curves = CurveFile(path, steps_per_row=2, finished_epochs=0)
    for step, loss in enumerate([4.0, 2.0, 7.0], start=1):
        curves.add(1, step, {"learning_rate": 0.5, "loss": loss})
    row = curves.end_epoch(1, 3, vision_gap=0.25)
    assert lines(path) == [
        "epoch,step,learning_rate,loss,vision_gap",
        "1,2,0.5,3,",
        "1,3,0.5,7,0.25",
    ]
    assert row["loss"] == "7"
    assert b"\r" not in path.read_bytes()


def test_a_resumed_training_keeps_finished_epochs_and_forgets_later_ones(tmp_path):
    path = tmp_path / "curves.csv"
    first = CurveFile(path, 1, 0)
    for epoch in (1, 2):
        first.add(epoch, epoch, {"loss": float(epoch)})
        first.end_epoch(epoch, epoch, 0.0)
    again = CurveFile(path, 1, finished_epochs=1)
    again.add(2, 2, {"loss": 9.0})
    again.end_epoch(2, 2, 0.5)
    assert lines(path) == ["epoch,step,loss,vision_gap", "1,1,1,0", "2,2,9,0.5"]


@pytest.mark.parametrize("kept", [0, 3])
def test_a_training_that_starts_anew_has_no_old_rows(tmp_path, kept):
    curves = CurveFile(tmp_path / "curves.csv", 1, kept)
    curves.add(1, 1, {"loss": 1.0})
    curves.end_epoch(1, 1, 0.0)
    assert len(lines(tmp_path / "curves.csv")) == 2


def test_a_training_of_no_epoch_leaves_a_file_without_rows(tmp_path):
    CurveFile(tmp_path / "curves.csv", 1, finished_epochs=0)
    assert lines(tmp_path / "curves.csv") == ["epoch,step"]


@pytest.mark.parametrize(
    "content",
    [
        b"epoch,step,loss\n1,2\n",
        b"epoch,step\nx,1\n",
        b"epoch,step\n1,x\n",
        b"epoch,step\n1\n",
        b"epoch,step\n1,2,3\n",
        b"a,b\n1,2\n",
        b"\xff\n1\n",
    ],
)
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "curves.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"curves\.csv"):
        CurveFile(tmp_path / "curves.csv", 1, 1)


def test_rows_of_another_training_are_named(tmp_path):
    (tmp_path / "curves.csv").write_text("epoch,step,loss,area,vision_gap\n1,1,2,3,0\n")
    curves = CurveFile(tmp_path / "curves.csv", 1, finished_epochs=1)
    with pytest.raises(InputError, match=r"curves\.csv"):
        curves.add(2, 2, {"loss": 1.0})
