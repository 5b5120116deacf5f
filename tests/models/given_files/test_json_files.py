import json

import pytest

from models.given_files.json_files import (
    parse_json,
    parse_writable_json,
    read_json_value,
    write_json,
)


@pytest.mark.parametrize(
    "text", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000, '{"a": ' + "9" * 5000 + "}", "{", ""]
)
def test_what_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError, match=r".") as raised:
        parse_json(text)
    assert len(str(raised.value)) < 200


def test_objects_are_made_by_who_asks():
    assert parse_json('{"a": {"b": 1}}', tuple) == (("a", (("b", 1),)),)
    assert parse_json(b'[1, "\xc3\xa9"]') == [1, "é"]


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf[1]")
    assert read_json_value(tmp_path / "a.json") == [1]
    (tmp_path / "b.json").write_bytes(b'"\xff"')
    with pytest.raises(ValueError, match="0xff"):
        read_json_value(tmp_path / "b.json")


@pytest.mark.parametrize("half", [r"\ud800", r"\uDBFF", r"\udc00", r"\uDfff", r"\ude00\ud83d"])
def test_half_of_a_character_is_refused_in_a_value_and_in_a_key(tmp_path, half):
    for text in (f'["a", "b {half}"]', f'[{{"{half}": 1}}]'):
        assert parse_json(text)
        with pytest.raises(ValueError, match=r"."):
            parse_writable_json(text)
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(ValueError, match=r"."):
            read_json_value(tmp_path / "a.json")


def test_a_whole_character_and_a_backslash_are_no_halves():
    assert parse_writable_json(r'["\ud83d\ude00", "\\ud800", "\ud7ff\ue000"]') == [
        "\U0001f600",
        "\\ud800",
        "\ud7ff\ue000",
    ]


CONTENT = {"b": [1, 2.5, None], "a": {"чашка": "crème"}}


def test_what_is_written_is_read_again_in_its_order(tmp_path):
    write_json(tmp_path / "x.json", CONTENT, indent=1)
    read = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert read == CONTENT
    assert list(read) == ["b", "a"]


@pytest.mark.parametrize("sort_keys", [True, False])
def test_the_bytes_are_utf8_lines_that_end_with_a_newline(tmp_path, sort_keys):
    write_json(tmp_path / "x.json", CONTENT, indent=2, sort_keys=sort_keys)
    data = (tmp_path / "x.json").read_bytes()
    assert "чашка".encode() in data
    assert data.endswith(b"}\n")
    assert b"\r" not in data
    assert data.splitlines()[1].startswith(b'  "a"' if sort_keys else b'  "b"')
    assert (data.index(b'"a"') < data.index(b'"b"')) == sort_keys
