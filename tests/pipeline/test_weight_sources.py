import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.params.read import PARAMS_FILE, read_params
from pipeline.weight_sources import (
    check_present,
    check_source,
    files_of,
    files_sha256,
    hub_of,
    parts_of,
    source_files,
    transformers_files,
)
from tests.conftest import ROOT
from tests.tiny_wordnet import write_tiny_wordnet

PHOTOGRAPHS = read_params(ROOT / "params.yaml").weights["photographs"]
CLASSIFIER = replace(PHOTOGRAPHS.classifier, sha256="")
TAGGER, LANGUAGE = (replace(part, sha256="") for part in (PHOTOGRAPHS.tagger, PHOTOGRAPHS.language))
WORDNET = PHOTOGRAPHS.wordnet
WEIGHTS = b"PK\x03\x04 weights"
KEY = "weights.mine.language"
CONFIG = b'{"model_type": "bert", "vocab_size": 2}'
TOKENIZER = b'{"model": {"vocab": {"[UNK]": 0, "dog": 1}}}'


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def file(tmp_path):
    (tmp_path / "c.pth").write_bytes(WEIGHTS)
    return tmp_path / "c.pth"


@pytest.fixture
def tagger(tmp_path):
    folder = tmp_path / "stanza"
    english = {
        "default_processors": {"tokenize": "cut"},
        "tokenize": {"cut": {}},
        "pos": {TAGGER.package: {}},
    }
    for name in ("tokenize/cut", f"pos/{TAGGER.package}"):
        (folder / "en" / name).parent.mkdir(parents=True)
        (folder / "en" / f"{name}.pt").write_bytes(WEIGHTS)
    (folder / "resources.json").write_text(json.dumps({"en": english}))
    return folder


@pytest.fixture
def language(tmp_path):
    folder = tmp_path / "bert"
    folder.mkdir()
    (folder / "config.json").write_bytes(CONFIG)
    (folder / "tokenizer.json").write_bytes(TOKENIZER)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    return folder


def test_an_origin_says_what_the_file_is_and_what_the_section_says_of_it(file):
    origin = check_source(CLASSIFIER, file, KEY)
    assert (origin.source, origin.sha256) == ("c.pth", sha256(WEIGHTS))
    assert (origin.training_set, origin.licence) == (CLASSIFIER.training_set, CLASSIFIER.licence)


def test_a_link_is_named_as_what_it_points_to(file, tmp_path):
    (tmp_path / "link.pth").symlink_to(file)
    assert check_source(CLASSIFIER, tmp_path / "link.pth", KEY).source == "c.pth"


@pytest.mark.parametrize("given", ["", sha256(WEIGHTS), sha256(WEIGHTS)[:9].upper()])
def test_a_hash_may_be_given_from_its_beginning_on_in_any_case(file, given):
    check_source(replace(CLASSIFIER, sha256=given), file, KEY)


def test_other_bytes_than_the_section_or_the_name_promise_are_refused(file):
    other = sha256(b"other")[:8]
    with pytest.raises(InputError, match=rf"{KEY}\.sha256.*c\.pth.*{sha256(WEIGHTS)}.*{other}"):
        check_source(replace(CLASSIFIER, sha256=other), file, KEY)
    renamed = file.rename(file.with_name("resnet-0a1b2c3d.pth"))
    with pytest.raises(InputError, match=rf"{KEY}\.sha256.*0a1b2c3d"):
        check_source(CLASSIFIER, renamed, KEY)
    check_source(replace(CLASSIFIER, sha256=sha256(WEIGHTS)), renamed, KEY)  # the section wins


@pytest.mark.parametrize("name", ["net-20240131.pth", "net-0a1b2c3.pth", "net-0a1b2c3d.pt"])
def test_a_date_and_what_is_no_hash_promise_nothing(file, name):
    check_source(CLASSIFIER, file.rename(file.with_name(name)), KEY)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"  \n",
        b"\n <!DOCTYPE html>",
        b"<html>",
        b"<?XML version",
        b'{"error": 404}',
        b"version https://git-lfs.github.com/spec/v1",
    ],
)
def test_what_a_download_leaves_in_place_of_weights_is_refused(file, content):
    file.write_bytes(content)
    with pytest.raises(InputError, match=rf"{KEY}\.path: .*c\.pth"):
        check_present(CLASSIFIER, file, KEY)
    with pytest.raises(InputError, match=KEY):
        check_source(CLASSIFIER, file, KEY)


def test_a_missing_file_or_folder_is_named(tmp_path):
    for part in (CLASSIFIER, TAGGER, LANGUAGE):
        with pytest.raises(InputError, match=rf"{KEY}\.path: .*nothing\b(?!/)"):
            check_present(part, tmp_path / "nothing", KEY)


def test_the_visual_genome_detector_needs_its_vocabulary_and_another_none(file, tmp_path):
    words = tmp_path / "words.txt"
    detector = replace(PHOTOGRAPHS.detector, vocabulary=str(words))
    with pytest.raises(InputError, match=rf"{KEY}\.vocabulary: .*words\.txt"):
        check_present(detector, file, KEY)
    check_present(replace(detector, format="mmdet"), file, KEY)
    words.write_text("cat\n")
    check_present(detector, file, KEY)


@pytest.mark.parametrize("name", ["resources.json", f"en/pos/{TAGGER.package}.pt"])
@pytest.mark.parametrize("content", [None, b""])
def test_a_tagger_s_folder_needs_its_list_and_its_package(tagger, name, content):
    check_present(TAGGER, tagger, KEY)
    (tagger / name).unlink()
    if content is not None:
        (tagger / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{KEY}\.path: .*{name}"):
        check_present(TAGGER, tagger, KEY)


def test_every_file_that_is_copied_for_a_tagger_is_looked_into(tagger):
    (tagger / "en" / "depparse").mkdir()
    (tagger / "en" / "depparse" / "x.pt").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(InputError, match=rf"{KEY}\.path: .*depparse/x\.pt"):
        check_present(TAGGER, tagger, KEY)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_transformers_folder_needs_config_and_weights(language, name):
    check_present(LANGUAGE, language, KEY)
    (language / name).unlink()
    with pytest.raises(InputError, match=rf"{KEY}\.path: .*{name}"):
        check_present(LANGUAGE, language, KEY)


@pytest.mark.parametrize("name", ["data.noun", "index.noun"])
@pytest.mark.parametrize("content", [None, b""])
def test_a_folder_of_wordnet_needs_both_its_files(tmp_path, name, content):
    folder = write_tiny_wordnet(tmp_path / "wn")
    check_present(WORDNET, folder, KEY)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{KEY}\.path: .*{name}"):
        check_present(WORDNET, folder, KEY)


def test_the_hash_of_wordnet_is_of_the_nouns_alone(tmp_path):
    folder = write_tiny_wordnet(tmp_path / "wn")
    (folder / "data.verb").write_text("not counted")
    lines = "".join(
        f"{sha256((folder / name).read_bytes())}  {name}\n" for name in ("data.noun", "index.noun")
    )
    assert check_source(WORDNET, folder, KEY).sha256 == sha256(lines.encode())


def test_weights_of_a_folder_are_looked_into_and_its_json_is_no_impostor(language):
    (language / "model.safetensors").write_bytes(b"<html>")
    with pytest.raises(InputError, match=r"model\.safetensors"):
        check_present(LANGUAGE, language, KEY)


def test_safetensors_go_before_pickles_and_the_pickle_counts_where_it_is_alone(language):
    (language / "pytorch_model.bin").write_bytes(WEIGHTS)
    assert transformers_files(language)[-1] == "model.safetensors"
    (language / "model.safetensors").unlink()
    assert transformers_files(language)[-1] == "pytorch_model.bin"
    assert source_files(TAGGER, language) != source_files(LANGUAGE, language)


def test_the_hash_of_a_folder_is_of_sorted_names_and_bytes_of_the_files_that_count(language):
    (language / "README.md").write_text("not counted")
    parts = {
        "config.json": CONFIG,
        "model.safetensors": WEIGHTS,
        "tokenizer.json": TOKENIZER,
    }
    lines = "".join(f"{sha256(content)}  {name}\n" for name, content in parts.items())
    patterns = source_files(LANGUAGE, language)
    (language / "old_config.json").mkdir()  # no file
    assert files_sha256(language, patterns) == sha256(lines.encode())
    assert check_source(LANGUAGE, language, KEY).sha256 == sha256(lines.encode())
    assert [file.name for file in files_of(language, patterns)] == list(parts)
    with pytest.raises(InputError, match=rf"{KEY}\.sha256"):
        check_source(replace(LANGUAGE, sha256="ff" + "0" * 62), language, KEY)


PARAMS = read_params(ROOT / PARAMS_FILE)
DOCUMENT = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")


def test_language_wordnet_and_clip_are_parts_only_where_a_path_or_a_hub_names_them():
    assert list(parts_of(PHOTOGRAPHS)) == ["detector", "classifier", "tagger", "language"]
    with_clip = replace(PHOTOGRAPHS, clip=replace(PHOTOGRAPHS.clip, path="clip"))
    without = replace(with_clip, language=replace(PHOTOGRAPHS.language, hub=""))
    assert list(parts_of(without)) == ["detector", "classifier", "tagger", "clip"]
    with_wordnet = replace(without, wordnet=replace(WORDNET, path="wn"))
    assert list(parts_of(with_wordnet)) == ["detector", "classifier", "tagger", "wordnet", "clip"]
    assert hub_of(with_wordnet.wordnet) == ("none", "")


def test_each_part_has_its_hub_and_the_visual_genome_detector_none():
    hubs = {name: hub_of(part)[0] for name, part in parts_of(PHOTOGRAPHS).items()}
    assert hubs == {
        "detector": "none",
        "classifier": "torchvision",
        "tagger": "stanza",
        "language": "transformers",
    }
    mmdet = replace(PHOTOGRAPHS.detector, format="mmdet", config="yolox/x.py")
    assert hub_of(mmdet) == ("mmdet", "yolox/x.py")
    of_timm = replace(PHOTOGRAPHS.classifier, arch="timm/x", hub="timm/x.in1k")
    assert hub_of(of_timm) == ("timm", "timm/x.in1k")


@pytest.mark.parametrize("name", ["classifier", "tagger", "language"])
def test_the_document_lists_what_params_yaml_fetches(name):
    part = getattr(PHOTOGRAPHS, name)
    line = next(line for line in DOCUMENT.splitlines() if f"`{hub_of(part)[1]}`" in line)
    assert line.startswith(f"| `{name}` |")
    assert part.licence in line


def test_the_document_lists_the_files_that_params_yaml_asks_for():
    assert f"`{Path(PHOTOGRAPHS.detector.path).name}`" in DOCUMENT
    assert f"`{Path(PHOTOGRAPHS.detector.vocabulary).name}`" in DOCUMENT
    assert PHOTOGRAPHS.classifier.sha256 == "0676ba61"
    assert "| `resnet50-0676ba61.pth` |" in DOCUMENT
