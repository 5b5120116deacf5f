import shutil

from pipeline.demo.examples import MOST_EXAMPLES, find_examples
from pipeline.records import PhraseRecord, write_records
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
    assert (example.phrases, example.sentence) == ("the dog\ndog with an umbrella", "")
    assert MOST_EXAMPLES > 1


def test_an_example_has_phrases_of_one_sentence_and_names_it(tmp_path):
    model = make_project(tmp_path)
    first, second = "A dog, an umbrella and a cup.", "A dog runs."
    rows = [("A dog", first), ("A dog", second), ("an umbrella", first), ("a cup", first)]
    write_records(
        tmp_path / FILES.phrases,
        [
            PhraseRecord(str(number), "e", "test", phrase, sentence, (0, 1))
            for number, (phrase, sentence) in enumerate(rows)
        ],
    )
    [example] = find_examples(model)
    assert (example.phrases, example.sentence) == ("A dog\nan umbrella", first)


def test_without_its_data_a_model_has_no_examples(tmp_path):
    model = make_project(tmp_path)
    (tmp_path / IMAGES / "e.png").unlink()
    assert len(find_examples(model)) == 0
    shutil.rmtree(tmp_path / FILES.annotations)
    assert len(find_examples(model)) == 0


def test_a_packed_model_has_none(tmp_path):
    (tmp_path / PACKED_FILE).touch()
    assert len(find_examples(tmp_path)) == 0
