from tests.faults.kill import left_behind, plan_kills, table
from tests.faults.killing import LINKS, SIGNALS, STAGES, Fate, Kill


def test_every_stage_is_killed_by_every_signal_before_one_comes_twice():
    kills = plan_kills(60, 3, STAGES, LINKS)
    pairs = [(kill.stage, kill.signal) for kill in kills]
    assert len(set(pairs[:54])) == len(STAGES) * len(SIGNALS) == 54
    assert {kill.link for kill in kills} == set(LINKS)
    assert plan_kills(60, 3, STAGES, LINKS) == kills != plan_kills(60, 4, STAGES, LINKS)
    early = plan_kills(60, 3, STAGES, LINKS, latest=0.25)
    assert max(kill.moment for kill in early) < 0.25 < max(kill.moment for kill in kills)


def test_the_table_counts_what_came_of_the_kills():
    left = f".work/cams/{'0f' * 32}/000000000-000000008.h5"
    rows = [
        (Kill("cams", "KILL dvc", "copy", 0.5, False), Fate(equal=True, left=[left, left])),
        (Kill("cams", "KILL dvc", "copy", 0.6, False), Fate(mended=True, orphans=["a", "b"])),
        (Kill("nouns", "Ctrl-C", "symlink", 0.6, True), Fate(equal=True, left=[left])),
    ]
    head, _, nouns, cams, total = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in table(rows).splitlines()
    )
    column = {name: number for number, name in enumerate(head)}
    assert (nouns[0], cams[0], cams[column["links"]]) == ("`nouns`", "`cams`", "copy")
    assert (nouns[column["Ctrl-C"]], nouns[column["KILL dvc"]]) == ("1/1", "")
    assert (cams[column["KILL dvc"]], total[column["KILL dvc"]]) == ("1/2", "1/2")
    assert cams[-2:] == total[-2:] == ["1", "2"]
    assert left_behind(rows).split() == ["2", ".work/cams/*/*-*.h5"]
