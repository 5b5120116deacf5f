import shutil

import pytest

from pipeline.errors import InputError
from stages.coverage import compare_scorers, main
from tests.stages.command import start
from tests.stages.noun_world import add_noun_head, make_world


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = make_world()
    add_noun_head(files)
    return files


def test_each_scorer_tells_what_it_covers_without_its_network(files):
    (files.weights / "classifier" / "weights.safetensors").unlink()
    told = {text.partition(":")[0]: text for text in compare_scorers(files)}
    assert list(told) == ["nounhead", "imagenet", "detector", "clip"]
    assert told["nounhead"].startswith("nounhead: 70.0% of 10 phrases, 66.7% of 3 head nouns\n")
    assert told["imagenet"].splitlines()[1:] == [
        "  phrases by route: name 5, no noun 2, none 3",
        "  without a class: hut (2), zebra (1)",
    ]
    assert "detector.json" in told["detector"]
    assert told["clip"].endswith("without a class: none")


def test_without_nouns_there_is_nothing_to_compare(files):
    files.nouns.unlink()
    with pytest.raises(InputError, match=r"nouns\.h5"):
        list(compare_scorers(files))


def test_a_missing_noun_head_is_told_and_the_others_go_on(files):
    shutil.rmtree(files.noun_head)
    told = list(compare_scorers(files))
    assert "nounhead: cannot be asked" in told[0]
    assert told[1].startswith("imagenet: 50.0% of 10 phrases")


def test_the_command_prints_what_is_told(files, monkeypatch, capsys):
    start(monkeypatch, main, "shapes")
    assert capsys.readouterr().out == "".join(f"{text}\n" for text in compare_scorers(files))
