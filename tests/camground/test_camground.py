import gc
import os
import signal
import subprocess
import sys

import pytest

from camground.__main__ import main, run_command
from camground.commands import COMMANDS, GROUPS, Command
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def _own_arguments(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["camground"])


def status_of(*arguments):
    try:
        return main(arguments)
    except SystemExit as stopped:
        return stopped.code


@pytest.mark.parametrize("arguments", [[], ["bake"], ["--bake"], ["predict"], ["doctor", "x"]])
def test_a_command_line_that_cannot_be_understood_has_status_2(arguments, capsys):
    assert status_of(*arguments) == 2
    told = capsys.readouterr().err
    assert "usage: camground" in told
    assert told.splitlines()[-1].startswith("camground")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_under_its_own_name(name, capsys):
    assert status_of(name, "--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"usage: camground {name}" in told
    if not COMMANDS[name].takes_arguments:
        first, rest = COMMANDS[name].summary[0], COMMANDS[name].summary[1:]
        assert f"{first.upper()}{rest}." in told


def test_the_version_is_told(capsys):
    assert status_of("--version") == 0
    assert capsys.readouterr().out.startswith("camground ")


def test_help_has_a_line_of_each_command(capsys):
    assert status_of("--help") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "usage: camground [-h] [--version] COMMAND ..."
    assert not any("arguments" in line.split() for line in lines)  # the command's own
    assert {f"{title}:" for title in GROUPS} <= {*lines}
    assert "--version" in " ".join(lines[1:]).split()
    for name, command in COMMANDS.items():
        assert [line.split(maxsplit=1) for line in lines].count([name, command.summary]) == 1


def test_the_command_line_is_that_of_the_process(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["camground", "--version"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0


def test_an_error_of_the_user_is_one_line_and_status_1(tmp_path, capsys):
    assert status_of("predict", str(tmp_path / "none"), "x.png", "--phrase", "a") == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "none" in line


def test_a_command_of_a_project_outside_of_one_is_one_line_and_status_1(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert status_of("profile", "none.yaml") == 1


def test_the_package_gives_the_classes_it_promises():
    import camground
    from pipeline.serving.found import Found
    from pipeline.serving.phrase_grounder import PhraseGrounder

    assert camground.Grounder is PhraseGrounder
    assert camground.Found is Found
    with pytest.raises(AttributeError, match="Nothing"):
        _ = camground.Nothing


@pytest.mark.parametrize(
    ("body", "status"),
    [("return 3", 3), ("return None", 0), ("raise KeyboardInterrupt", 128 + signal.SIGINT)],
)
def test_the_status_is_the_commands_own(tmp_path, monkeypatch, capsys, body, status):
    text = f"import gc\nSEARCHED = gc.isenabled()\ndef main():\n    {body}\n"
    (tmp_path / "made_command.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "made_command", raising=False)
    for _ in range(2):  # it is imported once
        assert run_command("made", Command("made_command", "is made"), ["x"]) == status
        assert sys.argv == ["camground made", "x"]
        assert len(capsys.readouterr().err.splitlines()) == (status > 128)
    assert not sys.modules["made_command"].SEARCHED
    assert gc.isenabled()
    monkeypatch.delitem(sys.modules, "made_command")


def test_output_that_nobody_reads_to_its_end_is_no_error_to_tell(tmp_path):
    (tmp_path / "made_command.py").write_text("def main():\n    print('x')\n")
    run = "import sys; from camground.__main__ import *; "
    run += "sys.exit(run_command('made', Command('made_command', 'is made'), []))"
    reading, writing = os.pipe()
    os.close(reading)
    paths = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", run], stdout=writing, stderr=subprocess.PIPE, env=os.environ | paths
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
