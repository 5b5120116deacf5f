import subprocess

import pytest

from pipeline.params.read import PARAMS_FILE
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A project of its own: git, DVC's folder, params.yaml; no caches of hubs, no Prefect."""
    monkeypatch.chdir(tmp_path)
    for name in ("TORCH_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("DVC_ROOT", "HF_HUB_CACHE", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    subprocess.run(["git", "init", "--quiet"], check=True)
    (tmp_path / ".dvc" / "cache").mkdir(parents=True)
    (tmp_path / PARAMS_FILE).write_text((ROOT / PARAMS_FILE).read_text("utf-8"), "utf-8")
    return tmp_path
