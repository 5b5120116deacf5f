import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from models.grounder.confidence import read_calibration
from pipeline.caching.cache import CacheError
from pipeline.errors import InputError
from pipeline.evaluation.leakage import DRAWN
from pipeline.params.read import read_params
from pipeline.paths import DatasetFiles, ResultFiles
from pipeline.records import (
    GroundTruth,
    ImageRecord,
    PhraseRecord,
    read_records,
    write_records,
)
from stages.evaluate import EvaluateInputs, add_confidences, main, provenance
from tests.cached_world import FILES, write_proposals
from tests.stages.command import start
from tests.stages.evaluated_world import Listener, run_evaluate, save_untrained


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Metrics, rows of predictions and what the observer was told of one evaluation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("evaluated"))
        results = save_untrained(Path.cwd())
        listener = run_evaluate(results)
        return (*read(results), listener)


def read(results):
    rows = [json.loads(line) for line in results.predictions.read_text().splitlines()]
    return json.loads(results.evaluation.read_text()), rows


def test_the_command_measures_the_same(evaluated, here, monkeypatch):
    results = save_untrained(here)
    start(monkeypatch, main, "shapes", "full")
    assert read(results) == evaluated[:2]


def test_every_method_answers_every_phrase_of_every_split_but_train(evaluated):
    metrics, rows, _ = evaluated
    assert list(metrics["splits"]) == ["test"]
    assert {row["n"] for row in metrics["splits"]["test"]["methods"].values()} == {2}
    assert [row["phrase"] for row in rows] == ["the dog", "dog with an umbrella"]
    assert {"reg", "proposal", "refined", "prior", "cam_box"} <= set(rows[0]["boxes_xyxy"])
    assert all([*row] == sorted(row) for row in rows)


def test_progress_is_of_batches_of_the_model_then_of_phrases_of_all_methods(evaluated):
    assert [*evaluated[2].totals.items()] == [("model", 1), ("all", 2)]


def test_the_known_answers_of_the_hand_made_scene_come_out(evaluated):
    methods = evaluated[0]["splits"]["test"]["methods"]
    shared = (30 - 3) * (40 - 4)  # of the proposal (3, 4, 50, 55) and the answer (1, 2, 30, 40)
    union = (50 - 3) * (55 - 4) + (30 - 1) * (40 - 2) - shared
    assert methods["prior"]["mean_iou"] == pytest.approx(shared / union, abs=1e-6)
    assert methods["whole_image"]["mean_iou"] == pytest.approx(29 * 38 / 3600, abs=1e-6)
    assert methods["oracle"]["accuracy"] == 0


def test_predicted_boxes_lie_in_the_image_and_their_iou_is_the_one_told(evaluated):
    for row in evaluated[1]:
        x1, y1, x2, y2 = row["boxes_xyxy"]["reg"]
        assert 0 <= x1 <= x2 <= 60
        assert 0 <= y1 <= y2 <= 60
        shared = max(0, min(x2, 30) - max(x1, 1)) * max(0, min(y2, 40) - max(y1, 2))
        union = (x2 - x1) * (y2 - y1) + 29 * 38 - shared
        assert row["iou"]["reg"] == pytest.approx(shared / union, abs=0.01)


def test_each_phrase_has_a_confidence_and_each_split_says_how_far_to_trust_it(evaluated):
    metrics, rows, listener = evaluated
    assert [row["confidence"] for row in rows] == [0.5, 0.5]  # of the only image, which says none
    found = metrics["splits"]["test"]["confidence"]
    hits = [row["iou"]["reg"] >= 0.5 for row in rows]
    assert found["brier"] == 0.25
    assert found["ece"] == abs(sum(hits) / 2 - 0.5)
    assert any("confidence" in message for message in listener.messages)


def test_how_far_confidences_are_off_is_told_in_points():
    reliabilities = {"val": {"ece": 0.123, "ece_by_chance": 0.045}}
    calibrated = SimpleNamespace(confidences=[0.23456], reliabilities=reliabilities)
    rows, splits, listener = [{}], {"val": {}}, Listener()
    add_confidences(calibrated, rows, splits, listener)
    assert (rows, splits) == (
        [{"confidence": 0.2346}],
        {"val": {"confidence": reliabilities["val"]}},
    )
    [line] = listener.messages
    assert re.findall(r"val|\d+\.\d", line) == ["val", "12.3", "4.5"]


@pytest.fixture(scope="module")
def two_splits(tmp_path_factory):
    """Calibration, metrics, rows and few metrics of nine phrases of `val` and two of `test`."""
    with pytest.MonkeyPatch.context() as patch:
        here = tmp_path_factory.mktemp("two_splits")
        patch.chdir(here)
        results = save_untrained(here)
        move_to("val", "b")
        move_to("val", "c")
        edit_params(here, "attention_phrases: 200", "attention_phrases: 3")
        run_evaluate(results)
        few = json.loads(results.metrics.read_text())
        return read_calibration(results.calibration), *read(results), few


def test_the_calibration_of_all_phrases_is_kept_for_later_pictures(two_splits):
    calibration, metrics, rows, _ = two_splits
    assert calibration.phrases == len(rows) == 11
    assert len({row["confidence"] for row in rows}) > 1
    bins = {split: one["confidence"]["bins"] for split, one in metrics["splits"].items()}
    phrases = {split: sum(one["n"] for one in some) for split, some in bins.items()}
    assert phrases == {"val": 9, "test": 2}


def test_of_each_split_some_phrases_keep_their_maps(two_splits):
    kept = [row["split"] for row in two_splits[2] if "attention" in row]
    assert sorted(kept) == ["test"] * 2 + ["val"] * 3


def test_each_split_is_measured_by_its_own_phrases(two_splits):
    _, metrics, rows, few = two_splits
    assert few.keys() == metrics["splits"].keys() == {"val", "test"}
    for split, measured in metrics["splits"].items():
        own = [row for row in rows if row["split"] == split]
        off = [row["confidence"] - (row["iou"]["reg"] >= 0.5) for row in own]
        assert measured["confidence"]["brier"] == pytest.approx(np.mean(np.square(off)), abs=1e-3)
        assert few[split]["n"] == measured["phrases"] == len(own)
        assert few[split]["ece"] == pytest.approx(measured["confidence"]["ece"], abs=1e-4)
    gaps = {split: measured["vision_gap"] for split, measured in metrics["splits"].items()}
    assert abs(gaps["val"]) > 1e-5
    assert gaps["test"] == 0  # its only picture has no other to be asked instead


def test_times_are_told_and_not_written(evaluated):
    metrics, _, listener = evaluated
    assert any("ms per phrase" in message for message in listener.messages)
    assert "ms" not in json.dumps(metrics).split('"')
    assert "hits in % of 2 phrases of test" in listener.tables


def test_the_results_say_where_they_come_from(evaluated):
    origin = evaluated[0]["provenance"]
    assert (origin["variant"], origin["seed"], origin["iou"]) == ("full", 0, 0.5)
    assert (origin["detector"], origin["detector_training_set"]) == ("hand", "none")
    assert not origin["leakage_possible"]
    assert len(origin["fingerprint"]) == 64
    assert evaluated[2].facts == {"fingerprint": origin["fingerprint"]}
    assert origin["leakage"] in evaluated[2].messages


def test_maps_are_kept_where_the_head_noun_has_one(evaluated):
    for row in evaluated[1]:
        assert set(row["attention"]) == {"raw", "learned"}
        assert np.shape(row["attention"]["learned"]) == (3, 3)
        assert np.shape(row["attention"]["raw"]) == (3, 3)


def test_the_same_model_gives_the_same_bytes_whatever_the_order_of_the_ground_truth(here):
    results = save_untrained(here)
    run_evaluate(results)
    written = (results.predictions, results.evaluation, results.calibration)
    first = [path.read_bytes() for path in written]
    run_evaluate(results)
    assert [path.read_bytes() for path in written] == first
    write_records(FILES.ground_truth, read_records(FILES.ground_truth, GroundTruth)[::-1])
    run_evaluate(results)
    assert results.predictions.read_bytes() == first[0]


def test_another_file_that_is_read_gives_another_fingerprint(here):
    results = save_untrained(here)
    inputs = EvaluateInputs(FILES, results, FILES.annotations / "images", DRAWN, 0)
    params = read_params().evaluate
    stamps = [provenance(inputs, params)["fingerprint"]]
    for path in (results.model / "words.json", FILES.images, FILES.phrases, FILES.ground_truth):
        path.write_bytes(path.read_bytes() + b" ")
        stamps.append(provenance(inputs, params)["fingerprint"])
    for number, path in enumerate((FILES.nouns, FILES.proposals, FILES.cams)):
        with h5py.File(path, "r+") as cache:
            cache.attrs["fingerprint"] = np.bytes_(f"another {number}")
        stamps.append(provenance(inputs, params)["fingerprint"])
    stamps.append(provenance(inputs, replace(params, iou=0.75))["fingerprint"])
    assert len(set(stamps)) == 9


def test_a_variant_without_cams_keeps_the_raw_map_alone(here):
    results = save_untrained(here, "no_cam")
    run_evaluate(results)
    assert {tuple(row["attention"]) for row in read(results)[1]} == {("raw",)}


def test_the_proposal_of_a_picture_without_proposals_is_the_picture(here):
    results = save_untrained(here, windows=[])
    move_to("test", "c")
    run_evaluate(results)
    row = next(row for row in read(results)[1] if row["image_id"] == "c")
    assert row["boxes_xyxy"]["proposal"] == [0, 0, 64, 64]
    assert row["boxes_xyxy"]["prior"] == [0, 0, 64, 64]


def test_phrases_beyond_one_batch_get_the_answers_they_get_alone(here):
    results = save_untrained(here)
    move_to("test", "b")
    run_evaluate(results)
    together = {row["phrase_id"]: row["boxes_xyxy"]["reg"] for row in read(results)[1]}
    edit_params(here, "phrases_per_image: 16", "phrases_per_image: 2")
    run_evaluate(results)
    apart = {row["phrase_id"]: row["boxes_xyxy"]["reg"] for row in read(results)[1]}
    assert len(apart) == 9
    assert together.keys() == apart.keys()
    for phrase_id, box in together.items():
        assert apart[phrase_id] == pytest.approx(box, abs=0.02)


def test_a_phrase_without_ground_truth_is_named(here):
    results = save_untrained(here)
    truths = read_records(FILES.ground_truth, GroundTruth)
    write_records(FILES.ground_truth, [one for one in truths if one.phrase_id != "e/1"])
    with pytest.raises(InputError, match="no box of phrase 'e/1'"):
        run_evaluate(results)
    assert not results.evaluation.exists()


def test_a_missing_or_foreign_cache_is_named(here):
    results = save_untrained(here)
    FILES.proposals.rename(FILES.proposals.with_suffix(".away"))
    with pytest.raises(CacheError, match=r"proposals\.h5: does not exist"):
        run_evaluate(results)
    FILES.proposals.write_bytes(FILES.nouns.read_bytes())
    with pytest.raises(CacheError, match="written by stage `nouns`"):
        run_evaluate(results)


def test_a_missing_model_is_named(here):
    save_untrained(here)
    with pytest.raises(InputError, match=r"other/model/spec\.json"):
        run_evaluate(ResultFiles("shapes", "other"))


def test_proposals_of_a_detector_of_other_labels_are_refused(here):
    results = save_untrained(here)
    spec = results.model / "spec.json"
    spec.write_text(spec.read_text().replace('"num_labels": 3', '"num_labels": 4'))
    with pytest.raises(InputError, match="of 3 labels; the model learned from one of 4"):
        run_evaluate(results)


def test_a_model_is_evaluated_on_another_dataset_as_on_its_own(here):
    results = save_untrained(here)
    run_evaluate(results)
    own, rows = read(results)
    lay_out_target("other")
    target = DatasetFiles("other", "shapes"), ResultFiles("other", "full", "shapes")
    run_evaluate(target[1], target[0])
    asked, asked_rows = read(target[1])
    assert target[1].folder == Path("results/other/shapes-full")
    assert (asked["splits"], asked_rows) == (own["splits"], rows)
    told = asked["provenance"]
    assert (told["dataset"], told["trained_on"], told["variant"]) == ("other", "shapes", "full")


def test_a_detector_of_other_labels_than_the_models_own_is_refused(here):
    results = save_untrained(here)
    lay_out_target("other")
    write_proposals(here, files=DatasetFiles("other"), labels=["dog", "horse", "thing"])
    with pytest.raises(InputError, match=r"data/other/proposals\.h5.*other labels"):
        run_evaluate(ResultFiles("other", "full", "shapes"), DatasetFiles("other", "shapes"))
    assert results.model.is_dir()


def edit_params(here, old, new):
    text = (here / "params.yaml").read_text()
    assert text.count(old) == 1
    (here / "params.yaml").write_text(text.replace(old, new))


def lay_out_target(name):
    """Copy the world as a dataset that has neither weights nor a noun head of its own."""
    target = DatasetFiles(name, "shapes")
    shutil.copytree(FILES.folder, target.folder)
    shutil.rmtree(target.folder / "weights")
    shutil.rmtree(target.folder / "noun_head")
    target.cams.parent.mkdir()
    (target.folder / "cams.h5").rename(target.cams)


def move_to(split, image_id):
    """Let the phrases of a training image be evaluated."""
    for path, kind in ((FILES.phrases, PhraseRecord), (FILES.images, ImageRecord)):
        records = read_records(path, kind)
        write_records(
            path, [replace(r, split=split) if r.image_id == image_id else r for r in records]
        )
