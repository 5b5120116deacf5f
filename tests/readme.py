"""The commands that README.md shows, for the tests that parse them and those that run them."""

import re

from tests.conftest import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def commands():
    """Return every line of its blocks of shell commands, in order."""
    blocks = re.findall(r"^```\n(.*?)^```$", TEXT, re.M | re.S)
    return [line for block in blocks for line in block.splitlines()]


def python_code():
    """Return its one block of Python."""
    [block] = re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S)
    return block
