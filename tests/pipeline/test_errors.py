import pickle

import pytest

from pipeline.errors import InputError
from pipeline.params.reader import ParamsError


@pytest.mark.parametrize("kind", [InputError, ParamsError])
def test_a_half_character_is_shown_as_what_stands_for_it(kind):
    error = kind("train.seed: '\ud800é': must be a number")
    assert str(error) == "train.seed: '\\ud800é': must be a number"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
