"""The command `camground`, also `python -m camground`.

Exit status: 0 if all went well, 1 for an error that its user can mend, told in one line, 2 for a
command line that cannot be understood.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from camground.commands import COMMANDS, GROUPS, Command

PROGRAM = "camground"
STOPPED = 130  # as a shell reports a process that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand, and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = build_parser().parse_args(given)
    return run_command(options.command, COMMANDS[options.command], options.arguments)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the name of a subcommand and what follows it."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Find the box of a phrase in a picture, learnt without a single box.",
        epilog=list_commands(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=f"{PROGRAM} [-h] [--version] COMMAND ...",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {_version()}")
    parser.add_argument(
        "command", metavar="COMMAND", choices=list(COMMANDS), help="one of those below"
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def list_commands() -> str:
    """Return every subcommand with its summary, in groups."""
    width = max(map(len, COMMANDS))
    parts = []
    for title, group in GROUPS.items():
        lines = [f"  {name:<{width}}  {command.summary}" for name, command in group.items()]
        parts.append("\n".join([f"{title}:", *lines]))
    return "\n\n".join([*parts, f"`{PROGRAM} COMMAND --help` says more of each."])


def run_command(name: str, command: Command, arguments: Sequence[str]) -> int:
    """Run a subcommand as if it were a program of its own, and return the exit status."""
    sys.argv = [f"{PROGRAM} {name}", *arguments]
    if not command.takes_arguments:
        told = f"{command.summary[0].upper()}{command.summary[1:]}."
        argparse.ArgumentParser(description=told).parse_args()
    from pipeline.errors import InputError
    from pipeline.freed_memory import begin_collection, put_off_collection

    try:
        if command.module not in sys.modules:
            put_off_collection()
        module = import_module(command.module)
        begin_collection()
        status = module.main()
        sys.stdout.flush()
    except InputError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return 1
    except BrokenPipeError:  # who reads the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return STOPPED
    return status or 0


def _version() -> str:
    try:
        return version(PROGRAM)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    sys.exit(main())
