import csv
import json
import re

import pytest

from pipeline.command_line import note_seconds
from pipeline.errors import InputError
from pipeline.params.read import PARAMS_FILE
from pipeline.params.reader import read_yaml
from pipeline.paths import ResultFiles
from pipeline.tables import __main__ as tables
from tests.conftest import ROOT


@pytest.fixture
def here(tmp_path, monkeypatch):
    text = (ROOT / PARAMS_FILE).read_text(encoding="utf-8")
    assert "variants: [full]" in text
    changed = text.replace("variants: [full]", "variants: [full, no_cam]")
    (tmp_path / "params.yaml").write_text(changed, encoding="utf-8")
    assert read_yaml(tmp_path / "params.yaml")["run"]["datasets"] == ["shapes"]
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_metrics(variant, accuracy, files=None, seed=0):
    row = {"accuracy": accuracy, "low": accuracy - 0.02, "high": accuracy + 0.03}
    found = {"phrases": 1000, "methods": {"reg": row, "prior": row}}
    path = (files or ResultFiles("shapes", variant)).evaluation
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"splits": {"test": found}, "provenance": {"seed": seed}}))


def test_the_tables_are_filled_in_with_what_was_run(here, capsys):
    write_metrics("no_cam", 0.25)
    tables.main()
    printed = capsys.readouterr().out
    assert "tables: results/report.html" in printed.splitlines()
    assert "95 %" in printed
    told = (here / "results" / "report.md").read_text(encoding="utf-8")
    assert told.startswith(f"# {tables.TITLE}\n")
    assert "| trained on |" not in told  # no model was asked elsewhere
    assert r"| neither | no\_cam | 25.0 +-2.5 | - | 49.38 |" in told
    assert "25.0 +-2.5" in (here / "results" / "report.html").read_text(encoding="utf-8")


def change_params(here, old, new):
    text = (here / "params.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    (here / "params.yaml").write_text(text.replace(old, new), encoding="utf-8")


def test_beside_the_methods_of_others_stand_our_models_but_not_their_ablations(here):
    write_metrics("full", 0.5)
    write_metrics("no_cam", 0.25)
    tables.main()
    told = (here / "results" / "report.md").read_text(encoding="utf-8").replace("\\_", "_")
    assert re.findall(r"\| this project, (\w+) \|", told) == ["full", "full"]  # Tables 1 and 2


@pytest.mark.parametrize(("depth", "cell"), [("6+12", "50.0 +-2.5"), ("6+6", "not run")])
def test_the_full_model_is_a_row_of_table_six_at_the_depth_of_the_paper(here, depth, cell):
    change_params(here, 'depth: "1+2"', f'depth: "{depth}"')
    write_metrics("full", 0.5)
    tables.main()
    told = (here / "results" / "report.md").read_text(encoding="utf-8")
    assert f"| 6+12 | full | {cell} |" in told


def test_a_project_without_the_full_variant_has_tables_too(here):
    change_params(here, "variants: [full, no_cam]", "variants: [no_cam]")
    change_params(here, "\n  full: {}", "\n  mine: {seed: 3}")
    write_metrics("no_cam", 0.25)
    tables.main()
    assert (here / "results" / "report.md").exists()


def test_every_table_is_a_csv_and_a_latex_file_too_and_old_ones_go(here):
    write_metrics("full", 0.5)
    stray = here / "results" / "tables" / "old.csv"
    stray.parent.mkdir()
    stray.write_text("old")
    tables.main()
    names = {path.name for path in stray.parent.iterdir()}
    assert {name.partition(".")[2] for name in names} == {"csv", "tex"}
    assert sum("table_" in name for name in names) == 12
    assert not stray.exists()
    with (stray.parent / "shapes_table_3_cam_encoder_and_attention_mining.csv").open() as stream:
        last = list(csv.reader(stream))[3]
    assert last[:3] == ["CAM encoder + attention mining", "full", "50.0 +-2.5"]


def test_a_model_on_a_target_has_a_row_of_its_own_and_a_column_in_the_table(here, capsys):
    change_params(here, "targets: []", "targets: [own]")
    write_metrics("full", 0.5)
    write_metrics("full", 0.125, ResultFiles("own", "full", "shapes"))
    tables.main()
    printed = capsys.readouterr().out
    assert ["own", "shapes-full", "test"] in [line.split()[:3] for line in printed.splitlines()]
    assert "report: results/own/shapes-full/report/report.html" in printed
    told = (here / "results" / "report.md").read_text(encoding="utf-8")
    assert "| trained on | variant | shapes test | own test |" in told
    assert "| shapes | full | 50.0 +-2.5 | 12.5 +-2.5 |" in told


def test_the_times_are_of_the_stages_of_all_that_is_named_and_of_no_other(here, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(here))
    change_params(here, "targets: []", "targets: [own]")
    write_metrics("full", 0.5)
    named = ["shapes", "own", "shapes-full", "shapes-no_cam", "shapes-own", "shapes-own-no_cam"]
    for name in [*named, "flickr30k", "own-full", "own-shapes", "shapes-full-own"]:
        note_seconds(f"stage@{name}", 10)
    tables.main()
    told = (here / "results" / "report.md").read_text(encoding="utf-8")
    assert re.findall(r"\| stage@(\S+) \| 10\.0 \|", told.replace("\\_", "_")) == named
    assert "| 60.0 |" in told


def test_every_variant_that_was_evaluated_has_a_row_and_a_report(here, capsys):
    write_metrics("full", 0.5)
    write_metrics("no_cam", 0.25)
    tables.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["dataset", "model", "split", "n", *tables.COLUMNS]
    assert lines[1].split()[:6] == ["shapes", "full", "test", "1000", "50.0", "+-2.5"]
    assert lines[2].split()[:6] == ["shapes", "no_cam", "test", "1000", "25.0", "+-2.5"]
    assert lines[2].split()[6] == "-"
    assert lines[-1] == "report: results/shapes/no_cam/report/report.html"


def test_columns_stand_below_each_other(here, capsys):
    write_metrics("full", 0.5)
    tables.main()
    head, row = capsys.readouterr().out.splitlines()[:2]
    assert head.index("reg") == row.index("50.0")


def test_a_variant_that_was_not_evaluated_is_left_out(here, capsys):
    write_metrics("no_cam", 0.25)
    tables.main()
    assert "full" not in capsys.readouterr().out


def test_without_results_one_line_says_what_to_do(here):
    with pytest.raises(SystemExit, match=r"^error: results/"):
        tables.main()


def test_wrong_params_are_one_line(here):
    (here / "params.yaml").write_text("run: 3\n")
    with pytest.raises(SystemExit, match=r"error: params\.yaml"):
        tables.main()


def test_a_broken_metrics_file_is_named(here):
    files = ResultFiles("shapes", "full")
    files.evaluation.parent.mkdir(parents=True)
    for content in ("{", "{}", "[]", '{"splits": {"test": 3}}'):
        files.evaluation.write_text(content)
        with pytest.raises(InputError, match=r"evaluation\.json"):
            list(tables.result_rows(files))


@pytest.mark.parametrize("value", ["NaN", '"0.5"', "null", "1" + 400 * "0"])
@pytest.mark.parametrize("key", ["accuracy", "low", "high", "phrases", "seed"])
def test_a_number_that_is_none_is_an_error_that_names_the_file(here, key, value):
    write_metrics("full", 0.5)
    path = ResultFiles("shapes", "full").evaluation
    text = path.read_text()
    start = text.index(f'"{key}": ') + len(key) + 4
    end = min(place for mark in ",}" if (place := text.find(mark, start)) > 0)
    path.write_text(text[:start] + value + text[end:])
    with pytest.raises(SystemExit, match=r"evaluation\.json"):
        tables.main()


def test_a_column_is_as_wide_as_its_widest_cell():
    assert tables.aligned([["a", "bb", "c"], ["ddd", "e", ""]]) == "a    bb  c\nddd  e\n"
