import pytest

from models.detector.checkpoint import inference_config, read_config
from models.detector.config_text import read_config_text
from models.given_files.safe_load import ModelFileError

CONFIGS = [
    "faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    "yolox/yolox_nano_8xb8-300e_coco.py",
    "ssd/ssd300_coco.py",
    "fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py",
]


@pytest.mark.parametrize("name", CONFIGS)
def test_what_mmengine_writes_is_read_as_what_it_was(name, tmp_path):
    config = inference_config(read_config(name))
    path = tmp_path / "config.py"
    path.write_text(config.pretty_text)
    assert read_config_text(path).to_dict() == config.to_dict()
    assert read_config_text(path).filename == str(path)


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "model = open('ran', 'w')",
        "model = dict(a=open('ran', 'w'))",
        "model = dict(**{'a': 1})",
        "model = dict([('a', 1)])",
        "model = [x for x in (1, 2)]",
        "model.a = 1",
        "open('ran', 'w')",
        "model = (",
        "model = " + "[" * 3000,
    ],
)
def test_code_is_refused_and_does_not_run(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.py").write_text(text)
    with pytest.raises(ModelFileError, match=r"config\.py"):
        read_config_text(tmp_path / "config.py")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "text",
    [
        "model = dict(type='os.system', command='true')",
        "test_pipeline = [dict(type='mmengine.load', file='x.pkl')]",
        "model = dict(a=(dict(b=dict(type='X', _scope_='other')),))",
    ],
)
def test_a_part_that_would_be_imported_is_refused(text, tmp_path):
    (tmp_path / "config.py").write_text(text)
    with pytest.raises(ModelFileError, match="imported"):
        read_config_text(tmp_path / "config.py")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelFileError, match=r"none\.py"):
        read_config_text(tmp_path / "none.py")
