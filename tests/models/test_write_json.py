import json

import pytest

from models.safe_load import write_json

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
    assert (data.index(b'"a"') < data.index(b'"b"')) == sort_keys
