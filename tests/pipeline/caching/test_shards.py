import hashlib
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.caching.cache import CacheError, Provenance, write_cache
from pipeline.caching.shards import ShardPlan, remove_shards, run_shards
from pipeline.errors import InputError
from pipeline.observe.observer import Observer
from tests.conftest import ROOT

PLAN = ShardPlan(stage="cams", fingerprint="f00d", num_items=11, items_per_shard=3)


class Recorder(Observer):
    """Keeps what it is told."""

    def __init__(self):
        super().__init__("cams")
        self.lines = []
        self.maps = []

    def log(self, message):
        self.lines.append(message)

    def map(self, work, items, label):
        self.maps.append(list(items))
        return super().map(work, items, label)


def ragged(items):
    """Give item i as many rows as i % 3, which are i."""
    counts = np.array([item % 3 for item in items], np.int64)
    return {"counts": counts, "rows": np.repeat(np.array(items, np.float32), counts)[:, None]}


def run(plan=PLAN, compute=ragged):
    observer = Recorder()
    merged = run_shards(plan, compute, observer)
    return {name: np.asarray(array) for name, array in merged.items()}, observer


def refuse(items):
    raise AssertionError(f"computed again: {items}")


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("PIPELINE_PART", raising=False)
    return tmp_path / ".work"


def test_shards_are_merged_in_the_order_of_the_items():
    merged, observer = run()
    assert merged["counts"].tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]
    assert merged["rows"][:, 0].tolist() == [1, 2, 2, 4, 5, 5, 7, 8, 8, 10]
    assert merged["rows"].dtype == np.float32
    assert observer.maps == [[0, 1, 2, 3]]


def test_the_last_shard_holds_what_is_left():
    seen = []
    run(compute=lambda items: seen.append(items) or ragged(items))
    assert seen == [range(3), range(3, 6), range(6, 9), range(9, 11)]


@pytest.mark.parametrize(("num_items", "num_shards"), [(1, 1), (3, 1), (4, 2), (6, 2), (0, 1)])
def test_every_item_lies_in_one_shard(num_items, num_shards):
    plan = ShardPlan("cams", "f00d", num_items, 3)
    assert plan.num_shards == num_shards
    assert run(plan)[0]["counts"].tolist() == [item % 3 for item in range(num_items)]


def test_no_items_give_empty_arrays_of_the_right_kind():
    rows = run(ShardPlan("cams", "f00d", 0, 3))[0]["rows"]
    assert (rows.shape, rows.dtype) == ((0, 1), np.float32)


def test_shards_lie_below_the_root_that_dvc_names(work):
    run()
    assert sorted(file.name for file in (work / "cams" / "f00d").iterdir()) == [
        "000000000-000000003.h5",
        "000000003-000000006.h5",
        "000000006-000000009.h5",
        "000000009-000000011.h5",
    ]


def test_without_dvc_shards_lie_below_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("DVC_ROOT")
    monkeypatch.chdir(tmp_path)
    assert PLAN.folder.resolve() == tmp_path / ".work" / "cams" / "f00d"


def test_a_stage_whose_item_fails_goes_on_where_it_stopped():
    unbroken, _ = run()
    remove_shards(PLAN)
    with pytest.raises(ZeroDivisionError):
        run(compute=lambda items: 1 / 0 if items.start == 6 else ragged(items))
    resumed, observer = run()
    assert observer.maps == [[2, 3]]
    assert observer.lines == ["2 of 4 shards already there"]
    assert {name: a.tolist() for name, a in resumed.items()} == {
        name: a.tolist() for name, a in unbroken.items()
    }


def test_a_finished_run_computes_nothing_again():
    merged, _ = run()
    again, observer = run(compute=refuse)
    assert observer.maps == [[]]
    np.testing.assert_array_equal(again["rows"], merged["rows"])


def test_another_fingerprint_shares_nothing():
    run()
    other = ShardPlan("cams", "beef", 11, 3)
    merged, observer = run(other, lambda items: {"x": np.array(items)})
    assert observer.maps == [[0, 1, 2, 3]]
    assert merged["x"].tolist() == list(range(11))


def test_another_cut_of_the_same_items_computes_what_it_needs():
    merged, _ = run()
    again, observer = run(ShardPlan("cams", "f00d", 11, 5))
    assert observer.maps == [[0, 1, 2]]
    np.testing.assert_array_equal(again["rows"], merged["rows"])


def damage_by_truncation(file):
    file.write_bytes(file.read_bytes()[:-1])


def damage_by_one_byte(file):
    whole = file.read_bytes()
    at = whole.index(np.float32(5).tobytes())  # a value of `rows`
    file.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])


def damage_by_emptying(file):
    file.write_bytes(b"")


def damage_by_another_fingerprint(file):
    other = ShardPlan("cams", "beef", 11, 3)
    run(other)
    other.file(1).replace(file)


def damage_by_another_stage(file):
    write_cache(file, ragged(range(3, 6)), {}, {}, Provenance("nouns", "f00d"))


def damage_by_another_shape(file):
    with h5py.File(file, "r+") as opened:
        rows = opened["rows"][:]
        del opened["rows"]
        opened["rows"] = np.repeat(rows, 2, 1)[::2]  # as many bytes, some of them in pairs


def damage_by_another_dtype(file):
    with h5py.File(file, "r+") as opened:
        rows = opened["rows"][:]
        del opened["rows"]
        opened["rows"] = rows.view(np.int32)


@pytest.mark.parametrize(
    "damage",
    [
        damage_by_another_shape,
        damage_by_another_dtype,
        damage_by_truncation,
        damage_by_one_byte,
        damage_by_emptying,
        damage_by_another_fingerprint,
        damage_by_another_stage,
    ],
)
def test_a_damaged_shard_is_computed_again_and_named(damage):
    merged, _ = run()
    damage(PLAN.file(1))
    again, observer = run()
    assert observer.maps == [[1]]
    assert "000000003-000000006.h5" in observer.lines[0]
    np.testing.assert_array_equal(again["rows"], merged["rows"])


def test_a_shard_that_is_damaged_before_it_is_merged_is_refused_by_name():
    merged = run_shards(PLAN, ragged, Recorder())
    damage_by_one_byte(PLAN.file(1))
    assert np.asarray(merged["counts"]).sum() == 10  # the array beside it is whole
    with pytest.raises(CacheError, match=r"000000003-000000006\.h5"):
        np.asarray(merged["rows"])


def test_parts_compute_their_shards_and_a_plain_run_merges(monkeypatch):
    seen = []
    for part in ("0/3", "1/3", "2/3"):
        monkeypatch.setenv("PIPELINE_PART", part)
        observer = Recorder()
        with pytest.raises(SystemExit) as stop:
            run_shards(PLAN, ragged, observer)
        assert stop.value.code == 0
        assert observer.lines == [f"part {part} is done; a run without PIPELINE_PART merges"]
        seen += observer.maps
    assert seen == [[0, 3], [1], [2]]
    monkeypatch.delenv("PIPELINE_PART")
    merged, _ = run(compute=refuse)
    remove_shards(PLAN)
    np.testing.assert_array_equal(merged["rows"], run()[0]["rows"])


def test_a_plain_run_computes_what_a_missing_part_did_not(monkeypatch):
    monkeypatch.setenv("PIPELINE_PART", "1/2")
    with pytest.raises(SystemExit):
        run()
    monkeypatch.delenv("PIPELINE_PART")
    assert run()[1].maps == [[0, 2]]


def test_more_parts_than_shards_is_no_error(monkeypatch):
    monkeypatch.setenv("PIPELINE_PART", "7/9")
    with pytest.raises(SystemExit):
        run(compute=refuse)


@pytest.mark.parametrize("part", ["", "1", "2/2", "-1/2", "a/b", "0/0", "1/"])
def test_a_part_that_is_none_is_refused(monkeypatch, part):
    monkeypatch.setenv("PIPELINE_PART", part)
    with pytest.raises(InputError, match="must be i/N"):
        run()


def test_removing_shards_leaves_those_of_other_fingerprints():
    other = ShardPlan("cams", "beef", 11, 3)
    run()
    run(other)
    remove_shards(PLAN)
    assert not PLAN.folder.exists()
    assert len(list(other.folder.iterdir())) == 4
    remove_shards(PLAN)


def test_shards_that_differ_in_dtype_are_not_merged():
    with pytest.raises(ValueError, match="shards differ"):
        run(compute=lambda items: {"x": np.zeros(1, np.int64 if items.start else np.int32)})


def test_a_cache_written_from_shards_has_the_bytes_of_one_written_whole(tmp_path):
    merged = run_shards(PLAN, ragged, Recorder())
    whole = {name: np.asarray(array) for name, array in merged.items()}
    provenance = Provenance("cams", "f00d")
    for name, arrays in (("merged", merged), ("whole", whole)):
        write_cache(tmp_path / f"{name}.h5", arrays, {}, {}, provenance)
    assert (tmp_path / "merged.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_shards_are_merged_one_at_a_time(tmp_path):
    shard_bytes, plan = 1 << 20, ShardPlan("cams", "f00d", 20, 1)
    merged_bytes = plan.num_shards * shard_bytes
    tracemalloc.start()
    merged = run_shards(plan, lambda _: {"maps": np.ones((1, shard_bytes // 8))}, Recorder())
    write_cache(tmp_path / "cams.h5", merged, {}, {}, Provenance("cams", "f00d"))
    assert tracemalloc.get_traced_memory()[1] < merged_bytes / 3
    tracemalloc.stop()
    assert merged["maps"].shape == (20, shard_bytes // 8)


STAGE = """
import sys, time
import numpy as np
from pathlib import Path
from pipeline.caching.cache import CacheError, Provenance, write_cache
from pipeline.observe.observer import Observer
from pipeline.caching.shards import ShardPlan, run_shards

def compute(items):
    time.sleep(float(sys.argv[2]))
    return {"maps": np.random.default_rng(items.start).random((len(items) * 40000, 7))}

plan = ShardPlan("cams", "f00d", 23, 3)
arrays = run_shards(plan, compute, Observer("cams"))
write_cache(Path(sys.argv[1]), arrays, {}, {}, Provenance("cams", "f00d"))
"""


def start_stage(root, pause_s=0.0, **environment):
    command = [sys.executable, "-c", STAGE, str(root / "cams.h5"), str(pause_s)]
    known = {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(root), "PATH": os.environ["PATH"]}
    return subprocess.Popen(command, env=known | environment)


def sha256(root):
    return hashlib.sha256((root / "cams.h5").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    root = tmp_path_factory.mktemp("unbroken")
    assert start_stage(root).wait() == 0
    return sha256(root)


def kill_when(process, condition):
    deadline = time.monotonic() + 60
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_a_killed_stage_leaves_no_output_and_goes_on_to_the_same_bytes(tmp_path, unbroken):
    shards = tmp_path / ".work" / "cams" / "f00d"
    process = start_stage(tmp_path)
    # killed while the third shard is being written
    kill_when(process, lambda: len(list(shards.glob("[0-9]*.h5"))) >= 2 and [*shards.glob(".*")])
    assert not (tmp_path / "cams.h5").exists()
    done = sorted(file.name for file in shards.glob("[0-9]*.h5"))
    assert 2 <= len(done) < 8
    times = {name: (shards / name).stat().st_mtime_ns for name in done}
    assert start_stage(tmp_path).wait() == 0
    assert sha256(tmp_path) == unbroken
    assert {name: (shards / name).stat().st_mtime_ns for name in done} == times


def test_a_stage_killed_again_and_again_still_ends_at_the_same_bytes(tmp_path, unbroken):
    shards = tmp_path / ".work" / "cams" / "f00d"
    for count in (1, 3, 6):
        process = start_stage(tmp_path, 0.02)
        kill_when(process, lambda count=count: len(list(shards.glob("[0-9]*.h5"))) >= count)
    assert start_stage(tmp_path).wait() == 0
    assert sha256(tmp_path) == unbroken


def test_two_processes_in_parts_end_at_the_same_bytes(tmp_path, unbroken):
    parts = [start_stage(tmp_path, PIPELINE_PART=f"{part}/2") for part in range(2)]
    assert [part.wait() for part in parts] == [0, 0]
    assert not (tmp_path / "cams.h5").exists()
    assert start_stage(tmp_path).wait() == 0
    assert sha256(tmp_path) == unbroken


def test_parts_that_are_started_twice_end_at_the_same_bytes(tmp_path, unbroken):
    names = [f"{part}/2" for part in (0, 1, 0, 1)]
    parts = [start_stage(tmp_path, 0.01, PIPELINE_PART=name) for name in names]
    assert [part.wait() for part in parts] == [0] * 4
    assert start_stage(tmp_path).wait() == 0
    assert sha256(tmp_path) == unbroken
    assert not [*(tmp_path / ".work").rglob(".*")]


@pytest.mark.parametrize("step", ["open", "replace"])
def test_a_part_whose_shards_are_merged_and_removed_meanwhile_is_told_so(monkeypatch, step):
    take = getattr(Path, step)

    def remove_then_take(self, *arguments):
        remove_shards(PLAN)
        return take(self, *arguments)

    monkeypatch.setattr(Path, step, remove_then_take)
    with pytest.raises(InputError, match="merged"):
        run()


def test_shards_whose_folder_cannot_be_made_are_not_said_to_be_merged(work):
    work.write_text("a file in its place")
    with pytest.raises(InputError, match="cannot be written"):
        run()


def test_shards_before_one_that_does_not_fit_the_disk_stay(work):
    def compute(items):
        if items.start == 6:
            PLAN.file(2).mkdir()  # no file can take its place
        return ragged(items)

    with pytest.raises(InputError, match="cannot be written"):
        run(compute=compute)
    assert [PLAN.file(shard).is_file() for shard in range(4)] == [True, True, False, False]
    PLAN.file(2).rmdir()
    merged, observer = run()
    assert observer.maps == [[2, 3]]
    assert merged["counts"].tolist() == [item % 3 for item in range(11)]


def test_a_shard_that_another_program_holds_is_not_computed_again(work):
    run()
    with h5py.File(PLAN.file(1), "r+"), pytest.raises(InputError, match="is open"):
        run(compute=refuse)
