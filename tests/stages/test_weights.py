import hashlib
import json
import os
import pickle
import shutil
from dataclasses import replace

import pytest
import torch
from torchvision.models import mobilenet_v2, resnet18

from models.classifier import load_classifier
from models.detector import load_detector
from models.detector_folder import build_model, read_config
from models.noun_parser import NounParser
from pipeline.errors import InputError
from pipeline.observe import Observer
from pipeline.weight_sections import (
    ClassifierFile,
    ClassifierTraining,
    DetectorFile,
    DetectorTraining,
    EmbeddedWeights,
    LanguageFolder,
    TaggerFolder,
    TaggerTraining,
    WeightFiles,
)
from stages.weights import run

EMBEDDED = EmbeddedWeights(
    source="embedded",
    pretrain_seed=5,
    classifier=ClassifierTraining("mobilenet_v2", 0.25, 6, 64, 1, 3, 0.002, 0.05),
    detector=DetectorTraining(
        scenes=4, long_side_px=96, epochs=1, batch_images=2, learning_rate=0.002, base_channels=8
    ),
    tagger=TaggerTraining(phrases=20, steps=3),
)
CONFIG = "yolox/yolox_nano_8xb8-300e_coco.py"


class Listener(Observer):
    """Keeps what is said."""

    def __init__(self):
        super().__init__("weights")
        self.lines = []

    def log(self, message):
        self.lines.append(message)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """An empty project folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """Write weight files as others publish them, with random weights."""
    folder = tmp_path_factory.mktemp("published")
    classes = tuple(f"thing {number}" for number in range(80))
    state = build_model(read_config(CONFIG)).state_dict()
    torch.save(
        {"meta": {"dataset_meta": {"classes": classes}}, "state_dict": state}, folder / "d.pth"
    )
    torch.save(mobilenet_v2().state_dict(), folder / "c.pth")
    for name in ("tokenize", "pos"):
        (folder / "stanza" / "en" / name).mkdir(parents=True)
        torch.save({"model": torch.ones(3)}, folder / "stanza" / "en" / name / "ewt.pt")
    (folder / "stanza" / "resources.json").write_text("{}")
    return folder


@pytest.fixture
def files(published, project):
    """Return the section that names copies of those files."""
    shutil.copytree(published, project / "given")
    return WeightFiles(
        source="files",
        detector=DetectorFile("given/d.pth", "", CONFIG, "COCO", "Apache-2.0"),
        classifier=ClassifierFile(
            "given/c.pth", "", "mobilenet_v2", (0.5,) * 3, (0.25,) * 3, False, "ImageNet", "BSD"
        ),
        tagger=TaggerFolder("given/stanza", "ewt", "EWT", "CC BY-SA 4.0"),
        language=LanguageFolder("", "", ""),
    )


def prepare(section, folder):
    listener = Listener()
    run(section, "weights.mine", folder, listener)
    return listener.lines


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digests(folder):
    return {
        file.relative_to(folder).as_posix(): sha256(file)
        for file in folder.rglob("*")
        if file.is_file()
    }


def refuse(section, folder, message):
    with pytest.raises(InputError, match=message):
        prepare(section, folder)
    assert not folder.exists()


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


def test_a_person_is_warned_of_what_the_detector_has_seen(files, project):
    lines = prepare(files, project / "weights")
    assert any(line.startswith("warning: the detector was trained on COCO") for line in lines)


def test_an_empty_sha256_is_told_and_a_right_one_is_accepted(files, project, published):
    found = sha256(published / "d.pth")
    assert f"detector: d.pth, sha256 {found}" in prepare(files, project / "first")
    checked = replace(files, detector=replace(files.detector, sha256=found.upper()))
    prepare(checked, project / "second")
    assert digests(project / "first") == digests(project / "second")


def test_a_wrong_sha256_is_refused_naming_both(files, project, published):
    wrong = replace(files, detector=replace(files.detector, sha256="ab" * 32))
    found = sha256(published / "d.pth")
    refuse(wrong, project / "weights", rf"weights\.mine\.detector.*{found}.*{'ab' * 32}")


@pytest.mark.parametrize("name", ["d.pth", "c.pth", "stanza/en/pos/ewt.pt"])
def test_a_missing_file_is_refused_by_name(files, project, name):
    (project / "given" / name).unlink()
    refuse(files, project / "weights", rf"weights\.mine\.\w+\.path: given/{name} .*(put|copy)")


@pytest.mark.parametrize("name", ["d.pth", "c.pth", "stanza/en/tokenize/ewt.pt"])
def test_a_web_page_in_place_of_a_file_is_refused(files, project, name):
    (project / "given" / name).write_text("\n<!DOCTYPE html><title>404</title>")
    refuse(files, project / "weights", rf"{name} is a web page")


def test_a_git_lfs_pointer_is_refused(files, project):
    (project / "given" / "c.pth").write_text("version https://git-lfs.github.com/spec/v1\noid x\n")
    refuse(files, project / "weights", r"c\.pth is a git-lfs pointer")


@pytest.mark.parametrize("name", ["d.pth", "c.pth", "stanza/en/pos/ewt.pt"])
@pytest.mark.parametrize("kept", [0, 0.5, 0.98])
def test_a_half_downloaded_file_is_refused(files, project, name, kept):
    content = (project / "given" / name).read_bytes()
    (project / "given" / name).write_bytes(content[: int(kept * len(content))])
    refuse(files, project / "weights", "weight file|empty")


class Trap:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("trapped",)


@pytest.mark.parametrize("name", ["d.pth", "c.pth", "stanza/en/pos/ewt.pt"])
@pytest.mark.parametrize(
    "write", [torch.save, lambda x, path: path.write_bytes(pickle.dumps(x, 2))]
)
def test_code_hidden_in_a_file_is_refused_and_not_run(files, project, name, write):
    write({"state_dict": Trap()}, project / "given" / name)
    refuse(files, project / "weights", "code that will not be run")
    assert not (project / "trapped").exists()


def test_weights_of_another_architecture_are_refused(files, project):
    torch.save(resnet18().state_dict(), project / "given" / "c.pth")
    refuse(files, project / "weights", r"c\.pth: does not fit mobilenet_v2")


def test_a_language_folder_is_copied_without_what_nobody_loads(files, project):
    bert = project / "bert"
    bert.mkdir()
    for name in ("config.json", "tokenizer.json", "vocab.txt", "model.safetensors", "tf_model.h5"):
        (bert / name).write_text(f"of {name}")
    with_bert = replace(files, language=LanguageFolder("bert", "books", "Apache-2.0"))
    prepare(with_bert, project / "weights")
    assert {file.name for file in (project / "weights" / "language").iterdir()} == {
        "config.json",
        "tokenizer.json",
        "vocab.txt",
        "model.safetensors",
    }
    manifest = json.loads((project / "weights" / "manifest.json").read_text())
    assert manifest["language"]["training_set"] == "books"


def test_a_language_folder_without_weights_is_refused(files, project):
    (project / "bert").mkdir()
    (project / "bert" / "config.json").write_text("{}")
    with_bert = replace(files, language=LanguageFolder("bert", "", ""))
    refuse(with_bert, project / "weights", r"bert/model\.safetensors does not exist")
