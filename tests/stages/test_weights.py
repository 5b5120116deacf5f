import hashlib
import json
import os
import pickle
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import timm
import torch
from torchvision.models import mobilenet_v2, resnet18

from models.classifier.classifier import load_classifier
from models.detector.checkpoint import build_model, read_config
from models.detector.detector import load_detector
from models.phrases.noun_parser import NounParser
from pipeline.errors import InputError
from pipeline.observe.observer import Observer
from pipeline.params.weights import (
    ClassifierFile,
    ClassifierTraining,
    DetectorFile,
    DetectorTraining,
    EmbeddedWeights,
    TaggerFolder,
    TaggerTraining,
    TransformersFolder,
    WeightFiles,
    WordNetFolder,
)
from stages.weights import main, run
from tests.models.detector.bottom_up_original import random_checkpoint
from tests.stages.command import start
from tests.tiny_bert import write_tiny_bert
from tests.tiny_clip import write_tiny_clip
from tests.tiny_wordnet import write_tiny_wordnet

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
NAMED = "given/mobilenet_v2-b0353104.pth"
NOTHING = TransformersFolder("", "", "", "", "")


class Listener(Observer):
    """Keeps what is said."""

    def __init__(self):
        super().__init__("weights")
        self.lines, self.facts = [], {}

    def log(self, message):
        self.lines.append(message)

    def fact(self, name, value):
        self.facts[name] = value


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """An empty project folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
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
    english = {"default_processors": {"tokenize": "ewt"}}
    english |= {"tokenize": {"ewt": {}}, "pos": {"ewt": {}}}
    (folder / "stanza" / "resources.json").write_text(json.dumps({"en": english}))
    return folder


@pytest.fixture
def files(published, project):
    """Return the section that names copies of those files."""
    shutil.copytree(published, project / "given")
    return WeightFiles(
        source="files",
        detector=DetectorFile("mmdet", "given/d.pth", "", CONFIG, "", "COCO", "Apache-2.0"),
        classifier=ClassifierFile(
            "given/c.pth", "", "", "mobilenet_v2", (0.5,) * 3, (0.25,) * 3, False, "ImageNet", "BSD"
        ),
        tagger=TaggerFolder("given/stanza", "", "ewt", "EWT", "CC BY-SA 4.0"),
        language=NOTHING,
        wordnet=WordNetFolder("", "", "", ""),
        clip=NOTHING,
    )


def prepare(section, folder):
    listener = Listener()
    run(section, "weights.mine", folder, listener)
    return listener.lines


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


@pytest.mark.parametrize(("std", "is_warned"), [(0.25, True), (0.5, False)])
def test_how_timm_feeds_a_network_is_told_beside_params_yaml(files, project, std, is_warned):
    torch.save(timm.create_model("test_resnet").state_dict(), project / "given" / "t.pth")
    network = {"path": "given/t.pth", "arch": "timm/test_resnet", "std": (0.5, std, 0.5)}
    section = replace(files, classifier=replace(files.classifier, **network))
    lines = [line for line in prepare(section, project / "weights") if "160 px" in line]
    assert [line.startswith("warning") for line in lines] == [is_warned]
    assert load_classifier(project / "weights" / "classifier").info.arch == "timm/test_resnet"


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


@pytest.fixture
def bert(project):
    """Write a small BERT as transformers publishes it, and what nobody loads beside it."""
    write_tiny_bert(project / "bert")
    (project / "bert" / "tf_model.h5").write_text("of another library")
    return project / "bert"


@pytest.fixture
def clip(project):
    """Write a small CLIP, and what nobody loads beside it."""
    write_tiny_clip(project / "clip")
    (project / "clip" / "tf_model.h5").write_text("of another library")
    return project / "clip"


def with_folder(files, name, path="bert", **changes):
    return replace(files, **{name: replace(NOTHING, path=path, **changes)})


COPIED = {
    "bert": {"vocab.txt"},
    "clip": {"preprocessor_config.json"},
}
COMMON = {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}


@pytest.mark.parametrize(("name", "path"), [("language", "bert"), ("clip", "clip")])
def test_a_transformers_folder_is_copied_without_what_nobody_loads(
    files, project, bert, clip, name, path
):
    prepare(with_folder(files, name, path, training_set="books"), project / "weights")
    copied = {file.name for file in (project / "weights" / name).iterdir()}
    assert copied == COMMON | COPIED[path]
    manifest = json.loads((project / "weights" / "manifest.json").read_text())
    assert manifest[name]["training_set"] == "books"


def test_the_sha256_of_a_folder_is_that_of_names_and_bytes(files, project, bert):
    lines = prepare(with_folder(files, "language"), project / "first")
    found = next(line for line in lines if line.startswith("language: bert, sha256 ")).split()[-1]
    prepare(with_folder(files, "language", sha256=found[:12]), project / "second")
    words = (bert / "vocab.txt").read_text()
    (bert / "vocab.txt").write_text(words.replace("blue", "pink"))
    refuse(
        with_folder(files, "language", sha256=found[:12]),
        project / "third",
        rf"weights\.mine\.language\.sha256: bert has sha256 .*, expected {found[:12]}",
    )


def test_a_transformers_folder_without_weights_is_refused(files, project, bert):
    (bert / "model.safetensors").unlink()
    refuse(
        with_folder(files, "language"), project / "weights", r"bert/model\.safetensors is missing"
    )


def test_of_wordnet_the_nouns_are_copied_and_named(files, project):
    write_tiny_wordnet(project / "wn")
    (project / "wn" / "data.verb").write_text("not copied")
    section = replace(files, wordnet=WordNetFolder("wn", "", "by hand", "WordNet"))
    prepare(section, project / "weights")
    copied = digests(project / "weights" / "wordnet")
    assert copied == {name: sha256(project / "wn" / name) for name in ("data.noun", "index.noun")}
    manifest = json.loads((project / "weights" / "manifest.json").read_text())
    assert (manifest["wordnet"]["source"], manifest["wordnet"]["licence"]) == ("wn", "WordNet")


def test_a_wordnet_that_is_cut_off_is_refused(files, project):
    nouns = write_tiny_wordnet(project / "wn") / "data.noun"
    nouns.write_bytes(nouns.read_bytes()[:-200])
    section = replace(files, wordnet=WordNetFolder("wn", "", "", ""))
    refuse(section, project / "weights", r"weights\.mine\.wordnet: wn")


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.99])
def test_half_downloaded_safetensors_are_refused(files, project, bert, kept):
    content = (bert / "model.safetensors").read_bytes()
    (bert / "model.safetensors").write_bytes(content[: int(kept * len(content))])
    refuse(
        with_folder(files, "language"),
        project / "weights",
        r"model\.safetensors: is no whole weight",
    )


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "vocab.txt"])
def test_a_web_page_in_a_transformers_folder_is_refused(files, project, bert, name):
    (bert / name).write_text("<!doctype html>")
    refuse(with_folder(files, "language"), project / "weights", rf"bert/{name} is a web page")


def test_code_hidden_in_old_transformers_weights_is_refused_and_not_run(files, project, bert):
    (bert / "model.safetensors").unlink()
    torch.save({"a": Trap()}, bert / "pytorch_model.bin")
    refuse(with_folder(files, "language"), project / "weights", "code that will not be run")
    assert not (project / "trapped").exists()


def test_the_hash_in_a_file_s_name_is_checked(files, project):
    (project / "given" / "c.pth").rename(project / "given" / "mobilenet_v2-b0353104.pth")
    named = replace(files, classifier=replace(files.classifier, path=NAMED))
    refuse(named, project / "weights", "expected b0353104; it is another version")
    found = sha256(project / NAMED)
    told = replace(named, classifier=replace(named.classifier, sha256=found))
    prepare(told, project / "weights")


def test_digits_in_a_file_s_name_are_a_date(files, project):
    (project / "given" / "c.pth").rename(project / "given" / "c-20261125.pth")
    dated = replace(files, classifier=replace(files.classifier, path="given/c-20261125.pth"))
    prepare(dated, project / "weights")
    assert (project / "weights" / "classifier").is_dir()


def test_a_checkpoint_with_another_number_of_classes_is_refused(files, project):
    checkpoint = torch.load(project / "given" / "d.pth", weights_only=True)
    checkpoint["meta"]["dataset_meta"]["classes"] = ("cat",)
    torch.save(checkpoint, project / "given" / "d.pth")
    refuse(files, project / "weights", r"weights\.mine\.detector: .*names 1 classes.* has 80")


def test_a_bottom_up_checkpoint_becomes_a_detector(files, project):
    (project / "words.txt").write_text("cat,kitty\ndog\n")
    torch.save({"model": random_checkpoint("caffe", 2)}, project / "given" / "vg.pth")
    visual_genome = replace(
        files.detector, format="bottom_up_attention", path="given/vg.pth", vocabulary="words.txt"
    )
    prepare(replace(files, detector=visual_genome), project / "weights")
    info = load_detector(project / "weights" / "detector", torch.device("cpu"), 1).info
    assert (info.name, info.classes) == ("bottom_up_attention", ("cat", "dog"))


def test_another_network_is_no_bottom_up_detector(files, project):
    (project / "words.txt").write_text("cat\ndog\n")
    visual_genome = replace(files.detector, format="bottom_up_attention", vocabulary="words.txt")
    refuse(
        replace(files, detector=visual_genome),
        project / "weights",
        r"weights\.mine\.detector: given/d\.pth: is no bottom-up-attention detector",
    )


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        (
            "classifier",
            {"hub": "ResNet50_Weights.IMAGENET1K_V1"},
            r"path: .*get resnet50-0676ba61\.pth",
        ),
        ("classifier", {"hub": "ResNet50_Weights.V9"}, r"hub: torchvision knows no weights"),
        (
            "detector",
            {"config": "yolox/yolox_tiny_8xb8-300e_coco.py"},
            r"path: .*get yolox_tiny_8x8_300e_coco_20211124_171234-b4047906\.pth",
        ),
        ("detector", {"config": CONFIG}, r"config: mmdet publishes no weights for"),
        ("detector", {"format": "bottom_up_attention"}, r"path: no hub .*docs/weights\.md"),
        ("tagger", {"package": "combined_charlm"}, r"path: .*stanza\.download\('en', "),
        (
            "language",
            {"hub": "google-bert/bert-base-uncased"},
            r"path: .*get a folder of its \*\.json",
        ),
        ("clip", {"hub": "not a name"}, r"path: .*get a folder of its \*\.json"),
    ],
)
def test_a_hub_that_gives_nothing_says_what_to_bring(files, project, part, changes, message):
    from_hub = replace(files, **{part: replace(getattr(files, part), path="", **changes)})
    refuse(from_hub, project / "weights", rf"^weights\.mine\.{part}\.{message}")


def test_what_torch_s_cache_holds_is_not_fetched(files, project, published):
    cached = project / "torch" / "hub" / "checkpoints" / "mobilenet_v2-b0353104.pth"
    cached.parent.mkdir(parents=True)
    shutil.copyfile(published / "c.pth", cached)
    hub = {"path": "", "hub": "MobileNet_V2_Weights.IMAGENET1K_V1", "sha256": sha256(cached)}
    prepare(replace(files, classifier=replace(files.classifier, **hub)), project / "weights")
    manifest = json.loads((project / "weights" / "manifest.json").read_text())
    assert manifest["classifier"]["source"] == "mobilenet_v2-b0353104.pth"


@pytest.mark.parametrize(
    ("name", "path", "gone", "message"),
    [
        ("language", "bert", ("tokenizer.json", "vocab.txt"), r"bert/vocab\.txt is missing"),
        ("clip", "clip", ("tokenizer.json",), r"clip/vocab\.json is missing"),
        ("clip", "bert", (), r"bert/config\.json is of a bert"),
    ],
)
def test_a_transformers_folder_without_what_it_needs_is_refused(
    files, project, bert, clip, name, path, gone, message
):
    for file in gone:
        (project / path / file).unlink()
    refuse(with_folder(files, name, path), project / "weights", rf"\.{name}\.path: {message}")


def test_a_bert_of_fewer_layers_than_its_weights_is_refused(files, project, bert):
    config = json.loads((bert / "config.json").read_text())
    (bert / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1}))
    refuse(with_folder(files, "language"), project / "weights", r"bert: .*encoder\.layer\.1")


def test_a_stanza_folder_without_a_model_that_it_names_is_refused(files, project):
    resources = project / "given" / "stanza" / "resources.json"
    content = json.loads(resources.read_text())
    content["en"]["pos"]["ewt"] = {"dependencies": [{"model": "pretrain", "package": "vectors"}]}
    resources.write_text(json.dumps(content))
    refuse(files, project / "weights", r"tagger\.path: given/stanza/en/pretrain/vectors\.pt")
