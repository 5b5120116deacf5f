import pytest

from pipeline.datasets.shapes.scene import draw_scene, scene_phrases


@pytest.fixture(scope="session")
def scenes():
    return [draw_scene(5, "test", index, 192) for index in range(40)]


@pytest.fixture(scope="session")
def told():
    """(scene, phrase) of every phrase of 160 scenes."""
    scenes = [draw_scene(3, "train", index, 192) for index in range(160)]
    return [(scene, phrase) for scene in scenes for phrase in scene_phrases(scene, 5)]
