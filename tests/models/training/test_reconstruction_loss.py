import pytest
import torch

from models.grounder.phrase_decoder import PhraseDecoder
from models.training.reconstruction_loss import reconstruction_loss, vision_gap
from tests.models.grounder.tiny_grounder import tiny_config
from tests.oracles import model_loops as loops

B, P, R, U, W, V, H = 2, 3, 5, 7, 4, 11, 13


def _decoder():
    torch.manual_seed(0)
    return PhraseDecoder(V, tiny_config(proposal_dim=U, decoder_dim=H))


def _phrases():
    torch.manual_seed(1)
    mask = torch.arange(W) < torch.tensor([[4, 2, 1], [3, 4, 0]])[..., None]
    return torch.randn(B, P, U), torch.randint(0, V, (B, P, W)), mask


def test_the_loss_equals_a_slow_cross_entropy():
    _, words, mask = _phrases()
    logits = torch.randn(B, P, W, V)
    expected = loops.cross_entropy(
        logits.flatten(0, 1).double().numpy(),
        words.flatten(0, 1).numpy(),
        mask.flatten(0, 1).numpy(),
    )
    assert reconstruction_loss(logits, words, mask).item() == pytest.approx(expected, rel=1e-5)


def test_logits_of_half_precision_are_summed_in_float32():
    _, words, mask = _phrases()
    logits = torch.randn(B, P, W, V).bfloat16()
    expected = reconstruction_loss(logits.float(), words, mask)
    torch.testing.assert_close(reconstruction_loss(logits, words, mask), expected, rtol=0, atol=0)


def test_a_batch_without_words_costs_nothing():
    attended, words, mask = _phrases()
    assert reconstruction_loss(_decoder()(attended, words), words, mask & False) == 0
    assert vision_gap(_decoder(), attended, words, mask & False) == 0


def test_the_vision_gap_is_what_swapping_z_costs():
    attended, words, mask = _phrases()
    decoder, one = _decoder(), torch.zeros_like(mask)
    one[0, 1, 0] = True
    for words_meant in (mask, one):
        swapped = reconstruction_loss(decoder(attended[[1, 0]], words), words, words_meant)
        expected = swapped - reconstruction_loss(decoder(attended, words), words, words_meant)
        found = vision_gap(decoder, attended, words, words_meant)
        torch.testing.assert_close(found, expected.detach())


def test_a_decoder_that_sees_the_same_everywhere_has_no_vision_gap():
    attended, words, mask = _phrases()
    assert vision_gap(_decoder(), torch.ones_like(attended), words, mask) == 0
