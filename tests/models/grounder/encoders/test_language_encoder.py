import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from models.given_files.safe_load import ModelFileError
from models.grounder.checkpoint import learn_tokenizer, new_language
from models.grounder.config import LanguageSizes
from models.grounder.encoders.language_encoder import (
    check_tokenizer,
    embed_texts,
    language_of,
    load_language,
    load_tokenizer,
    read_bert_config,
)

SIZES = LanguageSizes(vocabulary=23, hidden=12, layers=1, heads=3, dropout=0.0)
PHRASES = ["red square left of the blue circle", "the small red circle", "largest blue square"] * 3


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bert")
    config = BertConfig(
        vocab_size=23,
        hidden_size=12,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=17,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.3,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def test_layer_two_of_three_is_what_the_whole_bert_calls_its_second_hidden_state(bert_folder):
    ids, mask = torch.randint(0, 23, (2, 5)), torch.ones(2, 5, dtype=torch.bool)
    whole = BertModel.from_pretrained(bert_folder).eval()
    expected = whole(ids, attention_mask=mask.long(), output_hidden_states=True).hidden_states[2]
    torch.testing.assert_close(load_language(bert_folder, layers=2).eval()(ids, mask), expected)


def test_an_old_file_that_counts_positions_is_read(bert_folder, tmp_path):
    shutil.copytree(bert_folder, tmp_path / "old")
    state = load_file(bert_folder / "model.safetensors")
    counted = {"embeddings.position_ids": torch.arange(12)[None]}
    save_file(state | counted, tmp_path / "old" / "model.safetensors", {"format": "pt"})
    found, expected = (load_language(path, layers=3) for path in (tmp_path / "old", bert_folder))
    torch.testing.assert_close(found.state_dict(), expected.state_dict(), rtol=0, atol=0)


def test_more_layers_than_there_are_is_refused(bert_folder):
    with pytest.raises(ValueError, match=r"3 layers.*\b5\b"):
        load_language(bert_folder, layers=5)


def test_no_parameter_is_left_without_use(bert_folder):
    language = load_language(bert_folder, layers=3)
    language(
        torch.ones(1, 5, dtype=torch.long), torch.ones(1, 5, dtype=torch.bool)
    ).sum().backward()
    assert [name for name, p in language.named_parameters() if p.grad is None] == []


def drawn_states(language):
    """Return the states of one phrase in training mode, as two passes give them."""
    ids, mask = torch.arange(1, 8)[None], torch.ones(1, 7, dtype=torch.bool)
    language.train()
    return language(ids, mask), language(ids, mask)


@pytest.mark.parametrize("part", ["hidden_dropout_prob", "attention_probs_dropout_prob"])
def test_a_new_bert_drops_as_much_as_it_is_told(part):
    torch.manual_seed(0)
    first, second = drawn_states(new_language(SIZES))
    assert torch.equal(first, second)
    language = new_language(replace(SIZES, dropout=0.25))
    assert getattr(language.bert.config, part) == 0.25
    first, second = drawn_states(language)
    assert not torch.allclose(first, second)


def test_a_pretrained_bert_drops_as_much_as_its_configuration_says(bert_folder):
    language = load_language(bert_folder, layers=2)
    config = language.bert.config
    assert (config.hidden_dropout_prob, config.attention_probs_dropout_prob) == (0.0, 0.3)
    first, second = drawn_states(language)
    assert not torch.allclose(first, second)


def test_padded_word_pieces_change_nothing_and_a_phrase_of_padding_is_finite():
    torch.manual_seed(0)
    language = new_language(replace(SIZES, layers=2)).eval()
    ids = torch.randint(1, 23, (2, 5))
    mask = torch.tensor([[True, True, True, False, False], [False] * 5])
    changed = torch.where(mask, ids, 7)
    states = language(ids, mask)
    torch.testing.assert_close(language(changed, mask)[0, :3], states[0, :3])
    assert states.isfinite().all()


def test_the_learnt_vocabulary_holds_the_words_of_the_phrases():
    tokenizer = learn_tokenizer(PHRASES, 200)
    assert tokenizer.tokenize("The blue square") == ["the", "blue", "square"]
    assert tokenizer.decode(tokenizer("red circle")["input_ids"]) == "[CLS] red circle [SEP]"


@pytest.mark.parametrize("size", [45, 52, 60])
def test_learning_again_gives_the_same_vocabulary(size):
    vocabularies = [learn_tokenizer(PHRASES, size).get_vocab() for _ in range(5)]
    assert vocabularies.count(vocabularies[0]) == 5


def test_the_vocabulary_is_no_larger_than_asked_for():
    assert len(learn_tokenizer(PHRASES, 60)) == 60


def test_the_empty_slot_is_padding_with_id_zero():
    assert learn_tokenizer(PHRASES, 60).pad_token_id == 0


def test_letters_never_seen_become_unknown():
    tokenizer = learn_tokenizer(["жёлтый круг", "круг"], 60)
    assert tokenizer.tokenize("круг 犬") == ["круг", "[UNK]"]


def test_a_tokenizer_survives_its_folder(tmp_path):
    tokenizer = learn_tokenizer(PHRASES, 200)
    tokenizer.save_pretrained(tmp_path)
    text = "smallest RED circles of 9"
    assert load_tokenizer(tmp_path)(text)["input_ids"] == tokenizer(text)["input_ids"]


def test_a_setting_of_a_wrong_type_is_no_tokenizer(tmp_path):
    learn_tokenizer(PHRASES, 200).save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    settings["model_max_length"] = "12"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelFileError, match=str(tmp_path)):
        load_tokenizer(tmp_path)


def test_a_folder_without_a_vocabulary_holds_no_tokenizer(tmp_path):
    learn_tokenizer(PHRASES, 200).save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ModelFileError, match=r"vocab\.txt"):
        load_tokenizer(tmp_path)


def test_a_text_is_the_mean_of_its_own_word_pieces_whatever_stands_beside_it():
    torch.manual_seed(1)
    tokenizer = learn_tokenizer(PHRASES, 60)
    encoder = new_language(replace(SIZES, vocabulary=len(tokenizer))).eval()
    texts = [
        "red",
        "the small red circle",
        "largest blue square",
    ] * 30  # more than are read at once
    found = embed_texts(encoder, tokenizer, texts)
    for index in (0, 1, 2, 64, 89):
        ids = tokenizer(texts[index], return_tensors="pt")["input_ids"]
        states = encoder(ids, torch.ones_like(ids, dtype=torch.bool))[0].double()
        mean = states.mean(0)
        torch.testing.assert_close(found[index].double(), mean / mean.norm(), atol=1e-5, rtol=0)
    assert embed_texts(encoder, tokenizer, []).shape == (0, SIZES.hidden)


def test_a_new_bert_has_no_parameter_without_use():
    language = language_of(
        BertConfig(
            vocab_size=23,
            hidden_size=12,
            num_hidden_layers=2,
            num_attention_heads=3,
            intermediate_size=17,
        )
    )
    language(torch.ones(1, 3, dtype=torch.long), torch.ones(1, 3).bool()).sum().backward()
    assert [name for name, weight in language.named_parameters() if weight.grad is None] == []


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", "JSON"),
        ('{"model_type": "clip"}', "not of a BERT"),
        ('{"hidden_size": "twelve"}', "hidden_size"),
        (None, "missing"),
    ],
)
def test_a_configuration_of_no_bert_is_refused_by_name(tmp_path, content, named):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelFileError, match=rf"{tmp_path}/config\.json.*{named}"):
        read_bert_config(tmp_path)


def test_a_tokenizer_has_as_many_entries_as_its_bert_has_embeddings(tmp_path):
    tokenizer = learn_tokenizer(PHRASES, 53)
    tokenizer.save_pretrained(tmp_path)
    fitting, smaller = (new_language(replace(SIZES, vocabulary=size)) for size in (53, 52))
    check_tokenizer(tokenizer, fitting, tmp_path)
    with pytest.raises(ModelFileError, match=rf"{tmp_path}.*53.*52"):
        check_tokenizer(tokenizer, smaller, tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["model"]["vocab"].popitem()
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ModelFileError, match=rf"{tmp_path}/tokenizer\.json.*52.*53"):
        check_tokenizer(tokenizer, fitting, tmp_path)
    tokenizer.save_pretrained(tmp_path)
    tokenizer.add_tokens(["[MORE]"])
    with pytest.raises(ModelFileError, match=rf"{tmp_path}.*54.*53"):
        check_tokenizer(tokenizer, fitting, tmp_path)
