"""A model on another dataset, its boxes as files, and README's commands, on the rebuilt project."""

import json
import shlex
import shutil

import pytest

from pipeline.params.reader import read_yaml
from tests.end_to_end.project import stages_run
from tests.readme import commands, python_code

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TARGET = ["annotations", "weights", "nouns", "proposals", "cams", "evaluate", "report"]


@pytest.fixture(scope="module")
def project(rebuilt):
    """The rebuilt clone, with JSON lines of two drawn pictures beside it that no one trains on."""
    own = rebuilt.folder.parent / "own"
    (own / "images").mkdir(parents=True)
    data = rebuilt.folder / "data/shapes"
    images = {}
    for line in (data / "annotations/images.jsonl").read_text("utf-8").splitlines():
        image = json.loads(line)
        images[image["image_id"]] = image["file"]
    truths = {}
    for line in (data / "ground_truth.jsonl").read_text("utf-8").splitlines():
        truth = json.loads(line)
        truths[truth["phrase_id"]] = truth["boxes_xyxy"]
    rows = []
    for line in (data / "annotations/phrases.jsonl").read_text("utf-8").splitlines():
        phrase = json.loads(line)
        if phrase["split"] == "test":
            file = images[phrase["image_id"]]
            shutil.copy(data / "annotations/images" / file, own / "images" / file)
            boxes = truths[phrase["phrase_id"]]
            rows.append({"image": file, "phrase": phrase["phrase"], "boxes_xyxy": boxes})
    (own / "asked.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    weights = read_yaml(rebuilt.folder / "params.yaml")["weights"]["shapes"]
    rebuilt.set(weights__own=json.dumps(weights))
    shutil.copy(own / "images" / rows[0]["image"], rebuilt.folder / "x.jpg")
    yield rebuilt
    rebuilt.set(run__targets="[]")


@pytest.fixture(scope="module")
def asked(project):
    """What `camground evaluate` did."""
    done = project.python("-m", "camground", "evaluate", "results/shapes/full", "own")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def test_a_model_asked_on_the_same_pictures_elsewhere_answers_the_same(project, asked):
    assert stages_run(asked) == [f"target_{name}" for name in TARGET]
    results = project.folder / "results"
    own, target = (
        json.loads((results / name / "evaluation.json").read_text())["splits"]
        for name in ("shapes/full", "own/shapes-full")
    )
    methods = target["asked"]["methods"]
    assert methods["reg"]["n"] == 20
    for name in ("reg", "prior", "cam_box", "oracle"):  # same weights, pictures and phrases
        assert methods[name]["accuracy"] == own["test"]["methods"][name]["accuracy"]
    assert (results / "own/shapes-full/report/report.html").is_file()


def test_a_second_time_nothing_runs_and_the_tables_show_both(project, asked):
    again = project.repro()
    assert again.returncode == 0, again.stderr
    assert stages_run(again) == []
    done = project.python("-m", "camground", "results")
    assert done.returncode == 0, done.stderr
    assert "full" in done.stdout
    assert "report.html" in done.stdout
    told = (project.folder / "results/report.md").read_text("utf-8")
    assert "| trained on | variant | shapes test | own asked |" in told
    assert "| target\\_cams@shapes-own |" in told
    assert (project.folder / "results/tables/time_per_stage.csv").is_file()


def test_a_cams_key_concerns_the_targets_too(project, asked):
    before = read_yaml(project.folder / "params.yaml")["cams"]["image_px"]
    project.set(cams__image_px=before + 32)
    planned = stages_run(project.repro("--dry", "--force-downstream"))
    project.set(cams__image_px=before)
    assert {"target_cams", "target_evaluate", "target_report"} <= set(planned)
    assert not {"target_nouns", "target_proposals"} & set(planned)


def test_without_the_training_split_a_dataset_that_is_trained_on_is_refused(project, asked):
    project.set(run__targets="[]", run__datasets="[shapes, own]")
    done = project.python("-m", "stages.annotations", "own")
    project.set(run__datasets="[shapes]", run__targets="[own]")
    assert done.returncode != 0
    assert "run.targets" in done.stderr


def test_what_readme_shows_runs_as_shown(project):
    served = ("camground demo",)  # would run until it is stopped
    lines = [
        shlex.split(line)[1:]
        for line in commands()
        if line.startswith("camground") and "flickr30k" not in line and line not in served
    ]
    shown = project.python(
        "-c",
        "from camground.__main__ import main\n"
        f"for line in {lines}:\n    assert main(line) == 0, line\n"
        f"{python_code()}\nprint(found[0].box_xyxy, found[1].score)",
    )
    assert shown.returncode == 0, shown.stderr[-2000:]
    assert len(lines) == 4
    assert json.loads((project.folder / "boxes.json").read_text())["info"]["split"] == "train"
    assert list((project.folder / "drawn").iterdir())
