import io
import os
import zipfile

import pytest
import torch

from pipeline.training.checkpoints import checkpoint_path, find_checkpoint
from tests.pipeline.training.test_loop import Counted, Stopped, run


def truncated(content):
    return content[: len(content) // 2]


def zero_filled(content):
    return bytes(len(content))


def half_zero(content):
    return content[: len(content) // 2] + bytes(len(content) - len(content) // 2)


def flipped(content):
    """Change one bit of a tensor, which torch loads without a word."""
    place = content.index(b"/data/") + 200
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def emptied(_):
    return b""


def foreign(_):
    """Return a whole archive that holds no checkpoint."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("notes.txt", "x")
    return stream.getvalue()


def test_the_last_two_are_kept(tmp_path):
    run(tmp_path, Counted(), epochs=4)
    assert sorted(tmp_path.glob("*.pth")) == [checkpoint_path(tmp_path, n) for n in (3, 4)]
    assert find_checkpoint(tmp_path, print) == checkpoint_path(tmp_path, 4)


@pytest.fixture(scope="module")
def at_once(tmp_path_factory):
    """The model of a training of three epochs that nothing stopped."""
    return run(tmp_path_factory.mktemp("at_once"), Counted(), epochs=3)


@pytest.mark.parametrize("damage", [truncated, zero_filled, half_zero, flipped, emptied, foreign])
def test_a_damaged_one_is_named_in_a_line_and_the_one_before_it_is_taken(
    tmp_path, at_once, damage, capsys
):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Stopped(7), epochs=3)
    newest = checkpoint_path(tmp_path, 2)
    newest.write_bytes(damage(newest.read_bytes()))
    capsys.readouterr()
    again = run(tmp_path, Counted(), epochs=3)
    said = capsys.readouterr().out.splitlines()
    assert [str(newest) in line for line in said].count(True) == 1
    assert any("after epoch 1 of 3" in line for line in said)
    assert torch.equal(again.weight, at_once.weight)
    assert find_checkpoint(tmp_path, print) == checkpoint_path(tmp_path, 3)


def test_a_pipe_or_a_folder_in_place_of_one_is_passed_over(tmp_path):
    run(tmp_path, Counted(), epochs=1)
    os.mkfifo(checkpoint_path(tmp_path, 2))
    checkpoint_path(tmp_path, 3).mkdir()
    said = []
    assert find_checkpoint(tmp_path, said.append) == checkpoint_path(tmp_path, 1)
    for epoch, line in zip((3, 2), said, strict=True):
        assert str(checkpoint_path(tmp_path, epoch)) in line


def test_without_a_whole_one_a_training_begins_anew(tmp_path, at_once):
    checkpoint_path(tmp_path, 1).write_bytes(b"")
    assert torch.equal(run(tmp_path, Counted(), epochs=3).weight, at_once.weight)
