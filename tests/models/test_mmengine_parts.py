"""mmengine can be imported whatever its formatter's shared cache holds, and leaves it alone."""

import os
import subprocess
import sys

import pytest
from platformdirs import user_cache_dir
from yapf._version import __version__ as yapf_version

LEFT = [("models.detector.openmmlab", b""), ("stages.train", b"\x80\x05")]  # empty, cut off


def import_with_cache(module, cache):
    """Import a module in a process of its own that has another cache folder."""
    return subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("module", "left"), LEFT, ids=[module for module, _ in LEFT])
def test_a_broken_grammar_in_the_cache_is_not_read(tmp_path, monkeypatch, module, left):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / os.path.relpath(
        user_cache_dir(appname="YAPF", appauthor="Google", version=yapf_version), tmp_path
    )
    folder.mkdir(parents=True)
    version = ".".join(map(str, sys.version_info))
    files = [folder / f"{name}-py{version}.pickle" for name in ("Grammar", "PatternGrammar")]
    for file in files:
        file.write_bytes(left)

    run = import_with_cache(module, tmp_path)

    assert run.returncode == 0, run.stderr
    assert [file.read_bytes() for file in files] == [left, left]


def test_the_folder_of_caches_is_found_again_afterwards(tmp_path):
    code = "import models.mmengine_parts, platformdirs; print(platformdirs.user_cache_dir('x'))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == str(tmp_path / "x")


def test_configs_are_still_written_as_text():
    from models.mmengine_parts import Config

    text = Config({"model": {"depth": 18, "names": ["cup", "dog"]}}).pretty_text

    assert "depth=18" in text
    assert "names=[" in text
