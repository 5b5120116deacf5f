import pytest

from pipeline.errors import InputError
from pipeline.flow.dvc_steps import parse_repro


def test_the_arguments_are_those_of_dvc_repro():
    asked = parse_repro(["cams@shapes", "--force", "--no-run-cache"])
    assert (asked.targets, asked.force, asked.no_run_cache) == (["cams@shapes"], True, True)


def test_a_rebuild_that_is_to_run_nothing_is_refused_and_not_run():
    with pytest.raises(InputError, match="dvc repro --dry"):
        parse_repro(["--dry"])


def test_what_dvc_does_not_know_is_not_run_either():
    with pytest.raises(InputError, match="--forse"):
        parse_repro(["--forse"])
