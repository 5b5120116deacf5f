import os
from pathlib import Path

from benchmarks.made.world import PICTURES, World, WorldSizes, project_folder, write_pictures
from pipeline.params.read import read_params
from pipeline.paths import DatasetFiles

SPLITS = ("train", "val")


def test_a_project_is_left_as_it_was_entered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", "elsewhere")
    with project_folder() as folder:
        assert Path.cwd() == folder.resolve()
        assert os.environ["DVC_ROOT"] == str(folder)
    assert (Path.cwd(), os.environ["DVC_ROOT"]) == (tmp_path, "elsewhere")
    assert not folder.exists()


def test_a_larger_world_shares_the_pictures_of_a_smaller_one():
    params = read_params()
    with project_folder():
        for name, images in (("small", 3), ("large", 11)):
            write_pictures(World(DatasetFiles(name), params, WorldSizes(images, 2, (40, 30))))
        assert len(list(PICTURES.iterdir())) == 11
        lines = {
            name: [len(Path(name, f"{split}.jsonl").read_text().splitlines()) for split in SPLITS]
            for name in ("small", "large")
        }
    assert lines == {"small": [4, 2], "large": [18, 4]}
