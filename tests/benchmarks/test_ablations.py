import csv
import json
from pathlib import Path

import pytest
import yaml

from benchmarks import ablations
from pipeline.caching.cache import Cache
from pipeline.observe.observer import Observer
from pipeline.params.read import read_params
from pipeline.params.reader import ParamsError
from pipeline.paths import ResultFiles
from stages import evaluate
from tests.cached_world import FILES, ROOT, write_world
from tests.stages.test_train import train

FROZEN = {
    "learning_rate_pretrained": 0,
    "augment": {"flip": 0.0, "jitter": 0.0, "crop": 0.0, "scales": 1, "translate": False},
}


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    write_world(tmp_path, **FROZEN)
    return tmp_path


def run(monkeypatch, capsys, *options, **changes):
    wanted = {
        "dataset": "shapes",
        "train_images": 0,
        "seeds": [0],
        "train": {},
        "settings": {"full": {}},
        "cams": {},
        **changes,
    }
    Path("few.yaml").write_text(yaml.safe_dump(wanted, sort_keys=False))
    monkeypatch.setattr("sys.argv", ["ablations", "few.yaml", *options])
    ablations.main()
    written = Path("results/shapes/few.csv").read_text().splitlines()
    return list(csv.DictReader(written)), capsys.readouterr().out


def test_a_row_is_what_the_stages_find(world, monkeypatch, capsys):
    (row,), _ = run(monkeypatch, capsys)
    train()
    inputs = evaluate.EvaluateInputs(
        FILES, ResultFiles("shapes", "full"), FILES.annotations / "images", "drawn", 0
    )
    params = read_params()
    evaluate.run(inputs, params.evaluate, params.runtime, Observer("evaluate"))
    metrics = json.loads(ResultFiles("shapes", "full").evaluation.read_text())
    methods = metrics["splits"]["test"]["methods"]
    for name in ablations.METHODS:
        assert float(row[name]) == pytest.approx(100 * methods[name]["accuracy"], abs=1e-3)
    assert (row["images"], row["phrases"]) == ("4", "2")


def test_what_is_done_is_not_done_again(world, monkeypatch, capsys):
    first, _ = run(monkeypatch, capsys)
    rows, _ = run(monkeypatch, capsys, seeds=[0, 1])
    assert rows[0] == first[0]
    assert [row["seed"] for row in rows] == ["0", "1"]


def test_shards_share_the_work(world, monkeypatch, capsys):
    settings = {"full": {}, "no_cam": {"model.cam": "off"}}
    wanted = {"settings": settings, "seeds": [0, 1], "train": {"epochs": 0}}
    rows, _ = run(monkeypatch, capsys, "--shards", "2", "--shard", "1", **wanted)
    assert [(row["setting"], row["seed"]) for row in rows] == [("no_cam", "0"), ("no_cam", "1")]


def test_only_the_first_images_are_trained_on(world, monkeypatch, capsys):
    (row,), _ = run(monkeypatch, capsys, train_images=2, train={"epochs": 0})
    assert row["images"] == "2"


def test_a_setting_may_have_maps_of_its_own(world, monkeypatch, capsys):
    cams = FILES.cams.read_bytes()
    (world / "other.h5").write_bytes(cams)
    FILES.cams.unlink()
    options = {"train": {"epochs": 0}, "cams": {"full": "other.h5"}}
    rows, _ = run(monkeypatch, capsys, **options)
    assert len(rows) == 1
    assert Cache(world / "other.h5", stage="cams").texts("noun")


def test_an_unknown_key_is_named(world, monkeypatch, capsys):
    with pytest.raises(ParamsError, match=r"model\.kam"):
        run(monkeypatch, capsys, settings={"full": {"model.kam": "off"}})


def test_the_table_has_mean_and_deviation_over_seeds():
    def row(setting, seed, refined, minutes):
        found = {"reg": "10.0", "proposal": "20.0", "refined": refined, "minutes": minutes}
        return {"setting": setting, "seed": seed, **found}

    rows = [row("a", 0, "50.0", "1.0"), row("a", 1, "52.0", "2.0"), row("b", 0, "47.0", "3.0")]
    _, _, first, second = ablations.table(rows)
    assert first == "| a | 2 | 10.0 ± 0.0 | 20.0 ± 0.0 | 51.0 ± 1.4 | +0.0 | 1.5 |"
    assert second == "| b | 1 | 10.0 | 20.0 | 47.0 | -4.0 | 3.0 |"


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks").glob("*.yaml")), ids=lambda f: f.stem)
def test_every_file_of_ablations_names_keys_that_train_has(file):
    wanted = ablations.build(ablations.Ablations, ablations.read_yaml(file), file.name)
    params = ablations.read_params(ROOT / "params.yaml")
    for setting in wanted.settings:
        ablations.section_of(params, wanted, setting, 0)
    assert set(wanted.cams) <= set(wanted.settings)
