import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import timm
import torch

from models.classifier.classifier import load_classifier
from models.detector.detector import load_detector
from models.phrases.noun_parser import NounParser
from pipeline.errors import InputError
from pipeline.params.weights import (
    ClassifierTraining,
    DetectorTraining,
    EmbeddedWeights,
    TaggerTraining,
)
from stages.weights import main, run
from tests.models.detector.bottom_up_original import random_checkpoint
from tests.stages.command import start
from tests.stages.weights_world import Listener, digests, prepare, sha256

EMBEDDED = EmbeddedWeights(
    source="embedded",
    pretrain_seed=5,
    classifier=ClassifierTraining("resnet10", 0.125, 6, 64, 1, 3, 0.002, 0.05),
    detector=DetectorTraining(
        scenes=4, long_side_px=96, epochs=1, batch_images=2, learning_rate=0.002, base_channels=8
    ),
    tagger=TaggerTraining(phrases=20, steps=3),
)


def test_the_command_prepares_the_weights_of_its_dataset(files, project, monkeypatch):
    prepare(files, project / "weights")
    start(monkeypatch, main, "refcoco", weights={"refcoco": asdict(files)})
    assert digests(Path("data/refcoco/weights")) == digests(project / "weights")


def test_a_run_is_told_by_what_it_is_asked_for_before_anything_is_read(files, project):
    told, stamps = Listener(), []
    for licence in ("A", "A", "B"):
        section = replace(files, tagger=replace(files.tagger, path="gone", licence=licence))
        with pytest.raises(InputError, match="gone"):
            run(section, "weights.mine", project / "weights", told)
        stamps.append(told.facts["fingerprint"])
    assert stamps[0] == stamps[1] != stamps[2]


def test_weights_that_were_there_are_gone_when_the_new_ones_cannot_be_made(files, project):
    (project / "weights").mkdir()
    (project / "weights" / "manifest.json").touch()
    with pytest.raises(InputError, match="gone"):
        prepare(replace(files, tagger=replace(files.tagger, path="gone")), project / "weights")
    assert not (project / "weights").exists()


def test_embedded_parts_are_trained_and_load(project):
    prepare(EMBEDDED, project / "weights")
    manifest = json.loads((project / "weights" / "manifest.json").read_text())
    assert {name: part["source"] for name, part in manifest.items()} == dict.fromkeys(
        ("classifier", "detector", "tagger"), "embedded"
    )
    detector = load_detector(project / "weights" / "detector", torch.device("cpu"), 1)
    fine = load_classifier(project / "weights" / "classifier").classes
    assert fine[:2] == ("red cup", "green cup")
    assert set(detector.info.classes) == {name.split()[1] for name in fine}
    assert NounParser(project / "weights" / "tagger", "cpu", 1).parse([]) == []


def test_finished_parts_survive_a_kill_and_give_the_same_bytes(project):
    prepare(EMBEDDED, project / "first")
    kept = sorted((project / ".work" / "weights").glob("*/*"))
    assert [part.name for part in sorted(kept, key=lambda part: part.name)] == [
        "classifier",
        "detector",
        "tagger",
    ]
    detector = next(part for part in kept if part.name == "detector")
    detector.rename(detector.with_name(".detector.partial"))  # as a killed training leaves it
    lines = prepare(EMBEDDED, project / "second")
    assert [line.split(":")[0] for line in lines if "trained before" in line] == [
        "classifier",
        "tagger",
    ]
    assert digests(project / "second") == digests(project / "first")


@pytest.mark.parametrize("part", ["classifier", "detector"])
def test_a_part_whose_training_blows_up_is_named_and_leaves_nothing(project, part):
    bold = replace(getattr(EMBEDDED, part), learning_rate=1e20, epochs=4)
    with pytest.raises(InputError, match=rf"weights\.mine\.{part}: .*step \d"):
        prepare(replace(EMBEDDED, **{part: bold}), project / "out")
    assert not (project / "out").exists()
    assert not list(project.glob(f".work/weights/*/{part}"))


def test_another_parameter_trains_its_own_part_again(project):
    prepare(EMBEDDED, project / "first")
    changed = replace(EMBEDDED, tagger=TaggerTraining(phrases=20, steps=4))
    lines = prepare(changed, project / "second")
    assert [line.split(":")[0] for line in lines if "trained before" in line] == [
        "classifier",
        "detector",
    ]


def test_files_become_folders_with_a_manifest_that_names_no_place(files, project, published):
    prepare(files, project / "weights")
    manifest = json.loads((project / "weights" / "manifest.json").read_text())
    assert manifest["detector"] == {
        "source": "d.pth",
        "sha256": sha256(published / "d.pth"),
        "training_set": "COCO",
        "licence": "Apache-2.0",
    }
    assert manifest["tagger"]["source"] == "stanza"
    assert str(project) not in (project / "weights" / "manifest.json").read_text()
    settings = json.loads((project / "weights" / "tagger" / "tagger.json").read_text())
    assert settings == {"package": "ewt", "tokenize": "stanza"}


def test_converted_weights_are_the_published_ones(files, project, published):
    prepare(files, project / "weights")
    classifier = load_classifier(project / "weights" / "classifier")
    wanted = torch.load(published / "c.pth", weights_only=True)
    assert classifier.info.std == (0.25, 0.25, 0.25)
    assert len(classifier.classes) == 1000
    torch.testing.assert_close(classifier.network.state_dict(), wanted, rtol=0, atol=0)
    detector = load_detector(project / "weights" / "detector", torch.device("cpu"), 1)
    assert detector.info.classes[79] == "thing 79"
    assert (detector.info.training_set, detector.info.licence) == ("COCO", "Apache-2.0")
    assert (classifier.info.training_set, classifier.info.licence) == ("ImageNet", "BSD")
    assert detector.info.name == "yolox_nano_8xb8-300e_coco"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, None),
        ({"mean": (0.5, 0.75, 0.5)}, "mean [0.5, 0.75, 0.5], std [0.5, 0.5, 0.5], bgr False"),
        ({"std": (0.5, 0.25, 0.5)}, "mean [0.5, 0.5, 0.5], std [0.5, 0.25, 0.5], bgr False"),
        ({"bgr": True}, "mean [0.5, 0.5, 0.5], std [0.5, 0.5, 0.5], bgr True"),
    ],
)
def test_how_timm_feeds_a_network_is_told_beside_params_yaml(files, project, changes, named):
    torch.save(timm.create_model("test_resnet").state_dict(), project / "given" / "t.pth")
    network = {"path": "given/t.pth", "arch": "timm/test_resnet", "std": (0.5,) * 3} | changes
    section = replace(files, classifier=replace(files.classifier, **network))
    [line] = [line for line in prepare(section, project / "weights") if "160 px" in line]
    assert line.startswith("warning") == (named is not None)
    assert line.count("mean [0.5, 0.5, 0.5], std [0.5, 0.5, 0.5]") >= 1  # of timm
    assert f"weights.mine.classifier says {named}: " in line or named is None
    assert load_classifier(project / "weights" / "classifier").info.arch == "timm/test_resnet"


def test_a_person_is_warned_of_what_the_detector_has_seen(files, project):
    lines = prepare(files, project / "weights")
    assert any(line.startswith("warning: the detector was trained on COCO") for line in lines)


def test_each_part_is_trained_for_as_long_as_params_yaml_says(project):
    class Counting(Listener):
        def __init__(self):
            super().__init__()
            self.totals = {}

        def progress(self, items, total, label):
            self.totals[label] = total
            return items

    told = Counting()
    torch.use_deterministic_algorithms(False)
    run(replace(EMBEDDED, pretrain_seed=6), "weights.mine", project / "weights", told)
    assert torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    assert told.totals == {
        "pictures": 6,
        "classifier epochs": 1,
        "scenes": 4,
        "detector steps": 2,  # two batches of two scenes, once
        "phrases": 20,
    }
    assert not any(line.startswith("warning") for line in told.lines)


def test_an_empty_sha256_is_told_and_a_right_one_is_accepted(files, project, published):
    found = sha256(published / "d.pth")
    assert f"detector: d.pth, sha256 {found}" in prepare(files, project / "first")
    checked = replace(files, detector=replace(files.detector, sha256=found.upper()))
    prepare(checked, project / "second")
    assert digests(project / "first") == digests(project / "second")


def test_digits_in_a_file_s_name_are_a_date(files, project):
    (project / "given" / "c.pth").rename(project / "given" / "c-20261125.pth")
    dated = replace(files, classifier=replace(files.classifier, path="given/c-20261125.pth"))
    prepare(dated, project / "weights")
    assert (project / "weights" / "classifier").is_dir()


def test_a_bottom_up_checkpoint_becomes_a_detector(files, project):
    (project / "words.txt").write_text("cat,kitty\ndog\n")
    torch.save({"model": random_checkpoint("caffe", 2)}, project / "given" / "vg.pth")
    visual_genome = replace(
        files.detector, format="bottom_up_attention", path="given/vg.pth", vocabulary="words.txt"
    )
    prepare(replace(files, detector=visual_genome), project / "weights")
    info = load_detector(project / "weights" / "detector", torch.device("cpu"), 1).info
    assert (info.name, info.classes) == ("bottom_up_attention", ("cat", "dog"))


def test_what_torch_s_cache_holds_is_not_fetched(files, project, published):
    cached = project / "torch" / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"
    cached.parent.mkdir(parents=True)
    shutil.copyfile(published / "c.pth", cached)
    hub = {"path": "", "hub": "SqueezeNet1_1_Weights.IMAGENET1K_V1", "sha256": sha256(cached)}
    prepare(replace(files, classifier=replace(files.classifier, **hub)), project / "weights")
    manifest = json.loads((project / "weights" / "manifest.json").read_text())
    assert manifest["classifier"]["source"] == "squeezenet1_1-b8a52dc0.pth"
