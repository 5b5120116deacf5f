import argparse
from importlib import import_module

import pytest

from benchmarks.__main__ import group_names
from benchmarks.groups import GROUPS


@pytest.mark.parametrize("target", GROUPS.values())
def test_every_group_has_its_function(target):
    module, _, function = target.partition(":")
    assert callable(getattr(import_module(f"benchmarks.rows.{module}"), function))


def test_groups_are_chosen_by_name():
    assert group_names("reads,cams") == ["reads", "cams"]
    with pytest.raises(argparse.ArgumentTypeError, match="cam"):
        group_names("reads,cam")
