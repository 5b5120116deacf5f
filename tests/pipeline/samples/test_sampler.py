import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.samples.image_phrases import ImagePhrases
from pipeline.samples.sampler import EpochSampler, EpochSamples

PHRASES = {0: [0, 1, 2], 2: [3], 3: list(range(4, 15)), 5: [15, 16]}


def epoch_samples(table, per_image, seed, epoch):
    return [*EpochSamples(ImagePhrases.of(table), per_image, seed, epoch)]


def of(epoch=0, per_image=5, seed=7):
    return epoch_samples(PHRASES, per_image, seed, epoch)


@pytest.mark.parametrize("per_image", [1, 3, 5, 100])
def test_an_epoch_holds_every_phrase_once_under_its_image(per_image):
    sample_indices = of(per_image=per_image)
    pairs = Counter(
        (sample_index.image_index, phrase)
        for sample_index in sample_indices
        for phrase in sample_index.phrase_indices
    )
    assert pairs == Counter((image, phrase) for image, found in PHRASES.items() for phrase in found)
    assert max(len(sample_index.phrase_indices) for sample_index in sample_indices) <= per_image


def test_the_phrases_of_an_image_are_spread_evenly():
    assert sorted(len(d.phrase_indices) for d in of() if d.image_index == 3) == [3, 4, 4]


def test_epochs_group_and_order_anew_and_repeat_exactly():
    assert of(epoch=1) == of(epoch=1)
    assert [d.image_index for d in of(epoch=1)] != [d.image_index for d in of(epoch=2)]
    groups = [{d.phrase_indices for d in of(epoch=e)} for e in (1, 2)]
    assert groups[0] != groups[1]
    assert of(seed=8) != of(seed=7)


def test_every_sample_of_every_epoch_has_its_own_seed():
    seeds = [sample_index.seed for epoch in (0, 1) for sample_index in of(epoch=epoch)]
    assert len(set(seeds)) == len(seeds)


def sampler(part=(0, 1), epoch=3):
    made = EpochSampler(PHRASES, 5, 7, part)
    made.set_epoch(epoch)
    return made


def test_the_sampler_yields_the_draws_of_its_epoch():
    assert list(sampler()) == of(epoch=3)
    assert len(sampler()) == len(of())
    assert list(EpochSampler(PHRASES, 5, 7)) == of(epoch=0)
    assert EpochSamples(ImagePhrases.of(PHRASES), 5, 7, 2)[1:3] == of(epoch=2)[1:3]


def test_processes_share_an_epoch_and_get_equally_many():
    parts = [list(sampler((rank, 4))) for rank in range(4)]
    assert {len(part) for part in parts} == {2}
    assert set(of(epoch=3)) == {sample_index for part in parts for sample_index in part}


TABLES = st.lists(st.integers(1, 9), max_size=7).map(
    lambda counts: {
        3 * image: list(range(sum(counts[:image]), sum(counts[: image + 1])))
        for image in range(len(counts))
    }
)


@given(TABLES, st.integers(1, 5), st.integers(0, 9), st.integers(0, 5))
@settings(max_examples=200, deadline=None)
def test_any_epoch_of_any_table_is_a_partition_into_even_groups(table, per_image, seed, epoch):
    samples = epoch_samples(table, per_image, seed, epoch)
    pairs = sorted((one.image_index, phrase) for one in samples for phrase in one.phrase_indices)
    assert pairs == [(image, phrase) for image, phrases in table.items() for phrase in phrases]
    for image, phrases in table.items():
        sizes = [len(one.phrase_indices) for one in samples if one.image_index == image]
        assert len(sizes) == math.ceil(len(phrases) / per_image)
        assert max(sizes) - min(sizes) <= 1
    assert len({one.seed for one in samples}) == len(samples)


@given(TABLES.filter(bool), st.integers(1, 5), st.integers(1, 6), st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_processes_share_any_epoch_with_as_few_repeats_as_can_be(table, per_image, count, epoch):
    shares = []
    for rank in range(count):
        share = EpochSampler(table, per_image, 7, (rank, count))
        share.set_epoch(epoch)
        shares.append(list(share))
        assert len(shares[-1]) == len(share)
    whole = epoch_samples(table, per_image, 7, epoch)
    length = math.ceil(len(whole) / count)
    assert {len(share) for share in shares} == {length}
    dealt = [share[turn] for turn in range(length) for share in shares]
    assert dealt == [whole[number % len(whole)] for number in range(length * count)]


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_a_step_of_all_processes_is_their_batches_together(processes):
    parts = [list(sampler((rank, processes))) for rank in range(processes)]
    whole = sampler((0, processes), epoch=0)
    for step in range(-(-len(parts[0]) // 2)):
        batches = [part[2 * step : 2 * step + 2] for part in parts]
        expected = sorted(sample.seed for batch in batches for sample in batch)
        assert sorted(sample.seed for sample in whole.step_samples(3, step, 2)) == expected
