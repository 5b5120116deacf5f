import os
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile

from pipeline.images.images import (
    MOST_PIXELS,
    BadImageError,
    image_hw_of,
    read_image,
    whole_image_hw,
)

# an asymmetric picture, unequal sides: red top left, blue bottom right
UPRIGHT = np.zeros((3, 5, 3), np.uint8)
UPRIGHT[0, 0] = (255, 0, 0)
UPRIGHT[2, 4] = (0, 0, 255)
# EXIF 2.32, tag 274: where row 0 and column 0 of the stored picture are shown
RED_IS_SHOWN_AT = {
    1: (0, 0),
    2: (0, 4),
    3: (2, 4),
    4: (2, 0),
    5: (0, 0),
    6: (0, 2),
    7: (4, 2),
    8: (4, 0),
}


def saved(path, pixels, mode=None, **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.array(pixels), mode)
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize("orientation", RED_IS_SHOWN_AT)
def test_a_picture_is_turned_the_way_it_is_shown(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = saved(tmp_path / f"a.{suffix}", UPRIGHT, exif=exif)
    pixels = read_image(path)
    assert np.argwhere(pixels[..., 0] == 255).tolist() == [list(RED_IS_SHOWN_AT[orientation])]
    assert pixels.shape == ((3, 5, 3) if orientation < 5 else (5, 3, 3))
    assert image_hw_of(path) == pixels.shape[:2]


def test_the_header_of_a_rotated_jpeg_tells_the_shown_height_and_width(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    path = saved(tmp_path / "a.jpg", np.zeros((7, 11, 3), np.uint8), exif=exif)
    assert image_hw_of(path) == (11, 7)
    assert read_image(path).shape == (11, 7, 3)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path, suffix):
    path = saved(tmp_path / f"a.{suffix}", np.array([[0, 257, 65535, 32768, 128]], np.uint16))
    assert read_image(path)[0].tolist() == [[v] * 3 for v in (0, 1, 255, 128, 0)]


def test_sixteen_bit_grey_is_turned_too(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    pixels = np.zeros((2, 3), np.uint16)
    pixels[0, 0] = 65535
    path = saved(tmp_path / "a.png", pixels, exif=exif)
    assert np.argwhere(read_image(path)[..., 0] == 255).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("image", "suffix", "rgb"),
    [
        (Image.new("L", (2, 1), 77), "png", (77, 77, 77)),
        (Image.new("1", (2, 1), 1), "png", (255, 255, 255)),
        (Image.new("CMYK", (2, 1), (0, 255, 255, 0)), "tiff", (255, 0, 0)),
        (Image.new("CMYK", (2, 1), (0, 255, 255, 0)), "jpg", (255, 0, 0)),
        (Image.new("RGB", (2, 1), (9, 80, 200)).quantize(2), "png", (9, 80, 200)),
        (Image.new("RGBA", (2, 1), (10, 20, 30, 255)), "png", (10, 20, 30)),
        (Image.new("RGBA", (2, 1), (10, 20, 30, 0)), "png", (255, 255, 255)),
        (Image.new("LA", (2, 1), (0, 51)), "png", (204, 204, 204)),  # 255 * (1 - 51 / 255)
    ],
)
def test_every_kind_of_picture_becomes_rgb(tmp_path, image, suffix, rgb):
    pixels = read_image(saved(tmp_path / f"a.{suffix}", image))
    assert pixels.dtype == np.uint8
    assert pixels.tolist() == [[list(rgb)] * 2]


def test_a_transparent_palette_colour_shows_white(tmp_path):
    image = Image.new("P", (2, 1), 0)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    path = saved(tmp_path / "a.png", image, transparency=0)
    assert read_image(path).tolist() == [[[255, 255, 255], [40, 50, 60]]]


def test_the_first_frame_of_an_animation_counts(tmp_path):
    frames = [Image.new("RGB", (2, 1), colour) for colour in ("red", "blue")]
    path = saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert read_image(path)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("mode", ["I", "F"])
def test_grey_values_of_unknown_range_are_refused(tmp_path, mode):
    path = saved(tmp_path / "a.tiff", Image.new(mode, (2, 1), 1))
    with pytest.raises(BadImageError, match=r"a\.tiff.*32-bit"):
        read_image(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tiff", "webp", "bmp"])
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_picture_is_refused_with_its_name(tmp_path, suffix, kept):
    noise = np.random.default_rng(3).integers(0, 256, (31, 37, 3), np.uint8)
    path = saved(tmp_path / f"half.{suffix}", noise)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(BadImageError, match=rf"half\.{suffix}"):
        read_image(path)


@pytest.mark.parametrize("read", [read_image, image_hw_of])
def test_a_text_a_folder_and_nothing_are_no_pictures(tmp_path, read):
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(BadImageError, match=r"text\.jpg"):
        read(tmp_path / "text.jpg")
    with pytest.raises(BadImageError, match=r"folder\.jpg"):
        read(tmp_path / "folder.jpg")
    with pytest.raises(BadImageError, match=r"none\.jpg"):
        read(tmp_path / "none.jpg")


def test_a_real_photograph_is_read_as_wide_as_its_header_says(real):
    path = real / "flickr30k" / "flickr30k-images" / "1009434119.jpg"
    assert read_image(path).shape == (170, 256, 3)
    assert image_hw_of(path) == (170, 256)


def photograph(path, **options):
    """Save a picture of noise, 41 x 67, whose JPEG has many bytes."""
    pixels = np.random.default_rng(0).integers(0, 256, (41, 67, 3), np.uint8)
    return saved(path, pixels, **options)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.gif", "a.bmp"])
def test_a_whole_picture_has_its_height_and_width(tmp_path, name):
    assert whole_image_hw(photograph(tmp_path / name)) == (41, 67)


@pytest.mark.parametrize(
    ("suffix", "kept"), [("jpg", 0.999), ("jpg", 0.5), ("jpg", 0.2), ("png", 0.9), ("png", 0.2)]
)
def test_a_picture_that_was_cut_off_is_not_whole(tmp_path, suffix, kept):
    path = photograph(tmp_path / f"a.{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(BadImageError, match=rf"a\.{suffix}"):
        whole_image_hw(path)


@pytest.mark.parametrize("read", [read_image, whole_image_hw])
def test_a_png_whose_stream_is_damaged_is_refused(tmp_path, read):
    path = photograph(tmp_path / "a.png")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(BadImageError, match=r"a\.png"):
        read(path)


def test_a_jpeg_whose_end_was_never_written_is_not_whole(tmp_path):
    path = photograph(tmp_path / "a.jpg")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2].ljust(len(content), b"\0"))
    assert image_hw_of(path) == (41, 67)
    with pytest.raises(BadImageError):
        whole_image_hw(path)


def test_a_jpeg_that_ends_in_its_end_mark_is_not_decoded(tmp_path, monkeypatch):
    path = photograph(tmp_path / "a.jpg")
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    assert whole_image_hw(path) == (41, 67)


def test_a_jpeg_with_something_behind_its_end_is_whole(tmp_path):
    path = photograph(tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes() + b"\0\0 maker's notes")
    assert whole_image_hw(path) == (41, 67)


def test_a_turned_jpeg_is_measured_as_it_is_shown(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 8
    assert whole_image_hw(photograph(tmp_path / "a.jpg", exif=exif)) == (67, 41)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xd9", b"<html>", b"\xff\xd9"])
def test_what_is_no_picture_is_not_whole(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(BadImageError):
        whole_image_hw(tmp_path / "a.jpg")


def test_a_decoder_notices_nothing_that_the_end_mark_does_not_tell(tmp_path):
    path = photograph(tmp_path / "a.jpg")
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] + b"\0" * 20 + content[half + 20 :])
    assert read_image(path).shape[:2] == whole_image_hw(path)


def tiff_header(entries, order="<", next_ifd=0, ifd_at=8):
    """Return EXIF as TIFF 6.0 lays it out: (tag, type, count, the four bytes of the value)."""
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, ifd_at)
    rows = b"".join(struct.pack(order + "HHI4s", *entry) for entry in entries)
    return head + struct.pack(order + "H", len(entries)) + rows + struct.pack(order + "I", next_ifd)


def with_exif(path, exif):
    """Save UPRIGHT with EXIF, byte by byte: libraries write no odd ones."""
    saved(path, UPRIGHT, **({"lossless": True} if path.suffix == ".webp" else {}))
    content = path.read_bytes()
    if path.suffix == ".jpg":
        segment = b"Exif\0\0" + exif
        content = (
            content[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + content[2:]
        )
    elif path.suffix == ".png":
        chunk = b"eXIf" + exif
        content = (
            content[:33]  # the signature and IHDR
            + struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk))
            + content[33:]
        )  # fmt: skip
    else:
        size = (4).to_bytes(3, "little") + (2).to_bytes(3, "little")  # less one each
        extended = b"VP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + size
        chunk = b"EXIF" + struct.pack("<I", len(exif)) + exif + b"\0" * (len(exif) % 2)
        body = b"WEBP" + extended + content[12:] + chunk
        content = b"RIFF" + struct.pack("<I", len(body)) + body
    path.write_bytes(content)
    return path


def orientation(value=6, kind=3, count=1, order="<"):
    size = {1: "B3x", 3: "H2x", 4: "I"}[kind]
    return 274, kind, count, struct.pack(order + size, value)


SUFFIXES = ["jpg", "png", "webp"]
SIDEWAYS_SHAPE, UPRIGHT_SHAPE = (5, 3, 3), (3, 5, 3)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", range(14))
@pytest.mark.parametrize("tag", [256, 270, 271, 282, 305, 34665, 34853, 33434])
def test_odd_other_tags_do_not_stop_a_picture_or_its_turning(tmp_path, suffix, order, kind, tag):
    for count in (0, 1, 2, 1 << 31):
        odd = (tag, kind, count, b"\xff\0\xff\0")
        exif = tiff_header(sorted([orientation(order=order), odd]), order)
        path = with_exif(tmp_path / f"a.{suffix}", exif)
        assert read_image(path).shape == SIDEWAYS_SHAPE
        assert image_hw_of(path) == whole_image_hw(path) == SIDEWAYS_SHAPE[:2]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("exif", "shape"),
    [
        (tiff_header([orientation()], next_ifd=8), SIDEWAYS_SHAPE),
        (tiff_header([orientation(), (34665, 4, 1, b"\x08\0\0\0")]), SIDEWAYS_SHAPE),
        (tiff_header([orientation(kind=4)]), SIDEWAYS_SHAPE),
        (tiff_header([orientation(value=0)]), UPRIGHT_SHAPE),
        (tiff_header([orientation(value=9)]), UPRIGHT_SHAPE),
        (tiff_header([orientation(value=65535)]), UPRIGHT_SHAPE),
        (tiff_header([orientation(count=0)]), UPRIGHT_SHAPE),
        (tiff_header([orientation(count=2)]), UPRIGHT_SHAPE),
        (tiff_header([orientation(count=1 << 31)]), UPRIGHT_SHAPE),
        (tiff_header([(274, 2, 2, b"6\0\0\0")]), UPRIGHT_SHAPE),
        (tiff_header([(274, 7, 1, b"\x06\0\0\0")]), UPRIGHT_SHAPE),
        (tiff_header([(274, 99, 1, b"\x06\0\0\0")]), UPRIGHT_SHAPE),
        (tiff_header([(274, 5, 1, b"\xff\xff\xff\xff")]), UPRIGHT_SHAPE),
        (tiff_header([(274, 11, 1, struct.pack("<f", 6.0))]), UPRIGHT_SHAPE),
        (tiff_header([orientation()], ifd_at=1 << 31), UPRIGHT_SHAPE),
        (tiff_header([orientation()])[:4], UPRIGHT_SHAPE),
        (tiff_header([orientation()])[:-4], SIDEWAYS_SHAPE),
        (tiff_header([(271, 12, 1 << 31, b"\xff" * 4), orientation()]), SIDEWAYS_SHAPE),
        (b"", UPRIGHT_SHAPE),
        (b"XX" + tiff_header([orientation()])[2:], UPRIGHT_SHAPE),
    ],
)
def test_only_one_whole_number_from_two_to_eight_turns(tmp_path, suffix, exif, shape):
    path = with_exif(tmp_path / f"a.{suffix}", exif)
    pixels = read_image(path)
    assert pixels.shape == shape
    assert image_hw_of(path) == whole_image_hw(path) == shape[:2]
    if suffix != "jpg":
        turned = np.rot90(UPRIGHT, -1) if shape == SIDEWAYS_SHAPE else UPRIGHT
        np.testing.assert_array_equal(pixels, turned)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_exif_cut_anywhere_stops_no_picture(tmp_path, suffix):
    whole = tiff_header([(271, 2, 4, b"abc\0"), orientation(), (34665, 4, 1, b"\x08\0\0\0")])
    for kept in range(len(whole)):
        path = with_exif(tmp_path / f"a.{suffix}", whole[:kept])
        assert read_image(path).shape[:2] == image_hw_of(path) == whole_image_hw(path)


def test_a_picture_without_pixels_and_one_of_too_many_are_refused(tmp_path):
    content = bytearray(saved(tmp_path / "a.bmp", UPRIGHT).read_bytes())
    for size_wh in ((0, 3), (5, 0), (60_000, 60_000)):
        content[18:26] = struct.pack("<ii", *size_wh)
        (tmp_path / "a.bmp").write_bytes(content)
        for read in (read_image, image_hw_of, whole_image_hw):
            with pytest.raises(BadImageError, match=r"a\.bmp"):
                read(tmp_path / "a.bmp")


def test_a_colour_profile_that_is_none_changes_nothing(tmp_path):
    path = saved(tmp_path / "a.png", UPRIGHT, icc_profile=b"no profile")
    np.testing.assert_array_equal(read_image(path), UPRIGHT)


def test_a_transparent_value_of_sixteen_bits_shows_white(tmp_path):
    values = np.array([[257, 258]], np.uint16)
    path = saved(tmp_path / "a.png", values)
    content = path.read_bytes()
    chunk = b"tRNS" + struct.pack(">H", 257)
    framed = struct.pack(">I", 2) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(content[:33] + framed + content[33:])
    assert read_image(path).tolist() == [[[255] * 3, [1] * 3]]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "tiff", "bmp"])
def test_whatever_bytes_are_wrong_a_picture_is_read_or_named(tmp_path, suffix):
    rng = np.random.default_rng(3)
    whole = photograph(tmp_path / "whole", format=Image.registered_extensions()[f".{suffix}"])
    content, path = whole.read_bytes(), tmp_path / f"a.{suffix}"
    for _ in range(60):
        changed = bytearray(content)
        for place in rng.integers(0, min(len(content), 200), 2):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            image_hw = read_image(path).shape[:2]
        except BadImageError:
            continue
        assert min(image_hw) > 0
        assert image_hw_of(path) == whole_image_hw(path) == image_hw


def png_that_says(path, width, height):
    """Write a PNG of this size with next to no bytes."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


@pytest.mark.parametrize("size", [(1, MOST_PIXELS + 1), (10_000, 5_001), (2**31 - 1, 2**31 - 1)])
@pytest.mark.parametrize("read", [read_image, image_hw_of, whole_image_hw])
def test_more_pixels_than_memory_should_hold_are_refused_by_the_header(tmp_path, size, read):
    with pytest.raises(BadImageError, match=r"bomb\.png.*pixels"):
        read(png_that_says(tmp_path / "bomb.png", *size))


def test_as_many_pixels_as_are_allowed_are_a_picture(tmp_path):
    path = png_that_says(tmp_path / "large.png", 5_000, MOST_PIXELS // 5_000)
    assert image_hw_of(path) == (MOST_PIXELS // 5_000, 5_000)


def test_a_drawing_that_another_program_would_run_is_no_picture(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "gs").write_text("#!/bin/sh\ntouch " + str(tmp_path / "ran"))
    (tmp_path / "gs").chmod(0o755)
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "a.jpg").write_bytes(eps)
    with pytest.raises(BadImageError, match=r"a\.jpg"):
        read_image(tmp_path / "a.jpg")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("read", [read_image, image_hw_of, whole_image_hw])
def test_a_pipe_is_no_picture(tmp_path, read):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(BadImageError, match=r"a\.jpg.*pipe"):
        read(tmp_path / "a.jpg")
