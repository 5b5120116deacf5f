import torch

from models.grounder.phrase_decoder import PhraseDecoder, attended_proposal
from tests.models.grounder.tiny_grounder import tiny_config

B, P, R, U, W, V, H = 2, 3, 5, 7, 4, 11, 13


def _decoder():
    torch.manual_seed(0)
    return PhraseDecoder(V, tiny_config(proposal_dim=U, decoder_dim=H))


def _phrases():
    torch.manual_seed(1)
    mask = torch.arange(W) < torch.tensor([[4, 2, 1], [3, 4, 0]])[..., None]
    return torch.randn(B, P, U), torch.randint(0, V, (B, P, W)), mask


def test_z_is_the_weighted_sum_of_proposals():
    probs = torch.tensor([[[0.25, 0.75]]])
    proposals = torch.tensor([[[1.0, 8.0], [5.0, 0.0]]])
    torch.testing.assert_close(attended_proposal(probs, proposals), torch.tensor([[[4.0, 2.0]]]))


def test_without_proposals_z_is_zero():
    assert attended_proposal(torch.zeros(B, P, 0), torch.zeros(B, 0, U)).equal(torch.zeros(B, P, U))


def test_a_word_is_predicted_from_the_words_before_it_only():
    attended, words, _ = _phrases()
    changed = words.clone()
    changed[:, :, 2] = (changed[:, :, 2] + 1) % V
    decoder = _decoder()
    before, after = decoder(attended, words), decoder(attended, changed)
    torch.testing.assert_close(after[:, :, :3], before[:, :, :3])
    assert not after[:, :, 3].allclose(before[:, :, 3])


def test_the_first_word_is_predicted_from_z():
    attended, words, _ = _phrases()
    decoder = _decoder()
    state, _ = decoder.lstm(decoder.start(attended[1, 2])[None, None])
    expected = decoder.vocabulary(state[0, 0])
    torch.testing.assert_close(decoder(attended, words)[1, 2, 0], expected)


def test_phrases_are_decoded_apart():
    attended, words, _ = _phrases()
    decoder = _decoder()
    alone = decoder(attended[1:, 1:2], words[1:, 1:2])
    torch.testing.assert_close(decoder(attended, words)[1:, 1:2], alone)
