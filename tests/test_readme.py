"""README.md is short, and every command in it is one that can be understood.

`tests/end_to_end/test_targets.py` runs those that need no photographs.
"""

import argparse
import re
import shlex
import sys
from importlib import import_module

import pytest

from camground.commands import COMMANDS
from pipeline.params.profile import leaves, parse_assignment
from pipeline.params.read import PARAMS_FILE, read_params
from pipeline.params.reader import read_yaml
from tests.conftest import ROOT
from tests.readme import TEXT, commands, python_code

MOST_LINES, FIRST_SCREEN = 120, 12


class ParsedError(Exception):
    """A command line was understood; nothing is to run."""


def test_it_is_short_and_begins_with_a_picture():
    lines = TEXT.splitlines()
    assert len(lines) <= MOST_LINES
    [picture] = re.findall(r"!\[[^]]+\]\(([^)]+)\)", "\n".join(lines[:FIRST_SCREEN]))
    assert (ROOT / picture).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!http)([^)#]+)", TEXT))))
def test_every_link_leads_somewhere(link):
    assert (ROOT / link).exists()


def test_its_code_is_python_and_names_what_can_be_imported():
    compile(python_code(), "README.md", "exec")
    assert hasattr(import_module("camground"), "Grounder")


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("camground")])
def test_a_command_line_is_understood(line, monkeypatch):
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(self, *arguments):
        raise ParsedError(parse(self, *arguments))

    _, name, *words = shlex.split(line)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", [name, *words])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
    if COMMANDS[name].takes_arguments:
        with pytest.raises(ParsedError):
            import_module(COMMANDS[name].module).main()
    else:
        assert words == []
    for dataset, variant in re.findall(r"results/(\w+)/(\w+)", line):
        assert dataset in read_params().datasets
        assert variant in read_params().variants


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("make")])
def test_a_target_of_make_is_there_with_its_profile_and_keys(line):
    _, target, *settings = shlex.split(line)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.M)
    known = dict(leaves(read_yaml(ROOT / PARAMS_FILE)))
    for name, _, value in (setting.partition("=") for setting in settings):
        assert name in ("PROFILE", "REAL", "SET")
        if name == "PROFILE":
            assert all((ROOT / f"profiles/{one}.yaml").is_file() for one in value.split())
        if name == "SET":
            assert {parse_assignment(one)[0] for one in value.split()} <= set(known)


def test_there_is_no_other_kind_of_command():
    assert {line.split()[0] for line in commands()} == {"make", "camground"}
