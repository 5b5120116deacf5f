import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.caching.import_closure import code_dependencies, import_closure
from tests.conftest import ROOT


@pytest.fixture
def project(tmp_path):
    def write(**sources):
        for name, text in sources.items():
            path = tmp_path / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def closure(root):
    return [path.as_posix() for path in import_closure(root / "stages" / "cams.py")]


@pytest.mark.parametrize(
    "statement",
    [
        "import pipeline.cache",
        "import pipeline.cache as cache",
        "from pipeline import cache",
        "from pipeline.cache import Cache",
        "def run():\n    from pipeline.cache import Cache",
        "if True:\n    import os, pipeline.cache",
        "from ..pipeline import cache",
        "from ..pipeline.cache import Cache",
    ],
)
def test_every_form_of_import_is_seen(project, statement):
    root = project(stages__cams=statement, pipeline__cache="Cache = 1", pipeline__other="")
    assert closure(root) == ["pipeline/cache.py", "stages/cams.py"]


def test_a_stage_may_be_named_from_within_its_folder(project, monkeypatch):
    root = project(stages__cams="import pipeline.cache", pipeline__cache="")
    monkeypatch.chdir(root / "stages")
    found = import_closure(Path("cams.py"))
    assert found == [Path("pipeline/cache.py"), Path("stages/cams.py")]
    assert code_dependencies(Path("cams.py")) == ["pipeline/cache.py", "stages/cams.py"]


def test_imports_of_imports_count_and_circles_end(project):
    root = project(
        stages__cams="import models.a",
        models__a="from models import b",
        models__b="from .c.d import x\nfrom . import a",
        models__c__d="import numpy, json",
        models__unused="",
    )
    assert closure(root) == ["models/a.py", "models/b.py", "models/c/d.py", "stages/cams.py"]


def test_a_file_that_is_no_python_is_named(project):
    root = project(stages__cams="import models.a", models__a="def")
    with pytest.raises(SyntaxError) as raised:
        closure(root)
    assert raised.value.filename == "models/a.py"


def test_a_package_file_counts_if_it_holds_code(project):
    root = project(stages__cams="import pipeline.a.b", pipeline__a__b="", pipeline____init____="")
    (root / "pipeline" / "a" / "__init__.py").write_text("from pipeline import c")
    (root / "pipeline" / "__init__.py").write_text("\n")
    (root / "pipeline" / "c.py").write_text("")
    assert closure(root) == [
        "pipeline/a/__init__.py",
        "pipeline/a/b.py",
        "pipeline/c.py",
        "stages/cams.py",
    ]


@pytest.mark.parametrize(
    "module", ["observe.deep", "params.deep", "command_line", "errors", "lifetime"]
)
def test_what_never_computes_is_left_out_with_what_only_it_imports(project, module):
    root = project(
        stages__cams=f"from pipeline.{module} import run_stage",
        **{f"pipeline__{module.replace('.', '__')}": "import pipeline.secret"},
        pipeline__secret="",
    )
    assert closure(root) == ["stages/cams.py"]


@pytest.fixture
def rooms(project):
    names = "a/two a/three a/four b/one b/two b/three ../pipeline/c/one ../pipeline/c/e/one"
    sources = {f"models/{name}": "x = 1" for name in names.split()}
    return project(
        stages__cams="import models.a.one, models.b.one, pipeline.c.one, pipeline.d",
        models__a__one="import models.a.two",
        pipeline__d="",
        **sources,
    )


def test_a_room_is_listed_where_half_of_it_is_imported_and_holds_no_other_room(rooms):
    assert code_dependencies(rooms / "stages" / "cams.py") == [
        "models/a",
        "models/b/one.py",
        "pipeline/c/one.py",
        "pipeline/d.py",
        "stages/cams.py",
    ]


GRAPH = """# of the graph
stages:
  cams: &cams
    cmd: python -m stages.cams ${item}
    params: [
      "cams",
    ]
    deps: [
      "data/${item}/weights",  # made before
CODE    ]
    outs: [
      "data/${item}/cams.h5",
    ]
  target_cams:
    <<: *cams
    deps: [
      "data/${item}/cams.h5",
    ]
"""


def test_it_rewrites_the_code_dependencies_and_leaves_all_else(rooms):
    for name in ("six", "seven", "eight"):
        (rooms / "pipeline" / f"file_number_{name}.py").write_text("")
        with (rooms / "stages" / "cams.py").open("a") as stream:
            stream.write(f"\nimport pipeline.file_number_{name}")
    (rooms / "dvc.yaml").write_text(GRAPH.replace("CODE", "      pipeline/gone.py, models/a,\n"))
    strict = ["-X", "warn_default_encoding", "-W", "error::EncodingWarning"]
    command = [sys.executable, *strict, "-m", "pipeline.caching.import_closure"]
    done = subprocess.run(command, cwd=rooms, env={"PYTHONPATH": str(ROOT)}, capture_output=True)
    assert done.returncode == 0, done.stderr
    text = (rooms / "dvc.yaml").read_text()
    code = text.partition("made before\n")[2].partition("    ]\n")[0]
    assert text == GRAPH.replace("CODE", code)
    assert [len(line) <= 100 for line in code.splitlines()] == [True, True]
    listed = yaml.safe_load(text)["stages"]["cams"]["deps"]
    assert listed == ["data/${item}/weights", *code_dependencies(rooms / "stages" / "cams.py")]
