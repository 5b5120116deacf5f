import pytest

from pipeline.training.loop import cosine_after_warmup


def test_the_rate_rises_linearly_then_falls_along_half_a_cosine():
    factors = [cosine_after_warmup(step, 20, 0.2) for step in range(20)]
    assert factors[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert factors[4] == 1
    assert factors[12] == pytest.approx(0.5)
    assert factors[8] == pytest.approx((1 + 2**-0.5) / 2)
    assert factors[4:] == sorted(factors[4:], reverse=True)
    assert 0 < factors[19] < 0.02


def test_without_warm_up_the_first_step_has_the_full_rate():
    assert cosine_after_warmup(0, 7, 0.0) == 1


def test_a_single_step_has_the_full_rate():
    assert cosine_after_warmup(0, 1, 0.03) == 1
