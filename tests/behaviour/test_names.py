"""Names of datasets and variants: what DVC, a folder or a shell could take for something else."""

import os
import stat
import subprocess
import sys
from itertools import product

import pytest
import yaml

from pipeline.command_line import positional_names
from pipeline.errors import InputError
from pipeline.params.read import read_params
from pipeline.params.reader import ParamsError, read_yaml
from tests.conftest import ROOT
from tests.dvc_folder import make_dvc_folder

HOSTILE = [
    "",
    " ",
    "a b",
    "a;touch pwned",
    "$(touch pwned)",
    "`touch pwned`",
    "x' ; touch pwned; '",
    'x" ; touch pwned; "',
    "a\ntouch pwned",
    "a\n",
    "a&touch pwned",
    "a|touch pwned",
    "a>pwned",
    "-x",
    "--force",
    "..",
    "../a",
    "a/b",
    "/tmp",
    "a.b",
    "a@b",
    "a-b",
    "a:b",
    "a*",
    "~",
    "#a",
    "${runtime.port}",
    "größe",
    "\uff11\uff12",
    "7up",
    "a" * 65,
]


def written(path, values):
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("section", "name"),
    [*product(["datasets"], HOSTILE), *product(["variants", "weights"], HOSTILE[2:4])],
)
def test_a_name_that_is_none_is_refused_with_its_section_and_the_rule(tmp_path, section, name):
    values = read_yaml(ROOT / "params.yaml")
    values[section] = {**values[section], name: next(iter(values[section].values()))}
    with pytest.raises(ParamsError) as refused:
        read_params(written(tmp_path / "params.yaml", values))
    assert f"params.yaml.{section}." in str(refused.value)
    assert "letters, digits and _" in str(refused.value)


@pytest.mark.parametrize(
    ("key", "name"), [*product(["datasets"], HOSTILE), *product(["variants"], HOSTILE[2:4])]
)
def test_a_run_of_such_a_name_is_refused(tmp_path, key, name):
    values = read_yaml(ROOT / "params.yaml")
    values["run"] = values["run"] | {key: [name]}
    with pytest.raises(ParamsError) as refused:
        read_params(written(tmp_path / "params.yaml", values))
    assert f"run.{key}[0]" in str(refused.value)


@pytest.mark.parametrize("name", [1, True, None, 2.5])
def test_a_key_that_is_no_text_is_refused(tmp_path, name):
    values = read_yaml(ROOT / "params.yaml")
    values["datasets"] = values["datasets"] | {name: values["datasets"]["shapes"]}
    with pytest.raises(ParamsError, match=rf"datasets\.{name}: must be str"):
        read_params(written(tmp_path / "params.yaml", values))


@pytest.mark.parametrize("name", ["a", "Shapes2", "levels_3_4", "a" * 64])
def test_a_name_of_letters_digits_and_underscores_is_one(tmp_path, name):
    values = read_yaml(ROOT / "params.yaml")
    for section in ("datasets", "weights"):
        values[section] = values[section] | {name: values[section]["shapes"]}
    values["run"] = values["run"] | {"datasets": [name]}
    assert read_params(written(tmp_path / "params.yaml", values)).run.datasets == (name,)


def test_a_command_line_of_dvc_is_that_of_a_person():
    assert positional_names(["--dataset", "a", "--variant", "b"]) == ["a", "b"]
    assert positional_names(["a", "b", "--image", "x.jpg"]) == ["a", "b", "--image", "x.jpg"]


@pytest.mark.parametrize("flag", ["--dataset", "--variant"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_command_line_of_dvc_with_such_a_name_is_refused(flag, name):
    with pytest.raises(InputError, match=rf"run\.{flag[2:]}s: .*letters, digits and _"):
        positional_names([flag, name])


@pytest.fixture
def stages(tmp_path):
    """Run the commands of the project's dvc.yaml by DVC, with a `python` that writes its arguments.

    Return what it was given for a name of a dataset, and one of a variant: a list per command.
    """
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    kept = {
        name: {"matrix": stage["matrix"], "cmd": stage["cmd"], "always_changed": True}
        for name, stage in graph.items()
    }
    written(tmp_path / "dvc.yaml", {"stages": kept})
    fake = tmp_path / "bin" / "python"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nfor word in "$@"; do printf "%s\\0" "$word"; done >> "$CALLS"\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DVC")}
    environment |= {
        "PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
    }

    def dvc(*words):
        command = [sys.executable, "-m", "dvc", *words]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    make_dvc_folder(tmp_path, has_git=False)

    def run(datasets, variants):
        run_section = {"datasets": datasets, "variants": variants, "targets": datasets[:1]}
        written(tmp_path / "params.yaml", {"run": run_section, "runtime": {"port": 1}})
        done = dvc("repro", "--keep-going")
        calls = tmp_path / "calls"
        return done, calls.read_text(encoding="utf-8").split("\0") if calls.exists() else []

    return run


def test_no_shell_runs_what_a_name_holds(stages, tmp_path):
    hostile = [name for name in HOSTILE if "pwned" in name]
    done, words = stages(hostile, hostile[:1])
    assert not [path for path in tmp_path.rglob("*pwned*") if path.name == "pwned"], done.stdout
    whole = [name for name in hostile if "\n" not in name]  # DVC cuts commands at line breaks
    for name in whole:
        assert words.count(name) >= 9, (name, done.stdout + done.stderr)
    assert words.count("stages.train") == len(whole)
    assert words.count("--trained_on") >= 3 * len(whole)  # cams, evaluate and report of a target
