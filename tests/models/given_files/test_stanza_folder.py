import json
import shutil
import zipfile

import pytest
import torch

from models.given_files.safe_load import ModelFileError
from models.given_files.stanza_folder import check_stanza_folder
from models.given_files.transformers_folder import FolderError
from models.phrases.noun_parser import NounParser


@pytest.fixture
def folder(tmp_path):
    """A folder of names alone: a tokenizer, and a tagger that stands on word vectors."""
    needs = [{"model": "pretrain", "package": "vectors"}]
    english = {
        "default_processors": {"tokenize": "cut", "mwt": "split", "pos": "other"},
        "tokenize": {"cut": {}},
        "mwt": {"split": {}},
        "pos": {"mine": {"dependencies": needs}},
    }
    (tmp_path / "resources.json").write_text(json.dumps({"en": english}))
    for name in ("tokenize/cut", "mwt/split", "pos/mine", "pretrain/vectors"):
        file = tmp_path / "en" / f"{name}.pt"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"PK\x03\x04")
    return tmp_path


def test_the_packages_of_a_whole_folder(folder):
    packages = check_stanza_folder(folder, "mine")
    assert packages == {"tokenize": "cut", "mwt": "split", "pos": "mine"}


def without_default(folder, name):
    """Take a processor from those that are used unless others are named."""
    content = json.loads((folder / "resources.json").read_text())
    del content["en"]["default_processors"][name]
    (folder / "resources.json").write_text(json.dumps(content))


def test_only_the_splitter_of_words_may_be_absent(folder):
    without_default(folder, "mwt")
    (folder / "en" / "mwt" / "split.pt").unlink()
    assert check_stanza_folder(folder, "mine") == {"tokenize": "cut", "pos": "mine"}
    without_default(folder, "tokenize")
    assert check_stanza_folder(folder, "mine", ("pos",)) == {"pos": "mine"}
    with pytest.raises(FolderError, match=r"resources\.json.*`tokenize`"):
        check_stanza_folder(folder, "mine")


@pytest.mark.parametrize("name", ["tokenize/cut", "pos/mine", "pretrain/vectors"])
def test_a_model_that_would_unpack_to_more_than_its_file_is_named(folder, name):
    with zipfile.ZipFile(folder / "en" / f"{name}.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(2**20))
    with pytest.raises(FolderError, match=rf"{name}\.pt"):
        check_stanza_folder(folder, "mine")


@pytest.mark.parametrize("name", ["tokenize/cut", "mwt/split", "pos/mine", "pretrain/vectors"])
def test_a_model_that_is_missing_or_none_is_named(folder, name):
    file = folder / "en" / f"{name}.pt"
    file.write_bytes(b"\0" * 50)
    with pytest.raises(FolderError, match=rf"{name}\.pt"):
        check_stanza_folder(folder, "mine")
    file.unlink()
    with pytest.raises(FolderError, match=rf"{name}\.pt"):
        check_stanza_folder(folder, "mine")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"en": {"pos": []}}', "<html>", '{"en"'])
def test_resources_that_name_no_models_are_named(folder, content):
    (folder / "resources.json").write_text(content)
    with pytest.raises(FolderError, match=r"resources\.json"):
        check_stanza_folder(folder, "mine")


def test_a_package_that_nobody_offers_is_named(folder):
    with pytest.raises(FolderError, match=r"resources\.json.*`pos`.*'theirs'"):
        check_stanza_folder(folder, "theirs")


@pytest.mark.real
@pytest.mark.parametrize("name", ["tokenize", "mwt"])
def test_a_tokenizer_whose_weights_do_not_fit_is_refused(real, tmp_path, name):
    folder = tmp_path / "stanza"
    shutil.copytree(real / "stanza", folder)
    (folder / "tagger.json").write_text('{"package": "ewt", "tokenize": "stanza"}')
    NounParser(folder, "cpu", 1)
    file = folder / "en" / name / "combined.pt"
    content = torch.load(file, map_location="cpu", weights_only=True)
    first = min(key for key in content["model"] if key.endswith("weight"))
    del content["model"][first]
    torch.save(content, file)
    with pytest.raises(ModelFileError, match=rf"{name}/combined\.pt.*{first}"):
        NounParser(folder, "cpu", 1)


@pytest.mark.parametrize(
    "needs",
    [
        [{"model": "pretrain", "package": "../../x"}],
        [{"model": "../pretrain", "package": "vectors"}],
        {"a": 1},
        [1],
        "x",
    ],
)
def test_the_models_below_lie_in_the_folder(folder, needs):
    for outside in (folder / "x.pt", folder / "pretrain" / "vectors.pt"):
        outside.parent.mkdir(exist_ok=True)
        outside.write_bytes(b"PK\x03\x04")
    content = json.loads((folder / "resources.json").read_text())
    content["en"]["pos"]["mine"]["dependencies"] = needs
    (folder / "resources.json").write_text(json.dumps(content))
    with pytest.raises(FolderError, match=r"resources\.json"):
        check_stanza_folder(folder, "mine")
