import os

import pytest

from models.given_files.text_files import (
    check_regular,
    given_files,
    read_bytes,
    read_lines,
    read_text,
    split_lines,
)

NO_LINE_ENDS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e\r"


@pytest.mark.parametrize("character", NO_LINE_ENDS)
def test_a_line_ends_at_a_line_feed_and_nowhere_else(tmp_path, character):
    path = tmp_path / "lines.txt"
    path.write_bytes(f"a{character}b\nc\r\n\n{character}d".encode())

    assert read_lines(path) == [f"a{character}b", "c", "", f"{character}d"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("\n", [""]),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("a\n\n", ["a", ""]),
        ("a\r\r\n", ["a\r"]),
    ],
)
def test_a_line_feed_at_the_end_begins_no_line(text, lines):
    assert split_lines(text) == lines


def test_a_byte_order_mark_is_no_part_of_the_text_and_bad_bytes_are_refused(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbfyolk\r\n")
    assert read_text(path) == "yolk\r\n"

    path.write_bytes("yolk".encode("utf-16"))
    with pytest.raises(UnicodeDecodeError):
        read_text(path)


def test_side_files_of_a_mac_are_passed_over(tmp_path):
    for name in ("a.txt", "._a.txt", "b.jpg", ".hidden.txt"):
        (tmp_path / name).touch()

    assert {path.name for path in given_files(tmp_path, "*.txt")} == {"a.txt", ".hidden.txt"}


def test_files_and_folders_can_be_read_and_pipes_cannot(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"\xff")
    assert read_bytes(tmp_path / "file") == b"\xff"
    check_regular(tmp_path)
    for name in ("pipe", "nothing"):
        with pytest.raises(OSError, match=name):
            read_bytes(tmp_path / name)
