import dataclasses
import json

import pytest
import torch

from models.classifier.classifier import build_network
from models.grounder.checkpoint import load_grounder, save_grounder
from models.grounder.config import LanguageSizes
from models.grounder.grounder import build_grounder
from models.grounder.language_encoder import learn_tokenizer, new_language
from models.safe_load import ModelFileError
from tests.models.grounder.tiny_grounder import NUM_WORDS, SPEC, tiny_inputs

WORDS = [f"слово{index}" for index in range(NUM_WORDS)]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    torch.manual_seed(0)
    tokenizer = learn_tokenizer(["red square left of a blue circle"] * 2, 40)
    language = new_language(
        LanguageSizes(vocabulary=len(tokenizer), hidden=10, layers=1, heads=2, dropout=0.3)
    )
    grounder = build_grounder(SPEC, build_network("mobilenet_v2", 0.25, 7), language).eval()
    folder = tmp_path_factory.mktemp("model") / "grounder"
    save_grounder(folder, grounder, tokenizer, WORDS)
    return folder, grounder, tokenizer


def test_a_loaded_grounder_gives_equal_outputs(saved):
    folder, grounder, _ = saved
    inputs = tiny_inputs()
    before, after = grounder(inputs), load_grounder(folder).grounder(inputs)
    for field in dataclasses.fields(before):
        assert getattr(after, field.name).equal(getattr(before, field.name)), field.name


def test_vocabularies_come_back(saved):
    folder, grounder, tokenizer = saved
    loaded = load_grounder(folder)
    assert loaded.words == tuple(WORDS)
    assert loaded.tokenizer("blue Square")["input_ids"] == tokenizer("blue Square")["input_ids"]
    assert loaded.grounder.spec == grounder.spec


def test_dropout_comes_back(saved):
    config = load_grounder(saved[0]).grounder.language_encoder.bert.config
    assert (config.hidden_dropout_prob, config.attention_probs_dropout_prob) == (0.3, 0.3)


def test_saving_again_gives_the_same_bytes(saved, tmp_path):
    folder, grounder, tokenizer = saved
    save_grounder(tmp_path, grounder, tokenizer, WORDS)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert files
    assert all((tmp_path / name).read_bytes() == (folder / name).read_bytes() for name in files)


def _copy(folder, tmp_path):
    for path in folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.mark.parametrize("name", ["spec.json", "grounder.safetensors", "words.json"])
def test_a_missing_file_is_named(saved, tmp_path, name):
    folder = _copy(saved[0], tmp_path)
    (folder / "tokenizer").symlink_to(saved[0] / "tokenizer")
    (folder / name).unlink()
    with pytest.raises(ModelFileError, match=name):
        load_grounder(folder)


def test_a_truncated_weight_file_is_refused(saved, tmp_path):
    folder = _copy(saved[0], tmp_path)
    weights = (folder / "grounder.safetensors").read_bytes()
    (folder / "grounder.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ModelFileError, match="is not a grounder's folder"):
        load_grounder(folder)


def test_a_spec_with_an_unknown_key_is_refused(saved, tmp_path):
    folder = _copy(saved[0], tmp_path)
    values = json.loads((folder / "spec.json").read_text()) | {"colour": 3}
    (folder / "spec.json").write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match="colour"):
        load_grounder(folder)


def test_weights_of_another_shape_are_refused(saved, tmp_path):
    folder = _copy(saved[0], tmp_path)
    values = json.loads((folder / "spec.json").read_text()) | {"num_words": 5}
    (folder / "spec.json").write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match="size mismatch"):
        load_grounder(folder)
