import fcntl
from pathlib import Path

import numpy as np
import pytest

from pipeline.caching.cache import Cache, Provenance, write_cache

ROWS = np.arange(7 * 3, dtype=np.int16).reshape(7, 3)
WRITTEN_BY = Provenance("cams", "f00d")


class Cut:
    """Rows in blocks; `look` is called before each of them."""

    def __init__(self, rows, cuts, look=lambda: None):
        self.rows, self.cuts, self.look = rows, cuts, look
        self.shape, self.dtype = rows.shape, rows.dtype

    def blocks(self):
        for block in np.split(self.rows, self.cuts):
            self.look()
            yield block


@pytest.mark.parametrize("cuts", [[], [3], [2, 2, 6], [0, 7]])
def test_an_array_in_blocks_gives_the_bytes_of_a_whole_one(tmp_path, cuts):
    write_cache(tmp_path / "whole.h5", {"maps": ROWS}, {}, {}, WRITTEN_BY)
    write_cache(tmp_path / "cut.h5", {"maps": Cut(ROWS, cuts)}, {}, {}, WRITTEN_BY)
    assert (tmp_path / "cut.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_a_cache_is_written_without_a_lock_of_hdf5_which_some_disks_lack(tmp_path):
    looked_at = []

    def look():
        (partial,) = tmp_path.glob(".cams.h5.*.partial")
        with partial.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        looked_at.append(partial)

    write_cache(tmp_path / "cams.h5", {"maps": Cut(ROWS, [3], look)}, {}, {}, WRITTEN_BY)
    assert len(looked_at) == 2


def open_files():
    return [entry.readlink() for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]


def test_a_cache_is_open_from_the_first_read_until_it_is_closed(tmp_path):
    path = tmp_path / "cams.h5"
    write_cache(path, {"maps": ROWS}, {}, {}, WRITTEN_BY)
    cache = Cache(path, "cams")
    assert path not in open_files()
    cache.close()
    cache.array("maps")
    assert path in open_files()
    cache.close()
    assert path not in open_files()
