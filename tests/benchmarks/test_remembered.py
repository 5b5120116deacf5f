import torch

from benchmarks.remembered import RememberedBackbone, RememberedLanguage
from models.grounder.checkpoint import new_language
from models.grounder.config import LanguageSizes
from models.layers.backbone import Backbone
from tests.models.grounder.tiny_grounder import TinyNetwork

B, S, N, T = 3, 96, 5, 7


def backbone():
    torch.manual_seed(0)
    return Backbone(TinyNetwork(), (4, 5))


def pictures():
    torch.manual_seed(1)
    mask = torch.ones(B, S, S, dtype=torch.bool)
    mask[1, 60:], mask[2, :, 40:] = False, False
    return torch.rand(B, 3, S, S), mask


def language():
    torch.manual_seed(0)
    return new_language(
        LanguageSizes(vocabulary=50, hidden=16, layers=2, heads=2, dropout=0.5)
    ).eval()


def phrases():
    mask = torch.arange(T) < torch.tensor([7, 3, 0, 3, 5])[:, None]
    ids = torch.randint(1, 50, (N, T), generator=torch.Generator().manual_seed(2))
    ids[3] = ids[1]
    return ids * mask, mask


def test_maps_are_the_backbones_own_however_they_come_together():
    images, masks = pictures()
    expected = backbone()(images, masks)
    remembered = RememberedBackbone(backbone(), {})
    remembered(images[1:2], masks[1:2])
    found = remembered(images, masks)
    for level in (3, 4, 5):
        torch.testing.assert_close(found[level], expected[level])


def test_a_picture_that_was_seen_is_not_computed_again():
    images, masks = pictures()
    known = {}
    before = RememberedBackbone(backbone(), known)(images, masks)
    other = backbone()
    with torch.no_grad():
        for weight in other.parameters():
            weight.fill_(7.0)
    after = RememberedBackbone(other, known)(images.flip(0), masks.flip(0))
    for level in (3, 4, 5):
        assert after[level].flip(0).equal(before[level])


def test_the_same_pixels_with_another_mask_are_another_picture():
    images, masks = pictures()
    remembered = RememberedBackbone(backbone(), {})
    remembered(images, masks)
    found = remembered(images, masks.flip(0))
    expected = backbone()(images, masks.flip(0))
    torch.testing.assert_close(found[5], expected[5])


def test_states_of_real_tokens_are_the_encoders_own_whatever_the_padding():
    ids, mask = phrases()
    expected = language()(ids, mask)
    remembered = RememberedLanguage(language(), {})
    remembered(ids[:2, :5], mask[:2, :5])  # cuts the first phrase: another one
    found = remembered(ids, mask)
    torch.testing.assert_close(found[mask], expected[mask], atol=1e-5, rtol=1e-5)
    assert not found[~mask].any()


def test_a_phrase_that_was_read_is_not_read_again():
    ids, mask = phrases()
    known = {}
    before = RememberedLanguage(language(), known)(ids, mask)
    assert len(known) == 4  # two of the five are one phrase
    other = language()
    with torch.no_grad():
        for weight in other.parameters():
            weight.fill_(7.0)
    assert RememberedLanguage(other, known)(ids, mask).equal(before)


def test_reading_does_not_drop_out_even_in_training():
    ids, mask = phrases()
    found = RememberedLanguage(language(), {}).train()(ids, mask)
    torch.testing.assert_close(found[mask], language()(ids, mask)[mask], atol=1e-5, rtol=1e-5)
