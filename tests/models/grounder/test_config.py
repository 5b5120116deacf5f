import pytest

from models.grounder.config import parse_depth, parse_levels


def test_depth_is_visual_then_language_layers():
    assert [parse_depth(text) for text in ("6+12", "12+24", "0+1")] == [(6, 12), (12, 24), (0, 1)]


@pytest.mark.parametrize("depth", ["", "6", "6+0", "6+", "-1+3", "6+12+1", "a+b"])
def test_anything_else_is_no_depth(depth):
    with pytest.raises(ValueError, match="depth"):
        parse_depth(depth)


def test_levels_are_read_from_their_text():
    assert [parse_levels(text) for text in ("3", "4+5", "3+4+5")] == [(3,), (4, 5), (3, 4, 5)]


@pytest.mark.parametrize("text", ["", "2", "5+3", "3+3", "3+4+", "3,5"])
def test_anything_else_is_no_choice_of_levels(text):
    with pytest.raises(ValueError, match="levels"):
        parse_levels(text)
