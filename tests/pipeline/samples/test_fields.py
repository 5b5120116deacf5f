from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from models.phrases.place_words import CUES, RELATIONS, SIDES
from models.phrases.places import Anchor, Place
from pipeline.errors import InputError
from pipeline.geometry.boxes import Placement, letterbox, whole_window
from pipeline.params.train import AugmentParams
from pipeline.records import ImageRecord
from pipeline.samples.dataset import GroundingDataset
from pipeline.samples.fields import (
    image_fields,
    noun_fields,
    place_windows,
    read_annotated,
    sentence_fields,
)
from pipeline.samples.label_similarity import EXACT
from pipeline.samples.loader import collate
from pipeline.samples.sample_facts import EarlierPhrases
from pipeline.samples.sample_spec import SampleSpec
from pipeline.samples.sampler import SampleIndex
from tests.cached_world import FILES

IMAGES = FILES.annotations / "images"
WHOLE = (0.0, 0.0, 1.0, 1.0)
SPEC = SampleSpec(
    image_px=96,
    max_tokens=12,
    max_words=6,
    max_nouns=2,
    windows=(WHOLE,),
    merge_floors=(),
    with_colours=True,
    subject_words=False,
    labels=EXACT,
)
A, B, C, D = range(4)
STILL = AugmentParams(flip=0.0, jitter=0.0, crop=0.0, scales=1, translate=False)
FLIP = replace(STILL, flip=1.0)


def sample(world, image, numbers, seed=None, spec=SPEC, augment=FLIP):
    first = world.tables.phrases_of_image[image][0]
    sample_index = SampleIndex(image, tuple(first + number for number in numbers), seed)
    return GroundingDataset(world.tables, spec, world.text, augment)[sample_index]


def test_an_image_lies_at_the_top_left_of_its_square(world):
    fields_ = sample(world, A, [0])
    with Image.open(IMAGES / "a.png") as image:
        pixels = np.asarray(image).transpose(2, 0, 1)
    np.testing.assert_array_equal(fields_["images"][:, :72, :96], pixels)
    assert fields_["pixel_mask"][:72].all()
    assert not fields_["pixel_mask"][72:].any()
    assert not fields_["images"][:, 72:].any()


def test_boxes_are_scaled_with_the_image_and_the_image_comes_last(world):
    fields_ = sample(world, D, [0])
    scale_x, scale_y = 96 / 90, 43 / 40
    np.testing.assert_allclose(
        fields_["boxes_xyxy"],
        [
            [10 * scale_x, 5 * scale_y, 11 * scale_x, 6 * scale_y],
            [30 * scale_x, 2 * scale_y, 80 * scale_x, 38 * scale_y],
            [0, 0, 96, 43],
        ],
        rtol=1e-6,
    )
    np.testing.assert_allclose(fields_["box_scores"], [0.6, 0.5, 0])


def test_priors_are_one_where_the_head_nouns_label_is_or_nothing_is_known(world):
    np.testing.assert_array_equal(
        sample(world, A, [0, 1, 2])["box_priors"], [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]]
    )
    np.testing.assert_array_equal(sample(world, D, [0])["box_priors"], [[1, 1, 1]])
    np.testing.assert_array_equal(sample(world, C, [0, 1])["box_priors"], [[1], [0]])


def test_without_the_whole_image_an_image_without_proposals_has_none(world):
    spec = replace(SPEC, windows=())
    fields_ = sample(world, C, [0], spec=spec)
    assert fields_["boxes_xyxy"].shape == (0, 4)
    assert fields_["box_priors"].shape == (1, 0)
    batch = collate([fields_, sample(world, A, [0], spec=spec)])
    np.testing.assert_array_equal(batch["box_mask"], [[False] * 3, [True] * 3])


def test_parts_of_the_image_are_proposals_that_no_label_fits(world):
    spec = replace(SPEC, windows=((0.0, 0.5, 1.0, 1.0), (0.25, 0.0, 0.5, 1.0), WHOLE))
    fields_ = sample(world, A, [0], seed=3, spec=spec)  # mirrored: windows stay, boxes do not
    np.testing.assert_array_equal(
        fields_["boxes_xyxy"][3:], [[0, 36, 96, 72], [24, 0, 48, 72], [0, 0, 96, 72]]
    )
    np.testing.assert_array_equal(fields_["box_priors"], [[1, 0, 0, 0, 0, 0]])
    np.testing.assert_array_equal(fields_["box_scores"][3:], [0, 0, 0])
    np.testing.assert_array_equal(fields_["box_labels"], [1, 2, 3, 0, 0, 0])


def test_boxes_of_one_label_are_also_offered_as_one(world):
    spec = replace(SPEC, merge_floors=(0.75, 0.1))
    proposals = world.tables.proposals
    labels = proposals.arrays["labels"].copy()
    labels[proposals.span("a")] = 1, 1, 2  # the first two boxes are cats now
    twins = replace(proposals, arrays={**proposals.arrays, "labels": labels})
    changed = SimpleNamespace(tables=replace(world.tables, proposals=twins), text=world.text)
    fields_ = sample(changed, A, [0, 1], spec=spec)
    np.testing.assert_array_equal(fields_["boxes_xyxy"][3:], [[8, 6, 90, 70], [0, 0, 96, 72]])
    np.testing.assert_array_equal(fields_["box_is_merged"], [False, False, False, True, False])
    np.testing.assert_allclose(fields_["box_scores"][3:], [0.85, 0])
    np.testing.assert_array_equal(fields_["box_priors"][1], [1, 1, 0, 1, 0])
    np.testing.assert_array_equal(fields_["box_labels"], [2, 2, 3, 2, 0])


def test_nouns_with_a_map_fill_the_slots_head_first(world):
    fields_ = sample(world, A, [0, 1, 2])
    np.testing.assert_array_equal(fields_["noun_mask"], [[1, 0], [1, 0], [1, 1]])
    np.testing.assert_array_equal(fields_["noun_classes"], [[1, -1], [0, -1], [1, 0]])
    np.testing.assert_array_equal(fields_["noun_roles"], [[0, 0], [0, 0], [0, 1]])
    confidences = np.linspace(0.2, 0.9, 6, dtype=np.float32)
    np.testing.assert_allclose(
        fields_["noun_confidences"],
        [[confidences[1], 0], [confidences[0], 0], [confidences[1], confidences[0]]],
    )


def test_a_noun_of_two_phrases_has_one_map_stretched_to_its_peak(world):
    cams = sample(world, A, [0, 2])["cams"]
    assert cams.shape == (2, 2, 3, 3)
    np.testing.assert_array_equal(cams[0, 0], cams[1, 0])
    assert cams[0, 0].max() == 1
    assert cams[0, 0, :2].min() == 0
    assert not cams[0, 1].any()


@pytest.mark.parametrize(("image", "number"), [(C, 0), (D, 0), (D, 1)])
def test_a_phrase_without_a_map_has_no_noun(world, image, number):
    fields_ = sample(world, image, [number])
    assert not fields_["noun_mask"].any()
    assert not fields_["cams"].any()
    assert fields_["cams"].dtype == np.float32
    np.testing.assert_array_equal(fields_["noun_classes"], [[-1, -1]])


def test_the_confidence_of_the_whole_image_is_not_that_of_a_crop(world):
    crop = replace(STILL, crop=1.0)
    whole = sample(world, C, [0, 1])
    np.testing.assert_array_equal(whole["noun_confidences"] > 0, [[False, False], [True, False]])
    drawn = [sample(world, C, [0, 1], seed=(number,), augment=crop) for number in range(20)]
    cropped = [one for one in drawn if not np.array_equal(one["images"], whole["images"])]
    assert cropped
    for one in cropped:
        np.testing.assert_array_equal(one["noun_confidences"], [[0, 0], [-1, 0]])


def test_a_long_phrase_is_cut_in_tokens_and_words(world):
    fields_ = sample(world, D, [2])
    assert fields_["token_ids"].shape == (1, 12)
    assert fields_["word_ids"].shape == (1, 7)
    assert fields_["word_mask"].all()
    assert fields_["phrase_mask"].tolist() == [True]


def test_unicode_words_are_words(world):
    ids = sample(world, D, [1])["word_ids"][0]
    words = world.text.vocabulary.words
    assert [words[index] for index in ids] == ["чашка", "crème", "<eos>"]


def test_where_things_are_is_told_with_the_numbers_of_the_word_lists(world):
    fields_ = sample(world, A, [0, 1, 2])  # the dog, left cat, dog near a cat
    named = [[CUES[n] for n in np.flatnonzero(row)] for row in fields_["place_cues"]]
    assert named == [[], ["left"], []]
    words = world.text.vocabulary.encode(["", "left", "near"], SPEC.max_words)[0]
    np.testing.assert_array_equal(fields_["place_word_ids"], words)
    assert fields_["relations"].tolist() == [-1, -1, RELATIONS.index("near")]
    assert fields_["place_ranks"].tolist() == fields_["place_sides"].tolist() == [0, 0, 0]
    assert fields_["place_cues"].dtype == np.bool_
    for name in ("relations", "place_ranks", "place_sides"):
        assert fields_[name].dtype == np.int64


def test_an_anchor_fits_its_label_and_no_window_and_one_without_a_label_fits_nothing(world):
    np.testing.assert_array_equal(
        sample(world, A, [0, 1, 2])["anchor_priors"], [[0, 0, 0, 0]] * 2 + [[0, 1, 0, 0]]
    )
    unknown = Place(relation="near", anchor=Anchor("ghost", (0, 1)))
    facts = world.tables.gather(A, world.tables.phrases_of_image[A], 2)
    tables = with_place(world.tables, facts.phrases[0], unknown)
    boxes = sample(SimpleNamespace(tables=tables, text=world.text), A, [0])
    assert boxes["relations"].tolist() == [RELATIONS.index("near")]
    assert not boxes["anchor_priors"].any()


def with_place(tables, phrase, place):
    """Return the tables where a phrase says another place."""
    facts = replace(tables.phrase_facts[phrase], place=place)
    return replace(tables, phrase_facts={**tables.phrase_facts, phrase: facts})


@pytest.mark.parametrize(("seed", "sides"), [(None, ("left", "right")), ((0,), ("right", "left"))])
def test_a_mirror_turns_what_phrases_say_of_their_place(world, seed, sides):
    said = Place(frozenset({"left", "top"}), 3, "left", "right", Anchor("cat", (0, 1)))
    tables = with_place(world.tables, "the dog", said)
    fields_ = sample(SimpleNamespace(tables=tables, text=world.text), A, [0, 2], seed=seed)
    assert {CUES[n] for n in np.flatnonzero(fields_["place_cues"][0])} == {sides[0], "top"}
    assert fields_["place_ranks"].tolist() == [3, 0]
    assert fields_["place_sides"].tolist() == [SIDES.index(sides[0]), 0]
    assert [RELATIONS[n] for n in fields_["relations"]] == [sides[1], "near"]
    np.testing.assert_array_equal(fields_["anchor_priors"], [[0, 1, 0, 0]] * 2)


def test_a_padded_phrase_has_no_relation(world):
    batch = collate([sample(world, A, [0, 1, 2]), sample(world, D, [0])])
    assert batch["relations"][1].tolist() == [-1, -1, -1]
    assert not batch["place_cues"][1, 1:].any()


def test_windows_are_shares_of_what_is_seen_wherever_it_lies():
    placement = Placement((0.0, 0.0, 9.0, 9.0), (40, 80), flip=True, offset_xy=(3, 5))
    windows = place_windows([(0.0, 0.25, 0.5, 1.0), WHOLE], placement)
    np.testing.assert_array_equal(windows, [[3, 15, 43, 45], [3, 5, 83, 45]])
    assert place_windows([], placement).shape == (0, 4)


def test_an_image_of_another_size_than_was_annotated_is_refused(tmp_path):
    Image.new("RGB", (50, 30)).save(tmp_path / "a.png")
    record = ImageRecord("a", "a.png", (30, 50), "train")
    assert read_annotated(tmp_path, record).shape == (30, 50, 3)
    with pytest.raises(InputError, match=r"a\.png.*\(30, 50\).*\(50, 30\)"):
        read_annotated(tmp_path, ImageRecord("a", "a.png", (50, 30), "train"))


def test_what_was_drawn_for_the_colours_stands_beside_bytes_that_it_did_not_change():
    pixels = np.full((30, 50, 3), 255, np.uint8)
    placement = letterbox(whole_window((30, 50)), 96)
    colours = np.array([0.6, 1.1, 1.3], np.float32), np.array([2, 0, 1])
    fields_ = image_fields(pixels, placement, colours, SPEC)
    assert (fields_["images"].dtype, fields_["images"].max()) == (np.uint8, 255)
    assert fields_["colour_factors"] is colours[0]
    assert fields_["colour_order"] is colours[1]
    assert fields_["pixel_mask"].sum() == 58 * 96


def test_a_noun_that_the_scorer_does_not_know_has_no_class(world):
    facts = world.tables.gather(A, world.tables.phrases_of_image[A], max_nouns=2)
    placement = letterbox(whole_window(facts.image.image_hw), 96)
    fields_ = noun_fields(facts, placement, SPEC, {"dog": 7})
    np.testing.assert_array_equal(fields_["noun_classes"], [[7, -1], [-1, -1], [7, -1]])


def test_earlier_phrases_are_compared_with_the_label_of_each_box():
    similarity = np.array([[[0.1, 0.2, 0.3, 0.4]]], np.float32)  # three labels, and the image
    earlier = EarlierPhrases(similarity, np.array([[True]]), np.array([5]), np.array([True]))
    fields_ = sentence_fields(SimpleNamespace(earlier=earlier), np.array([3, 1, 0]))
    np.testing.assert_array_equal(fields_["earlier_priors"], similarity[..., [2, 0, 3]])
    assert fields_["earlier_is_plural"].tolist() == [[True]]
    assert (fields_["wearers"].tolist(), fields_["phrase_is_body"].tolist()) == ([5], [True])
