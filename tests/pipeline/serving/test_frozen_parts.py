from dataclasses import replace

import numpy as np
import pytest
import torch

from models.grounder.checkpoint import load_grounder
from pipeline.errors import InputError
from pipeline.images.batches import squash
from pipeline.samples.grounding_tables import NO_CAMS, NO_PROPOSALS
from pipeline.serving.frozen_parts import load_frozen, or_input_error
from pipeline.serving.model_folder import find_parts
from tests.served_world import LABELS, REG_RESULTS, RESULTS, detected, pixels_of

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _here(served, monkeypatch):
    monkeypatch.chdir(served)


@pytest.fixture(scope="module")
def parts(served):
    return find_parts(served / RESULTS.folder)


@pytest.fixture(scope="module")
def specs(served):
    return [load_grounder(served / one.model).grounder.spec for one in (RESULTS, REG_RESULTS)]


@pytest.fixture(scope="module")
def frozen(parts, specs):
    return load_frozen(parts, specs[0], False, CPU)


def test_a_phrase_s_facts_are_its_nouns_number_and_place(frozen):
    facts = frozen.parse(["the dog on the cup", "left one !", "the cups"])
    assert facts["the dog on the cup"].nouns == {"dog", "cup"}
    assert facts["the dog on the cup"].head == "dog"
    assert [mention.role for mention in facts["the dog on the cup"].mentions] == [0, 1]
    assert facts["left one !"].has_direction
    assert facts["left one !"].place.cues == {"left"}
    assert not facts["the cups"].place.cues
    assert facts["the dog on the cup"].subject == "dog on cup"
    assert [*facts] == ["the dog on the cup", "left one !", "the cups"]
    assert [one.is_plural for one in facts.values()] == [False, False, True]


def test_proposals_are_those_of_the_detector_with_its_labels(frozen):
    arrays, labels = frozen.detect(pixels_of("e"))
    assert labels == LABELS
    np.testing.assert_array_equal(arrays["boxes_xyxy"], detected("e").boxes_xyxy)


def test_as_many_proposals_are_kept_as_the_settings_say(frozen):
    def scores(**changes):
        section = replace(frozen.settings.proposals, **changes)
        changed = replace(frozen, settings=replace(frozen.settings, proposals=section))
        return changed.detect(pixels_of("e"))[0]["scores"]

    every = scores(score_floor=0.0, nms_iou=1.0, max_boxes=1000)
    assert len(scores(score_floor=0.0, nms_iou=1.0, max_boxes=3)) == 3 < len(every)
    middle = float(np.median(every))
    above = scores(score_floor=middle, nms_iou=1.0, max_boxes=1000)
    np.testing.assert_allclose(above, every[every >= middle])
    calm = {
        nms: scores(score_floor=0.0, nms_iou=0.3, nms=nms, max_boxes=1000)
        for nms in ("per_class", "class_agnostic")
    }
    assert len(calm["class_agnostic"]) < len(calm["per_class"]) < len(every)


def test_a_noun_has_the_same_map_whatever_was_asked_before(frozen):
    pixels = pixels_of("c")
    together, nouns = frozen.explain(pixels, {"star", "dog", "sea"})
    alone, _ = frozen.explain(pixels, {"star"})
    assert [nouns[index] for index in together["noun_index"]] == ["dog", "star"]
    np.testing.assert_allclose(together["maps"][1], alone["maps"][0], rtol=1e-3)


def test_a_noun_has_the_probability_that_the_scorer_gives_it(frozen):
    pixels = pixels_of("c")
    found, nouns = frozen.explain(pixels, {"star", "dog"})
    square = torch.from_numpy(squash(pixels, frozen.settings.cams.image_px))
    probs = frozen.scorer_of(nouns).probs(square[None])[0, found["noun_index"]].numpy()
    np.testing.assert_allclose(found["confidences"], probs, rtol=1e-6)
    assert abs(probs[0] - probs[1]) > 1e-6


def test_no_nouns_no_maps(frozen):
    assert frozen.explain(pixels_of("c"), set()) is NO_CAMS


def test_a_grounder_without_maps_and_detector_needs_no_part_at_all(parts, specs, tmp_path):
    bare = replace(specs[1], cam="off")
    frozen = load_frozen(replace(parts, weights=tmp_path), bare, False, CPU)
    assert frozen.detect(pixels_of("c")) is NO_PROPOSALS
    said = frozen.parse(["two dogs"])["two dogs"]
    assert (said.nouns, said.is_plural, said.is_plain, said.subject) == (
        set(),
        False,
        False,
        "two dogs",
    )


def test_a_part_that_is_needed_and_not_there_is_named_with_its_remedy(parts, specs, tmp_path):
    bare = replace(specs[1], cam="off")
    lost = replace(parts, weights=tmp_path, remedy="mend it")
    with pytest.raises(InputError, match=r"tagger.*; mend it"):  # phrases are cut to their subject
        load_frozen(lost, bare, True, CPU)
    with pytest.raises(InputError, match=r"tagger.*; mend it"):  # maps are of nouns
        load_frozen(lost, specs[1], False, CPU)
    with pytest.raises(InputError, match=r"detector.*; mend it"):
        load_frozen(lost, replace(specs[0], cam="off"), False, CPU)
    headless = replace(parts, noun_head=tmp_path / "noun_head", remedy="mend it")
    with pytest.raises(InputError, match=r"noun_head.*; mend it"):
        load_frozen(headless, specs[0], False, CPU)


def test_a_detector_of_other_labels_is_refused_where_the_box_depends_on_it(parts, specs):
    others = [replace(spec, num_labels=3) for spec in specs]
    with pytest.raises(InputError, match=r"2 labels.* of 3"):
        load_frozen(parts, others[0], False, CPU)
    assert load_frozen(parts, others[1], False, CPU).detector is None


def test_a_layer_that_is_not_there_is_an_error_of_the_user(parts, specs):
    cams = replace(parts.settings.cams, layer="none")
    odd = replace(parts, settings=replace(parts.settings, cams=cams))
    frozen = load_frozen(odd, specs[0], False, CPU)
    with pytest.raises(InputError, match=r"cams\.layer 'none'"):
        frozen.explain(pixels_of("c"), {"dog"})


def test_an_error_of_a_file_gets_its_remedy():
    with pytest.raises(InputError, match=r"invalid literal.*; mend it"):
        or_input_error(lambda: int("x"), "mend it")
