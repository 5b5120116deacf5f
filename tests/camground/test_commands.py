"""Every subcommand, as a person calls it."""

import subprocess
import sys
import time
from importlib import import_module

import pytest

from camground.commands import COMMANDS
from tests.cached_world import ROOT


def run(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_main(name):
    assert callable(import_module(COMMANDS[name].module).main)


def test_help_names_every_command_and_is_quick():
    started = time.perf_counter()
    shown = run("-m", "camground", "--help")
    assert time.perf_counter() - started < 2  # torch alone takes longer
    assert shown.returncode == 0
    for name, command in COMMANDS.items():
        assert f"{name} " in shown.stdout
        assert command.summary in shown.stdout


def test_help_imports_nothing_that_is_slow():
    shown = run("-X", "importtime", "-m", "camground", "--help")
    imported = {line.rpartition("|")[2].strip() for line in shown.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & {"torch", "numpy", "pipeline", "fastapi"}
