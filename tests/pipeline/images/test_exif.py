import struct

import pytest

from pipeline.images.exif import orientation_in


def exif(value, kind=3, count=1, order="<", before=0):
    """Return EXIF data by EXIF 2.32, 4.5 and 4.6.2, with some tags before the orientation."""
    mark = {"<": b"II", ">": b"MM"}[order]
    numbers = {3: "HH", 4: "I"}[kind]
    entry = struct.pack(f"{order}HHI{numbers}", 274, kind, count, value, *[0] * (len(numbers) - 1))
    others = [struct.pack(f"{order}HHI4s", 200 + tag, 2, 1, b"a") for tag in range(before)]
    entries = struct.pack(f"{order}H", before + 1) + b"".join(others) + entry
    return mark + struct.pack(f"{order}HI", 42, 8) + entries + bytes(4)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [3, 4])
@pytest.mark.parametrize("value", range(1, 9))
def test_the_orientation_is_read_in_either_byte_order(order, kind, value):
    for before in (0, 3):
        data = exif(value, kind, order=order, before=before)
        assert orientation_in(data) == orientation_in(b"Exif\0\0" + data) == value


@pytest.mark.parametrize("data", [exif(0), exif(9), exif(65535), exif(6, count=2)])
def test_a_tag_that_is_not_one_number_of_the_standard_turns_nothing(data):
    assert orientation_in(data) == 1


@pytest.mark.parametrize("data", [b"", b"XX" + exif(6)[2:], exif(6).replace(b"*", b"+")])
def test_what_is_no_exif_has_no_tag(data):
    assert orientation_in(data) is None


def test_data_cut_off_before_the_tag_turn_nothing():
    whole = exif(6, before=2)
    end_of_tag = len(whole) - 4
    for kept in range(2, end_of_tag - 2):
        assert orientation_in(whole[:kept]) in (None, 1)
    assert orientation_in(whole[:end_of_tag]) == 6
