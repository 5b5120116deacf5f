"""Every program of the project says what it is for, and what each of its arguments means."""

import argparse
import sys
from importlib import import_module

import pytest

from tests.conftest import ROOT

ROOMS = ("benchmarks", "camground", "models", "pipeline", "stages")
GUARD = 'if __name__ == "__main__":'
PARSERS = ("ArgumentParser(", "stage_call(")


def programs():
    """Return the modules that `python -m` runs with arguments."""
    files = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
    texts = {file: file.read_text(encoding="utf-8") for file in files}
    found = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for file, text in texts.items()
        if GUARD in text and any(parser in text for parser in PARSERS)
    ]
    assert {"camground.predict", "pipeline.flow.__main__", "stages.train"} <= {*found}
    return found


class ReadError(Exception):
    """A command line is about to be read."""


@pytest.mark.parametrize("module", programs())
def test_every_argument_has_a_help_text(module, monkeypatch):
    def stop(parser, *_):
        raise ReadError(parser)

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", [module])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # a stage sets its own
    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", stop)
    with pytest.raises(ReadError) as stopped:
        import_module(module).main()
    [parser] = stopped.value.args
    assert parser.description
    assert parser.format_help()  # which fills in what the texts name
    assert [action.dest for action in parser._actions if not action.help] == []
