import gzip
import pickle
import zipfile
from pathlib import Path

import pytest

from models.given_files.impostors import cause_of, check_stored, impostor_of, one_line

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n"
IMPOSTORS = {
    "empty": b"",
    "blanks": b"\xef\xbb\xbf \n\n",
    "zeros": b"\0" * 5000,
    "a few zeros": b"\0" * 3,
    "pointer": LFS,
    "annex": b"/annex/objects/SHA256E-s3--ab.pth\n",
    "page": b"\xef\xbb\xbf\n <!DOCTYPE html>\n<title>404</title>",
    "page with a comment": b"<!-- mirrored -->\n<HTML lang='en'>",
    "page with a long comment": b"<!-- " + b"mirrored " * 90 + b"-->\n<html>",
    "xhtml": b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0">',
    "message": b"404: Not Found",
}


@pytest.mark.parametrize("suffix", [".pth", ".txt", ".json", ".xml", ".jpg", ".h5", ""])
@pytest.mark.parametrize("kind", IMPOSTORS)
def test_what_is_no_data_is_none_whatever_its_name(tmp_path, kind, suffix):
    file = tmp_path / f"x{suffix}"
    file.write_bytes(IMPOSTORS[kind])
    assert impostor_of(file)


@pytest.mark.parametrize(
    ("content", "data", "impostors"),
    [
        (
            b'{"a": 1}',
            (".json", ".jsonl", ".yaml", ".yml", ".JSON"),
            (".pth", ".txt", ".safetensors"),
        ),
        (b'[\n "a"]', (".json",), (".pkl", ".npz")),
        (b'<?xml version="1.0"?><annotation/>', (".xml",), (".pth", ".jpg", ".json")),
        (b"<Error><Code>AccessDenied</Code></Error>", (), (".pth", ".tsv")),
    ],
)
def test_json_and_xml_are_data_where_the_name_says_so(tmp_path, content, data, impostors):
    for suffix in (*data, *impostors):
        (tmp_path / f"x{suffix}").write_bytes(content)
        assert bool(impostor_of(tmp_path / f"x{suffix}")) == (suffix in impostors)


@pytest.mark.parametrize(
    "content",
    [
        b"[PAD]\n[UNK]\n",
        b"#version: 0.2\ni n\n",
        b"\0\1" * 40,
        b"404\n405\n",
        b"html\nhead\n",
        b"\x08\0\0\0\0\0\0\0{}",
        gzip.compress(b"x", mtime=0),
        pickle.dumps({"a": 1}, 0),
        pickle.dumps(["a"], 2),
        b"[/EN#1/people A man] walks",
        b"<annotation><size/></annotation>",
    ],
)
def test_data_is_taken_for_data(tmp_path, content):
    (tmp_path / "x.txt").write_bytes(content)
    assert impostor_of(tmp_path / "x.txt") == ""


def test_the_cause_is_the_impostor_or_the_error_on_one_line_without_colours(tmp_path):
    error = ValueError("a\x1b[1mbold\x1b[0m\n word " + "x" * 400)
    (tmp_path / "x.pth").write_bytes(LFS)
    assert "git lfs pull" in cause_of(tmp_path / "x.pth", error)
    assert cause_of(tmp_path / "nothing", error).startswith("abold word xxx")
    assert one_line(error) == "abold word " + 289 * "x" + " ..."  # 300 characters and the mark
    assert one_line(error, 5) == "abold ..."
    assert one_line(EOFError()) == "EOFError"


def test_the_parts_of_an_archive_are_stored_and_no_larger_than_it(tmp_path):
    plain, stored, packed, doubled = (tmp_path / name for name in "abcd")
    plain.write_bytes(b"PK")
    check_stored(plain)
    with zipfile.ZipFile(stored, "w") as archive:
        archive.writestr("part", b"\0" * 1000)
    check_stored(stored)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("packed", b"")
        archive.writestr("stored", b"", zipfile.ZIP_STORED)
    with zipfile.ZipFile(doubled, "w") as archive:
        archive.writestr("part", b"\0" * 1000)
        archive.filelist *= 2  # two names of the same bytes
    for refused in (packed, doubled):
        with pytest.raises(ValueError, match="packed"):
            check_stored(refused)


def test_an_archive_that_holds_code_is_told_from_weights(tmp_path):
    for name, holds_code in (("model/constants.pkl", True), ("model/data.pkl", False)):
        with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
            archive.writestr(name, b"")
        if holds_code:
            with pytest.raises(ValueError, match="TorchScript"):
                check_stored(tmp_path / "a.pt")
        else:
            check_stored(tmp_path / "a.pt")


def test_of_a_device_nothing_is_read():
    with pytest.raises(OSError, match="/dev/null"):
        impostor_of(Path("/dev/null"))
