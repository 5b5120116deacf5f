"""docs/datasets.md and the README say what the readers do."""

import json
import re
from pathlib import Path

import pytest

from pipeline.datasets.published import PUBLISHED, UNKNOWN
from pipeline.datasets.readers.jsonl import KEYS, read_own_lines
from pipeline.params.datasets import OwnDataset

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("collection", PUBLISHED)
def test_the_published_counts_are_those_of_the_code(collection):
    [row] = re.findall(rf"^\| `{collection}` \|.*$", DOCUMENT, re.M)
    counts = PUBLISHED[collection].counts.values()
    told = [
        f"{images:,} / {phrases:,}" for images, phrases in counts if (images, phrases) != UNKNOWN
    ]
    assert re.findall(r"\d[\d,]* / \d[\d,]*\d", row) == told or "as `referit`" in row
    assert PUBLISHED[collection].pictures in row


@pytest.mark.parametrize("document", [DOCUMENT, README])
def test_the_line_shown_is_one_that_is_read(document, tmp_path):
    [line] = re.findall(r'^\{"image": .*\}$', document, re.M)
    for split in ("train", "val"):
        (tmp_path / f"{split}.jsonl").write_text(line)
    found = read_own_lines("own", OwnDataset("jsonl", str(tmp_path), "unused", 0, 0))
    assert [one.boxes for one in found.referrals] == [(), tuple(json.loads(line)["boxes_xyxy"])]


def test_every_key_of_a_line_is_explained():
    section = DOCUMENT.split("### jsonl")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \|", section, re.M)
    assert {key for row in rows for key in re.findall(r"`(\w+)`", row)} == set(KEYS)
