"""Every reader of a file from outside names the file that is none, and what it is instead."""

from functools import partial
from pathlib import Path

import pytest

from models.classifier.classifier import read_classifier_info
from models.classifier.noun_head import read_head_nouns
from models.detector.checkpoint import read_config, read_info
from models.noun_classes.wordnet import read_wordnet
from models.pretrained.convert import read_vocabulary
from pipeline.caching.cache import read_provenance
from pipeline.datasets.files import read_json
from pipeline.datasets.proposals.bottom_up_files import read_given, read_npz
from pipeline.datasets.proposals.given_proposals import read_names
from pipeline.datasets.readers.flickr30k import _read_ids, _read_text
from pipeline.datasets.readers.jsonl import _read_file
from pipeline.datasets.readers.safe_pickle import read_plain_pickle
from pipeline.datasets.readers.safe_torch import load_list
from pipeline.images.images import image_hw_of, read_image, whole_image_hw
from pipeline.params.reader import read_yaml
from pipeline.records import PhraseRecord, read_records
from pipeline.samples.sample_spec import read_sample_spec


def in_folder(read, path):
    return read(path.parent)


READERS = {
    "refs.p": read_plain_pickle,
    "train.pth": load_list,
    "instances.json": read_json,
    "ids.txt": _read_ids,
    "sentence.txt": lambda path: _read_text(path.parent, path),
    "boxes.xml": lambda path: _read_text(path.parent, path),
    "train.jsonl": lambda path: list(_read_file(path)),
    "boxes.tsv": lambda path: list(read_given(path)),
    "1.npz": read_npz,
    "names.txt": read_names,
    "objects_vocab.txt": read_vocabulary,
    "1.jpg": read_image,
    "1.png": image_hw_of,
    "2.jpg": whole_image_hw,
    "params.yaml": read_yaml,
    "phrases.jsonl": partial(read_records, kind=PhraseRecord),
    "cams.h5": read_provenance,
    "config.py": read_config,
    "detector.json": partial(in_folder, read_info),
    "classifier.json": partial(in_folder, read_classifier_info),
    "nouns.json": partial(in_folder, read_head_nouns),
    "samples.json": partial(in_folder, read_sample_spec),
    "data.noun": partial(in_folder, read_wordnet),
}
NO_DATA = {
    "empty": b"",
    "zeros": b"\0" * 700,
    "web page": b"<!DOCTYPE html>\n<html><body>Sign in</body></html>",
    "git-lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n",
}


@pytest.mark.parametrize("what", NO_DATA)
@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_none_is_named(tmp_path, name, what):
    if (name, what) == ("phrases.jsonl", "empty"):
        pytest.skip("a table without phrases is one")
    file = Path(tmp_path / name)
    file.write_bytes(NO_DATA[what])
    with pytest.raises(ValueError, match=what) as raised:
        READERS[name](file)
    assert name in str(raised.value) or name == "1.npz"  # whose caller names it
