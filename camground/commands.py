"""The subcommands of `camground`: name, module whose `main` runs it, and a line of help.

To add one: write a module with `main()`, which reads `sys.argv`, and a line here. A module is
imported when its command is called, so that `camground --help` is quick.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Attributes:
        module: holds `main()`, which returns an exit status or None.
        summary: what it does, in one line.
        takes_arguments: `main` reads its own command line; if not, there are no arguments.
    """

    module: str
    summary: str
    takes_arguments: bool = True


USE = {
    "predict": Command("camground.predict", "find phrases in pictures with a trained model"),
    "demo": Command("camground.demo", "try a trained model in the browser, on this machine"),
    "pack": Command("camground.pack", "copy a trained model into a folder one can hand on"),
    "evaluate": Command("camground.evaluate", "evaluate a trained model on another dataset"),
    "export": Command(
        "pipeline.exporting.__main__", "write a model's boxes as COCO, TransVG lists or JSON lines"
    ),
}
BUILD = {
    "doctor": Command("pipeline.doctor.__main__", "say what is missing before a rebuild", False),
    "leftovers": Command(
        "pipeline.doctor.leftovers", "list what killed and changed runs left, or remove it"
    ),
    "flow": Command("pipeline.flow.__main__", "rebuild as one run in the Prefect UI"),
    "ui": Command("pipeline.flow.ui", "start the Prefect server and its UI", False),
    "profile": Command("pipeline.params.profile", "put ready sets of values into params.yaml"),
    "results": Command("pipeline.tables.__main__", "print and tabulate what was evaluated", False),
}
GROUPS = {"with a trained model": USE, "in a project's folder": BUILD}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}
