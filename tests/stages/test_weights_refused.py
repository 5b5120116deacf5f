"""Files that are no weights, or others than those that were named."""

import json
import pickle
from dataclasses import replace

import pytest
import torch
from torchvision.models import resnet18

from tests.stages.weights_world import CONFIG, NAMED, Trap, prepare, refuse, sha256


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
    refuse(files, project / "weights", r"c\.pth: does not fit squeezenet1_1")


def test_the_hash_in_a_file_s_name_is_checked(files, project):
    (project / "given" / "c.pth").rename(project / "given" / "squeezenet1_1-b8a52dc0.pth")
    named = replace(files, classifier=replace(files.classifier, path=NAMED))
    refuse(named, project / "weights", "expected b8a52dc0; it is another version")
    found = sha256(project / NAMED)
    told = replace(named, classifier=replace(named.classifier, sha256=found))
    prepare(told, project / "weights")


def test_a_checkpoint_with_another_number_of_classes_is_refused(files, project):
    checkpoint = torch.load(project / "given" / "d.pth", weights_only=True)
    checkpoint["meta"]["dataset_meta"]["classes"] = ("cat",)
    torch.save(checkpoint, project / "given" / "d.pth")
    refuse(files, project / "weights", r"weights\.mine\.detector: .*names 1 classes.* has 80")


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


def test_a_stanza_folder_without_a_model_that_it_names_is_refused(files, project):
    resources = project / "given" / "stanza" / "resources.json"
    content = json.loads(resources.read_text())
    content["en"]["pos"]["ewt"] = {"dependencies": [{"model": "pretrain", "package": "vectors"}]}
    resources.write_text(json.dumps(content))
    refuse(files, project / "weights", r"tagger\.path: given/stanza/en/pretrain/vectors\.pt")
