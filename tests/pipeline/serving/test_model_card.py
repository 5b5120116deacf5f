from pipeline.serving.model_card import LIMITS, CardFacts, write_card

MANIFEST = {
    "tagger": {"source": "t", "sha256": "b" * 64, "training_set": "EWT", "licence": "Apache-2.0"},
    "detector": {"source": "d.pth", "sha256": "a" * 64, "training_set": "VG", "licence": ""},
}
ROW = {"accuracy": 0.5712, "low": 0.55, "high": 0.591, "n": 3239}
EVALUATION = {
    "provenance": {
        "dataset": "flickr30k",
        "variant": "full",
        "seed": 3,
        "iou": 0.5,
        "leakage": "Check the images.",
    },
    "splits": {
        "val": {"methods": {"reg": ROW, "random": ROW}},
        "testA": {"methods": {"prior": ROW | {"n": 7}}},
    },
}


def table_of(card, title):
    """Return the rows of the table below a title, by the names of its columns."""
    lines = card.split(f"## {title}\n")[1].split("\n## ")[0].splitlines()
    names, rule, *rows = [line[2:-2].split(" | ") for line in lines if line.startswith("|")]
    assert set(rule) == {"---"}
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_a_card_lists_figures_with_their_interval_and_number():
    card = write_card(CardFacts("flickr30k/full", MANIFEST, EVALUATION))
    figures = {"hits %": "57.1", "95 %": "55.0 to 59.1"}
    assert table_of(card, "Results") == [
        {"split": "testA", "box": "prior only, no training", "phrases": "7"} | figures,
        {"split": "val", "box": "the model's box", "phrases": "3239"} | figures,
    ]
    assert "seed 3" in card
    assert "Check the images." in card
    assert all(text in card for text in LIMITS)


def test_a_card_lists_the_origin_of_every_part_and_says_what_is_unknown():
    card = write_card(CardFacts("x/full", MANIFEST, None))
    parts = [
        ("detector", "d.pth", "a" * 64, "VG", "unknown"),
        ("tagger", "t", "b" * 64, "EWT", "Apache-2.0"),
    ]
    names = ("part", "source", "SHA-256", "trained on", "licence")
    rows = table_of(card, "Pre-trained parts")
    assert rows == [dict(zip(names, part, strict=True)) for part in parts]
    assert "Not evaluated." in card


def test_a_card_shows_how_to_load_the_model_in_three_lines():
    card = write_card(CardFacts("x/full", MANIFEST, None))
    code = card.split("```python\n")[1].split("\n```")[0]
    assert len(code.splitlines()) == 3
    titles = [line for line in card.splitlines() if line.startswith("#")]
    assert titles[1:] == [
        f"## {name}" for name in ("Use", "Results", "Pre-trained parts", "Limits")
    ]
    assert card.endswith(f"\n- {LIMITS[-1]}\n")
    compile(code, "card", "exec")
