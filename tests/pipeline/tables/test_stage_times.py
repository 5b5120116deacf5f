import pytest

from pipeline.command_line import note_seconds
from pipeline.tables.stage_times import times_section


@pytest.fixture(autouse=True)
def _root(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


def test_stages_that_ran_here_stand_in_their_order_with_their_last_time():
    assert times_section(["shapes"]) is None
    for stage, seconds in (("nouns@shapes", 1), ("train@shapes-full", 61.26), ("nouns@own", 5)):
        note_seconds(stage, seconds)
    note_seconds("nouns@shapes", 2.5)
    table = times_section(["shapes", "shapes-full"]).blocks[1]
    assert (table.columns, table.strong) == (("stage", "seconds"), {2})
    assert table.rows == [
        ["train@shapes-full", "61.3"],
        ["nouns@shapes", "2.5"],
        ["all of these", "63.8"],
    ]
