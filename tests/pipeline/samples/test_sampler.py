from collections import Counter

import pytest

from pipeline.samples.sampler import EpochSampler, epoch_samples

PHRASES = {0: [0, 1, 2], 2: [3], 3: list(range(4, 15)), 5: [15, 16]}


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


def test_processes_share_an_epoch_and_get_equally_many():
    parts = [list(sampler((rank, 4))) for rank in range(4)]
    assert {len(part) for part in parts} == {2}
    assert set(of(epoch=3)) == {sample_index for part in parts for sample_index in part}
