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
    "splits": {"val": {"methods": {"reg": ROW, "random": ROW}}},
}


def test_a_card_lists_figures_with_their_interval_and_number():
    card = write_card(CardFacts("flickr30k/full", MANIFEST, EVALUATION))
    assert "| val | the model's box | 57.1 | 55.0 to 59.1 | 3239 |" in card
    assert "seed 3" in card
    assert "Check the images." in card
    assert all(text in card for text in LIMITS)


def test_a_card_lists_the_origin_of_every_part_and_says_what_is_unknown():
    card = write_card(CardFacts("x/full", MANIFEST, None))
    assert f"| detector | d.pth | {'a' * 64} | VG | unknown |" in card
    assert f"| tagger | t | {'b' * 64} | EWT | Apache-2.0 |" in card
    assert "Not evaluated." in card


def test_a_card_shows_how_to_load_the_model_in_three_lines():
    card = write_card(CardFacts("x/full", MANIFEST, None))
    code = card.split("```python\n")[1].split("\n```")[0]
    assert len(code.splitlines()) == 3
    compile(code, "card", "exec")
