import pickle

import pytest

from models.given_files.safe_load import ModelFileError
from models.given_files.transformers_folder import FolderError
from pipeline.errors import InputError
from pipeline.params.reader import ParamsError


@pytest.mark.parametrize("kind", [InputError, ParamsError, ModelFileError, FolderError])
def test_what_a_file_put_into_a_message_can_be_shown(kind):
    error = kind("train.seed: '\ud800é': must be a number")
    assert str(error) == "train.seed: '\\ud800é': must be a number"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(kind("a.json: " + "x" * 20_000)).startswith("a.json: xxx")
    assert len(str(kind("a.json: " + "x" * 20_000))) < 5_000
