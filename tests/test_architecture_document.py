"""docs/architecture.md names every room, and only files and folders that exist."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PATH = re.compile(r"(?:[\w.-]+/)+[\w.-]*|\w+\.(?:py|yaml|toml|md)")
NEW = re.compile(r"NAME")  # stands in the path of a file that the reader adds
PATHS = {
    text
    for text in re.findall(r"`([^`]+)`", DOCUMENT)
    if PATH.fullmatch(text) and not NEW.search(text)
}
EXISTING = sorted(
    (name, path)
    for name, path in set(re.findall(r"`(\w+)` (?:in|of)\s+`([\w/]+\.py)`", DOCUMENT))
    if not NEW.search(path)
)
LINKED = set(re.findall(r"\]\(([^)]+)\)", DOCUMENT))
ROOMS = {
    folder.relative_to(ROOT).as_posix()
    for floor in ("models", "pipeline")
    for folder in (ROOT / floor).iterdir()
    if (folder / "__init__.py").is_file()
}


def test_every_stage_has_a_line_in_the_order_of_the_graph():
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    section = DOCUMENT.split("## Stages")[1].split("\n## ")[0]
    own = [name for name in graph["stages"] if not name.startswith("target_")]
    assert re.findall(r"^\| `(\w+)` \|", section, re.M) == own


def test_every_room_has_a_line_of_its_own():
    in_tables = re.findall(r"^\| `((?:models|pipeline)/\w+)` \|", DOCUMENT, re.M)
    assert sorted(in_tables) == sorted(ROOMS)


@pytest.mark.parametrize("path", sorted(PATHS))
def test_every_path_exists(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("link", sorted(LINKED))
def test_every_link_leads_somewhere(link):
    assert (ROOT / "docs" / link).exists()


@pytest.mark.parametrize(("name", "path"), EXISTING)
def test_a_name_that_is_said_to_be_in_a_file_is_there(name, path):
    assert re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8"))


def test_it_is_one_page():
    assert len(DOCUMENT.splitlines()) <= 120
