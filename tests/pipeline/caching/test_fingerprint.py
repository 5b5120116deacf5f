import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.caching.cache import CacheError, Provenance, write_cache
from pipeline.caching.fingerprint import fingerprint
from pipeline.errors import InputError


@dataclass(frozen=True)
class Section:
    image_px: int
    names: tuple[str, ...] = ("é",)


@dataclass(frozen=True)
class OtherSection:
    image_px: int
    names: tuple[str, ...] = ("é",)


SECTION = Section(256)


@pytest.fixture
def project(tmp_path):
    for name, text in {
        "stages/cams.py": "from models import grad_cam",
        "models/grad_cam.py": "import models.deep",
        "models/deep.py": "",
        "models/unused.py": "",
        "weights/a/net.pth": "weights",
        "weights/list.json": "[]",
        "phrases.jsonl": "{}",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    write_cache(tmp_path / "nouns.h5", {"a": np.zeros(3)}, {}, {}, Provenance("nouns", "beef"))
    return tmp_path


def of(project, section=SECTION, upstream=("weights", "phrases.jsonl", "nouns.h5")):
    return fingerprint(project / "stages/cams.py", section, [project / name for name in upstream])


def test_it_is_a_sha256_that_is_the_same_again(project):
    assert of(project) == of(project)
    assert len(bytes.fromhex(of(project))) == 32


def test_it_is_the_same_in_another_folder_and_at_another_time(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("other") / "place"
    project.joinpath("weights/list.json").touch()
    os.utime(project / "phrases.jsonl", (1, 1))
    before = of(project)
    project.rename(elsewhere)
    assert of(elsewhere) == before


@pytest.mark.parametrize(
    "section",
    [
        replace(SECTION, image_px=257),
        replace(SECTION, names=("é", "")),
        replace(SECTION, names=("e",)),
        OtherSection(256),
        [SECTION, 1],
        {"cams": SECTION},
        None,
    ],
)
def test_another_params_section_gives_another(project, section):
    assert of(project, section) != of(project)


def test_the_order_of_a_mapping_does_not_matter(project):
    assert of(project, {"a": 1, "b": SECTION}) == of(project, {"b": SECTION, "a": 1})


@pytest.mark.parametrize("name", ["stages/cams.py", "models/grad_cam.py", "models/deep.py"])
def test_a_changed_source_that_is_imported_gives_another(project, name):
    before = of(project)
    (project / name).write_text((project / name).read_text() + "\nX = 1\n")
    assert of(project) != before


def test_a_changed_source_that_is_not_imported_gives_the_same(project):
    before = of(project)
    (project / "models/unused.py").write_text("X = 1")
    assert of(project) == before


@pytest.mark.parametrize("name", ["weights/a/net.pth", "weights/list.json", "phrases.jsonl"])
def test_a_changed_upstream_file_gives_another(project, name):
    before = of(project)
    (project / name).write_text("changed")
    assert of(project) != before


def test_a_renamed_folder_below_an_upstream_folder_gives_another(project):
    before = of(project)
    (project / "weights/a").rename(project / "weights/b")
    assert of(project) != before


def test_the_path_of_an_upstream_file_does_not_count(project):
    before = of(project)
    (project / "phrases.jsonl").rename(project / "other.jsonl")
    (project / "weights").rename(project / "other")
    assert of(project, upstream=("other", "other.jsonl", "nouns.h5")) == before


def test_the_order_in_which_a_disk_lists_files_does_not_matter(project, monkeypatch):
    before, listed = of(project), Path.rglob
    monkeypatch.setattr(Path, "rglob", lambda *given: reversed([*listed(*given)]))
    assert of(project) == before


def test_an_upstream_cache_counts_by_its_own_fingerprint(project):
    before = of(project)
    write_cache(project / "nouns.h5", {"a": np.ones(7)}, {}, {}, Provenance("nouns", "beef"))
    assert of(project) == before
    write_cache(project / "nouns.h5", {"a": np.ones(7)}, {}, {}, Provenance("nouns", "cafe"))
    assert of(project) != before


def test_one_upstream_less_gives_another(project):
    assert of(project, upstream=("weights", "phrases.jsonl")) != of(project)
    assert of(project, upstream=("weights",)) != of(project, upstream=("weights", "weights"))


def test_a_missing_upstream_file_is_named(project):
    with pytest.raises(InputError, match=r"none\.jsonl"):
        of(project, upstream=("none.jsonl",))
    with pytest.raises(CacheError, match=r"cams\.h5"):
        of(project, upstream=("cams.h5",))
