import pytest

from models.grounder.config import parse_depth


def test_depth_is_visual_then_language_layers():
    assert [parse_depth(text) for text in ("6+12", "12+24", "0+1")] == [(6, 12), (12, 24), (0, 1)]


@pytest.mark.parametrize("depth", ["", "6", "6+0", "6+", "-1+3", "6+12+1", "a+b"])
def test_anything_else_is_refused(depth):
    with pytest.raises(ValueError, match="depth"):
        parse_depth(depth)
