import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from models.given_files.safe_load import ModelFileError
from models.given_files.transformers_folder import (
    FolderError,
    check_folder,
    check_vocabulary,
    is_file_name,
    read_json,
    tokenizer_errors,
    weight_files,
)
from models.grad_cam.clip_scorer import load_clip_scorer
from models.grounder.checkpoint import untrained_language
from models.grounder.config import LanguageSizes
from models.grounder.encoders.language_encoder import load_language, load_tokenizer
from models.pretrained.convert import copy_transformers
from pipeline.weight_sources import transformers_files
from tests.tiny_bert import LAYERS, write_tiny_bert
from tests.tiny_clip import write_tiny_clip

SIZES = LanguageSizes(vocabulary=23, hidden=12, layers=1, heads=3, dropout=0.0)
PAGE = b"<!DOCTYPE html>"


@pytest.fixture
def bert(tmp_path):
    return write_tiny_bert(tmp_path / "bert")


@pytest.fixture
def clip(tmp_path):
    """A CLIP with its vocabulary in either form."""
    folder = write_tiny_clip(tmp_path / "clip")
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(folder / "vocabulary" / name, folder / name)
    return folder


def edit_json(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def edit_weights(file, change):
    state = load_file(file)
    change(state)
    save_file(state, file, {"format": "pt"})


def refuse(folder, kind, name):
    """Expect that nobody takes the folder, and that all name the file."""
    copied = folder.parent / "copy"
    uses = {
        "bert": lambda: untrained_language(folder, SIZES, []),
        "clip": lambda: load_clip_scorer(folder, "a {}", ["dog"], ["sky", "sea"]),
    }
    for use in (
        lambda: copy_transformers(folder, copied, transformers_files(folder), kind),
        uses[kind],
    ):
        with pytest.raises(ValueError, match=r".") as raised:
            use()
        assert name in str(raised.value)
        assert not isinstance(raised.value, FolderError) or name.endswith(".index.json")
    assert not copied.exists() or name == "config.json"


def test_sound_folders_are_taken(bert, clip):
    check_folder(bert, "bert")
    check_folder(clip, "clip")
    (bert / "tokenizer.json").unlink()
    check_folder(bert, "bert")
    assert len(load_tokenizer(bert)) == 60
    (clip / "tokenizer.json").unlink()
    check_folder(clip, "clip")
    load_clip_scorer(clip, "a {}", ["dog"], ["sky", "sea"])


BERT_FAULTS = {
    "no vocabulary": (("tokenizer.json", "vocab.txt"), lambda _: None, "vocab.txt"),
    "empty": (("tokenizer.json",), lambda f: (f / "vocab.txt").write_text(""), "vocab.txt"),
    "zeros": (
        ("tokenizer.json",),
        lambda f: (f / "vocab.txt").write_bytes(b"\0" * 99),
        "vocab.txt",
    ),
    "page": ((), lambda f: (f / "tokenizer.json").write_bytes(PAGE), "tokenizer.json"),
    "cut off": (
        ("tokenizer.json",),
        lambda f: (f / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nred\n"),
        "vocab.txt",
    ),
    "half a tokenizer": (
        (),
        lambda f: (f / "tokenizer.json").write_text((f / "tokenizer.json").read_text()[:500]),
        "tokenizer.json",
    ),
    "tokenizer without words": (
        (),
        lambda f: edit_json(f / "tokenizer.json", lambda c: c["model"].update(vocab={})),
        "tokenizer.json",
    ),
    "a word less": (
        ("vocab.txt",),
        lambda f: edit_json(f / "tokenizer.json", lambda c: c["model"]["vocab"].popitem()),
        "tokenizer.json",
    ),
    "no config": (("config.json",), lambda _: None, "config.json"),
    "of another model": (
        (),
        lambda f: edit_json(f / "config.json", lambda c: c.update(model_type="roberta")),
        "config.json",
    ),
}


@pytest.mark.parametrize("fault", BERT_FAULTS)
def test_a_bert_without_what_it_needs_is_refused(bert, fault):
    gone, change, name = BERT_FAULTS[fault]
    for file in gone:
        (bert / file).unlink()
    change(bert)
    with pytest.raises(FolderError, match=name):
        check_folder(bert, "bert")
    refuse(bert, "bert", name)


CLIP_FAULTS = {
    "no vocabulary": (("tokenizer.json", "vocab.json"), "vocab.json"),
    "no merges": (("tokenizer.json", "merges.txt"), "merges.txt"),
    "neither": (("tokenizer.json", "merges.txt", "vocab.json"), "vocab.json"),
    "no normalisation": (("preprocessor_config.json",), "preprocessor_config.json"),
    "no weights": (("model.safetensors",), "model.safetensors"),
}


@pytest.mark.parametrize("fault", CLIP_FAULTS)
def test_a_clip_without_what_it_needs_is_refused(clip, fault):
    gone, name = CLIP_FAULTS[fault]
    for file in gone:
        (clip / file).unlink()
    with pytest.raises(FolderError, match=name):
        check_folder(clip, "clip")
    refuse(clip, "clip", name)


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_half_of_a_vocabulary_may_lie_beside_a_whole_tokenizer(clip, name):
    (clip / name).unlink()
    check_folder(clip, "clip")


@pytest.mark.parametrize("merged", ["d o", "<| d", "d |>"])
def test_merges_must_make_the_words_of_the_vocabulary(clip, merged):
    words = json.loads((clip / "vocab.json").read_text())
    del words["a</w>"]
    (clip / "vocab.json").write_text(json.dumps({**words, merged.replace(" ", ""): 1000}))
    (clip / "merges.txt").write_text(f"#version: 0.2\n{merged}\n")
    check_folder(clip, "clip")
    (clip / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(FolderError, match=rf"merges\.txt.*'{re.escape(merged.replace(' ', ''))}'"):
        check_folder(clip, "clip")


def test_a_cased_vocabulary_needs_its_settings(bert):
    (bert / "tokenizer.json").unlink()
    words = (bert / "vocab.txt").read_text().replace("blue", "Blue")
    (bert / "vocab.txt").write_text(words)
    check_folder(bert, "bert")
    (bert / "tokenizer_config.json").unlink()
    with pytest.raises(FolderError, match=r"tokenizer_config\.json"):
        check_folder(bert, "bert")
    (bert / "vocab.txt").write_text(words.replace("Blue", "blue"))  # beside [PAD] and others
    check_folder(bert, "bert")


def test_a_config_need_not_say_of_which_model_it_is(bert):
    edit_json(bert / "config.json", lambda c: c.pop("model_type"))
    check_folder(bert, "bert")


def test_what_a_config_says_of_texts_is_an_object_or_as_published(clip):
    edit_json(clip / "config.json", lambda c: c.update(text_config=[1]))
    with pytest.raises(FolderError, match=r"config\.json.*text_config"):
        check_folder(clip, "clip")
    edit_json(clip / "config.json", lambda c: c.update(text_config=None))
    with pytest.raises(FolderError, match=r"tokenizer\.json.*49408"):
        check_folder(clip, "clip")


def test_a_vocabulary_is_utf8_of_one_entry_a_line(tmp_path):
    (tmp_path / "vocab.txt").write_bytes("[UNK]\na\u2028b\n\x85\n".encode())
    check_vocabulary(tmp_path, "bert", 3)
    (tmp_path / "vocab.txt").write_bytes(b"[UNK]\nb\xe9b\n")
    with pytest.raises(FolderError, match=r"vocab\.txt"):
        check_vocabulary(tmp_path, "bert", 2)


WEIGHT_FAULTS = {
    "missing": lambda state: state.pop("encoder.layer.1.output.dense.weight"),
    "another prefix": lambda state: [state.update({f"net.{k}": state.pop(k)}) for k in list(state)],
    "left over": lambda state: state.update({"encoder.layer.2.output.dense.bias": torch.ones(10)}),
    "shape": lambda state: state.update({"embeddings.LayerNorm.bias": torch.ones(11)}),
}


@pytest.mark.parametrize("fault", WEIGHT_FAULTS)
def test_weights_that_are_not_the_configuration_s_are_refused(bert, fault):
    edit_weights(bert / "model.safetensors", WEIGHT_FAULTS[fault])
    with pytest.raises(ModelFileError, match="bert"):
        load_language(bert, LAYERS)
    with pytest.raises(ModelFileError, match="bert"):
        copy_transformers(bert, bert.parent / "copy", transformers_files(bert), "bert")


def test_heads_and_layers_above_may_be_left_over(bert):
    heads = {"cls.predictions.bias": torch.ones(42), "embeddings.position_ids": torch.ones(1)}
    edit_weights(bert / "model.safetensors", lambda state: state.update(heads))
    assert len(load_language(bert, 1).bert.encoder.layer) == 1


def test_a_clip_of_fewer_layers_than_its_weights_is_refused(clip):
    edit_json(clip / "config.json", lambda c: c["vision_config"].update(num_hidden_layers=2))
    with pytest.raises(ModelFileError, match=r"vision_model\.encoder\.layers\.2"):
        load_clip_scorer(clip, "a {}", ["dog"], ["sky", "sea"])


@pytest.fixture
def sharded(bert):
    """A BERT in two files."""
    state = load_file(bert / "model.safetensors")
    (bert / "model.safetensors").unlink()
    names = sorted(state)
    places = {}
    for number, own in enumerate((names[:9], names[9:]), start=1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: state[name] for name in own}, bert / file, {"format": "pt"})
        places |= dict.fromkeys(own, file)
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (bert / "model.safetensors.index.json").write_text(json.dumps(index))
    return bert, state


def test_weights_in_several_files_are_copied_and_loaded(sharded):
    folder, state = sharded
    copied = folder.parent / "copy"
    copy_transformers(folder, copied, transformers_files(folder), "bert")
    assert {file.name for file in copied.iterdir()} >= set(weight_files(folder))
    found = load_language(copied, LAYERS).bert.state_dict()
    torch.testing.assert_close(found, {name: state[name] for name in found}, rtol=0, atol=0)


def test_a_missing_shard_is_named(sharded):
    folder, _ = sharded
    (folder / "model-00002-of-00002.safetensors").unlink()
    refuse(folder, "bert", "model-00002-of-00002.safetensors")


def test_errors_of_tokenizers_have_no_class_of_their_own(tmp_path):
    with pytest.raises(FolderError, match=str(tmp_path)), tokenizer_errors(tmp_path):
        Tokenizer.from_str('{"model": {"type": "nothing"}}')
    unknown = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
    ending = {"type": "TemplateProcessing", "single": [unknown], "pair": [], "special_tokens": {}}
    model = {"type": "WordLevel", "unk_token": "a", "vocab": {"a": 0}}
    broken = Tokenizer.from_str(json.dumps({"model": model, "post_processor": ending}))
    with pytest.raises(FolderError, match=str(tmp_path)), tokenizer_errors(tmp_path):
        broken.encode("a")  # a panic, which is no `Exception`
    with pytest.raises(KeyError), tokenizer_errors(tmp_path):
        raise KeyError("ours")


@pytest.mark.parametrize("number", ["1", None, -1, 2**40, [1]])
def test_an_entry_of_a_tokenizer_has_a_number(tmp_path, number):
    content = {"model": {"vocab": {"a": 0, "b": number}}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(FolderError, match=r"tokenizer\.json"):
        check_vocabulary(tmp_path, "bert", None)


@pytest.mark.parametrize("added", [[{"content": "b"}], ["b"], 5])
def test_what_is_added_to_a_vocabulary_has_a_number(tmp_path, added):
    content = {"model": {"vocab": {"a": 0}}, "added_tokens": added}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(FolderError, match=r"tokenizer\.json"):
        check_vocabulary(tmp_path, "bert", None)


@pytest.mark.parametrize(("added", "entries"), [([{"id": 2}, {"id": 1}], 3), ([], 2), (None, 2)])
def test_what_is_added_to_a_vocabulary_counts_too(tmp_path, added, entries):
    content = {"model": {"vocab": {"a": 0, "b": 1}}, "added_tokens": added}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    check_vocabulary(tmp_path, "bert", entries)
    with pytest.raises(FolderError, match=rf"tokenizer\.json has {entries} "):
        check_vocabulary(tmp_path, "bert", 5 - entries)


@pytest.mark.parametrize(
    "name", ["../a.bin", "/etc/passwd", "a/b.bin", "*", "a?", "[a]", "\0", "..", ""]
)
def test_a_shard_lies_in_its_folder(tmp_path, name):
    index = {"weight_map": {"a": "model-1.safetensors", "b": name}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(FolderError, match=r"model\.safetensors\.index\.json"):
        weight_files(tmp_path)


@pytest.mark.parametrize("content", [{}, {"weight_map": {}}, {"weight_map": ["a"]}])
def test_an_index_names_its_shards(tmp_path, content):
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(content))
    with pytest.raises(FolderError, match=r"model\.safetensors\.index\.json"):
        weight_files(tmp_path)


@pytest.mark.parametrize("content", ["[1]", "3", "{", ""])
def test_a_file_of_settings_holds_an_object(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(FolderError, match=r"config\.json"):
        read_json(tmp_path / "config.json")


def test_the_name_of_a_file_leads_nowhere_else_and_means_no_other():
    refused = [one for one in map(chr, range(256)) if not is_file_name(f"a{one}b")]
    assert refused == ["\0", "*", "/", "?", "["]
    assert [one for one in ("", ".", "..", "a/", "...", ".a") if is_file_name(one)] == ["...", ".a"]
