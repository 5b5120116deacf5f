"""The commands that README.md shows, for the tests that parse them and those that run them."""

import re

from tests.conftest import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.M | re.S)


def commands():
    """Return every line of its blocks of shell commands, in order."""
    return [line for kind, block in BLOCKS if not kind for line in block.splitlines()]


def python_code():
    """Return its one block of Python."""
    [block] = [block for kind, block in BLOCKS if kind == "python"]
    return block
