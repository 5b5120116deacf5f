import hypothesis.extra.numpy as hnp
import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.samples.loader import build_loader, collate

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
