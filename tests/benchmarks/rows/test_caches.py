from benchmarks.rows.caches import CacheSizes, measure_reads, measure_writes
from tests.benchmarks.rows.checks import check_row

SMALL = CacheSizes(images=130, maps=3, cells=5, shards=3, workers=2, rounds=2)


def test_maps_read_at_random_are_those_of_the_memory_map():
    (row,) = measure_reads(SMALL)
    check_row(row, at_least=False, rounds=2)
    assert row.difference == 0


def test_a_cache_goes_to_the_disk():
    (row,) = measure_writes(SMALL)
    check_row(row, at_least=False, rounds=2)
