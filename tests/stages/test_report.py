import html
import json
import re
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.params.read import read_params
from stages import report
from tests.cached_world import FILES
from tests.stages.command import start
from tests.stages.evaluated_world import IMAGES, Listener, run_evaluate, save_untrained

EVIL = "<script>alert(1)</script> & ein Hündchen 🐕"
SUMMARY = {
    "splits": {"test": {"images": 1, "images_without_phrases": 0, "phrases": 2}},
    "bad": {EVIL: {"kind": "phrase", "count": 3, "examples": ["record 7"]}},
    "bad_fractions": {"image": 0.0, "phrase": 0.6},
    "duplicates": {"repeated_phrases": {"test": 1}, "shared_files": {}, "shared_copies": {}},
    "published": {},
    "remarks": [],
}
COVERAGE = {
    "coverage": {"test": {"phrases": 2, "with_noun": 1}},
    "scorers": {"nounhead": {"test": 0.4375}},
}
CURVES = "step,epoch,loss,note\n3,1,2.5,\n6,2,1.5,\n"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Results of an evaluation, and the other files the report reads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("evaluated"))
        yield write_evaluated("full")


def write_evaluated(variant):
    """Evaluate an untrained variant, and write the other files the report reads."""
    results = save_untrained(Path.cwd(), variant)
    run_evaluate(results)
    rows = results.predictions.read_text(encoding="utf-8")
    told = rows.replace('"the dog"', json.dumps(EVIL, ensure_ascii=False))
    results.predictions.write_text(told, encoding="utf-8")
    results.curves.write_text(CURVES)
    write_json(FILES.annotations / "summary.json", SUMMARY)
    write_json(FILES.noun_head / "summary.json", {"coverage": {}, "nouns": ["a"] * 9})
    write_json(FILES.cams_coverage, COVERAGE)
    entry = {"source": "x", "sha256": "ab", "training_set": EVIL, "licence": "CC0"}
    write_json(FILES.weights / "manifest.json", {"detector": entry})
    return results


@pytest.fixture(scope="module")
def made(evaluated):
    """The report: HTML, Markdown, and what the observer was shown."""
    listener = run_report(evaluated)
    folder = evaluated.report
    return (folder / "report.html").read_text(), (folder / "report.md").read_text(), listener


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def run_report(results):
    params, listener = read_params(), Listener("report")
    shown = report.shown_params(params, "shapes", results.variant)
    report.run(report.ReportInputs(FILES, results, IMAGES), params.report, shown, listener)
    return listener


def test_its_run_has_a_fingerprint(made):
    assert re.fullmatch("[0-9a-f]{64}", made[2].facts["fingerprint"])


def test_the_report_needs_no_other_file(made):
    sources = re.findall(r'(?:src|href)="([^"]*)"', made[0])
    assert sources
    assert all(re.match(r"data:image/(png|jpeg);base64,|#", source) for source in sources)


def test_it_shows_methods_pictures_curves_origin_and_parameters(made):
    page = html.unescape(made[0].replace("<wbr>", ""))
    for text in (
        "REG box: the model's answer",
        "prior: label fit x score",
        "oracle, whole image added",
        "Drawn by lot",
        "dog with an umbrella",
        "oracle@100",
        "43.8 %",
        "CC0",
        "train.model.embed_dim",
        "fingerprint of the results",
        "disjoint from it by construction",
    ):
        assert text in page


def test_what_is_said_of_the_data_stands_in_a_file_too(evaluated, made):
    data = json.loads((evaluated.report / "data.json").read_text(encoding="utf-8"))
    split = data["splits"]["test"]
    assert (split["phrases"], split["phrases_without_noun"], split["repeated_phrases"]) == (2, 1, 1)
    assert split["noun_coverage"] == {"nounhead": 0.4375}
    assert data["bad"][EVIL]["count"] == 3
    metrics = json.loads(evaluated.evaluation.read_text())["splits"]["test"]
    shown = {rank: metrics["proposal_recall"][rank] for rank in ("10", "50", "100")}
    assert split["proposal_recall"] == shown


def test_text_of_users_is_escaped_everywhere(made):
    assert "<script>alert" not in made[0] + made[1]
    assert made[0].count("&lt;script&gt;alert(1)&lt;/script&gt; &amp; ein Hündchen 🐕") == 3


def test_pictures_can_be_filtered_by_hit_and_kind_of_phrase(evaluated, made):
    rows = [json.loads(line) for line in evaluated.predictions.read_text("utf-8").splitlines()]
    tags = [json.loads(html.unescape(text)) for text in re.findall(r'data-tags="([^"]*)"', made[0])]
    assert len(tags) == len(rows) == 2
    expected = [
        (["hit" if row["iou"]["reg"] >= 0.5 else "miss"], row["groups"]["words"]) for row in rows
    ]
    assert sorted((one["result"], one["words"]) for one in tags) == sorted(expected)
    assert {*tags[0]} == {"result", "split", *report.FILTERS.values()}


def test_a_card_tells_the_ious_and_shows_boxes_and_maps(evaluated):
    row = json.loads(evaluated.predictions.read_text("utf-8").splitlines()[0])
    row |= {"iou": {"reg": 0.5, "proposal": 0.25, "cam_box": 0.75, "random": 0.125}, "phrase": "x"}
    paths = {row["image_id"]: next(path for path in IMAGES.rglob("*.png"))}
    cards = report.compute_cards([row, row], paths, 0.5)
    told = [(card.title, card.good, card.tags["result"]) for card in cards]
    assert told == [("x", True, ["hit"])] * 2
    assert re.findall(r"\d\.\d+", cards[0].badge + cards[0].text) == ["0.50", "0.25", "0.75"]
    kinds = ("boxes", "raw", "learned")
    for number, card in enumerate(cards, start=1):
        assert [one.name for one in card.panels] == [f"00{number}_{kind}.jpg" for kind in kinds]
    [miss] = report.compute_cards([row], paths, 0.6)
    assert (miss.good, miss.tags["result"]) == (False, ["miss"])


def test_the_markdown_shows_pictures_that_exist(evaluated, made):
    names = re.findall(r"\]\((pictures/[^)]*)\)", made[1])
    assert {"pictures/curves.png", "pictures/accuracy_test.png"} <= set(names)
    assert all((evaluated.report / name).stat().st_size for name in names)


def test_the_observer_is_shown_the_charts(made):
    assert set(made[2].images) == {"accuracy_test", "confidence_test", "curves"}


def test_the_observer_is_shown_accuracies_and_pictures_as_a_text(evaluated, made):
    [(text, pictures)] = made[2].texts.values()
    named = set(re.findall(r"\]\((pictures/[^)]*)\)", text))
    assert "pictures/accuracy_test.png" in named <= pictures.keys()
    for name, content in pictures.items():
        assert (evaluated.report / name).read_bytes() == content
    assert text.startswith("# shapes")
    assert "CC0" not in text  # where the weights come from is in the report alone


def test_the_same_results_give_the_same_bytes(evaluated, made):
    run_report(evaluated)
    assert (evaluated.report / "report.html").read_text() == made[0]


def test_the_command_writes_the_same_report(evaluated, made, monkeypatch):
    (evaluated.report / "report.html").unlink()
    start(monkeypatch, report.main, "shapes", "full")
    assert (evaluated.report / "report.html").read_text() == made[0]


def test_dvc_finds_its_charts_and_pictures_of_an_earlier_report_go(evaluated, made):
    charts = {path.name: path.read_bytes() for path in evaluated.plots.iterdir()}
    kinds = ("accuracy", "kinds", "reliability", "recall")
    assert charts.keys() == {"losses.png", *(f"{kind}_test.png" for kind in kinds)}
    assert all(content.startswith(b"\x89PNG") for content in charts.values())
    for stray in (evaluated.report / "pictures" / "999_boxes.jpg", evaluated.plots / "old.png"):
        stray.parent.mkdir(parents=True, exist_ok=True)
        stray.write_bytes(b"old")
    run_report(evaluated)
    assert not (evaluated.report / "pictures" / "999_boxes.jpg").exists()
    assert {path.name: path.read_bytes() for path in evaluated.plots.iterdir()} == charts


@pytest.mark.parametrize("value", [0.5, "a \ud800"], ids=["number", "half a character"])
@pytest.mark.parametrize("key", ["split", "phrase"])
def test_predictions_whose_texts_cannot_be_written_are_named(evaluated, key, value):
    content = evaluated.predictions.read_text()
    rows = [json.loads(line) for line in content.splitlines()]
    rows[0][key] = value
    evaluated.predictions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=r"predictions\.jsonl") as raised:
        run_report(evaluated)
    assert str(raised.value).encode()
    evaluated.predictions.write_text(content)


def test_a_missing_or_broken_file_is_named(evaluated):
    content = evaluated.evaluation.read_text()
    evaluated.evaluation.write_text("{")
    with pytest.raises(InputError, match=r"evaluation\.json: is not JSON"):
        run_report(evaluated)
    evaluated.evaluation.unlink()
    with pytest.raises(InputError, match=r"evaluation\.json: cannot be read"):
        run_report(evaluated)
    evaluated.evaluation.write_text(content)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("evaluation.json", {"splits": 7}),
        ("annotations/summary.json", {"splits": {}}),
        ("cams_coverage.json", []),
        ("noun_head/summary.json", [1]),
        ("curves.csv", "step,loss\n-,2\n"),
        ("manifest.json", {"detector": 7}),
    ],
)
def test_a_file_that_no_stage_writes_is_named(evaluated, file, content):
    [path] = Path.cwd().rglob(file)
    kept, evaluation = path.read_bytes(), evaluated.evaluation.read_bytes()
    write_json(evaluated.evaluation, json.loads(evaluation) | {"splits": {}})  # draws no charts
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=re.escape(file)):
        run_report(evaluated)
    evaluated.evaluation.write_bytes(evaluation)
    path.write_bytes(kept)


def test_a_model_without_a_cam_encoder_shows_the_raw_map_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = write_evaluated("no_cam")
    run_report(results)
    names = [picture.name for picture in (results.report / "pictures").iterdir()]
    assert any(name.endswith("_raw.jpg") for name in names)
    assert not any(name.endswith("_learned.jpg") for name in names)
