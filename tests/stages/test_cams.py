import hashlib
import itertools
import json
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from models.classifier.classifier import load_classifier
from models.classifier.noun_head import load_noun_head
from models.grad_cam.classifier_scorer import NounHeadScorer
from models.grad_cam.explainer import NounExplainer
from pipeline.caching.cache import Cache
from pipeline.errors import InputError
from pipeline.images.batches import read_squashed
from pipeline.observe.observer import Observer
from pipeline.params.schema import CamsParams, ClipParams
from stages.cams import CamsInputs, find_key, main, run
from tests.stages.command import start
from tests.stages.evaluated_world import Listener
from tests.stages.noun_world import GREY, add_noun_head, make_world
from tests.tiny_clip import write_tiny_clip

PARAMS = CamsParams(
    scorer="nounhead",
    layer="",
    backend="auto",
    clip=ClipParams("a photo of a {}", ("tree", "sky")),
    image_px=96,
    batch_images=3,
    images_per_shard=5,
)
CPU = torch.device("cpu")
ROWS = [["fox", "hut"], ["fox"], [], ["hut"], [], ["fox", "hut"], ["fox"]]  # of each image


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("PIPELINE_PART", raising=False)
    files = make_world()
    add_noun_head(files)
    return CamsInputs(files, files.annotations / "images", workers=2)


def scorer_of(inputs):
    classifier = load_classifier(inputs.files.weights / "classifier")
    return NounHeadScorer(classifier, load_noun_head(inputs.files.noun_head))


def picture(inputs, index):
    return torch.from_numpy(read_squashed(inputs.image_folder / f"{index}.png", 96))[None]


def make(inputs, params=PARAMS):
    run(inputs, params, CPU, inputs.files.cams, Observer("cams"))
    return Cache(inputs.files.cams, stage="cams")


def digest(inputs):
    return hashlib.sha256(inputs.files.cams.read_bytes()).hexdigest()


def nouns_of(cams):
    """Return the nouns of each image's rows."""
    names, offsets = cams.texts("noun"), cams.array("offsets")
    rows = [names[index] for index in cams.array("noun_index")]
    return [rows[start:stop] for start, stop in itertools.pairwise(offsets)]


def test_each_image_has_a_row_for_each_of_its_nouns_that_has_a_class(inputs):
    cams = make(inputs)
    assert cams.texts("image_id") == [f"id{index}" for index in range(7)]
    assert nouns_of(cams) == ROWS


def test_the_command_makes_the_same_cache(inputs, monkeypatch):
    make(inputs)
    made = digest(inputs)
    inputs.files.cams.unlink()
    start(monkeypatch, main, "shapes", cams=asdict(PARAMS))
    assert digest(inputs) == made


def test_the_rows_of_an_image_are_ordered_by_noun_index(inputs):
    add_noun_head(inputs.files, nouns=("hut", "fox"))
    assert nouns_of(make(inputs))[0] == ["hut", "fox"]


def test_maps_are_signed_and_half_precision(inputs):
    maps = make(inputs).array("maps")
    assert (maps.dtype, maps.shape) == (np.float16, (7, 3, 3))
    assert (maps < 0).any()
    assert (maps > 0).any()


@pytest.mark.parametrize("layer", ["", "layer3"])
@pytest.mark.parametrize("backend", ["auto", "autograd", "library"])
def test_a_map_is_the_librarys_of_the_squashed_image(inputs, layer, backend):
    cams = make(inputs, replace(PARAMS, layer=layer, backend=backend))
    explainer = NounExplainer(scorer_of(inputs), layer, "library")
    expected = explainer.explain(picture(inputs, 5), [[0, 1]]).maps[0].numpy()
    start, stop = cams.array("offsets")[5:7]
    np.testing.assert_allclose(cams.array("maps")[start:stop], expected, rtol=2e-3, atol=1e-6)


def test_confidences_are_the_scorers_probabilities(inputs):
    cams = make(inputs)
    expected = scorer_of(inputs).probs(picture(inputs, 0))[0, :2].numpy()
    np.testing.assert_allclose(cams.array("confidences")[:2], expected, rtol=1e-5)


def test_a_grey_picture_has_maps_like_any_other(inputs):
    cams = make(inputs)
    row = int(cams.array("offsets")[GREY])
    assert np.abs(cams.array("maps")[row]).max() > 0


def test_the_classifiers_own_classes_can_be_asked_instead(inputs):
    cams = make(inputs, replace(PARAMS, scorer="imagenet"))
    assert (cams.texts("noun"), cams.texts("route")) == (["fox"], ["name"])
    assert nouns_of(cams) == [["fox"], ["fox"], [], [], [], ["fox"], ["fox"]]


def test_a_detectors_labels_can_be_asked_instead(inputs, tiny_detector):
    shutil.copytree(tiny_detector, inputs.files.weights / "detector")
    info = inputs.files.weights / "detector" / "detector.json"
    info.write_text(info.read_text().replace('"red"', '"red fox"').replace('"blue"', '"hut"'))
    cams = make(inputs, replace(PARAMS, scorer="detector"))
    assert nouns_of(cams) == ROWS
    assert cams.attribute("layer") == "backbone.layer3"
    assert np.isfinite(cams.array("maps")).all()
    expected = digest(inputs)
    make(inputs, replace(PARAMS, scorer="detector", images_per_shard=2))
    assert digest(inputs) == expected


def test_clip_can_be_asked_for_any_noun(inputs):
    write_tiny_clip(inputs.files.weights / "clip")
    cams = make(inputs, replace(PARAMS, scorer="clip", image_px=40))
    assert cams.texts("noun") == ["fox", "hut", "zebra"]
    assert nouns_of(cams)[1] == ["fox", "zebra"]
    assert cams.array("maps").shape == (8, 5, 5)
    assert cams.attribute("scorer") == "clip"
    settings = json.loads(cams.attribute("scorer_settings"))
    assert settings == {"prompt": "a photo of a {}", "backgrounds": ["tree", "sky"]}


def test_coverage_tells_which_phrases_have_a_map(inputs):
    make(inputs, replace(PARAMS, scorer="imagenet"))
    told = json.loads(inputs.files.cams_coverage.read_text(encoding="utf-8"))
    assert told["coverage"]["train"] == {
        "phrases": 6,
        "with_noun": 6,
        "covered": 0.5,
        "nouns": 3,
        "nouns_covered": 0.3333,
        "routes": {"name": 3, "none": 3},
    }
    assert told["coverage"]["val"]["routes"] == {"name": 2, "no noun": 2}
    assert told["uncovered"] == ["hut (2)", "zebra (1)"]
    assert told["scorers"]["imagenet"]["train"] == 0.5
    assert set(told["scorers"]) == {"nounhead", "imagenet"}


def test_a_layer_that_is_not_there_is_one_clear_error(inputs):
    with pytest.raises(InputError, match=r"cams\.layer 'layer9'"):
        make(inputs, replace(PARAMS, layer="layer9"))


def test_no_noun_with_a_class_gives_a_cache_without_rows(inputs):
    add_noun_head(inputs.files, nouns=("tiger",))
    cams = make(inputs)
    assert cams.array("maps").shape == (0, 3, 3)
    assert cams.array("offsets").tolist() == [0] * 8


@pytest.mark.parametrize("table", ["images", "phrases"])
@pytest.mark.parametrize("content", [None, ""])
def test_a_missing_or_empty_table_is_refused_and_an_older_cache_stays(inputs, table, content):
    make(inputs)
    before, path = digest(inputs), getattr(inputs.files, table)
    path.unlink()
    if content is not None:
        path.write_text(content)

    with pytest.raises(InputError, match=rf"{table}\.jsonl.*dvc repro"):
        make(inputs)

    assert digest(inputs) == before


@pytest.mark.parametrize("images_per_shard", [1, 2, 100])
def test_how_images_are_cut_into_shards_changes_no_byte(inputs, images_per_shard):
    make(inputs)
    expected = digest(inputs)
    make(inputs, replace(PARAMS, images_per_shard=images_per_shard))
    assert digest(inputs) == expected


def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(inputs):
    pictures = shutil.copytree(inputs.image_folder, Path("pictures"))  # outside what is hashed
    inputs = replace(inputs, image_folder=pictures)
    make(inputs)
    expected = digest(inputs)
    inputs.files.cams.unlink()
    last = (inputs.image_folder / "6.png").rename("aside.png")
    with pytest.raises(InputError, match=r"6\.png"):
        make(inputs)
    assert not inputs.files.cams.exists()
    last.rename(inputs.image_folder / "6.png")
    (inputs.image_folder / "0.png").unlink()  # of the shard that is done already
    make(inputs)
    assert digest(inputs) == expected


def test_parts_on_several_machines_end_in_the_same_bytes(inputs, monkeypatch):
    make(inputs)
    expected = digest(inputs)
    for part in ("1/2", "0/2"):
        monkeypatch.setenv("PIPELINE_PART", part)
        with pytest.raises(SystemExit):
            make(inputs)
    monkeypatch.delenv("PIPELINE_PART")
    make(inputs)
    assert digest(inputs) == expected


def test_another_file_that_is_read_gives_another_fingerprint(inputs):
    files = inputs.files
    classifier = files.weights / "classifier" / "weights.safetensors"
    keys = [find_key(inputs, PARAMS)]
    for path in (files.images, files.phrases, files.noun_head / "nouns.json", classifier):
        path.write_bytes(path.read_bytes() + b" ")
        keys.append(find_key(inputs, PARAMS))
    with h5py.File(files.nouns, "r+") as cache:
        cache.attrs["fingerprint"] = np.bytes_(64 * b"0")
    keys.append(find_key(inputs, PARAMS))
    assert len(set(keys)) == 6
    (files.weights / "detector").mkdir()
    assert find_key(inputs, PARAMS) == keys[-1]  # another scorer's part is not read


def test_other_parameters_give_another_fingerprint_but_the_shards_do_not(inputs):
    changes = {"layer": "layer3", "image_px": 64, "batch_images": 2, "backend": "library"}
    changed = [replace(PARAMS, **{name: value}) for name, value in changes.items()]
    assert len({find_key(inputs, params) for params in (PARAMS, *changed)}) == 5
    assert find_key(inputs, replace(PARAMS, images_per_shard=2)) == find_key(inputs, PARAMS)


def test_the_log_tells_how_many_maps_and_phrases_there_are(inputs):
    told = Listener("cams")
    run(inputs, replace(PARAMS, scorer="imagenet"), CPU, inputs.files.cams, told)
    assert told.totals == {"shards": 2, "batches": 1}  # of the last shard, with two images
    [maps, train, val, uncovered] = told.messages[-4:]
    assert re.findall(r"\d+", maps) == ["4", "8"]
    assert re.findall(r"train|[\d.]+%?", train) == ["train", "50.0%", "6", "33.3%", "3", "3", "3"]
    assert re.findall(r"val|[\d.]+%?", val) == ["val", "50.0%", "4", "100.0%", "1", "2", "2"]
    assert uncovered.endswith(": hut (2), zebra (1)")


def test_the_maps_are_made_by_deterministic_algorithms_in_full_precision(inputs, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    torch.use_deterministic_algorithms(False)
    make(inputs)
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.allow_tf32
    torch.use_deterministic_algorithms(False)


def test_a_missing_noun_head_is_one_clear_error(inputs):
    (inputs.files.noun_head / "head.safetensors").unlink()
    with pytest.raises(InputError, match=r"noun_head/head\.safetensors.*dvc repro"):
        make(inputs)
