import base64
import os
import pickle
import re
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from pipeline.datasets.proposals import bottom_up_files
from pipeline.datasets.proposals.bottom_up_files import BadRowError, read_given, read_npz, read_row
from pipeline.errors import InputError

BOXES = np.array([[1.5, 2, 30, 41], [0, 0, 7, 5], [3, 4, 5, 6]], np.float32)
SCORES = np.array([0.25, 0.5, 0.75], np.float32)
LABELS = np.array([7, 0, 1599])


def encoded(array):
    return base64.b64encode(array.tobytes()).decode()


def original_row(image_id="150367", boxes=BOXES):
    """A line of peteanderson80's tools/generate_tsv.py, as Python's csv module writes it."""
    features = encoded(np.zeros((len(boxes), 2048), np.float32))
    return "\t".join([image_id, "640", "480", str(len(boxes)), encoded(boxes), features]) + "\r\n"


def lxmert_row(image_id="COCO_val2014_000000000139"):
    """A line of airsplay's extractors."""
    attributes = [encoded(np.zeros(3, np.int64)), encoded(np.zeros(3, np.float32))]
    cells = [image_id, "480", "640", encoded(LABELS), encoded(SCORES), *attributes]
    return "\t".join([*cells, "3", encoded(BOXES), encoded(np.zeros((3, 4), np.float32))]) + "\n"


def test_a_row_of_the_original_holds_width_before_height():
    given = read_row(original_row())
    assert (given.image_id, given.image_hw) == ("150367", (480, 640))
    np.testing.assert_array_equal(given.boxes_xyxy, BOXES)
    assert given.scores is None
    assert given.labels is None


def test_a_row_of_lxmert_holds_height_before_width_and_classes():
    given = read_row(lxmert_row())
    assert (given.image_id, given.image_hw) == ("COCO_val2014_000000000139", (480, 640))
    assert (given.boxes_xyxy.dtype, given.scores.dtype, given.labels.dtype) == ("f8", "f8", "i8")
    np.testing.assert_array_equal(given.boxes_xyxy, BOXES)
    np.testing.assert_array_equal(given.scores, SCORES)
    np.testing.assert_array_equal(given.labels, LABELS)


def test_an_image_has_one_pixel_at_least_and_no_side_beyond_all_counts():
    row = original_row().replace("\t480\t", "\t1\t")
    assert read_row(row.replace("\t640\t", f"\t{2**31 - 1}\t")).image_hw == (1, 2**31 - 1)
    with pytest.raises(BadRowError, match="side"):
        read_row(row.replace("\t640\t", f"\t{2**31}\t"))


def test_a_row_without_boxes_is_whole():
    assert read_row(original_row(boxes=BOXES[:0])).boxes_xyxy.shape == (0, 4)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", r"\b1\b.*\b6\b.*\b10\b"),
        (original_row()[:400].rsplit("\t", 1)[0], r"\b6\b.*\b10\b"),
        (original_row().replace("\t3\t", "\t4\t"), r"\b48\b.*\b16\b.*float32"),
        (original_row().replace("\t480\t", "\t48x\t"), "48x"),
        (original_row().replace(encoded(BOXES), "?" + encoded(BOXES)[1:]), "base64"),
        (original_row().replace(encoded(BOXES), "?" + encoded(BOXES)), "base64"),
        (original_row().replace("\t480\t", "\t0\t"), r"\b0 x 640\b"),
        (original_row().replace("\t640\t", "\t-640\t"), r"480 x -640"),
        (original_row().replace("\t640\t", f"\t1{400 * '0'}\t"), "side"),
    ],
)
def test_a_broken_row_says_what_is_wrong(line, message):
    with pytest.raises(BadRowError, match=message):
        read_row(line)


def test_a_file_goes_on_after_a_broken_row_and_names_its_line(tmp_path):
    path = tmp_path / "given.tsv"
    path.write_text(original_row("1") + "broken\n" + lxmert_row("3"), newline="")
    first, second, third = read_given(path)
    assert (first.image_id, third.image_id) == ("1", "3")
    assert re.search(rf"{path}:2\b.*\b1\b.*\b6\b.*\b10\b", str(second))


def test_bytes_that_are_no_text_spoil_their_own_row_alone(tmp_path):
    path = tmp_path / "given.tsv"
    rows = [original_row("1"), original_row("k\xfc\rche"), original_row("3")]
    path.write_bytes("".join(rows).encode("latin-1"))
    assert [row.image_id for row in read_given(path)] == ["1", "k\ufffd\rche", "3"]


def write_milvlg(path, **changes):
    info = {
        "image_id": path.stem,
        "objects_id": LABELS + 1,
        "objects_conf": SCORES,
        "attrs_id": np.zeros(3, np.int64),
        "attrs_conf": np.zeros(3, np.float32),
        "num_boxes": 3,
    }
    arrays = {"x": np.zeros((3, 2048), np.float32), "bbox": BOXES, "num_bbox": 3}
    sizes = {"image_h": np.size(BOXES, 0) * 160, "image_w": 640}
    np.savez_compressed(path, **arrays | sizes | {"info": info} | changes)


def test_an_npz_of_milvlg_holds_classes_in_its_info(tmp_path):
    write_milvlg(tmp_path / "1000092795.npz")
    given = read_npz(tmp_path / "1000092795.npz")
    assert (given.image_id, given.image_hw) == ("1000092795", (480, 640))
    np.testing.assert_array_equal(given.boxes_xyxy, BOXES)
    np.testing.assert_array_equal(given.scores, SCORES)
    np.testing.assert_array_equal(given.labels, LABELS + 1)


def test_an_older_npz_of_milvlg_holds_boxes_alone(tmp_path):
    np.savez(tmp_path / "5.npz", x=np.zeros((3, 2048)), bbox=BOXES)
    given = read_npz(tmp_path / "5.npz")
    assert (given.image_hw, given.scores, given.labels) == (None, None, None)
    np.testing.assert_array_equal(given.boxes_xyxy, BOXES)


def test_arrays_on_the_boxes_that_are_not_read_are_named(tmp_path):
    np.savez(tmp_path / "5.npz", bbox=BOXES, cls_prob=np.zeros((3, 7)), x=BOXES, objects=LABELS)
    given = read_npz(tmp_path / "5.npz")
    assert given.unread == ("cls_prob", "objects")
    write_milvlg(tmp_path / "6.npz")
    assert read_npz(tmp_path / "6.npz").unread == ()


def test_side_files_of_a_mac_are_no_rows(tmp_path):
    np.savez(tmp_path / "5.npz", bbox=BOXES)
    (tmp_path / "._5.npz").write_bytes(b"\x00\x05\x16\x07")
    assert [row.image_id for row in read_given(tmp_path)] == ["5"]


def test_names_of_images_are_utf8(tmp_path):
    for encoding in ("utf-8", "utf-8-sig"):
        (tmp_path / "a.tsv").write_text(original_row("küche_7"), encoding, newline="")
        assert [row.image_id for row in read_given(tmp_path / "a.tsv")] == ["küche_7"]


def test_an_npz_of_uniter_holds_shares_of_the_image(tmp_path):
    shares = np.array([[0.1, 0.2, 0.5, 0.9, 0.4, 0.7]], np.float16)
    np.savez(tmp_path / "x.npz", norm_bb=shares, conf=SCORES[:1], features=np.zeros((1, 2048)))
    given = read_npz(tmp_path / "x.npz")
    assert given.normalised
    np.testing.assert_array_equal(given.boxes_xyxy, shares[:, :4])
    np.testing.assert_array_equal(given.scores, SCORES[:1])


class Trap:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("trapped",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"info": Trap()}, "info asks for posix.mkdir, which will not be run"),
        ({"info": np.array("of", object)}, "info"),
        ({"bbox": BOXES[:, :3]}, r"bbox has shape \(3, 3\).*\(M, 4\)"),
        ({"info": {"objects_conf": SCORES[:2]}}, r"objects_conf has shape \(2,\), there are 3"),
        ({"bbox": np.array([Trap()])}, "npz"),
        ({"bbox": np.zeros((3, 5))}, r"bbox has shape \(3, 5\)"),
        ({"bbox": np.array([["1", "2", "3", "x"]])}, "bbox is no array of numbers"),
        ({"image_h": np.array([3, 4])}, "image_h or image_w is no whole number"),
        ({"image_h": 480.5}, "image_h or image_w is no whole number"),
        ({"image_w": 0}, "480 x 0 pixels has none"),
        ({"info": {"objects_id": LABELS[:2]}}, r"objects_id has shape \(2,\), there are 3"),
        ({"info": {"objects_id": LABELS[:, None]}}, r"objects_id has shape \(3, 1\)"),
        ({"info": {"objects_id": LABELS + 0.5}}, "objects_id are no whole numbers"),
        ({"info": {"objects_id": SCORES * np.nan}}, "objects_id are no whole numbers"),
        ({"info": {"objects_id": ["a", "b", "c"]}}, "objects_id is no array of numbers"),
        ({"info": {"objects_conf": ["a", "b", "c"]}}, "objects_conf is no array of numbers"),
    ],
)
def test_a_broken_npz_says_what_is_wrong_and_runs_nothing(tmp_path, monkeypatch, changes, message):
    monkeypatch.chdir(tmp_path)
    write_milvlg(tmp_path / "7.npz", **changes)
    with pytest.raises(BadRowError, match=message):
        read_npz(tmp_path / "7.npz")
    assert not (tmp_path / "trapped").exists()


def test_shares_of_an_image_have_four_columns_or_more(tmp_path):
    np.savez(tmp_path / "7.npz", norm_bb=BOXES[:, :3])
    with pytest.raises(BadRowError, match=r"norm_bb has shape \(3, 3\).*\(M, 4 or more\)"):
        read_npz(tmp_path / "7.npz")


def test_no_boxes_have_no_kind_of_class(tmp_path):
    none = np.zeros(0, "U1")
    write_milvlg(tmp_path / "7.npz", bbox=BOXES[:0], info={"objects_id": []}, objects_conf=none)
    given = read_npz(tmp_path / "7.npz")
    assert (given.boxes_xyxy.shape, given.scores.shape, given.labels.shape) == ((0, 4), (0,), (0,))
    assert (given.scores.dtype, given.labels.dtype) == ("f8", "i8")


def test_an_npz_without_boxes_says_what_it_holds(tmp_path):
    np.savez(tmp_path / "5.npz", features=np.zeros(3))
    with pytest.raises(BadRowError, match=r"bbox.*boxes.*norm_bb.*features"):
        read_npz(tmp_path / "5.npz")


@pytest.mark.parametrize("kept", [0, 0.4, 0.95])
def test_a_folder_goes_on_after_a_cut_file_and_names_it(tmp_path, kept):
    for name in ("1.npz", "2.npz", "3.npz"):
        write_milvlg(tmp_path / name)
    content = (tmp_path / "2.npz").read_bytes()
    (tmp_path / "2.npz").write_bytes(content[: int(kept * len(content))])
    first, second, third = read_given(tmp_path)
    assert (first.image_id, third.image_id) == ("1", "3")
    assert str(second).startswith(f"{tmp_path / '2.npz'}")


@pytest.mark.parametrize("name", ["nothing.tsv", "."])
def test_no_file_and_an_empty_folder_are_input_errors(tmp_path, name):
    with pytest.raises(InputError, match=r"nothing\.tsv|\.npz"):
        list(read_given(tmp_path / name))


def npy(descr, shape, content=b""):
    """Return an array's file that says what it likes of what follows."""
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + content


def shared_lists():
    value = [1] * 10
    for _ in range(12):
        value = [value] * 10
    return pickle.dumps({"boxes": value}, 2)


BOMBS = {
    "more bytes than a million boxes": {"bbox": npy("'<f4'", "(2000000, 4)", bytes(32_000_000))},
    "a shape without values": {"bbox": npy("'<f4'", "(1000000000000, 4)")},
    "a shape below zero": {"bbox": npy("'<f4'", "(-3, 4)", bytes(48))},
    "values of a gigabyte": {"bbox": npy("'|V1000000000'", "(3, 4)", bytes(48))},
    "a header that is cut off": {"bbox": npy("'<f4'", "(3, 4)" + 5000 * "(")},
    "lists in lists": {
        "bbox": npy("'<f4'", "(1, 4)", bytes(16)),
        "info": npy("'|O'", "()", shared_lists()),
    },
    "the last place of a memo": {
        "bbox": npy("'<f4'", "(1, 4)", bytes(16)),
        "info": npy("'|O'", "()", b"\x80\x02K\x01r\xff\xff\xff\x7f."),
    },
}


def test_an_array_has_as_many_bytes_as_it_may(tmp_path, monkeypatch):
    np.savez(tmp_path / "7.npz", bbox=BOXES)
    with zipfile.ZipFile(tmp_path / "7.npz") as archive:
        num_bytes = archive.getinfo("bbox.npy").file_size
    monkeypatch.setattr(bottom_up_files, "MOST_BYTES", num_bytes)
    np.testing.assert_array_equal(read_npz(tmp_path / "7.npz").boxes_xyxy, BOXES)
    monkeypatch.setattr(bottom_up_files, "MOST_BYTES", num_bytes - 1)
    with pytest.raises(BadRowError, match=f"bbox.*{num_bytes - 1}"):
        read_npz(tmp_path / "7.npz")


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_of_an_npz_is_an_error_that_takes_no_memory(tmp_path, bomb):
    with zipfile.ZipFile(tmp_path / "7.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in BOMBS[bomb].items():
            archive.writestr(f"{name}.npy", content)
    tracemalloc.start()
    with pytest.raises(BadRowError, match="npz"):
        read_npz(tmp_path / "7.npz")
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()


def test_a_pipe_is_no_file_of_boxes(tmp_path):
    os.mkfifo(tmp_path / "7.npz")
    with pytest.raises(BadRowError, match="pipe"):
        read_npz(tmp_path / "7.npz")


def test_base64_has_ascii_letters_alone():
    with pytest.raises(BadRowError, match="base64"):
        read_row(original_row().replace(encoded(BOXES), "é" + encoded(BOXES)[1:]))


@pytest.mark.parametrize(("offset", "value"), [(6, 1), (8, 99)])  # encrypted; packed as nobody does
def test_a_zip_that_cannot_be_unpacked_is_an_error(tmp_path, offset, value):
    np.savez(tmp_path / "7.npz", bbox=BOXES)
    content = bytearray((tmp_path / "7.npz").read_bytes())
    struct.pack_into("<H", content, content.index(b"PK\x03\x04") + offset, value)
    struct.pack_into("<H", content, content.index(b"PK\x01\x02") + offset + 2, value)
    (tmp_path / "7.npz").write_bytes(content)
    with pytest.raises(BadRowError, match="npz"):
        read_npz(tmp_path / "7.npz")


def test_arrays_of_either_version_of_the_format_are_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "5.npz", "w") as archive:
        for name, version in (("x", (1, 0)), ("bbox", (2, 0))):
            with archive.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, BOXES, version)
    np.testing.assert_array_equal(read_npz(tmp_path / "5.npz").boxes_xyxy, BOXES)
