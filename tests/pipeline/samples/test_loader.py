import gc
import os
import re
import signal

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.params.read import read_params
from pipeline.samples.dataset import GroundingDataset
from pipeline.samples.loader import build_loader, collate
from pipeline.samples.sample_spec import sample_spec
from pipeline.samples.sampler import EpochSampler
from tests.conftest import ROOT

SIZES = st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=4)


@st.composite
def samples(draw):
    """Samples of unequal sizes: of each, masks that are true, and values other than zero."""
    made = []
    for phrases, boxes, words in draw(SIZES):
        floats = hnp.arrays(np.float32, (phrases, boxes), elements=st.floats(1, 9, width=32))
        made.append(
            {
                "phrase_mask": np.ones(phrases, np.bool_),
                "box_priors": draw(floats),
                "word_ids": draw(
                    hnp.arrays(np.int64, (phrases, words), elements=st.integers(1, 99))
                ),
                "noun_classes": draw(hnp.arrays(np.int64, (phrases, 2), elements=st.just(7))),
                "pixel_mask": np.ones((3, 5), np.bool_),
            }
        )
    return made


@given(samples())
@settings(max_examples=150, deadline=None)
def test_values_stay_where_they_are_and_everything_else_is_padding(given_samples):
    batch = collate(given_samples)
    assert batch.keys() == given_samples[0].keys()
    for name, stacked in ((name, tensor.numpy()) for name, tensor in batch.items()):
        assert stacked.dtype == given_samples[0][name].dtype
        largest = np.max([sample[name].shape for sample in given_samples], axis=0)
        assert stacked.shape == (len(given_samples), *largest)
        padding = -1 if name == "noun_classes" else 0
        for row, sample in zip(stacked, given_samples, strict=True):
            real = tuple(slice(side) for side in sample[name].shape)
            np.testing.assert_array_equal(row[real], sample[name])
            outside = np.ones(row.shape, np.bool_)
            outside[real] = False
            assert (row[outside] == padding).all()


@given(samples())
@settings(max_examples=50, deadline=None)
def test_a_sample_is_the_same_in_any_company_but_for_its_padding(given_samples):
    alone, last = collate(given_samples[-1:]), collate(given_samples)
    for name, values in alone.items():
        real = tuple(slice(side) for side in values.shape[1:])
        assert torch.equal(last[name][-1][real], values[0])


class Numbers:
    """Maps an index to a sample of so many phrases."""

    def __len__(self):
        return 5

    def name_of(self, index):
        return f"image {index}"

    def __getitem__(self, index):
        return {"phrase_mask": np.ones(index, np.bool_), "index": np.array([index])}


def test_batches_come_in_the_order_asked_for_and_the_last_may_be_small():
    before = torch.get_rng_state()
    batches = [*build_loader(Numbers(), [3, 1, 4, 0, 2], 2, workers=0)]
    assert [batch["index"].flatten().tolist() for batch in batches] == [[3, 1], [4, 0], [2]]
    assert [batch["phrase_mask"].sum(1).tolist() for batch in batches] == [[3, 1], [4, 0], [2]]
    assert torch.equal(torch.get_rng_state(), before)


def test_workers_change_nothing_and_the_order_is_asked_for_anew():
    order = [3, 1, 4]
    loader = build_loader(Numbers(), order, 2, workers=1)
    for _ in range(2):
        found = [batch["index"].flatten().tolist() for batch in loader]
        assert found == [order[:2], order[2:]]
        order.reverse()


class Telling(Numbers):
    """Tells which process makes a sample."""

    def __getitem__(self, index):
        return {"process": np.array([os.getpid()])}


def test_a_worker_lives_from_epoch_to_epoch():
    loader = build_loader(Telling(), [0, 1], 2, workers=1)
    made_by = {tuple(batch["process"].flatten().tolist()) for _ in range(2) for batch in loader}
    ((first, second),) = made_by
    assert first == second != os.getpid()


class Frozen(Numbers):
    """Tells how many objects the garbage collector of its process leaves alone."""

    def __getitem__(self, index):
        return {"frozen": np.array([gc.get_freeze_count()])}


def test_the_garbage_collector_of_a_worker_leaves_its_parents_objects_alone():
    known, others = gc.get_freeze_count(), len(gc.get_objects())
    (batch,) = build_loader(Frozen(), [0], 1, workers=1)
    assert batch["frozen"].item() > known + others // 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking beside threads
@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_batches_of_real_samples_are_equal_however_workers_start(world, start):
    params = read_params(ROOT / "params.yaml").train
    dataset = GroundingDataset(world.tables, sample_spec(params), world.text, params.augment)
    sampler = EpochSampler(world.tables.phrases_of_image, 3, seed=5)
    alone, together = (build_loader(dataset, sampler, 2, workers) for workers in (0, 1))
    together.multiprocessing_context = start
    for own, theirs in zip(alone, together, strict=True):
        assert own.keys() == theirs.keys()
        assert all(torch.equal(own[name], theirs[name]) for name in own)


class Failing(Numbers):
    """Fails at one of its samples."""

    def __init__(self, index, act):
        self.index, self.act = index, act

    def __getitem__(self, index):
        if index == self.index:
            self.act()
        return super().__getitem__(index)


def refuse():
    raise InputError("d.png: is cut off")


def divide():
    return 1 / 0


def die():
    os.kill(os.getpid(), signal.SIGKILL)


ORDER = [3, 1, 4, 0, 2]


@pytest.mark.parametrize("workers", [0, 2])
def test_what_a_person_can_mend_arrives_as_it_was_raised(workers):
    loader = build_loader(Failing(0, refuse), ORDER, 2, workers)
    batches = iter(loader)
    assert next(batches)["index"].flatten().tolist() == [3, 1]
    with pytest.raises(InputError) as raised:
        next(batches)
    assert str(raised.value) == "d.png: is cut off"


@pytest.mark.parametrize("workers", [0, 2])
def test_another_error_names_the_image_at_which_it_happened(workers):
    with pytest.raises(ZeroDivisionError) as raised:
        list(build_loader(Failing(4, divide), ORDER, 2, workers))
    told = str(raised.value) + "".join(getattr(raised.value, "__notes__", []))
    assert "image 4" in told


def test_a_worker_that_is_killed_is_reported_with_the_images_that_it_was_at():
    loader = build_loader(Failing(0, die), ORDER, 2, workers=2)
    with (
        pytest.raises(InputError, match=r"runtime\.workers: .*killed") as raised,
        loader.naming_lost_samples(),
    ):
        list(loader)
    # not 3 and 1, which were there already, nor 2, of the other worker
    assert re.findall(r"image \d", str(raised.value)) == ["image 4", "image 0"]


def test_another_runtime_error_passes():
    with (
        pytest.raises(RuntimeError, match="its own"),
        build_loader(Numbers(), ORDER, 2, 0).naming_lost_samples(),
    ):
        raise RuntimeError("its own")


def test_tokenizers_start_no_threads_that_a_fork_would_lose(monkeypatch):
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    build_loader([], [], 1, 0)
    assert os.environ["TOKENIZERS_PARALLELISM"] == "false"
