from dataclasses import fields

import pytest
import torch

from models.grounder.checkpoint import new_language
from models.grounder.config import LanguageSizes
from models.layers.backbone import Backbone
from models.training.remembered import (
    FrozenMemory,
    RememberedBackbone,
    RememberedLanguage,
    remember_frozen,
)
from tests.models.grounder.tiny_grounder import TinyNetwork, tiny_grounder, tiny_inputs

B, S, N, T = 3, 96, 5, 7
MUCH = 1 << 30


def spoil(module):
    """Change every weight: what is still right was not computed again."""
    with torch.no_grad():
        for weight in module.parameters():
            weight.fill_(7.0)


def backbone():
    torch.manual_seed(0)
    return Backbone(TinyNetwork(), (4, 5)).requires_grad_(False)


def pictures():
    torch.manual_seed(1)
    mask = torch.ones(B, S, S, dtype=torch.bool)
    mask[1, 60:], mask[2, :, 40:] = False, False
    return torch.rand(B, 3, S, S), mask


def language():
    torch.manual_seed(0)
    sizes = LanguageSizes(vocabulary=50, hidden=16, layers=2, heads=2, dropout=0.5)
    return new_language(sizes).eval().requires_grad_(False)


def phrases():
    mask = torch.arange(T) < torch.tensor([7, 3, 0, 3, 5])[:, None]
    ids = torch.randint(1, 50, (N, T), generator=torch.Generator().manual_seed(2))
    ids[3] = ids[1]
    return ids * mask, mask


def assert_equal(found, expected):
    for level in (3, 4, 5):
        assert found[level].equal(expected[level])


def test_a_picture_that_was_seen_is_not_computed_again_and_keeps_every_bit():
    images, masks = pictures()
    remembered, expected = RememberedBackbone(backbone(), FrozenMemory(MUCH)), backbone()
    assert_equal(remembered(images, masks), expected(images, masks))
    spoil(remembered)
    turned = torch.tensor([2, 0, 2])
    assert_equal(remembered(images[turned], masks[turned]), expected(images[turned], masks[turned]))


def test_one_picture_alone_is_remembered_too():
    images, masks = (each[:1] for each in pictures())
    remembered, expected = RememberedBackbone(backbone(), FrozenMemory(MUCH)), backbone()
    remembered(images, masks)
    spoil(remembered)
    assert_equal(remembered(images, masks), expected(images, masks))


def test_a_memory_is_filled_to_its_last_byte():
    memory = FrozenMemory(5 * 4 + 3 * 2)
    assert memory.has_room(torch.zeros(5), torch.zeros(2, dtype=torch.int16))
    assert not memory.has_room(torch.zeros(1))
    assert memory.has_room(torch.zeros(1, dtype=torch.int16))
    assert not memory.has_room(torch.zeros(1, dtype=torch.bool))


def test_a_batch_with_a_new_picture_or_of_another_size_is_computed_as_a_whole():
    images, masks = pictures()
    remembered, expected = RememberedBackbone(backbone(), FrozenMemory(MUCH)), backbone()
    remembered(images, masks)
    for module in (remembered, expected):
        spoil(module)
    assert_equal(remembered(images[:2], masks[:2]), expected(images[:2], masks[:2]))
    other = torch.cat([images[:2], images[:1] / 2])
    assert_equal(remembered(other, masks), expected(other, masks))


@pytest.mark.parametrize("change", ["pixel", "mask", "order"])
def test_another_picture_is_told_apart(change):
    images, masks = pictures()
    memory = FrozenMemory(MUCH)
    RememberedBackbone(backbone(), memory)(images, masks)
    known = set(memory.images)
    if change == "pixel":
        images[0, 1, 5, 7] = torch.nextafter(images[0, 1, 5, 7], torch.tensor(2.0))
    elif change == "mask":
        masks[0, 95, 95] = False
    else:
        images[0] = images[0].flip(-1)
    RememberedBackbone(backbone(), memory)(images, masks)
    assert len(set(memory.images) - known) == 1


def test_pictures_that_differ_in_one_bit_each_are_all_told_apart():
    count = 1500
    images, row = torch.full((count, 3, 32, 32), 0.5), torch.arange(count)
    images.view(count, -1)[row, 2 * row] = torch.nextafter(torch.tensor(0.5), torch.tensor(1.0))
    keys = RememberedBackbone(backbone(), FrozenMemory(MUCH))._keys(images, images[:, 0] > 0)
    assert len(set(keys)) == count


def test_a_phrase_that_was_read_is_not_read_again_and_keeps_every_bit():
    ids, mask = phrases()
    memory = FrozenMemory(MUCH)
    remembered, expected = RememberedLanguage(language(), memory), language()
    remembered(ids[:2], mask[:2])
    assert remembered(ids, mask).equal(expected(ids, mask))
    assert len(memory.phrases) == 4  # two of the five are one phrase
    spoil(remembered)
    assert remembered(ids.flip(0), mask.flip(0)).equal(expected(ids.flip(0), mask.flip(0)))


def test_a_phrase_with_other_padding_is_read_anew():
    ids, mask = phrases()
    remembered, expected = RememberedLanguage(language(), FrozenMemory(MUCH)), language()
    remembered(ids, mask)
    assert remembered(ids[1:2, :3], mask[1:2, :3]).equal(expected(ids[1:2, :3], mask[1:2, :3]))


def test_beyond_the_limit_nothing_is_added_and_nothing_changes():
    images, masks = pictures()
    ids, mask = phrases()
    one = sum(maps[0].nbytes for maps in backbone()(images, masks).values())
    memory = FrozenMemory(2 * one + 100)
    visual, text = RememberedBackbone(backbone(), memory), RememberedLanguage(language(), memory)
    for _ in range(2):
        assert_equal(visual(images, masks), backbone()(images, masks))
        assert text(ids, mask).equal(language()(ids, mask))
    assert (len(memory.images), len(memory.phrases)) == (2, 0)
    assert memory.used_bytes == 2 * one


def test_a_known_picture_beside_a_new_one_takes_no_room_again():
    images, masks = pictures()
    one = sum(maps[0].nbytes for maps in backbone()(images, masks).values())
    memory = FrozenMemory(3 * one)
    remembered = RememberedBackbone(backbone(), memory)
    for pair in ([0, 1], [0, 2]):
        remembered(images[pair], masks[pair])
    assert (len(memory.images), memory.used_bytes) == (3, 3 * one)


def frozen_grounder(**changes):
    grounder = tiny_grounder(language_pretrained=True, **changes)
    grounder.train_pretrained(wanted=False)
    return grounder


@pytest.mark.parametrize("pictures_change", [True, False])
def test_a_grounder_with_frozen_encoders_answers_as_before(pictures_change):
    plain, grounder = frozen_grounder(dropout=0.0), frozen_grounder(dropout=0.0)
    remembered = remember_frozen(grounder, FrozenMemory(MUCH), pictures_change)
    assert set(remembered) == {"language"} | (set() if pictures_change else {"backbone"})
    assert grounder.state_dict().keys() == plain.state_dict().keys()
    for _ in range(2):
        found, expected = grounder(tiny_inputs()), plain(tiny_inputs())
        for field in fields(expected):
            assert getattr(found, field.name).equal(getattr(expected, field.name)), field.name
    assert not any(module.training for module in remembered.values())


def test_an_encoder_that_is_trained_does_not_remember():
    grounder = tiny_grounder(language_pretrained=True)
    assert not remember_frozen(grounder, FrozenMemory(MUCH), pictures_change=False)
    scratch = tiny_grounder(language_pretrained=False)
    scratch.train_pretrained(wanted=False)
    assert set(remember_frozen(scratch, FrozenMemory(MUCH), False)) == {"backbone"}
