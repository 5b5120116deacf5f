import torch

from benchmarks.ratios.machine import commit, describe_machine


def test_the_machine_is_named():
    machine = describe_machine()
    assert machine["torch"] == torch.__version__
    assert machine["threads"] == str(torch.get_num_threads())
    assert int(machine["cores"]) >= 1
    assert machine["CPU"]


def test_there_is_no_commit_outside_git(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit() == ""
