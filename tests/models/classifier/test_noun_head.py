import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.classifier.classifier import save_classifier
from models.classifier.noun_head import NounHead, load_noun_head, read_head_nouns, save_noun_head
from models.given_files.safe_load import ModelFileError, NonFiniteError
from tests.models.classifier.tiny_classifier import tiny_classifier

NOUNS = ("cat", "dog", "自転車")


def noun_head(classifier, nouns=NOUNS):
    noise = torch.Generator().manual_seed(7)
    weight = torch.randn(len(nouns), classifier.class_weight.shape[1], generator=noise)
    return NounHead(nouns, weight, torch.tensor([0.5, -1.0, 2.0])[: len(nouns)])


@pytest.fixture
def folders(tmp_path):
    save_classifier(tmp_path / "classifier", tiny_classifier())
    save_noun_head(tmp_path / "noun_head", noun_head(tiny_classifier()))
    return tmp_path / "classifier", tmp_path / "noun_head"


def test_equal_heads_give_equal_bytes(folders, tmp_path):
    for _ in range(2):  # the second time the folder is there
        save_noun_head(tmp_path / "again", noun_head(tiny_classifier()))
    for name in ("nouns.json", "head.safetensors"):
        assert (folders[1] / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_weights_that_do_not_lie_in_rows_are_saved_below_folders_that_are_not_there(tmp_path):
    head = NounHead(NOUNS, torch.arange(12.0).view(4, 3).T, torch.arange(6.0)[::2])
    save_noun_head(tmp_path / "a" / "b", head)
    found = load_noun_head(tmp_path / "a" / "b")
    assert torch.equal(found.weight, head.weight)
    assert found.bias.tolist() == [0, 2, 4]


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_a_head_with_a_weight_that_is_not_finite_is_not_written(tmp_path, name):
    head = noun_head(tiny_classifier())
    getattr(head, name)[1] = torch.nan
    with pytest.raises(NonFiniteError, match=rf"\b{name}\b"):
        save_noun_head(tmp_path / "a", head)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", ["nouns.json", "head.safetensors"])
def test_a_damaged_head_is_refused(folders, name):
    (folders[1] / name).write_bytes((folders[1] / name).read_bytes()[:7])
    with pytest.raises(ModelFileError, match="noun_head"):
        load_noun_head(folders[1])


def test_a_saved_head_comes_back_and_its_nouns_without_its_weights(folders):
    expected = noun_head(tiny_classifier())
    head = load_noun_head(folders[1])
    assert head.nouns == read_head_nouns(folders[1]) == NOUNS
    assert torch.equal(head.weight, expected.weight)
    assert torch.equal(head.bias, expected.bias)
    (folders[1] / "head.safetensors").unlink()
    assert read_head_nouns(folders[1]) == NOUNS


@pytest.mark.parametrize(
    "change",
    [
        {"weight": torch.zeros(3)},
        {"weight": torch.zeros(2, 64)},
        {"bias": torch.zeros(2)},
        {"bias": torch.zeros(3, 1)},
        {"bias": torch.tensor([0, torch.nan, 0])},
        {"bias": None},
        {"scale": torch.zeros(3)},
    ],
)
def test_weights_that_do_not_fit_the_nouns_are_refused(folders, change):
    path = folders[1] / "head.safetensors"
    weights = {**load_file(path), **change}
    save_file({name: value for name, value in weights.items() if value is not None}, path)
    with pytest.raises(ModelFileError, match=rf"^{path}"):
        load_noun_head(folders[1])


@pytest.mark.parametrize("content", [{"cat": 1}, ["cat", 1], "cat"])
def test_nouns_are_a_list_of_texts(folders, content):
    path = folders[1] / "nouns.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ModelFileError, match=rf"^{path}"):
        read_head_nouns(folders[1])
