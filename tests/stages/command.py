"""A stage started by its command line, in this process and in the folder of a test."""

import sys
from pathlib import Path

import yaml

from pipeline.command_line import read_seconds
from tests.conftest import ROOT


def start(monkeypatch, main, *arguments, **sections):
    """Call a stage's `main` with the arguments of its command line; it must end by its own name.

    Args:
        monkeypatch: undoes what the start of a stage leaves behind.
        main: of the stage.
        arguments: data set, and variant.
        sections: keys of sections of params.yaml that have other values; the other keys are those
            of the working directory's params.yaml, or else of the project's.
    """
    here = Path("params.yaml")
    source = here if here.exists() else ROOT / "params.yaml"
    values = yaml.safe_load(source.read_text(encoding="utf-8"))
    changes = {"runtime": {"device": "cpu", "workers": 0}} | sections
    values |= {name: values[name] | changed for name, changed in changes.items()}
    here.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the stage sets its own
    monkeypatch.setattr(sys, "argv", ["stage", *arguments])
    main()
    for ended in [*read_seconds()][-1:]:
        assert ended.partition("@")[0] == main.__module__.removeprefix("stages.")
