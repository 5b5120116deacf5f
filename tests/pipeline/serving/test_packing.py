import json
import shutil

import pytest

from pipeline.errors import InputError
from pipeline.serving.model_folder import PACKED_FILE, file_hashes, model_name
from pipeline.serving.packing import pack
from pipeline.serving.phrase_grounder import PhraseGrounder
from tests.served_world import FILES, IMAGES, PHRASES, RESULTS
from tests.tiny_wordnet import write_tiny_wordnet


@pytest.fixture(scope="module")
def packed(served, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed") / "model"
    folder.mkdir()  # an empty one is as good as none
    pack(served / RESULTS.folder, folder)
    return folder


def renew_hashes(folder):
    content = json.loads((folder / PACKED_FILE).read_text()) | {"files": file_hashes(folder)}
    (folder / PACKED_FILE).write_text(json.dumps(content))


def test_a_packed_model_answers_as_the_project_s_does(served, packed, tmp_path, monkeypatch):
    """In another folder, and where the project is gone."""
    picture = shutil.copy(served / IMAGES / "e.png", tmp_path)
    expected = PhraseGrounder.load(served / RESULTS.folder).ground(picture, PHRASES)
    moved = shutil.copytree(packed, tmp_path / "handed on")
    monkeypatch.chdir(tmp_path)
    found = PhraseGrounder.load(moved, "cpu").ground(picture, PHRASES)
    assert [one.box_xyxy for one in found] == [one.box_xyxy for one in expected]
    assert [one.candidates for one in found] == [one.candidates for one in expected]
    assert [one.confidence for one in found] == [one.confidence for one in expected]
    assert None not in [one.confidence for one in found]


def test_a_packed_model_without_calibration_answers_without_confidence(served, packed, tmp_path):
    moved = shutil.copytree(packed, tmp_path / "older")
    (moved / "calibration.json").unlink()
    renew_hashes(moved)
    [found] = PhraseGrounder.load(moved, "cpu").ground(served / IMAGES / "e.png", "the dog")
    assert found.score is not None
    assert found.confidence is None


def test_it_holds_what_running_it_takes_and_nothing_of_the_data(packed):
    names = set(json.loads((packed / PACKED_FILE).read_text())["files"])
    folders = {name.rpartition("/")[0] for name in names}
    assert {
        "model",
        "model/tokenizer",
        "noun_head",
        "weights/classifier",
        "weights/detector",
    } <= folders
    assert not [name for name in names if name.endswith((".h5", ".jsonl", ".yaml"))]


def test_of_wordnet_the_part_goes_along_where_labels_are_compared_by_it(served, tmp_path):
    project = shutil.copytree(served, tmp_path / "project")
    words = write_tiny_wordnet(project / FILES.weights / "wordnet") / "index.noun"
    words.write_text(words.read_text() + "star n 1 0 1 0 00002100  \n")  # a dog by another name
    pack(project / RESULTS.folder, tmp_path / "without")
    assert not (tmp_path / "without" / "weights" / "wordnet").exists()
    samples = project / RESULTS.model / "samples.json"
    content = json.loads(samples.read_text())
    content["labels"] |= {"similarity": "wordnet"}
    samples.write_text(json.dumps(content))
    pack(project / RESULTS.folder, tmp_path / "with")
    names = set(json.loads((tmp_path / "with" / PACKED_FILE).read_text())["files"])
    assert {"weights/wordnet/data.noun", "weights/wordnet/index.noun"} <= names
    picture = project / IMAGES / "e.png"
    found, other = (
        PhraseGrounder.load(tmp_path / name).ground(picture, "the star")[0].candidates
        for name in ("with", "without")
    )
    assert (found[0].label, other[0].label) == ("dog", "cup")
    shutil.rmtree(project / FILES.weights / "wordnet")
    with pytest.raises(InputError, match=r"train\.labels\.similarity.*wordnet"):
        PhraseGrounder.load(project / RESULTS.folder)


def test_the_card_names_the_model_and_its_parts(served, packed):
    card = (packed / "README.md").read_text()
    assert card.startswith("# camground model shapes/full\n")
    assert model_name(packed) == "shapes/full"
    assert f"| classifier | classifier.pth | {64 * 'a'} | x | y |" in card
    manifest = (packed / "weights" / "manifest.json").read_text()
    assert json.loads(manifest) == json.loads(
        (served / FILES.weights / "manifest.json").read_text()
    )


def test_the_card_tells_what_was_measured_and_a_damaged_record_is_named(served, tmp_path):
    project = shutil.copytree(served, tmp_path / "project")
    record = project / RESULTS.evaluation
    record.write_text("{")
    with pytest.raises(InputError, match=r"evaluation\.json"):
        pack(project / RESULTS.folder, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    origin = {"dataset": "shapes", "variant": "full", "seed": 3, "iou": 0.5, "leakage": "Leaks."}
    row = {"accuracy": 0.25, "low": 0.125, "high": 0.5, "n": 7}
    splits = {"test": {"methods": {"reg": row}}}
    record.write_text(json.dumps({"provenance": origin, "splits": splits}))
    pack(project / RESULTS.folder, tmp_path / "new")
    card = (tmp_path / "new" / "README.md").read_text()
    assert "| test | the model's box | 25.0 | 12.5 to 50.0 | 7 |" in card
    assert "Leaks." in card


def test_the_detector_that_is_handed_on_cannot_run_code(packed, tmp_path):
    moved = shutil.copytree(packed, tmp_path / "bad")
    (moved / "weights/detector/config.py").write_text("open('ran', 'w')")
    renew_hashes(moved)
    with pytest.raises(InputError, match=r"config\.py"):
        PhraseGrounder.load(moved)


def test_a_folder_that_is_taken_is_left_alone(served, tmp_path):
    (tmp_path / "mine").touch()
    for target in (tmp_path, tmp_path / "mine"):
        with pytest.raises(InputError, match="is there already"):
            pack(served / RESULTS.folder, target)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_model_that_does_not_load_is_not_packed(served, tmp_path):
    shutil.copytree(served, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / FILES.weights / "tagger")
    with pytest.raises(InputError, match="tagger"):
        pack(tmp_path / "copy" / RESULTS.folder, tmp_path / "new")
    assert not (tmp_path / "new").exists()
