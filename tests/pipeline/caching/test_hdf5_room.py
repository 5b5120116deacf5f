import subprocess
import sys

import h5py
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.caching.cache import Provenance, write_cache
from pipeline.caching.hdf5_room import check_room, cut_to_size, most_bytes, reserve
from tests.conftest import ROOT
from tests.faults.full_disk import full_disk

ARRAYS = {f"a{number}": np.arange(31 * number, dtype=np.float32) for number in range(7)}
ATTRIBUTES = {f"key{number}": "value" * number * 97 for number in range(5)}


def write(path, arrays, attributes, reserved=0):
    with h5py.File(path, "w") as file:
        reserve(file.id.get_vfd_handle(), max(1, reserved))
        file.attrs.update(attributes)
        for name, array in arrays.items():
            file.create_dataset(name, data=array, track_times=False)


@pytest.mark.parametrize("reserved", [1, 5_000, 1_000_000])
def test_a_file_that_had_more_room_has_the_bytes_of_one_that_had_not(tmp_path, reserved):
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file.attrs.update(ATTRIBUTES)
        for name, array in ARRAYS.items():
            file.create_dataset(name, data=array, track_times=False)
    write(tmp_path / "roomy.h5", ARRAYS, ATTRIBUTES, reserved)
    cut_to_size(tmp_path / "roomy.h5")
    assert (tmp_path / "roomy.h5").read_bytes() == (tmp_path / "plain.h5").read_bytes()


NAMES = st.text("abcXYZ-_", min_size=1, max_size=99)
SMALL = hnp.arrays(
    np.float32, hnp.array_shapes(max_dims=2, max_side=5, min_side=0), fill=st.just(1)
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(NAMES, SMALL, max_size=60), st.dictionaries(NAMES, st.text(), max_size=30))
def test_no_file_takes_more_than_it_may(tmp_path_factory, arrays, texts):
    path = tmp_path_factory.mktemp("room") / "a.h5"
    attributes = {name: text.replace("\0", "") for name, text in texts.items()}
    write(path, arrays, attributes)
    most = most_bytes([array.nbytes for array in arrays.values()], {}, attributes)
    assert path.stat().st_size <= most


def test_a_file_of_long_texts_takes_no_more_than_it_may_either(tmp_path):
    texts, attributes = {"t": ["ü" * 70_000, ""] * 3}, {f"k{n}": "ü" * 9_000 for n in range(20)}
    write_cache(tmp_path / "a.h5", {}, texts, attributes, Provenance("s", "f"))
    assert (tmp_path / "a.h5").stat().st_size <= most_bytes([], texts, attributes)


def test_a_file_of_many_empty_texts_takes_no_more_than_it_may_either(tmp_path):
    texts = {"t": [""] * 50_000}
    write_cache(tmp_path / "a.h5", {}, texts, {}, Provenance("s", "f"))
    assert (tmp_path / "a.h5").stat().st_size <= most_bytes([], texts, {})


def test_a_disk_without_room_is_told_before_a_library_writes(tmp_path):
    with full_disk(1000), pytest.raises(OSError, match="File too large"):
        check_room(tmp_path / "a.h5", 1001)
    with full_disk(1000):
        check_room(tmp_path / "a.h5", 1000)


WRITING = """
import resource, sys
import numpy as np
from pathlib import Path
from pipeline.caching.atomic import WriteError
from pipeline.caching.cache import Provenance, write_cache

_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), hard))
arrays = {f"a{n}": np.ones(31 * n, np.float32) for n in range(7)}
try:
    write_cache(Path(sys.argv[2]), arrays, {"t": ["a", "b"]}, {"k": "v"}, Provenance("s", "f"))
except WriteError as error:
    sys.exit(f"error: {error}")
"""


@pytest.mark.parametrize("most", [100, 3_000, 6_000])
def test_a_process_whose_cache_does_not_fit_ends_with_one_line_and_does_not_crash(tmp_path, most):
    done = subprocess.run(
        [sys.executable, "-c", WRITING, str(most), tmp_path / "a.h5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert done.stderr.startswith(f"error: {tmp_path / 'a.h5'}: cannot be written")
    assert not [*tmp_path.iterdir()]


def test_a_cache_takes_no_more_of_the_disk_than_it_has(tmp_path):
    write_cache(tmp_path / "a.h5", ARRAYS, {}, ATTRIBUTES, Provenance("s", "f"))
    stat = (tmp_path / "a.h5").stat()
    assert stat.st_blocks * 512 <= stat.st_size + 8192
