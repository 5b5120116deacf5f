import numpy as np
import pytest
from PIL import ExifTags, Image

from pipeline.images import BadImageError, image_hw_of, read_image, whole_image_hw

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


def test_a_jpeg_whose_end_was_never_written_is_not_whole(tmp_path):
    path = photograph(tmp_path / "a.jpg")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2].ljust(len(content), b"\0"))
    assert image_hw_of(path) == (41, 67)
    with pytest.raises(BadImageError):
        whole_image_hw(path)


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
