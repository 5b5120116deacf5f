import copy
import dataclasses
import json
import re
from dataclasses import replace

import pytest
import torch

from models.classifier.classifier import Classifier, ClassifierInfo, build_network
from models.given_files.safe_load import ModelFileError, NonFiniteError
from models.grounder.checkpoint import (
    Vocabularies,
    _read_words,
    learn_tokenizer,
    load_grounder,
    new_language,
    save_grounder,
    untrained_grounder,
    untrained_language,
)
from models.grounder.config import GrounderConfig, LanguageSizes
from models.grounder.grounder import build_grounder
from tests.models.grounder.tiny_grounder import NUM_WORDS, SPEC, tiny_inputs

SIZES_OF_WORDS = Vocabularies(19, 7, (4, 3))
WORDS = [f"слово{index}" for index in range(NUM_WORDS)]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    torch.manual_seed(0)
    tokenizer = learn_tokenizer(["red square left of a blue circle"] * 2, 40)
    language = new_language(
        LanguageSizes(vocabulary=len(tokenizer), hidden=10, layers=1, heads=2, dropout=0.3)
    )
    grounder = build_grounder(SPEC, build_network("mobilenet_v2", 0.25, 7), language).eval()
    folder = tmp_path_factory.mktemp("model") / "a" / "grounder"
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
    tokenizer(["a", "red square"], padding="max_length", truncation=True, max_length=7)
    save_grounder(tmp_path, grounder, tokenizer, WORDS)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert files
    assert all((tmp_path / name).read_bytes() == (folder / name).read_bytes() for name in files)


def test_a_grounder_with_a_weight_that_is_not_finite_is_not_written(saved, tmp_path):
    broken = copy.deepcopy(saved[1])
    name, weight = next(iter(broken.named_parameters()))
    torch.nn.init.constant_(weight, torch.nan)
    with pytest.raises(NonFiniteError, match=re.escape(name)):
        save_grounder(tmp_path / "a", broken, saved[2], WORDS)
    assert not (tmp_path / "a").exists()


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


@pytest.mark.parametrize("words", ["text", {"a": 1}, [*WORDS[:-1], 1]])
def test_words_are_a_list_of_texts(tmp_path, words):
    (tmp_path / "words.json").write_text(json.dumps(words))
    with pytest.raises(ModelFileError, match=r"words\.json"):
        _read_words(tmp_path / "words.json")


def test_words_are_as_many_as_the_grounder_knows(saved, tmp_path):
    folder = _copy(saved[0], tmp_path)
    (folder / "tokenizer").symlink_to(saved[0] / "tokenizer")
    (folder / "words.json").write_text(json.dumps(WORDS[:-1]))
    with pytest.raises(ModelFileError, match=r"words\.json"):
        load_grounder(folder)


def test_a_truncated_weight_file_is_refused(saved, tmp_path):
    folder = _copy(saved[0], tmp_path)
    weights = (folder / "grounder.safetensors").read_bytes()
    (folder / "grounder.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ModelFileError, match=str(folder)):
        load_grounder(folder)


def test_a_tokenizer_with_more_pieces_than_the_text_encoder_is_refused(saved, tmp_path):
    folder = _copy(saved[0], tmp_path)
    learn_tokenizer(["more letters than before, zyx"], 90).save_pretrained(folder / "tokenizer")
    with pytest.raises(ModelFileError, match="tokenizer"):
        load_grounder(folder)


def test_unknown_and_missing_keys_of_a_spec_are_named(saved, tmp_path):
    folder = _copy(saved[0], tmp_path)
    values = json.loads((folder / "spec.json").read_text()) | {"colour": 3, "zeal": 1, "aim": 2}
    del values["heads"]
    (folder / "spec.json").write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match=r"spec\.json.*aim.*colour.*heads.*zeal"):
        load_grounder(folder)


@pytest.mark.parametrize("name", ["spec.json", "language.json", "words.json"])
def test_a_file_that_is_no_json_is_named(saved, tmp_path, name):
    folder = _copy(saved[0], tmp_path)
    (folder / "tokenizer").symlink_to(saved[0] / "tokenizer")
    (folder / name).write_text("{")
    with pytest.raises(ModelFileError, match=name):
        load_grounder(folder)


def test_weights_of_another_shape_are_refused(saved, tmp_path):
    folder = _copy(saved[0], tmp_path)
    values = json.loads((folder / "spec.json").read_text()) | {"num_words": 5}
    (folder / "spec.json").write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match=r"language\.json.*decoder\.vocabulary"):
        load_grounder(folder)


SIZES = LanguageSizes(vocabulary=90, hidden=16, layers=3, heads=2, dropout=0.2)
PHRASES = ["a red cup", "the dog left of the cup", "чашка"]
CONFIG = GrounderConfig(
    backbone="classifier", embed_dim=12, levels="5", depth="1+3", visual_window=5,
    heads=3, ffn_dim=17, dropout=0.0, cam="off", cam_input="map", cam_blocks=1,
    cam_nouns="head", cam_weight=0.0, cam_ranks="raw", fusion="concat", fusion_layers=1,
    reg_token="phrase", head="reg_token", proposal_dim=11, label_dim=3,
    decoder_dim=13,
    prior_weight=1.0, prior_floor=0.001, prior_score=0.0, prior_score_unfit=0.0,
    prior_area=0.0, prior_area_unfit=0.0, prior_number=0.0, prior_colour=0.0,
    prior_side=0.0, prior_size=0.0, prior_order=0.0, prior_relation=0.0,
    place_weight=1.0,
    place_order=1.0,
    place_dim=8,
    unfit_weight=1.0,
    unfit_dim=8,
    prior_claim=0.0, prior_wearer=0.0, prior_part_area=0.0,
    score_bound=2.0, score_mlp=True, score_plain=0.5, score_unfit=0.2,
    teacher="both", contrast_temperature=0.1, mask_sharpness=10.0, mask_threshold=0.5,
)  # fmt: skip


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    info = ClassifierInfo("mobilenet_v2", 0.25, (0.4, 0.5, 0.6), (0.2,) * 3, True, ("x",), "", "")
    return Classifier(build_network("mobilenet_v2", 0.25, 1), info)


def test_without_a_folder_the_text_encoder_is_new_and_knows_its_phrases(tmp_path):
    language = untrained_language(tmp_path / "language", SIZES, PHRASES)
    assert not language.is_pretrained
    config = language.encoder.bert.config
    sizes = (config.num_hidden_layers, config.hidden_size, config.num_attention_heads)
    assert sizes == (3, 16, 2)
    assert config.intermediate_size == 4 * 16  # as in every BERT
    assert config.vocab_size == len(language.tokenizer) <= 90
    assert language.tokenizer.unk_token_id not in language.tokenizer("red dog")["input_ids"]


def test_a_vocabulary_begins_with_special_pieces_and_all_letters_in_order():
    tokenizer = learn_tokenizer(PHRASES, 90)
    letters = sorted({*"aredcupthedogleftofthecup", *"чашка"})
    pieces = tokenizer.convert_ids_to_tokens(range(5 + 2 * len(letters)))
    assert pieces[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert pieces[5:] == [*letters, *(f"##{letter}" for letter in letters)]


def test_a_learned_tokenizer_cuts_at_blanks_and_reads_capitals_as_small_letters():
    tokenizer = learn_tokenizer(["a red cup", "red cup, left"] * 9, 200)
    assert not any(" " in piece or "," in piece.strip(",") for piece in tokenizer.get_vocab())
    assert tokenizer.tokenize("Red CUP") == ["red", "cup"]
    capital = learn_tokenizer(["A red CUP", "Red cup, LEFT"] * 9, 200)
    assert capital.get_vocab() == tokenizer.get_vocab()


@pytest.mark.parametrize("size", [37, 41])
def test_a_learned_vocabulary_has_the_size_that_is_asked_for(size):
    assert len(learn_tokenizer(["a red cup left of the blue dog"] * 2, size)) == size


def test_a_pretrained_text_encoder_keeps_its_weights_and_its_first_layers(tmp_path):
    folder = tmp_path / "language"
    tokenizer = learn_tokenizer(PHRASES, 90)
    stored = new_language(replace(SIZES, vocabulary=len(tokenizer)))
    stored.bert.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    language = untrained_language(folder, replace(SIZES, layers=2), ["other words"])
    assert language.is_pretrained
    assert language.encoder.bert.config.num_hidden_layers == 2
    assert language.tokenizer(PHRASES)["input_ids"] == tokenizer(PHRASES)["input_ids"]
    for name, weight in language.encoder.state_dict().items():
        torch.testing.assert_close(weight, stored.state_dict()[name])


def test_the_backbone_starts_from_the_classifiers_weights(tmp_path, classifier):
    language = untrained_language(tmp_path / "language", SIZES, PHRASES)
    grounder = untrained_grounder(CONFIG, SIZES_OF_WORDS, classifier, language.encoder, False)
    spec = grounder.spec
    assert (spec.arch, spec.width, spec.bgr) == ("mobilenet_v2", 0.25, True)
    assert (spec.num_words, spec.num_labels) == (19, 7)
    assert not spec.language_pretrained
    rows = grounder.place_reader.row_of_word.tolist()
    assert (rows[4], rows[3], rows.count(-1)) == (0, 1, 17)
    without = replace(CONFIG, place_weight=0.0)
    bare = untrained_grounder(without, SIZES_OF_WORDS, classifier, language.encoder, False)
    assert bare.place_reader is None
    wanted = classifier.network.state_dict()["features.17.conv.0.0.weight"]
    found = [weight for weight in grounder.state_dict().values() if weight.shape == wanted.shape]
    assert any(torch.equal(weight, wanted) for weight in found)


@pytest.mark.parametrize("backbone", ["classifier", "timm/test_resnet"])
def test_a_grounder_on_a_classifier_of_timm_comes_back_with_its_weights(tmp_path, backbone):
    torch.manual_seed(0)
    info = ClassifierInfo("timm/test_resnet", 1.0, (0.5,) * 3, (0.5,) * 3, False, ("x",), "", "")
    made = Classifier(build_network("timm/test_resnet", 1.0, 1), info)
    language = untrained_language(tmp_path / "language", SIZES, PHRASES)
    config = replace(CONFIG, backbone=backbone)
    grounder = untrained_grounder(config, Vocabularies(3, 7, ()), made, language.encoder, False)
    save_grounder(tmp_path / "model", grounder, language.tokenizer, ("a", "b", "c"))
    loaded = load_grounder(tmp_path / "model").grounder
    assert loaded.spec.backbone_pretrained
    torch.testing.assert_close(loaded.state_dict(), grounder.state_dict(), rtol=0, atol=0)
    wanted = made.network.state_dict()["layer2.0.conv1.weight"]
    name = "visual_encoder.backbone.extract.network.layer2.0.conv1.weight"
    assert torch.equal(loaded.state_dict()[name], wanted)


def test_a_backbone_of_the_classifiers_name_and_another_width_starts_anew(tmp_path):
    info = ClassifierInfo("resnet18", 0.125, (0.5,) * 3, (0.2,) * 3, True, ("x",), "", "")
    made = Classifier(build_network("resnet18", 0.125, 1), info)
    language = untrained_language(tmp_path / "language", SIZES, PHRASES)
    config = replace(CONFIG, backbone="resnet18")
    grounder = untrained_grounder(config, SIZES_OF_WORDS, made, language.encoder, False)
    assert not grounder.spec.backbone_pretrained


def test_a_backbone_of_the_classifiers_name_has_its_weights_and_another_starts_anew(tmp_path):
    info = ClassifierInfo("resnet18", 1.0, (0.4, 0.5, 0.6), (0.2,) * 3, True, ("x",), "", "")
    made = Classifier(build_network("resnet18", 1.0, 1), info)
    language = untrained_language(tmp_path / "language", SIZES, PHRASES)
    same, other = (
        untrained_grounder(
            replace(CONFIG, backbone=name), SIZES_OF_WORDS, made, language.encoder, True
        )
        for name in ("resnet18", "shufflenet_v2_x0_5")
    )
    weight = same.visual_encoder.backbone.state_dict()["extract.network.layer4.1.conv2.weight"]
    torch.testing.assert_close(weight, made.network.state_dict()["layer4.1.conv2.weight"])
    assert same.spec.language_pretrained
    assert (same.spec.backbone_pretrained, other.spec.backbone_pretrained) == (True, False)
    new = {id(parameter) for parameter in other.new_parameters()}
    assert {id(p) for p in other.visual_encoder.backbone.parameters()} < new
    save_grounder(tmp_path / "model", other, language.tokenizer, [str(n) for n in range(19)])
    loaded = load_grounder(tmp_path / "model").grounder
    torch.testing.assert_close(loaded.state_dict(), other.state_dict(), rtol=0, atol=0)
