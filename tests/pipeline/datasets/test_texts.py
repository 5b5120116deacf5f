import pytest

from pipeline.datasets.texts import name_problem, text_problem


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "\udfff dog", "caf\udce9"])
def test_what_utf_8_or_a_file_name_cannot_hold_is_a_problem(text):
    assert text_problem("dog", None, text)
    assert name_problem(f"a/{text}.png")


@pytest.mark.parametrize("text", ["", "a dog", "\ud7ff\ue000", "狗 🐕", "a\u2028b\ufeff"])
def test_any_other_text_is_none(text):
    assert text_problem(text, None) is None


def test_a_part_of_a_path_has_255_bytes_at_most():
    assert name_problem("é" * 127 + "/" + "a" * 255) is None
    assert name_problem("é" * 128)
    assert name_problem("a/" + "é" * 128 + "/b.png")
