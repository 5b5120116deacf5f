"""What pictures' files may be: their formats, and orientations in any place of a PNG."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.images.images import image_hw_of, read_image, whole_image_hw

UPRIGHT = np.arange(3 * 5 * 3, dtype=np.uint8).reshape(3, 5, 3)
SIDEWAYS = np.rot90(UPRIGHT, -1)  # EXIF 2.32, orientation 6: row 0 is the right side
SUFFIXES = ["avif", "bmp", "dib", "gif", "jpg", "jp2", "png", "ppm", "tga", "tiff", "webp"]
RAMPS = np.stack(np.broadcast_arrays(*np.ogrid[40:180:11j, 30:220:17j], 90), axis=2)


def saved_with_exif_as_text(path, kind, count, value):
    """Save a PNG whose EXIF is a text of hexadecimal digits, as ImageMagick writes it."""
    tag = struct.pack("<HHI4s", 274, kind, count, value)
    rational = struct.pack("<II", 6, 1)
    exif = b"Exif\0\0II" + struct.pack("<HIH", 42, 8, 1) + tag + bytes(4) + rational
    texts = PngInfo()
    texts.add_text("Raw profile type exif", f"\nexif\n{len(exif)}\n{exif.hex()}\n")
    Image.fromarray(UPRIGHT).save(path, pnginfo=texts)
    return path


def test_orientation_in_exif_as_text_turns_a_picture(tmp_path):
    path = saved_with_exif_as_text(tmp_path / "a.png", 3, 1, b"\6\0\0\0")
    np.testing.assert_array_equal(read_image(path), SIDEWAYS)
    assert image_hw_of(path) == (5, 3)


@pytest.mark.parametrize(
    ("kind", "count", "value"),
    [(5, 1, struct.pack("<I", 26)), (11, 1, struct.pack("<f", 6)), (2, 2, b"6\0\0\0")],
    ids=["a fraction", "a float", "a digit"],
)
def test_orientation_in_exif_as_text_is_a_whole_number(tmp_path, kind, count, value):
    path = saved_with_exif_as_text(tmp_path / "a.png", kind, count, value)
    np.testing.assert_array_equal(read_image(path), UPRIGHT)
    assert image_hw_of(path) == (3, 5)


def test_orientation_behind_the_pixels_turns_a_picture_whatever_stands_beside_it(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(UPRIGHT).save(path)
    tags = struct.pack("<HHII", 256, 5, 1, 1 << 31) + struct.pack("<HHIHH", 274, 3, 1, 6, 0)
    chunk = b"eXIfII" + struct.pack("<HIH", 42, 8, 2) + tags + bytes(4)
    framed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    content = path.read_bytes()
    path.write_bytes(content[:-12] + framed + content[-12:])  # before IEND
    assert image_hw_of(path) == (5, 3)
    np.testing.assert_array_equal(read_image(path), SIDEWAYS)


@pytest.mark.parametrize(("orientation", "shown"), [(6, SIDEWAYS), (1, UPRIGHT), (9, UPRIGHT)])
def test_orientation_in_xmp_turns_a_picture(tmp_path, orientation, shown):
    xmp = f'<x:xmpmeta><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>'
    texts = PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", xmp)
    Image.fromarray(UPRIGHT).save(tmp_path / "a.png", pnginfo=texts)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), shown)
    assert image_hw_of(tmp_path / "a.png") == shown.shape[:2]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("is_named", [True, False])
def test_a_picture_of_every_format_is_read_whatever_its_name(tmp_path, suffix, is_named):
    path = tmp_path / f"a.{suffix if is_named else 'x'}"
    shown = RAMPS.astype(np.uint8)
    Image.fromarray(shown).save(path, Image.registered_extensions()[f".{suffix}"])
    np.testing.assert_allclose(read_image(path), shown, atol=30)  # some are lossy
    assert image_hw_of(path) == whole_image_hw(path) == (11, 17)
