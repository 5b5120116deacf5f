import math

import pytest
import torch

from models.grounder.box_scorer import BoxScorer, cam_statistics, masked_log_probs, masked_probs
from tests.models.grounder.tiny_grounder import tiny_config
from tests.oracles import model_loops as loops

B, P, R, K, U, G, D, H, W, S = 2, 3, 5, 2, 11, 13, 7, 4, 6, 120


def _pairs():
    torch.manual_seed(0)
    return (
        torch.randn(B, P, G),
        torch.rand(B, R, U),
        torch.rand(B, P, R, 3),
        torch.rand(B, P, R) * 2 - 1,
    )


def _scorer(**changes):
    return BoxScorer(G, tiny_config(proposal_dim=U, embed_dim=D, **changes))


def _stirred():
    torch.manual_seed(1)
    scorer = _scorer(score_bound=2.0, score_mlp=True)
    torch.nn.init.normal_(scorer.pair.last.weight)
    return scorer


def test_at_first_the_score_is_the_cosine_under_the_bound():
    states, proposals, statistics, sims = _pairs()
    scores = _scorer(score_bound=2.0, score_mlp=True)(states, proposals, statistics, sims)
    torch.testing.assert_close(scores, 2 * torch.tanh(sims))


def test_the_first_layer_equals_one_over_the_stacked_pair():
    states, proposals, statistics, sims = _pairs()
    scorer = _stirred()
    pair = scorer.pair
    asked, box = pair.ask(states[1, 2]), proposals[1, 4]
    stacked = torch.cat([asked, box, asked * box, statistics[1, 2, 4]])
    raw = pair.last(pair.hidden(stacked).relu())[0] + 2.0 * sims[1, 2, 4]
    scores = scorer(states, proposals, statistics, sims)
    torch.testing.assert_close(scores[1, 2, 4], 2 * torch.tanh(raw / 2))


def test_without_the_mlp_only_the_cosine_has_a_say():
    states, proposals, statistics, sims = _pairs()
    scorer = _scorer(score_bound=3.0, score_mlp=False)
    torch.testing.assert_close(scorer(states, proposals, statistics, sims), 3 * torch.tanh(sims))
    assert {name for name, _ in scorer.named_parameters()} == {"embed.weight", "embed.bias"}


def test_any_bound_above_zero_leaves_a_say_to_the_mlp():
    assert _scorer(score_bound=0.1, score_mlp=True).pair is not None


def test_a_bound_of_zero_leaves_nothing_to_say_but_the_box_embeddings():
    states, proposals, statistics, sims = _pairs()
    scorer = _scorer(score_bound=0.0, score_mlp=True)
    assert scorer(states, proposals, statistics, sims).equal(torch.zeros(B, P, R))
    assert scorer.embed_boxes(proposals).any()
    assert {name for name, _ in scorer.named_parameters()} == {"embed.weight", "embed.bias"}


def test_the_score_never_leaves_its_bound():
    states, proposals, statistics, sims = _pairs()
    scores = _stirred()(states * 1e4, proposals * 1e4, statistics, sims)
    assert scores.abs().max() <= 2
    assert scores.abs().max() > 1.9


def test_which_box_wins_depends_on_the_phrase():
    states, proposals, statistics, sims = _pairs()
    scores = _stirred()(states, proposals, statistics, sims)
    flipped = _stirred()(-states, proposals, statistics, sims)
    shift = scores - flipped
    assert (shift - shift.mean(-1, keepdim=True)).abs().max() > 0.01


def test_box_embeddings_have_length_one():
    embeddings = _scorer(score_bound=2.0, score_mlp=True).embed_boxes(_pairs()[1])
    torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(B, R))


@pytest.mark.parametrize(
    ("box", "mass", "area"),
    [
        ((40.0, 30.0, 70.0, 60.0), 0.5, 1.5),  # cell (1, 2) and half of (1, 3)
        ((44.0, 36.0, 46.0, 39.0), 0.004, 0.01),  # a hundredth of cell (1, 2)
    ],
)
def test_statistics_of_a_box_drawn_by_hand(box, mass, area):
    maps = torch.zeros(1, 1, 1, H, W)  # cells of 20 x 30 px
    maps[0, 0, 0, 1, 2:4] = torch.tensor([0.4, 0.2])
    maps[0, 0, 0, 3, 5] = 0.1
    statistics = cam_statistics(maps, torch.ones(1, 1, 1), torch.tensor([[box]]), S)
    expected = torch.tensor([mass / area, mass / 0.7, mass / math.sqrt(area)])
    torch.testing.assert_close(statistics.features[0, 0, 0], expected)
    logs = math.log(mass / math.sqrt(area) + 1e-3)
    assert statistics.log_density[0, 0, 0].item() == pytest.approx(logs, abs=1e-5)


def test_statistics_equal_a_slow_loop():
    torch.manual_seed(0)
    maps, corners = torch.rand(B, P, K, H, W), torch.rand(B, R, 2) * 60
    boxes = torch.cat([corners, corners + 5 + torch.rand(B, R, 2) * 50], dim=-1)
    weights = torch.tensor([0.25, 0.75]).expand(B, P, K)
    statistics = cam_statistics(maps, weights, boxes, S).features[1, 2, 3]
    grid = (0.25 * maps[1, 2, 0] + 0.75 * maps[1, 2, 1]).double().numpy()
    cells = (boxes[1, 3] * torch.tensor([W, H, W, H]) / S).tolist()
    mass = loops.mass_inside(grid, cells)
    area = (cells[2] - cells[0]) * (cells[3] - cells[1])
    expected = torch.tensor([mass / area, mass / grid.sum(), mass / math.sqrt(area)])
    torch.testing.assert_close(statistics, expected.float())


def test_a_phrase_without_a_map_favours_no_box():
    boxes = torch.tensor([[[0.0, 0.0, 120.0, 120.0], [10.0, 10.0, 20.0, 20.0]]])
    statistics = cam_statistics(torch.zeros(1, 1, K, H, W), torch.zeros(1, 1, K), boxes, S)
    assert statistics.features.eq(0).all()
    assert statistics.log_density.eq(0).all()


def test_statistics_survive_boxes_without_area_and_no_nouns_and_no_boxes():
    points = torch.full((1, 1, 4), 30.0)
    assert (
        cam_statistics(torch.rand(1, 1, K, H, W), torch.ones(1, 1, K), points, S)
        .features.isfinite()
        .all()
    )
    empty = cam_statistics(torch.rand(1, 1, 0, H, W), torch.ones(1, 1, 0), points[:, :0], S)
    assert empty.log_density.shape == (1, 1, 0)


def test_padded_boxes_get_no_probability():
    logits = torch.tensor([[[1.0, 2.0, 50.0], [7.0, 7.0, 7.0]]])
    probs = masked_probs(logits, torch.tensor([[[True, True, False]]]))
    odds = math.exp(1.0)
    expected = torch.tensor([[[1 / (1 + odds), odds / (1 + odds), 0.0], [0.5, 0.5, 0.0]]])
    torch.testing.assert_close(probs, expected)


def test_logarithms_of_probabilities_are_zero_on_padding():
    logits = torch.tensor([[1.0, 2.0, 50.0], [-900.0, 0.0, 700.0]])
    mask = torch.tensor([[True, True, False], [True, False, True]])
    odds = math.log1p(math.exp(1.0))
    expected = torch.tensor([[-odds, 1 - odds, 0.0], [-1600.0, 0.0, 0.0]])
    torch.testing.assert_close(masked_log_probs(logits, mask), expected)
    torch.testing.assert_close(masked_log_probs(logits[None], mask[None]), expected[None])
    assert masked_log_probs(logits, torch.zeros_like(mask)).eq(0).all()


def test_no_boxes_give_no_probability_at_all():
    assert masked_probs(torch.rand(2, 3), torch.zeros(2, 3, dtype=torch.bool)).eq(0).all()
    assert masked_probs(torch.rand(2, 0), torch.zeros(2, 0, dtype=torch.bool)).shape == (2, 0)
