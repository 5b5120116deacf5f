"""Read pictures of any kind as 8-bit RGB, by rules that are the same everywhere.

EXIF orientation is applied; nothing else in EXIF is looked at, and EXIF that cannot be read turns
nothing. A 16-bit grey value v becomes round(v / 257), so that 65535 becomes 255. What is
transparent shows white. CMYK, palettes, grey and bilevel pictures are converted by Pillow, without
colour profiles. Of an animation the first frame counts.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.given_files.impostors import cause_of
from models.given_files.text_files import check_regular
from pipeline.errors import InputError
from pipeline.images.exif import ORIENTATION, orientation_in

_JPEG_BEGIN, _JPEG_SCAN, _JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"
_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap height and width
_TURNS = {  # from stored to shown, by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_DECODE_ERRORS = (  # of Pillow's decoders on damaged files
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


# Grey, palettes and others become RGB through copies of up to 20 bytes a pixel: a gigabyte at most
MOST_PIXELS = 50_000_000
_FORMATS = (  # of pictures; Pillow has others for drawings, which a program of its own must run
    *("AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP"),
)


class BadImageError(InputError):
    """A file is no whole picture; the message names file and cause."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return a picture as it is shown, RGB uint8 (H, W, 3).

    Raises:
        BadImageError: the file is missing, truncated, no picture, has more than `MOST_PIXELS`, or
            is of 32-bit grey values, whose range is unknown.
    """
    try:
        with _opened(path) as image:
            image.load()
            turn = _TURNS.get(_orientation(image))
            return np.array(_as_rgb(image if turn is None else image.transpose(turn)))  # (H, W, 3)
    except _DECODE_ERRORS as error:
        raise _bad_image(path, error) from error


def image_hw_of(path: Path) -> tuple[int, int]:
    """Return height and width in pixels of a picture as it is shown, from its header.

    Raises:
        BadImageError: the file is missing or no picture; missing pixels go unnoticed.
    """
    try:
        with _opened(path) as image:
            width, height = image.size
            sideways = _orientation(image) in _SIDEWAYS
    except _DECODE_ERRORS as error:
        raise _bad_image(path, error) from error
    return (width, height) if sideways else (height, width)


def whole_image_hw(path: Path) -> tuple[int, int]:
    """Return height and width in pixels of a picture as it is shown, whose file is whole.

    A JPEG that ends in its end mark is not decoded: the decoder finds a file that was cut off by
    nothing else, and damage within one neither way. One with something behind that mark is decoded,
    one without it is refused, and all other files are decoded.

    Raises:
        BadImageError: as `read_image`.
    """
    image_hw = image_hw_of(path)
    try:
        with path.open("rb") as stream:
            is_jpeg = stream.read(len(_JPEG_BEGIN)) == _JPEG_BEGIN
            stream.seek(-len(_JPEG_END), os.SEEK_END)
            if is_jpeg and stream.read() == _JPEG_END:
                return image_hw
        if is_jpeg and not _ends_somewhere(path.read_bytes()):
            raise OSError("it has no end mark: cut off, or not written to its end")
    except OSError as error:
        raise _bad_image(path, error) from error
    height, width, _ = read_image(path).shape
    return height, width


def _ends_somewhere(jpeg: bytes) -> bool:
    return _JPEG_END in jpeg.rpartition(_JPEG_SCAN)[2]


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation that is left to apply, 1 to 8; 1 if there is none to be read."""
    if image.format == "TIFF":  # Pillow turns it
        return 1
    try:
        if image.format == "PNG":  # whose EXIF may lie behind the pixels
            image.load()
        value = orientation_in(image.info.get("exif", b""))
        if value is None:
            value = image.getexif().get(ORIENTATION)  # from XMP, or as text
    except _DECODE_ERRORS:
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture whose header says that it has pixels, but not too many."""
    check_regular(path)
    with Image.open(path, formats=_FORMATS) as image:
        width, height = image.size
        if not 0 < width * height <= MOST_PIXELS:
            raise ValueError(f"it has {width} x {height} pixels, {MOST_PIXELS} are most")
        yield image


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        values = np.asarray(image)  # (H, W)
        grey = np.rint(values.astype(np.float64) / 257).astype(np.uint8)
        grey[values == image.info.get("transparency")] = 255
        return Image.fromarray(grey).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"its values are 32-bit (mode {image.mode}), their range is unknown")
    if image.has_transparency_data:
        shown = image.convert("RGBA")
        white = Image.new("RGBA", shown.size, "white")
        return Image.alpha_composite(white, shown).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")  # which would copy it


def _bad_image(path: Path, error: Exception) -> BadImageError:
    cause = "no such file" if isinstance(error, FileNotFoundError) else cause_of(path, error)
    cause = cause or type(error).__name__
    return BadImageError(f"{path}: cannot be read as a picture: {cause}; replace or remove it")
