"""dvc.yaml says the truth about the code and params.yaml."""

import re
from pathlib import Path

import pytest
import yaml

from pipeline.caching.import_closure import CODE_FOLDERS, code_dependencies

ROOT = Path(__file__).parent.parent
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
STAGES = {
    name: stage.get("do", stage)
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"].items()
}
TARGET = "target_"  # of the stages that ask models on other datasets: they run a stage's code again
OWN = [name for name in STAGES if not name.startswith(TARGET)]
# what `${item}` and the like may stand for, by the word after the dot
ITEMS = {
    "item": "datasets",
    "item.dataset": "datasets",
    "item.trained_on": "datasets",
    "key": "datasets",
    "item.variant": "variants",
}


def expanded(text):
    """Return the text once per name that its `${...}` may stand for."""
    hole = re.search(r"\$\{([^}]*)\}", text)
    if not hole:
        return [text]
    return [
        each for name in PARAMS[ITEMS[hole[1]]] for each in expanded(text.replace(hole[0], name))
    ]


def paths_of(stage, kind):
    return [next(iter(path)) if isinstance(path, dict) else path for path in stage.get(kind, [])]


def tracked(stage):
    return [key for text in stage.get("params", []) for key in expanded(text)]


def is_a_key(dotted):
    value = PARAMS
    for key in dotted.split("."):
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def keys_below(values):
    pairs = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in pairs:
        yield key
        if isinstance(value, dict | list):
            yield from keys_below(value)


@pytest.mark.parametrize("name", OWN)
def test_a_stage_depends_on_the_code_it_imports_and_on_no_other(name):
    listed = [path for path in paths_of(STAGES[name], "deps") if path.split("/")[0] in CODE_FOLDERS]
    wanted = code_dependencies(ROOT / "stages" / f"{name}.py")
    assert listed == wanted, "`python -m pipeline.caching.import_closure` rewrites them"


def test_the_report_is_made_anew_when_a_template_changes():
    (room,) = {path.parent.parent for path in ROOT.glob("pipeline/**/templates/*")}
    assert room.relative_to(ROOT).as_posix() in paths_of(STAGES["report"], "deps")


@pytest.mark.parametrize("name", OWN)
def test_a_stage_has_a_source_and_a_test_of_its_name(name):
    assert (ROOT / "stages" / f"{name}.py").is_file()
    assert (ROOT / "tests" / "stages" / f"test_{name}.py").is_file()


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_runs_the_module_of_its_name(name):
    module = name.removeprefix(TARGET)
    assert STAGES[name]["cmd"].startswith(f"python -m stages.{module} ")


@pytest.mark.parametrize("name", sorted(set(STAGES) - set(OWN)))
def test_a_stage_of_targets_is_that_of_other_datasets_or_hangs_on_what_its_code_made(name):
    own, target = STAGES[name.removeprefix(TARGET)], STAGES[name]
    if "trained_on" not in target["matrix"]:
        assert {key: own[key] for key in own if key != "matrix"} == {
            key: target[key] for key in target if key != "matrix"
        }
    else:
        made = {path.replace("item.dataset", "item.trained_on") for path in paths_of(own, "outs")}
        assert made & set(paths_of(target, "deps"))
        assert target["params"] == own["params"]


@pytest.mark.parametrize("name", STAGES)
def test_every_key_a_stage_tracks_is_in_params(name):
    assert [key for key in tracked(STAGES[name]) if not is_a_key(key)] == []


@pytest.mark.parametrize("name", STAGES)
def test_no_stage_reruns_because_of_where_or_how_much_is_run(name):
    assert not {key.split(".")[0] for key in tracked(STAGES[name])} & {"runtime", "run"}


def test_every_section_that_changes_a_result_is_tracked():
    sections = {key.split(".")[0] for stage in STAGES.values() for key in tracked(stage)}
    assert sections == set(PARAMS) - {"runtime", "run"}


def test_no_key_has_a_name_that_dvc_forgets():
    # DVC's run cache drops keys of these names and then restores outputs of other parameters
    assert not {"size", "nfiles"} & set(keys_below(PARAMS))


def test_only_evaluation_depends_on_ground_truth():
    opened_by = {
        name
        for name, stage in STAGES.items()
        if any("ground_truth" in path for path in paths_of(stage, "deps"))
    }
    assert opened_by == {"evaluate", "target_evaluate"}


def test_no_stage_depends_on_a_folder_above_the_outputs_of_several():
    outs = [path for stage in STAGES.values() for path in paths_of(stage, "outs")]
    deps = [path for stage in STAGES.values() for path in paths_of(stage, "deps")]
    assert not [dep for dep in deps for out in outs if out.startswith(f"{dep}/")]
