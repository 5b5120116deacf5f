from dataclasses import replace

import pytest

from models.grounder.checkpoint import learn_tokenizer
from pipeline.errors import InputError
from pipeline.params.read import read_params
from pipeline.samples.label_similarity import EXACT
from pipeline.samples.sample_spec import (
    SampleSpec,
    Tokenize,
    read_sample_spec,
    sample_spec,
    write_sample_spec,
)
from tests.conftest import ROOT

SPEC = SampleSpec(
    image_px=96,
    max_tokens=5,
    max_words=6,
    max_nouns=2,
    windows=((0.0, 0.0, 1.0, 1.0), (0.0, 0.5, 1.0, 1.0)),
    merge_floors=(0.5, 0.25),
    with_colours=True,
    subject_words=False,
    labels=EXACT,
)


def test_sizes_read_back_as_they_were_written(tmp_path):
    write_sample_spec(tmp_path, SPEC)
    assert read_sample_spec(tmp_path) == SPEC


@pytest.mark.parametrize("text", ["", "{}", '{"image_px": 96}', "[1]"])
def test_a_file_without_the_sizes_is_refused_by_name(tmp_path, text):
    (tmp_path / "samples.json").write_text(text)
    with pytest.raises(InputError, match=r"samples\.json.*train again"):
        read_sample_spec(tmp_path)


def test_phrases_are_padded_to_the_longest_and_cut_with_their_last_mark_kept():
    tokenize = Tokenize(learn_tokenizer(["a b c d e f g"], 50), max_tokens=5)
    ids, mask = tokenize(["a", "a b c d e f"])
    assert mask.tolist() == [[True, True, True, False, False], [True] * 5]
    assert ids[0, 2] == ids[1, 4]  # [SEP]
    assert ids[0, 0] == ids[1, 0]  # [CLS]
    assert (ids[~mask] == tokenize.tokenizer.pad_token_id).all()


@pytest.mark.parametrize("weight", [0.0, 0.8, -0.8])
def test_the_sizes_are_those_of_the_training_and_colours_count_where_they_weigh(weight):
    params = read_params(ROOT / "params.yaml").train
    params = replace(params, model=replace(params.model, prior_colour=weight))
    spec = sample_spec(params)
    assert spec.with_colours == (weight != 0)
    names = ("image_px", "max_tokens", "max_words", "max_nouns", "windows", "merge_floors")
    for name in (*names, "subject_words"):
        assert getattr(spec, name) == getattr(params, name)


@pytest.mark.parametrize("image_px", [0, -32, 33, 100])
def test_a_side_that_is_no_multiple_of_32_is_refused(image_px):
    with pytest.raises(InputError, match=r"train\.image_px"):
        replace(SPEC, image_px=image_px)
    assert replace(SPEC, image_px=32).image_px == 32
