import pytest

from models.given_files.json_files import parse_json, read_json_value


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
