"""The ways to train faster, beside the plain way."""

import shutil

import pytest

from pipeline.errors import InputError
from tests.cached_world import FILES, write_world
from tests.stages.test_train import StopsAfter, edit_params, made, rows, train
from tests.tiny_bert import write_tiny_bert

STILL = {"flip": 0.5, "jitter": 0.0, "crop": 0.0, "scales": 1, "translate": False}
EXACT_LOSS = 1e-4


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def turn_on(here, name):
    edit_params(here, f"  {name}: false", f"  {name}: true")


def assert_losses_of(here, name, plain):
    turn_on(here, name)
    fast = rows(train())
    assert len(fast) == len(plain)
    for one, other in zip(fast, plain, strict=True):
        assert one == pytest.approx(other, rel=EXACT_LOSS, abs=EXACT_LOSS)


def test_a_training_that_remembers_and_is_interrupted_ends_at_the_bytes_of_a_plain_one(here):
    write_world(here, learning_rate_pretrained=0, epochs=2, batch_images=2, augment=STILL)
    write_tiny_bert(FILES.weights / "language")
    plain = made(train())
    turn_on(here, "remember")
    with pytest.raises(KeyboardInterrupt):
        train(observer=StopsAfter(1))
    assert made(train()) == plain


def test_there_must_be_something_to_remember(here):
    write_world(here, remember=True, learning_rate_pretrained=0.001)
    with pytest.raises(InputError, match=r"train\.remember"):
        train()


def test_what_is_equal_but_for_rounding_has_the_same_losses(here):
    write_world(here, epochs=1, augment=STILL)
    plain = rows(train())
    assert_losses_of(here, "channels_last", plain)
    assert_losses_of(here, "fold_batch_norms", plain)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_a_compiled_training_has_the_losses_of_a_plain_one(here):
    write_world(here, epochs=1, augment=STILL)
    assert_losses_of(here, "compile", rows(train()))
