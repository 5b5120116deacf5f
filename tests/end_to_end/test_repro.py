"""The user's commands, with real DVC and every stage's real work, on a very small world."""

import json

import pytest

from pipeline.params.read import read_params
from pipeline.params.reader import read_yaml
from tests.end_to_end.prefect_server import wait_for
from tests.end_to_end.project import Project, stages_run

REMOTE = ("remote", "add", "--default", "--local", "store")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

AFTER_TRAIN = ["train", "evaluate", "report"]


def test_one_repro_makes_the_metrics_and_a_self_contained_report(rebuilt):
    results = rebuilt.folder / "results/shapes/full"
    split = json.loads((results / "evaluation.json").read_text())["splits"]["test"]
    assert split["methods"]["reg"]["n"] == 20
    html = (results / "report/report.html").read_text()
    assert "data:image/png;base64," in html
    assert "http://" not in html.replace("http://www.w3.org", "")


def test_a_trained_model_answers_about_a_picture_as_it_was_evaluated_on_it(rebuilt):
    lines = (rebuilt.folder / "results/shapes/full/predictions.jsonl").read_text().splitlines()
    row = json.loads(lines[0])
    picture = f"data/shapes/annotations/images/{row['image_id']}.png"
    arguments = ("results/shapes/full", picture, "--phrase", row["phrase"])
    asked = rebuilt.python("-m", "camground", "predict", *arguments)
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert answer["box_xyxy"] == pytest.approx(row["boxes_xyxy"]["reg"], abs=0.02)


def test_a_second_repro_runs_nothing_nor_does_one_on_other_hardware(rebuilt):
    rebuilt.set(runtime__workers=0)
    done = rebuilt.repro()
    assert done.returncode == 0
    assert stages_run(done) == []


def test_a_train_key_concerns_train_and_what_follows(rebuilt):
    before = read_params(rebuilt.folder / "params.yaml").train.weight_decay
    rebuilt.set(train__weight_decay=3 * before)
    planned = rebuilt.repro("--dry", "--force-downstream")
    rebuilt.set(train__weight_decay=before)
    assert planned.returncode == 0, planned.stderr
    assert stages_run(planned) == AFTER_TRAIN


@pytest.fixture
def new_keys(rebuilt):
    """Give the clone a new key in the section of training, and one in the model's."""
    names = ("params.yaml", "pipeline/params/train.py", "models/grounder/config.py")
    before = {name: (rebuilt.folder / name).read_text(encoding="utf-8") for name in names}
    params, train, model = names
    rebuilt.add_line(params, after="train:", line="  patience: 3")
    rebuilt.add_line(train, after="    seed: Seed", line="    patience: int")
    rebuilt.add_line(params, after="  model:", line="    gate: 0.5")
    rebuilt.add_line(model, after="    backbone: Text", line="    gate: float")
    yield
    for name, text in before.items():
        (rebuilt.folder / name).write_text(text, encoding="utf-8")


def test_new_keys_under_train_rerun_train_and_what_follows(rebuilt, new_keys):
    planned = rebuilt.repro("--dry", "--force-downstream")
    assert planned.returncode == 0, planned.stderr
    assert stages_run(planned) == AFTER_TRAIN
    rebuilt.set(run__variants="[no_cam]")
    done = rebuilt.repro("evaluate")  # the report is made of files
    rebuilt.set(run__variants="[full]")
    assert done.returncode == 0, done.stderr
    assert stages_run(done) == ["train", "evaluate"]


def test_a_new_variant_leaves_what_is_there_alone(rebuilt):
    rebuilt.set(run__variants="[full, no_cam]")
    planned = rebuilt.repro("--dry", "--force-downstream")
    rebuilt.set(run__variants="[full]")
    assert planned.returncode == 0, planned.stderr
    assert stages_run(planned) == AFTER_TRAIN


def test_a_cams_key_concerns_cams_and_what_follows(rebuilt):
    before = read_yaml(rebuilt.folder / "params.yaml")["cams"]["image_px"]
    rebuilt.set(cams__image_px=before + 32)
    planned = rebuilt.repro("--dry", "--force-downstream")
    rebuilt.set(cams__image_px=before)
    assert planned.returncode == 0, planned.stderr
    assert stages_run(planned) == ["cams", *AFTER_TRAIN]


@pytest.fixture(scope="module")
def committed(rebuilt):
    """The rebuilt clone with its lock file in git, as experiments want it."""
    rebuilt.git("config", "user.name", "A")
    rebuilt.git("config", "user.email", "a@example.org")
    rebuilt.git("add", "-A")
    rebuilt.git("commit", "-qm", "results")
    return rebuilt


def test_metrics_fit_a_line_and_plots_need_nothing_from_outside(committed):
    shown = committed.dvc("metrics", "show").stdout.splitlines()
    assert max(map(len, shown)) <= 128
    assert {"test.box", "test.half", "test.n"} <= set(shown[0].split())
    committed.dvc("plots", "show")
    page = (committed.folder / "dvc_plots" / "index.html").read_text()
    assert page.count("<img") == 5
    assert "http" not in page
    assert "<script" not in page


def test_an_experiment_reruns_what_its_value_concerns_and_is_compared(committed):
    done = committed.dvc("exp", "run", "--name", "few", "-S", "report.pictures=1")
    assert stages_run(done) == ["report"]
    compared = json.loads(committed.dvc("exp", "diff", "--json").stdout)
    assert compared["params"]["params.yaml"]["report.pictures"] == {"old": 2, "new": 1, "diff": -1}
    committed.dvc("plots", "diff", "HEAD")
    assert (committed.folder / "dvc_plots" / "index.html").read_text().count("<img") == 10


def test_a_queued_experiment_runs_and_is_taken(committed):
    committed.dvc("exp", "run", "--queue", "--name", "four", "-S", "report.pictures=4")
    committed.dvc("queue", "start")
    refs = ("git", "for-each-ref", "--format=%(refname)", "refs/exps")  # quicker to ask than DVC
    wait_for(lambda: "/four\n" in committed.run(*refs).stdout, 180)
    committed.dvc("exp", "apply", "four")
    assert read_yaml(committed.folder / "params.yaml")["report"]["pictures"] == 4
    assert stages_run(committed.repro()) == []


def test_results_travel_to_a_second_clone_which_runs_nothing(committed, tmp_path):
    committed.dvc(*REMOTE, str(tmp_path / "store"))
    committed.dvc("push")
    committed.git("commit", "-qam", "applied")
    committed.git("clone", "-q", ".", str(tmp_path / "second"))
    second = Project(tmp_path / "second")
    second.dvc(*REMOTE, str(tmp_path / "store"))
    assert stages_run(second.dvc("repro", "--pull")) == []
    name = "results/shapes/full/evaluation.json"
    assert (second.folder / name).read_bytes() == (committed.folder / name).read_bytes()
    second.dvc("gc", "--workspace", "--force")
    assert stages_run(second.repro()) == []


def test_an_unknown_dataset_is_one_clear_error(fresh):
    fresh.set_text("datasets: [shapes]", "datasets: [shapez]")
    done = fresh.repro()
    assert done.returncode != 0
    assert "shapez" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_key_that_no_stage_knows_is_one_clear_error(fresh):
    fresh.set_text("max_bad_fraction:", "max_bad_friction: 1\n  max_bad_fraction:")
    done = fresh.repro()
    assert done.returncode != 0
    assert "annotations.max_bad_friction: no stage knows this key" in done.stderr
    assert "Traceback" not in done.stderr
