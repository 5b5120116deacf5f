import colorsys
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from models.grounder.batch import GroundingInputs
from models.layers.pictures import to_inputs
from models.phrases.mirroring import mirror_phrase
from models.phrases.places import Anchor, Place
from pipeline.caching.cache import CacheError
from pipeline.errors import InputError
from pipeline.geometry.boxes import letterbox, whole_window
from pipeline.mentions import Mention, PhraseFacts
from pipeline.params.read import read_params, train_params
from pipeline.params.train import AugmentParams
from pipeline.samples.dataset import GroundingDataset, build_training_dataset, crop_evidence
from pipeline.samples.grounding_tables import NO_CAMS, GroundingTables, picture_phrase
from pipeline.samples.label_similarity import EXACT
from pipeline.samples.loader import build_loader, collate
from pipeline.samples.sample_spec import SampleSpec
from pipeline.samples.sampler import EpochSampler, SampleIndex
from pipeline.samples.vocabulary import build_vocabulary
from tests.cached_world import FILES, HW, PHRASES, write_proposals, write_world
from tests.conftest import ROOT

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


def test_a_batch_has_the_fields_of_the_grounders_inputs_and_no_other(world):
    batch = collate([sample(world, A, [0, 1]), sample(world, C, [0])])
    made = to_inputs(batch, torch.device("cpu"))
    assert set(made) == {field.name for field in fields(GroundingInputs)}
    assert not any("gt" in name.split("_") for name in batch)


def test_only_the_wanted_split_is_there(world):
    assert [image.image_id for image in world.tables.images] == ["a", "b", "c", "d"]
    assert len(world.tables.phrases) == sum(len(PHRASES[key]) for key in "abcd")


def test_boxes_have_their_share_of_the_colours_that_a_phrase_names(world):
    fields_ = sample(world, B, [0, 3, 5], seed=5)  # red, black, big cat; mirrored
    assert fields_["box_colours"].shape == (3, 2)
    image = fields_["images"].transpose(1, 2, 0) / np.float32(255)
    for row, is_it in ((0, _is_red), (1, lambda rgb: max(rgb) <= 0.28), (2, lambda _: False)):
        for share, box in zip(fields_["box_colours"][row], fields_["boxes_xyxy"], strict=True):
            x1, y1, x2, y2 = box.round().astype(int)
            np.testing.assert_allclose(box, [x1, y1, x2, y2], atol=1e-4)
            inside = [is_it(rgb) for rgb in image[y1:y2, x1:x2].reshape(-1, 3)]
            assert share == pytest.approx(
                np.mean(inside), abs=1e-3
            )  # one pixel of 2,400 more or less
    assert fields_["box_colours"][:2].all()


def of_one_phrase(folder, phrase, place, subject=""):
    """Return the world of a picture, half red and half blue, and two boxes, one on each half."""
    pixels = np.zeros((72, 96, 3), np.uint8)
    pixels[:, :48, 0] = pixels[:, 48:, 2] = 255
    Image.fromarray(pixels).save(folder / "picture", "PNG")  # named as the tables call it
    boxes = {
        "boxes_xyxy": np.array([[0, 0, 48, 72], [48, 0, 96, 72]], np.float32),
        "scores": np.array([0.9, 0.8], np.float32),
        "labels": np.array([0, 1], np.int16),
    }
    facts = PhraseFacts((Mention("cup", 0),), False, True, place, subject)
    tables = GroundingTables.from_picture(
        (72, 96), [picture_phrase(phrase)], {phrase: facts}, (boxes, ["cup", "lamp"]), NO_CAMS
    )
    return replace(tables, image_folder=folder)


@pytest.mark.parametrize("seed", [None, (0,)])
def test_the_colours_of_the_anchor_are_those_of_its_own_words(world, tmp_path, seed):
    phrase = "red cup right of the blue lamp"
    place = Place(relation="right", anchor=Anchor("lamp", (17, 30)))
    own = SimpleNamespace(tables=of_one_phrase(tmp_path, phrase, place), text=world.text)
    fields_ = sample(own, 0, [0], seed=seed, spec=replace(SPEC, windows=()))
    np.testing.assert_allclose(fields_["box_colours"], [[1, 0]], atol=0.03)
    np.testing.assert_allclose(fields_["anchor_colours"], [[0, 1]], atol=0.03)
    np.testing.assert_array_equal(fields_["anchor_priors"], [[0, 1]])
    unseen = sample(own, 0, [0], spec=replace(SPEC, with_colours=False))
    assert not unseen["anchor_colours"].any()


def test_without_an_anchor_no_box_has_its_colours(world, tmp_path):
    tables = of_one_phrase(tmp_path, "red cup on the left", Place(frozenset({"left"})))
    fields_ = sample(SimpleNamespace(tables=tables, text=world.text), 0, [0])
    assert fields_["box_colours"].any()
    assert not fields_["anchor_colours"].any()


@pytest.mark.parametrize(
    ("subject_words", "seed", "expected"),
    [
        (False, None, ["red", "cat"]),
        (True, None, ["left", "cat"]),
        (True, (0,), ["right", "cat"]),
    ],
)
def test_the_words_of_the_subject_are_read_and_mirrored(
    world, tmp_path, subject_words, seed, expected
):
    tables = of_one_phrase(tmp_path, "red cat", Place(), subject="left cat")
    words = build_vocabulary(["red left right cat"], 1)
    own = SimpleNamespace(tables=tables, text=replace(world.text, vocabulary=words))
    spec = replace(SPEC, subject_words=subject_words)
    ids = sample(own, 0, [0], seed=seed, spec=spec)["word_ids"][0]
    assert [words.words[index] for index in ids[:2]] == expected


@pytest.mark.parametrize(
    ("seed", "expected"), [(None, ["near", "left"]), ((0,), ["near", "right"])]
)
def test_words_of_place_are_those_of_neither_subject_nor_anchor_and_mirrored(
    world, tmp_path, seed, expected
):
    place = Place(relation="near", anchor=Anchor("lamp", (9, 23)))
    tables = of_one_phrase(tmp_path, "cup near left-side lamp on the left", place, subject="cup on")
    vocabulary = build_vocabulary(["cup near lamp on the left right"], 1)
    own = SimpleNamespace(tables=tables, text=replace(world.text, vocabulary=vocabulary))
    ids = sample(own, 0, [0], seed=seed)["place_word_ids"][0]
    assert [vocabulary.words[index] for index in ids] == [*expected, "<eos>"]


def test_colours_are_searched_for_only_where_they_count(world):
    spec = replace(SPEC, with_colours=False)
    assert not sample(world, B, [0, 3, 5], spec=spec)["box_colours"].any()
    section = train_params(read_params(), "full")
    for weight in (0.0, 0.8, -0.8):
        params = replace(section, model=replace(section.model, prior_colour=weight))
        found = build_training_dataset(world.tables, params, world.text.tokenize.tokenizer, ())
        assert found.spec.with_colours == (weight != 0)


def _is_red(rgb):
    hue, saturation, value = colorsys.rgb_to_hsv(*rgb.astype(float))
    return not 14 / 360 < hue < 342 / 360 and saturation >= 0.45 and value >= 0.25


def test_a_phrase_about_several_things_is_marked(world):
    plural = sample(world, B, [0, 1, 2])["phrase_is_plural"]
    np.testing.assert_array_equal(plural, [False, True, False])


def test_a_mirrored_sample_is_mirrored_in_every_field(world):
    plain, mirrored = sample(world, A, [0, 1]), sample(world, A, [0, 1], seed=(0,))
    np.testing.assert_array_equal(mirrored["images"], plain["images"][..., ::-1])
    x1, y1, x2, y2 = plain["boxes_xyxy"].T
    np.testing.assert_allclose(mirrored["boxes_xyxy"].T, [96 - x2, y1, 96 - x1, y2])
    np.testing.assert_allclose(mirrored["cams"], plain["cams"][..., ::-1], atol=1e-6)
    words = world.text.vocabulary.words
    assert [words[index] for index in plain["word_ids"][1][:2]] == ["left", "cat"]
    assert mirrored["word_ids"][1][0] != plain["word_ids"][1][0]
    assert mirrored["token_ids"][1].tolist() != plain["token_ids"][1].tolist()
    for name in ("box_priors", "noun_classes", "noun_mask", "pixel_mask", "box_scores"):
        np.testing.assert_array_equal(mirrored[name], plain[name])


def mirrored_tables(tables, folder):
    """Return the same world in a mirror: pictures, boxes, maps and phrases."""
    boxes = tables.proposals.arrays["boxes_xyxy"].copy()
    for image in tables.images:
        with Image.open(tables.image_folder / image.file) as picture:
            ImageOps.mirror(picture).save(folder / image.file)
        rows = tables.proposals.span(image.image_id)
        boxes[rows, 0::2] = image.image_hw[1] - boxes[rows, 2::-2]
    arrays = tables.cams.arrays
    return replace(
        tables,
        image_folder=folder,
        phrases=[replace(one, phrase=mirror_phrase(one.phrase)) for one in tables.phrases],
        phrase_facts={
            mirror_phrase(text): replace(
                fact, place=fact.place.mirrored(), subject=mirror_phrase(fact.subject)
            )
            for text, fact in tables.phrase_facts.items()
        },
        proposals=replace(
            tables.proposals, arrays={**tables.proposals.arrays, "boxes_xyxy": boxes}
        ),
        cams=replace(tables.cams, arrays={**arrays, "maps": arrays["maps"][..., ::-1]}),
    )


@pytest.mark.parametrize("image", [A, B, C, D])
def test_the_mirrored_sample_of_a_mirrored_world_is_the_sample_in_every_field(
    world, tmp_path, image
):
    mirrored = SimpleNamespace(tables=mirrored_tables(world.tables, tmp_path), text=world.text)
    plain, twice = (
        sample(each, image, [0, 1], seed=seed) for each, seed in ((world, None), (mirrored, (0,)))
    )
    assert plain.keys() == twice.keys()
    for name, value in plain.items():
        atol = 5 if name == "images" else 1e-4  # of 255: resized the other way round
        np.testing.assert_allclose(twice[name] * 1.0, value * 1.0, rtol=0, atol=atol, err_msg=name)


def test_an_image_that_is_moved_takes_boxes_and_maps_along(world):
    plain = sample(world, C, [1])  # 64 x 64 fills the square of 96
    params = replace(STILL, scales=2, translate=True)
    moved = next(
        found
        for seed in range(99)
        if (found := sample(world, C, [1], seed=(seed,), augment=params))["pixel_mask"].sum()
        == 64 * 64
        and found["boxes_xyxy"][-1, 0] > 0
    )
    x1, y1, x2, y2 = moved["boxes_xyxy"][-1].astype(int)
    assert (x2 - x1, y2 - y1) == (64, 64)
    assert moved["pixel_mask"][y1:y2, x1:x2].all()
    with Image.open(IMAGES / "c.png") as image:
        pixels = np.asarray(image).transpose(2, 0, 1)
    np.testing.assert_array_equal(moved["images"][:, y1:y2, x1:x2], pixels)
    cells = moved["cams"][0, 0] > 0
    assert plain["cams"][0, 0].max() == moved["cams"][0, 0].max() == 1
    centres = 32 * (np.argwhere(cells) + 0.5)
    assert (centres >= (y1, x1)).all()
    assert (centres < (y2, x2)).all()


def test_more_lengths_than_the_square_has_are_refused(world):
    section, tokenizer = train_params(read_params(), "full"), world.text.tokenize.tokenizer
    for scales in (0, 4):
        params = replace(section, image_px=96, augment=replace(section.augment, scales=scales))
        with pytest.raises(InputError, match="scales"):
            build_training_dataset(world.tables, params, tokenizer, ())
    params = replace(section, image_px=96, augment=replace(section.augment, scales=3))  # 96, 64, 32
    assert build_training_dataset(world.tables, params, tokenizer, ()).spec.image_px == 96


def test_colours_change_the_images_and_never_the_clean_ones(world):
    plain = sample(world, A, [0])
    jittered = sample(world, A, [0], seed=(0,), augment=replace(STILL, jitter=0.4))
    seen, changed = (to_inputs(collate([one]), torch.device("cpu")) for one in (plain, jittered))
    assert torch.equal(changed["clean_images"], seen["images"])
    assert (changed["images"] - seen["images"]).abs().max() > 0.05
    assert not changed["images"][..., 72:, :].any()


def test_a_crop_shows_a_part_of_the_image_larger(world):
    plain = sample(world, C, [0])  # no proposal and no map forbid a crop
    cropped = sample(world, C, [0], seed=(4,), augment=replace(STILL, crop=1.0))
    seen = cropped["pixel_mask"]
    np.testing.assert_array_equal(
        cropped["boxes_xyxy"], [[0, 0, seen.any(0).sum(), seen.any(1).sum()]]
    )
    assert not np.array_equal(cropped["images"], plain["images"])
    assert cropped["images"][:, ~seen].sum() == 0
    assert cropped["images"][:, seen].std() > 0.1


def test_padding_is_false_zero_or_no_class(world):
    batch = collate([sample(world, A, [0, 1, 2]), sample(world, D, [0])])
    assert batch["phrase_mask"].tolist() == [[True] * 3, [True, False, False]]
    assert batch["noun_classes"][1, 1:].unique().tolist() == [-1]
    assert not batch["token_mask"][1, 1:].any()
    assert not batch["box_priors"][1, 1:].any()
    assert batch["token_ids"].dtype == torch.int64


def batches(world, workers, epoch=3):
    sampler = EpochSampler(world.tables.phrases_of_image, 3, 5)
    sampler.set_epoch(epoch)
    dataset = GroundingDataset(
        world.tables, SPEC, world.text, AugmentParams(0.5, 0.4, 0.5, 3, translate=True)
    )
    return list(build_loader(dataset, sampler, 2, workers))


def test_processes_and_runs_change_nothing_in_the_batches(world):
    alone, again, helped = batches(world, 0), batches(world, 0), batches(world, 2)
    assert len(alone) == 3
    for first, second, third in zip(alone, again, helped, strict=True):
        for name, value in first.items():
            assert torch.equal(value, second[name])
            assert torch.equal(value, third[name])


def test_epochs_are_augmented_differently(world):
    first, second = batches(world, 0, epoch=0)[0], batches(world, 0, epoch=1)[0]
    assert not torch.equal(first["images"], second["images"])


def test_reading_batches_leaves_the_global_generator_alone(world):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    batches(world, 0)
    assert torch.equal(before, torch.random.get_rng_state())


def test_evaluation_sees_every_phrase_once_unchanged(world):
    dataset = GroundingDataset(world.tables, SPEC, world.text)
    phrases_of_image = world.tables.phrases_of_image
    samples = [
        dataset[SampleIndex(image, tuple(phrases_of_image[image]), None)] for image in range(4)
    ]
    shapes = [len(fields_["phrase_mask"]) for fields_ in samples]
    assert shapes == [3, 7, 2, 3]
    placement = letterbox(whole_window(HW["a"]), 96)
    box = samples[0]["boxes_xyxy"][0]
    np.testing.assert_allclose(box, placement.affine.boxes(np.array([8.0, 6, 40, 50])))


def test_an_image_other_than_the_annotated_one_is_refused_by_name(world, tmp_path):
    Image.new("RGB", (33, 44)).save(tmp_path / "a.png")
    world.tables = replace(world.tables, image_folder=tmp_path)
    with pytest.raises(InputError, match=r"a\.png"):
        sample(world, A, [0])


def test_a_cache_that_does_not_know_an_image_is_refused_by_name(tmp_path, monkeypatch):
    write_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tests.cached_world.HW", {key: HW[key] for key in "abde"})
    monkeypatch.setattr("tests.cached_world.BOXES", {key: [] for key in "abde"})
    write_proposals(tmp_path)
    tables = GroundingTables.from_caches(FILES, IMAGES, ("train",))
    with pytest.raises(CacheError, match=r"proposals\.h5.*'c'"):
        tables.gather(C, [tables.phrases_of_image[C][0]], 2)


def test_a_split_without_phrases_is_refused(world):
    with pytest.raises(InputError, match="nowhere"):
        GroundingTables.from_caches(FILES, IMAGES, ("nowhere",))


def test_a_square_that_the_strides_do_not_divide_is_refused():
    with pytest.raises(InputError, match="multiple of 32"):
        replace(SPEC, image_px=100)


def test_training_data_never_hold_a_name_of_the_ground_truth():
    root = ROOT
    for name in (
        "pipeline/samples/dataset.py",
        "pipeline/samples/fields.py",
        "pipeline/samples/grounding_tables.py",
        "pipeline/samples/sample_facts.py",
        "stages/train.py",
    ):
        text = (root / name).read_text(encoding="utf-8")
        assert "gt_" not in text
        assert "GroundTruth" not in text


def test_a_crop_is_drawn_by_fitting_labels_and_the_maps_of_head_nouns(world):
    facts = world.tables.gather(A, world.tables.phrases_of_image[A], max_nouns=2)
    found = crop_evidence(facts)  # the dog, left cat, dog near a cat
    assert found.image_hw == HW["a"]
    np.testing.assert_array_equal(found.priors, [[1, 0, 0], [0, 1, 0], [1, 0, 0]])
    cat, dog = facts.maps
    np.testing.assert_array_equal(found.head_cams, [dog, cat, dog])
    slots = replace(facts.slots, noun_roles=np.array([[1, 0], [0, 1], [0, 1]]))
    found = crop_evidence(replace(facts, slots=slots))
    np.testing.assert_array_equal(found.head_cams, [0 * dog, cat, dog])
    slots = replace(facts.slots, noun_mask=np.array([[1, 0], [0, 1], [1, 1]], bool))
    found = crop_evidence(replace(facts, slots=slots))
    np.testing.assert_array_equal(found.head_cams, [dog, 0 * cat, dog])
