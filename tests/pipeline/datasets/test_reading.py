import operator
import os

import pytest

from pipeline.datasets.reading import ITEMS_PER_TASK, map_in_processes
from pipeline.errors import InputError


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_values_come_back_in_the_order_of_the_items(workers):
    assert list(map_in_processes(operator.neg, range(53), workers)) == [-i for i in range(53)]


def test_one_worker_works_in_this_process_and_more_do_not():
    assert list(map_in_processes(eval, ["__import__('os').getpid()"], 1)) == [os.getpid()]
    assert list(map_in_processes(eval, ["__import__('os').getpid()"], 2)) != [os.getpid()]


def test_an_error_in_a_worker_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        list(map_in_processes(eval, ["1", "1/0"], 2))


def test_a_process_that_is_killed_is_reported_with_the_item_that_is_missing(tmp_path):
    wait = f"[*iter(lambda: __import__('os').path.exists({str(tmp_path / 'read')!r}), True)]"
    kill = f"('fatal', {wait}, __import__('os').kill(__import__('os').getpid(), 9))"
    values = map_in_processes(eval, [*map(str, range(ITEMS_PER_TASK)), kill], 2)
    assert [next(values) for _ in range(ITEMS_PER_TASK)] == [*range(ITEMS_PER_TASK)]
    (tmp_path / "read").touch()
    with pytest.raises(InputError, match=r"runtime\.workers: .*kill.*fatal"):
        next(values)


def test_no_items_give_no_values():
    assert list(map_in_processes(operator.neg, [], 2)) == []
