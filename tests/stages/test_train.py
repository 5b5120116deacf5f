import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from models.grounder.batch import GroundingInputs
from models.grounder.checkpoint import load_grounder
from pipeline.errors import InputError
from pipeline.observe.observer import Observer
from pipeline.params.read import read_params, train_params
from pipeline.paths import ResultFiles
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.loader import collate
from pipeline.samples.sample_spec import read_sample_spec
from pipeline.samples.sampler import SampleIndex
from pipeline.training.processes import Machine, ProcessGroup
from stages.train import build_training, main, run
from tests.cached_world import FILES, ROOT, write_cams, write_world
from tests.tiny_clip import write_tiny_clip

IMAGES = FILES.annotations / "images"
CPU = torch.device("cpu")
STILL = {
    "augment": {"flip": 0.0, "jitter": 0.0, "crop": 0.0, "scales": 1, "translate": False},
    "model": {"dropout": 0.0},
}


class StopsAfter(Observer):
    """Is interrupted, as by Ctrl-C, when the given epoch is told of."""

    def __init__(self, epoch):
        super().__init__("train")
        self.epoch = epoch
        self.told = []

    def log(self, message):
        self.told.append(message)
        if message.startswith(f"epoch {self.epoch}/"):
            raise KeyboardInterrupt


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def known():
    """Return what the stages before found out about the training split."""
    return GroundingTables.from_caches(FILES, IMAGES, ("train",))


def train(variant="full", observer=None):
    results = ResultFiles("shapes", variant)
    machine = Machine(ProcessGroup(0, 1, CPU), 0, observer or Observer("train"))
    run(FILES, IMAGES, train_params(read_params(), variant), results, machine)
    return results


def made(results):
    """Return every file of a training by name, as bytes."""
    files = [path for path in results.folder.rglob("*") if path.is_file()]
    return {path.relative_to(results.folder).as_posix(): path.read_bytes() for path in files}


def edit_params(here, old, new):
    text = (here / "params.yaml").read_text()
    assert text.count(old) >= 1
    (here / "params.yaml").write_text(text.replace(old, new))


def rows(results):
    with results.curves.open(newline="") as stream:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(stream)]


def test_no_epoch_leaves_the_model_as_it_was_built(here):
    write_world(here)
    results = train("untrained")
    torch.manual_seed(read_params().train.seed)
    step, _ = build_training(FILES, known(), train_params(read_params(), "untrained"), CPU)
    kept = load_grounder(results.model).grounder.state_dict()
    for name, weight in step.grounder.state_dict().items():
        torch.testing.assert_close(kept[name], weight, rtol=0, atol=0)
    assert rows(results) == []


def test_training_leaves_a_model_that_can_be_loaded_and_fed_and_its_curves(here):
    write_world(here)
    results = train()
    saved = load_grounder(results.model)
    assert len(saved.words) == saved.grounder.spec.num_words
    assert read_sample_spec(results.model).image_px == 96
    table = rows(results)
    assert [row["epoch"] for row in table] == [1, 2]
    assert [row["step"] for row in table] == [3, 6]
    assert "vision_gap" in table[0]
    assert np.isfinite([value for row in table for value in row.values()]).all()
    assert not list(here.glob(".work/train/*"))


def test_the_loss_falls_on_one_batch(here):
    write_world(here, **STILL, epochs=12, batch_images=4, phrases_per_image=7, learning_rate=0.02)
    table = rows(train())
    assert table[-1]["reconstruction_loss"] < 0.75 * table[0]["reconstruction_loss"]
    assert table[-1]["contrastive_loss"] < table[0]["contrastive_loss"]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(here):
    write_world(here, epochs=1)
    first = made(train())
    assert made(train()) == first
    edit_params(here, "train:\n  seed: 0", "train:\n  seed: 1")
    assert made(train())["model/grounder.safetensors"] != first["model/grounder.safetensors"]


def test_a_training_interrupted_and_taken_up_again_equals_one_that_was_not(here):
    write_world(here, epochs=3)
    whole = made(train())
    stopping = StopsAfter(2)
    with pytest.raises(KeyboardInterrupt):
        train(observer=stopping)
    observer = StopsAfter(99)
    assert made(train(observer=observer)) == whole
    assert observer.told[0] == "goes on after epoch 2 of 3"
    assert [message[:9] for message in observer.told[1:]] == ["epoch 3/3"]


def test_other_parameters_do_not_go_on_from_the_same_checkpoint(here):
    write_world(here, epochs=2)
    with pytest.raises(KeyboardInterrupt):
        train(observer=StopsAfter(1))
    edit_params(here, "weight_decay: 0.0001", "weight_decay: 0.0002")
    observer = StopsAfter(99)
    train(observer=observer)
    assert [message[:9] for message in observer.told] == ["epoch 1/2", "epoch 2/2"]


class TellsItsStamp(Observer):
    """Ends the run with its fingerprint."""

    def fact(self, name, value):
        raise SystemExit((name, value))


def test_another_file_that_is_read_makes_another_training(here):
    def stamp():
        with pytest.raises(SystemExit) as told:
            train(observer=TellsItsStamp("train"))
        assert told.value.args[0][0] == "fingerprint"
        return told.value.args[0][1]

    write_world(here)
    stamps = [stamp(), stamp()]
    for folder in (FILES.annotations, FILES.weights, FILES.noun_head):
        (folder / "more.txt").touch()
        stamps.append(stamp())
    for number, path in enumerate((FILES.nouns, FILES.proposals, FILES.cams)):
        with h5py.File(path, "r+") as cache:
            cache.attrs["fingerprint"] = np.bytes_(f"another {number}")
        stamps.append(stamp())
    edit_params(here, "train:\n  seed: 0", "train:\n  seed: 1")
    stamps.append(stamp())
    assert stamps[0] == stamps[1]
    assert len(set(stamps)) == 8


def test_a_variant_without_cams_needs_no_noun_head(here):
    write_world(here, epochs=1)
    (here / FILES.noun_head / "head.safetensors").unlink()
    table = rows(train("no_cam"))
    assert table[0]["mining_loss"] == 0


def test_images_without_a_proposal_train_too(here):
    write_world(here, epochs=1, windows=[], batch_images=1)
    assert np.isfinite([value for row in rows(train()) for value in row.values()]).all()


def test_bfloat16_trains_on_the_cpu_and_is_not_float32(here):
    write_world(here, epochs=1, precision="bf16", **STILL)
    low = rows(train())[0]
    edit_params(here, "precision: bf16", "precision: fp32")
    high = rows(train())[0]
    assert low["reconstruction_loss"] == pytest.approx(high["reconstruction_loss"], rel=0.02)
    assert low["reconstruction_loss"] != high["reconstruction_loss"]


def gradients(step, batches_of_samples):
    """Return outputs of real phrases, and the gradient of the sum of their losses."""
    step.zero_grad()
    found = []
    for samples in batches_of_samples:
        batch = step.data_preprocessor(collate(samples))
        inputs = GroundingInputs(**batch)
        outputs = step.grounder(inputs)
        real = inputs.phrase_mask
        words = inputs.word_mask & real[..., None]
        losses = step(**batch)
        (losses["reconstruction_loss"] * words.sum() + losses["giou_loss"] * real.sum()).backward()
        found.append(torch.cat([outputs.box_logits[real], outputs.pred_boxes_xyxy[real]], -1))
    return torch.cat(found).detach(), {
        name: weight.grad.clone()
        for name, weight in step.named_parameters()
        if weight.grad is not None
    }


def test_phrases_together_give_what_they_give_one_by_one(here):
    write_world(here, **STILL)
    params = train_params(read_params(), "full")
    torch.manual_seed(0)
    step, dataset = build_training(FILES, known(), params, CPU)
    step.progress = 1.0
    step.eval()
    together = [dataset[SampleIndex(0, (0, 1, 2), None)]]
    alone = [dataset[SampleIndex(0, (number,), None)] for number in range(3)]
    outputs, grads = gradients(step, [together])
    outputs_alone, grads_alone = gradients(step, [[one] for one in alone])
    torch.testing.assert_close(outputs, outputs_alone, rtol=1e-5, atol=1e-4)
    assert grads.keys() == grads_alone.keys()
    largest = max(grad.abs().max() for grad in grads.values())
    for name, grad in grads.items():
        torch.testing.assert_close(grad, grads_alone[name], rtol=1e-4, atol=1e-5 * largest)


def test_padding_changes_nothing(here):
    write_world(here, **STILL)
    torch.manual_seed(0)
    step, dataset = build_training(FILES, known(), train_params(read_params(), "full"), CPU)
    step.eval()
    short, long = (
        dataset[SampleIndex(image, phrases, None)] for image, phrases in ((2, (10,)), (1, (3, 4)))
    )
    alone, padded = (
        step.grounder(GroundingInputs.from_batch(collate(samples), CPU))
        for samples in ([short], [short, long])
    )
    torch.testing.assert_close(alone.box_probs[0, 0], padded.box_probs[0, 0, :1])
    torch.testing.assert_close(alone.pred_boxes_xyxy[0, 0], padded.pred_boxes_xyxy[0, 0])


def test_the_frozen_scorer_is_neither_trained_nor_saved(here):
    write_world(here)
    step, _ = build_training(FILES, known(), train_params(read_params(), "full"), CPU)
    assert all(name.startswith("grounder.") for name in step.state_dict())


@pytest.mark.parametrize("kind", ["imagenet", "detector", "clip"])
def test_mining_asks_the_scorer_that_the_cams_explain(here, kind, tiny_detector):
    write_world(here, **STILL)
    settings = json.dumps({"prompt": "a {}", "backgrounds": ["tree", "sky"]})
    write_cams(here, {"scorer": kind, "scorer_settings": settings})
    rename_classes(here, "cat", "dog")
    shutil.copytree(tiny_detector, FILES.weights / "detector")
    named = (
        (tiny_detector / "detector.json").read_text().replace("red", "cat").replace("blue", "dog")
    )
    (FILES.weights / "detector" / "detector.json").write_text(named)
    write_tiny_clip(FILES.weights / "clip")
    step, dataset = build_training(FILES, known(), train_params(read_params(), "full"), CPU)
    batch = step.data_preprocessor(collate([dataset[SampleIndex(0, (0, 1, 2), None)]]))
    losses = step(**batch)
    assert dataset.text.noun_classes == {"cat": 0, "dog": 1}
    assert 0 < losses["mining_loss"] < 1
    losses["mining_loss"].backward()
    assert any(weight.grad is not None for weight in step.grounder.cam_encoder.parameters())


def rename_classes(here, *classes):
    path = here / FILES.weights / "classifier" / "classifier.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"classes": classes}))


def test_a_batch_field_for_every_input_and_a_rate_for_every_weight(here):
    write_world(here)
    step, dataset = build_training(FILES, known(), train_params(read_params(), "full"), CPU)
    batch = step.data_preprocessor(collate([dataset[SampleIndex(0, (0,), None)]]))
    assert set(batch) == {field.name for field in fields(GroundingInputs)}
    grouped = [*step.grounder.new_parameters(), *step.grounder.pretrained_parameters()]
    trained = [weight for weight in step.parameters() if weight.requires_grad]
    assert {id(weight) for weight in grouped} == {id(weight) for weight in trained}


def test_training_never_opens_the_ground_truth_and_does_not_miss_it(here):
    write_world(here, epochs=1)
    made_with = [made(train())]
    FILES.ground_truth.unlink()
    made_with.append(made(train()))
    os.mkfifo(FILES.ground_truth)  # whoever opens it waits for ever
    made_with.append(made(train()))
    assert made_with[0] == made_with[1] == made_with[2]


def start(here):
    environment = {key: value for key, value in os.environ.items() if key != "DVC_ROOT"}
    return subprocess.Popen(
        [sys.executable, "-m", "stages.train", "shapes", "full"],
        cwd=here,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_as_if_it_had_not_been_killed(here):
    write_world(here, epochs=4)
    whole = made(train())
    process = start(here)
    while process.poll() is None and not list(here.glob(".work/train/*/epoch_*.pth")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert list(here.glob(".work/train/*/epoch_*.pth")), "the training ended before it was killed"
    observer = StopsAfter(99)
    assert made(train(observer=observer)) == whole
    assert observer.told[0].startswith("goes on after epoch")


def test_the_stage_says_what_is_wrong_with_its_input(here, monkeypatch):
    write_world(here)
    (here / FILES.cams).write_bytes(b"nothing")
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the stage sets its own
    monkeypatch.setattr(sys, "argv", ["stages.train", "shapes", "full"])
    with pytest.raises(InputError, match=r"cams\.h5"):
        main()


@pytest.mark.parametrize("part", ["weights/classifier/weights.safetensors", "noun_head/nouns.json"])
def test_a_missing_part_is_named(here, part):
    write_world(here)
    (here / FILES.folder / part).unlink()
    with pytest.raises(InputError, match=Path(part).parent.name):
        train()
