import io
import pickle
import struct
import tracemalloc

import pytest

from models.given_files.careful_unpickler import CarefulUnpickler


@pytest.mark.parametrize("size", [0, 7, 200_001])
def test_bytearrays_are_read_in_frames_and_beside_them(size):
    value = [bytearray(range(7)) * (size // 7), "x", 3]
    found = CarefulUnpickler(io.BytesIO(pickle.dumps(value, 5))).load()
    assert found == value
    assert type(found[0]) is bytearray


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 28) + b"abc.",
        b"\x80\x05\x95" + struct.pack("<Q", 13) + b"\x96" + struct.pack("<Q", 1 << 28) + b"abc.",
        b"\x80\x02K\x01r\xff\xff\xff\x0f",
    ],
    ids=["a bytearray", "a bytearray in a frame", "a place of the memo"],
)
def test_no_room_is_made_for_what_a_file_only_says_to_have(content):
    tracemalloc.start()
    with pytest.raises((EOFError, pickle.UnpicklingError)):
        CarefulUnpickler(io.BytesIO(content)).load()
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()
