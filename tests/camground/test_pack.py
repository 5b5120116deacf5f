import sys

from camground.__main__ import main
from tests.served_world import RESULTS


def test_a_packed_model_is_asked_by_its_folder(served, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["camground"])
    monkeypatch.chdir(served)
    assert main(["pack", str(RESULTS.folder), "--to", str(tmp_path / "new")]) == 0
    assert capfd.readouterr().out == f"{tmp_path / 'new'}\n"
    monkeypatch.chdir(tmp_path)
    picture = str(served / "data/shapes/annotations/images/c.png")
    assert main(["predict", "new", picture, "--phrase", "the dog"]) == 0
    assert '"model": "shapes/full"' in capfd.readouterr().out


def test_a_folder_that_is_taken_is_one_error(served, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["camground"])
    (tmp_path / "x").touch()
    assert main(["pack", str(served / RESULTS.folder), "--to", str(tmp_path)]) == 1
    assert capfd.readouterr().err.startswith("error: ")
