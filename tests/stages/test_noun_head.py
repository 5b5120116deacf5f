import json
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.classifier.classifier import load_classifier
from models.classifier.noun_head import load_noun_head
from models.classifier.train_noun_head import NounHeadFit, fit_noun_head
from models.phrases.places import Place
from pipeline.errors import InputError
from pipeline.images.batches import image_batches, read_squashed
from pipeline.mentions import Mention, PhraseFacts, PhraseFactsTable
from pipeline.observe.observer import Observer
from pipeline.params.schema import NounHeadParams
from pipeline.records import PhraseRecord, read_records
from stages.noun_head import (
    NounHeadInputs,
    compute_features,
    find_targets,
    frequent_nouns,
    held_out_map,
    main,
    run,
)
from tests.stages.command import start
from tests.stages.evaluated_world import Listener
from tests.stages.noun_world import make_world

PARAMS = NounHeadParams(
    min_count=2,
    max_nouns=9,
    image_px=96,
    batch_images=2,
    images_per_shard=3,
    epochs=3,
    learning_rate=0.01,
    weight_decay=0.0,
    negative_weight=0.2,
    fit_batch_images=4,
    seed=0,
)
CPU = torch.device("cpu")


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("PIPELINE_PART", raising=False)
    files = make_world()
    return NounHeadInputs(files, files.annotations / "images", workers=1)


def make(inputs, params=PARAMS):
    run(inputs, params, CPU, inputs.files.noun_head, Observer("noun_head"))
    return load_noun_head(inputs.files.noun_head)


def summary_of(inputs):
    return json.loads((inputs.files.noun_head / "summary.json").read_text(encoding="utf-8"))


def test_nouns_of_enough_training_phrases_get_a_class_the_frequent_first(inputs):
    assert make(inputs).nouns == ("fox", "hut")


def test_a_noun_that_only_other_splits_say_often_gets_none(inputs):
    """`fox` is in three training phrases and in two others."""
    assert make(inputs, replace(PARAMS, min_count=3)).nouns == ("fox", "hut")
    with pytest.raises(InputError, match="no noun is in 4 training phrases"):
        make(inputs, replace(PARAMS, min_count=4))


def test_at_most_max_nouns_get_a_class(inputs):
    assert make(inputs, replace(PARAMS, min_count=1, max_nouns=1)).nouns == ("fox",)


def test_equally_frequent_nouns_are_ordered_by_the_alphabet(inputs):
    phrases = read_records(inputs.files.phrases, PhraseRecord)
    facts = PhraseFactsTable(inputs.files.nouns)
    assert frequent_nouns(phrases, facts, 1, 9) == ["fox", "hut", "zebra"]
    asked = [PhraseRecord(f"p{n}", "a", "train", noun) for n, noun in enumerate("zzzaffffb")]
    said = {noun: PhraseFacts((Mention(noun, 0),), False, False, Place(), noun) for noun in "abfz"}
    assert frequent_nouns(asked, said, 1, 9) == ["f", "z", "a", "b"]


def test_the_summary_tells_coverage_and_size(inputs):
    told = Listener("noun_head")
    run(inputs, replace(PARAMS, batch_images=4), CPU, inputs.files.noun_head, told)
    assert told.totals == {"shards": 2, "batches": 1, "epochs": 3}  # of the last shard's two images
    assert [re.findall(r"\d[\d.]*", line) for line in told.messages[-2:]] == [
        ["2"],
        ["0.8333", "0.5"],
    ]
    summary = summary_of(inputs)
    assert (summary["nouns"], summary["training_images"]) == (2, 5)
    assert summary["coverage"]["train"]["covered"] == pytest.approx(5 / 6, abs=1e-4)
    assert summary["uncovered"] == ["zebra (1)"]


def test_too_few_images_to_hold_some_out_are_said_to_be(inputs):
    make(inputs)
    assert summary_of(inputs)["held_out_map"] is None


def test_features_are_the_mean_of_the_last_maps(inputs):
    classifier = load_classifier(inputs.classifier)
    files = [inputs.image_folder / f"{index}.png" for index in range(3)]
    features = compute_features(classifier, image_batches(files, 96, 2, 1), CPU)
    image = torch.from_numpy(read_squashed(files[2], 96))[None]
    expected = classifier.feature_maps(image)[0].detach().numpy().mean((1, 2))
    assert features.shape == (3, 64)
    np.testing.assert_allclose(features[2], expected, rtol=1e-4, atol=1e-6)


def test_the_head_is_fitted_to_training_images_only(inputs):
    first = make(inputs)
    (inputs.image_folder / "2.png").write_bytes(b"not read, as it is of split val")
    assert torch.equal(make(inputs).weight, first.weight)


def test_the_head_is_the_fit_of_the_features_that_params_yaml_describes(inputs, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    torch.use_deterministic_algorithms(False)
    params = replace(PARAMS, weight_decay=0.03, epochs=5)
    made = make(inputs, params)
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.allow_tf32
    torch.use_deterministic_algorithms(False)
    files = [inputs.image_folder / f"{index}.png" for index in (0, 1, 3, 4, 6)]
    pooled = compute_features(
        load_classifier(inputs.classifier), image_batches(files, 96, 2, 1), CPU
    )
    said = torch.tensor([[1, 1], [1, 0], [0, 1], [0, 0], [1, 0]]) > 0  # fox, hut
    fit = NounHeadFit(
        epochs=5,
        learning_rate=0.01,
        weight_decay=0.03,
        negative_weight=0.2,
        batch_images=4,
        seed=0,
    )
    expected = fit_noun_head(torch.from_numpy(pooled), said, ["fox", "hut"], fit, iter)
    torch.testing.assert_close(made.weight, expected.weight)
    torch.testing.assert_close(made.bias, expected.bias)


@pytest.mark.parametrize("changed", ["size", "picture", "classifier"])
def test_features_that_an_unfinished_run_left_of_something_else_are_not_taken_up(inputs, changed):
    with pytest.raises(InputError, match="at step"):
        make(inputs, replace(PARAMS, learning_rate=1e20, weight_decay=10.0, epochs=30))
    assert [*Path(".work/noun_head").iterdir()]
    if changed == "picture":
        shutil.copy(inputs.image_folder / "1.png", inputs.image_folder / "0.png")
    if changed == "classifier":
        info = inputs.classifier / "classifier.json"
        info.write_text(json.dumps(json.loads(info.read_text()) | {"mean": [0.1, 0.7, 0.2]}))
    params = replace(PARAMS, image_px=64 if changed == "size" else 96)
    beside_them = make(inputs, params).weight
    shutil.rmtree(".work/noun_head")
    assert torch.equal(make(inputs, params).weight, beside_them)


def test_a_second_run_writes_the_same_bytes(inputs):
    def contents():
        return {file.name: file.read_bytes() for file in inputs.files.noun_head.iterdir()}

    make(inputs)
    first = contents()
    make(inputs, replace(PARAMS, images_per_shard=1))
    assert contents() == first
    assert not list(Path(".work/noun_head").iterdir())


def test_the_command_fits_the_same_head(inputs, monkeypatch):
    weight = make(inputs).weight
    (inputs.files.noun_head / "head.safetensors").unlink()
    start(monkeypatch, main, "shapes", noun_head=asdict(PARAMS))
    assert torch.equal(load_noun_head(inputs.files.noun_head).weight, weight)


def test_a_broken_picture_is_named(inputs):
    (inputs.image_folder / "3.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"3\.png: cannot be read"):
        make(inputs)


def test_a_missing_classifier_is_one_clear_error(inputs):
    (inputs.classifier / "classifier.json").unlink()
    with pytest.raises(InputError, match=r"classifier.json: does not describe"):
        make(inputs)


def test_a_training_that_blows_up_is_one_clear_error(inputs):
    with pytest.raises(InputError, match=r"noun_head: .* at step \d+, in epoch \d+"):
        make(inputs, replace(PARAMS, learning_rate=1e20, weight_decay=10.0, epochs=30))
    assert not (inputs.files.noun_head / "head.safetensors").exists()


def test_targets_are_the_known_nouns_of_each_image():
    said = [{"hut", "owl"}, set(), {"fox", "hut"}, {"owl"}]
    expected = [[noun in some for noun in ("hut", "fox", "elk")] for some in said]
    assert find_targets(said, ["hut", "fox", "elk"]).tolist() == expected


def test_precision_is_measured_on_every_tenth_image_alone():
    is_first = torch.arange(20) % 2 == 0
    features = torch.stack([is_first, ~is_first], 1).float()
    targets = features.clone()
    targets[9], targets[19] = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    features[19] = torch.tensor([1.0, 0.0])  # of the two held out, each noun is where the other is
    fit = NounHeadFit(60, 0.1, 0.0, 1.0, 4, 0)
    measured = held_out_map(features, targets > 0, ["a", "b"], fit, Observer("noun_head"))
    assert measured == 0.5
    assert held_out_map(features[:9], targets[:9] > 0, ["a", "b"], fit, Observer("x")) is None
