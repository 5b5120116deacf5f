"""mmengine can be imported whatever its formatter's shared cache holds, and leaves it alone."""

import os
import subprocess
import sys

import pytest
from platformdirs import user_cache_dir
from yapf._version import __version__ as yapf_version

LEFT = [("models.detector.openmmlab", b""), ("models.mmengine_parts", b"\x80\x05")]  # empty, cut
CODE = "import {}, platformdirs; print(platformdirs.user_cache_dir('x'))"


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

    command = [sys.executable, "-c", CODE.format(module)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    assert [file.read_bytes() for file in files] == [left, left]
    assert run.stdout.strip() == str(tmp_path / "x"), "the folder of caches is found again"


def test_configs_are_still_written_as_text():
    from models.mmengine_parts import Config

    text = Config({"model": {"depth": 18, "names": ["cup", "dog"]}}).pretty_text

    assert "depth=18" in text
    assert "names=[" in text
