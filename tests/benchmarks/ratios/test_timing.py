import sys
import time

import pytest

from benchmarks.ratios.timing import in_turns, mean_seconds, run_process, run_python


def test_works_take_turns_after_a_round_that_is_not_timed():
    done = []
    works = {"a": lambda: done.append("a"), "b": lambda: done.append("b")}
    seconds = in_turns(works, 2, repeats={"b": 2})
    assert done == ["a", "b", "a", "b", "b", "a", "b", "b"]
    assert [len(seconds[name]) for name in works] == [2, 2]


def test_a_time_is_that_of_one_call():
    ticks = iter([10.0, 16.0])
    assert mean_seconds(lambda: None, 3, lambda: next(ticks)) == 2.0


def test_a_process_is_waited_for_and_its_cpu_time_is_its_own(tmp_path):
    started = time.monotonic()
    cost = run_process([sys.executable, "-c", "import time; time.sleep(0.3)"], tmp_path)
    assert 0.3 <= cost.wall_s <= time.monotonic() - started
    assert 0 < cost.cpu_s < cost.wall_s
    assert cost.peak_gib > 0


def test_python_code_finds_the_project_from_any_folder(tmp_path):
    code = (
        "import sys; from benchmarks.ratios.row import at_most; open(sys.argv[1], 'w').write('x')"
    )
    run_python(code, tmp_path, "made")
    assert (tmp_path / "made").read_text() == "x"


def test_a_process_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="no such luck"):
        run_python("raise SystemExit('no such luck')", tmp_path)
