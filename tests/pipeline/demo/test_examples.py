import shutil

from pipeline.demo.examples import MOST_EXAMPLES, find_examples
from pipeline.serving.model_folder import PACKED_FILE
from tests.cached_world import ROOT, write_tables
from tests.served_world import FILES, IMAGES, RESULTS


def make_project(root):
    write_tables(root)
    shutil.copy(ROOT / "params.yaml", root)
    (root / RESULTS.model).mkdir(parents=True)
    return root / RESULTS.folder


def test_examples_are_pictures_outside_the_training_split_with_their_phrases(tmp_path):
    [example] = find_examples(make_project(tmp_path))
    assert example.image == tmp_path / IMAGES / "e.png"
    assert example.phrases == "the dog\ndog with an umbrella"
    assert MOST_EXAMPLES > 1


def test_without_its_data_a_model_has_no_examples(tmp_path):
    model = make_project(tmp_path)
    (tmp_path / IMAGES / "e.png").unlink()
    assert len(find_examples(model)) == 0
    shutil.rmtree(tmp_path / FILES.annotations)
    assert len(find_examples(model)) == 0


def test_a_packed_model_has_none(tmp_path):
    (tmp_path / PACKED_FILE).touch()
    assert len(find_examples(tmp_path)) == 0
