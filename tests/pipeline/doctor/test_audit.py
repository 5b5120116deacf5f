"""A made folder of installed packages and a made project; at last what the real one imports."""

import base64
import hashlib
import sys
import tomllib
from importlib.metadata import distributions

import pytest

from pipeline.doctor import audit
from tests.conftest import ROOT

PYPROJECT = """
[project]
dependencies = ["Alpha-One>=1", "beta[fast]==2 ; python_version > '3'", "idle"]
[project.optional-dependencies]
dask = []
dev = ["tester"]
"""
LOCK = "alpha_one==1.0\nbeta==2.0 ; python_version > '3'\nidle==4\ntester==5\ngone==6\n"
LOCK += "# a==1\n--b==2\n\n"


def install(site, name, version, package, licence=""):
    """Write a distribution as an installer does: files, METADATA, RECORD with their hashes."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{package}/__init__.py": b"value = 1\n",
        f"{package}/table.csv": b"a,b\n",
        f"{info}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{licence}",
    }
    lines = []
    for path, content in files.items():
        content = content if isinstance(content, bytes) else content.encode()
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        lines.append(f"{path},sha256={digest},{len(content)}")
    (site / info / "RECORD").write_text("\n".join([*lines, f"{info}/RECORD,,"]))


@pytest.fixture
def site(tmp_path):
    site = tmp_path / "site-packages"
    install(site, "Alpha_One", "1.0", "alpha", "License-Expression: MIT\n")
    install(site, "beta", "2.0", "beta_parts", "Classifier: License :: OSI Approved :: BSD\n")
    install(site, "idle", "4", "idle")
    install(site, "tester", "5", "tester", f"License: Some\n  text {'x' * 40}\n")
    install(site, "gone", "6", "gone", "License: \n")
    return site


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    for room in (*audit.SHIPPED, *audit.OTHERS):
        (root / room / "inner").mkdir(parents=True)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "requirements.lock").write_text(LOCK)
    (root / "models" / "inner" / "a.py").write_text(
        "import os, alpha.core\nfrom . import b\nfrom .b import c\n"
    )
    (root / "stages" / "b.py").write_text("def f():\n    from beta_parts import x\nimport idle\n")
    (root / "tests" / "c.py").write_text("import tester\nfrom models import inner\n")
    return root


def problems(project, site):
    return audit.audit(project, [*distributions(path=[str(site)])])[1]


def test_a_good_environment_has_no_problem(project, site):
    rows, found = audit.audit(project, [*distributions(path=[str(site)])])
    assert found == []
    assert [(row.name, row.version, row.licence, row.locked) for row in rows] == [
        ("alpha-one", "1.0", "MIT", "1.0"),
        ("beta", "2.0", "BSD", "2.0"),
        ("gone", "6", "unknown", "6"),
        ("idle", "4", "unknown", "4"),
        ("tester", "5", f"Some text {'x' * 30}", "5"),
    ]


def test_a_tampered_and_a_missing_file_are_named(project, site):
    (site / "alpha" / "__init__.py").write_bytes(b"value = 2\n")  # as long as it was
    (site / "idle" / "table.csv").unlink()
    changed, lost = sorted(problems(project, site))
    assert "alpha/__init__.py" in changed
    assert "idle/table.csv" in lost
    assert "missing" in lost


def test_a_package_without_a_list_of_its_files_is_named(project, site):
    (site / "gone-6.dist-info" / "RECORD").unlink()
    [found] = problems(project, site)
    assert found.startswith("gone: ")


@pytest.mark.parametrize("mode", ["sha384", "sha512"])
def test_a_longer_hash_and_a_file_of_several_blocks_are_read(project, site, monkeypatch, mode):
    monkeypatch.setattr(audit, "BLOCK_BYTES", 3)
    record = site / "beta-2.0.dist-info" / "RECORD"
    digest = base64.urlsafe_b64encode(hashlib.new(mode, b"a,b\n").digest()).decode().rstrip("=")
    lines = [line for line in record.read_text().splitlines() if "table.csv" not in line]
    record.write_text("\n".join([*lines, f"beta_parts/table.csv,{mode}={digest},4"]))
    assert problems(project, site) == []


def test_a_weak_hash_is_no_proof(project, site):
    record = site / "beta-2.0.dist-info" / "RECORD"
    digest = base64.urlsafe_b64encode(hashlib.md5(b"a,b\n").digest()).decode().rstrip("=")
    lines = [line for line in record.read_text().splitlines() if "table.csv" not in line]
    record.write_text("\n".join([*lines, f"beta_parts/table.csv,md5={digest},4"]))
    [found] = problems(project, site)
    assert "beta_parts/table.csv" in found


def test_a_file_of_two_packages_is_as_one_of_them_installed_it(project, site):
    record = site / "gone-6.dist-info" / "RECORD"
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"other").digest()).decode().rstrip("=")
    record.write_text(f"{record.read_text()}\nidle/table.csv,sha256={digest},5")
    assert problems(project, site) == []
    (site / "idle" / "table.csv").write_bytes(b"others")
    [found] = problems(project, site)
    assert found.startswith("gone, idle: ")


@pytest.mark.parametrize(
    "line",
    [
        "import tester",
        "import nowhere",
        "from tester.inner import x",
        "from .. import b\nimport tester",
    ],
)
def test_an_undeclared_import_is_named_with_its_file(project, site, line):
    (project / "pipeline" / "inner" / "bad.py").write_text(line)
    [found] = problems(project, site)
    assert "pipeline/inner/bad.py" in found
    assert found.endswith("pyproject.toml does not declare it")
    assert "imports nowhere, that nothing installs" in found or "tester, of tester" in found


def test_what_computes_on_several_machines_is_declared_for_users_and_tools_are_not(project, site):
    text = PYPROJECT.replace("dask = []", 'dask = ["tester"]')
    (project / "pyproject.toml").write_text(text)
    (project / "stages" / "more.py").write_text("import tester")
    assert problems(project, site) == []
    text = PYPROJECT.replace("[project.optional-dependencies]\ndask = []\ndev = ", "#")
    (project / "pyproject.toml").write_text(text)
    assert [line.split()[1:3] for line in problems(project, site)] == [["imports", "tester,"]] * 2


def test_a_declared_package_that_nothing_imports_is_named(project, site):
    (project / "stages" / "b.py").write_text("import beta_parts\n")
    [found] = problems(project, site)
    assert found.startswith("idle ")


def test_the_first_file_that_imports_a_package_stands_for_all(project):
    for name in "ihgfedcb":
        (project / "pipeline" / f"{name}.py").write_text("import alpha.core")
    found = audit.imported(project / room for room in ("pipeline", "models"))
    assert found == {"alpha": project / "pipeline" / "b.py"}


def test_another_version_than_the_lock_s_and_one_that_is_not_there_are_named(project, site):
    absent = [f"absent{number}" for number in range(9)]
    lock = LOCK.replace("==4", "==4.1") + "".join(f"{name}==7\n" for name in absent[::-1])
    (project / "requirements.lock").write_text(lock)
    other, *rest = problems(project, site)
    assert "idle" in other
    assert "4.1" in other
    assert [line.split()[:2] for line in rest] == [[name, "7"] for name in absent]


def test_the_command_fails_on_a_problem(project, site, monkeypatch, capsys):
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", [str(site)])
    (site / "alpha" / "__init__.py").unlink()
    with pytest.raises(SystemExit) as end:
        audit.main()
    assert end.value.code == 1
    said = capsys.readouterr().out
    assert "5 installed, 5 as the lock pins them" in said
    assert any(line.split() == ["beta", "2.0", "as", "locked", "BSD"] for line in said.splitlines())
    assert f"problem: Alpha_One: {site / 'alpha' / '__init__.py'} is missing" in said
    assert audit.ONLINE in said


def test_the_command_ends_well_and_shows_what_the_lock_does_not_name(
    project, site, monkeypatch, capsys
):
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", [str(site)])
    lock = [line for line in LOCK.splitlines() if "gone" not in line and "idle" not in line]
    (project / "requirements.lock").write_text("\n".join([*lock, "idle==5"]))
    with pytest.raises(SystemExit) as end:
        audit.main()
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["gone", "6", "lock:", "none", "unknown"] in said
    assert ["idle", "4", "lock:", "5", "unknown"] in said
    assert end.value.code == 1
    (project / "requirements.lock").write_text("\n".join(lock))
    with pytest.raises(SystemExit) as end:
        audit.main()
    assert end.value.code == 0
    assert "problem" not in capsys.readouterr().out


def test_all_that_this_project_imports_is_declared():
    known = audit.providers(distributions())
    users, developers = audit.declared(tomllib.loads((ROOT / audit.PROJECT).read_text("utf-8")))
    shipped = audit.imported(ROOT / room for room in audit.SHIPPED)
    others = audit.imported(ROOT / room for room in audit.OTHERS)
    assert not [*audit.import_problems(shipped, known, users)]
    assert not [*audit.import_problems(others, known, developers)]
    assert not [*audit.unused(shipped, known, users)]
