import os

import numpy as np
import pytest

from pipeline.caching.shards import ShardPlan, run_shards
from pipeline.observe.observer import Observer

PLAN = ShardPlan(stage="cams", fingerprint="f00d", num_items=7, items_per_shard=3)


def rows_of(items):
    """Give item i as many rows as i % 3, two numbers each."""
    rows = [(item, -item) for item in items for _ in range(item % 3)]
    return {"rows": np.array(rows, np.int16).reshape(-1, 2)}


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("PIPELINE_PART", raising=False)
    return tmp_path


@pytest.mark.parametrize("num_items", [0, 2, 3, 7])
def test_merged_shards_say_what_they_hold_before_they_are_read(num_items):
    rows = run_shards(ShardPlan("cams", "f00d", num_items, 3), rows_of, Observer("cams"))["rows"]
    expected = rows_of(range(num_items))["rows"]
    assert (rows.shape, rows.dtype, len(rows)) == (expected.shape, np.int16, len(expected))
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(np.concatenate([*rows.blocks()]), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint16])
def test_merged_shards_are_read_as_another_dtype(dtype):
    rows = run_shards(PLAN, rows_of, Observer("cams"))["rows"]
    np.testing.assert_array_equal(np.asarray(rows, dtype), rows_of(range(7))["rows"].astype(dtype))
    assert np.asarray(rows, dtype).dtype == dtype


@pytest.mark.parametrize(
    "of_the_last",
    [
        {"rows": np.zeros((1, 3), np.int16)},
        {"rows": np.zeros((1, 2), np.int32)},
        {"more": np.ones(1)},
    ],
    ids=["shape", "dtype", "name"],
)
def test_shards_that_differ_are_not_merged(of_the_last):
    def compute(items):
        return rows_of(items) if items.start < 6 else of_the_last

    with pytest.raises(ValueError, match="`rows`"):
        run_shards(PLAN, compute, Observer("cams"))


def test_a_worker_in_another_folder_writes_shards_where_they_belong(root, monkeypatch):
    class Elsewhere(Observer):
        def map(self, work, items, label):
            (root / "elsewhere").mkdir()
            os.chdir(root / "elsewhere")
            try:
                return super().map(work, items, label)
            finally:
                os.chdir(root)

    monkeypatch.chdir(root)
    monkeypatch.delenv("DVC_ROOT")
    rows = run_shards(PLAN, rows_of, Elsewhere("cams"))["rows"]
    np.testing.assert_array_equal(rows, rows_of(range(7))["rows"])
    assert not [*(root / "elsewhere").iterdir()]
