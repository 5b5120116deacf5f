"""`camground demo`, as a person uses it: in a browser."""

import shutil
import socket
import sys
from typing import get_args, get_type_hints

import pytest

from camground.__main__ import main
from camground.demo import _parser
from pipeline.params.schema import RuntimeParams
from pipeline.serving.phrase_grounder import PhraseGrounder
from tests.browser import Browser
from tests.load.asked import ask, ask_all, bodies, serving
from tests.served_world import IMAGES, REG_RESULTS, RESULTS, TEST_IMAGES

PHRASES = ["the dog on the cup", "the star"]
BOXES = """return [...document.querySelectorAll("rect.answer")].map((box) => [
    box.dataset.phrase, ...["x", "y", "width", "height"].map((key) => Number(box.getAttribute(key)))
])"""


@pytest.fixture(scope="module")
def demo(served):
    """Serve the newest model of the small project on a free port: address and process."""
    with serving(served) as (address, process):
        yield address, process


@pytest.fixture
def address(demo):
    return demo[0]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser.opened(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture
def page(address, browser):
    browser.open(address)
    browser.console()
    return browser


def find(page):
    page.click("#ask")
    page.wait_for("return document.querySelector('#message').textContent === ''")
    return page.run(BOXES)


def within(pixels):
    return pytest.approx(pixels, abs=1e-3)


def expected(served, picture, phrases, sentence=None):
    """Return phrase, left, top, width and height of each box that the newest model gives."""
    found = PhraseGrounder.load(served / REG_RESULTS.folder).ground(
        picture, phrases, sentence=sentence
    )
    return [
        [one.phrase, *map(within, (x1, y1, x2 - x1, y2 - y1))]
        for one in found
        for x1, y1, x2, y2 in [one.box_xyxy]
    ]


def test_an_uploaded_picture_shows_the_boxes_that_the_model_gives(served, page, tmp_path):
    own = shutil.copy(served / IMAGES / "b.png", tmp_path / "own.png")
    page.type("#file", str(own))
    page.type("#phrases", "\n".join(PHRASES))
    assert find(page) == expected(served, own, PHRASES)
    assert page.run("return document.querySelectorAll('article img').length") == len(PHRASES)
    assert page.run("return document.querySelectorAll('article tbody tr').length") > len(PHRASES)
    assert page.console() == []


def test_an_example_brings_its_phrases_and_nothing_comes_from_outside(page, address):
    assert page.run("return document.querySelectorAll('.example').length") == len(TEST_IMAGES)
    page.click(".example")
    assert len(find(page)) == 2
    assert page.loaded()
    assert all(name.startswith((address, "data:")) for name in page.loaded())


def test_phrases_of_a_sentence_get_what_the_model_says_of_it(served, page, tmp_path):
    own = shutil.copy(served / IMAGES / "e.png", tmp_path / "own.png")
    phrases, sentence = ["the dog", "the dog"], "the dog and the dog"
    page.type("#file", str(own))
    page.type("#phrases", "\n".join(phrases))
    page.type("#sentence", sentence)
    assert find(page) == expected(served, own, phrases, sentence)
    page.click(".example")
    assert page.run("return document.querySelector('#sentence').value") == ""


def test_a_file_that_is_no_picture_is_told_on_the_page(page, tmp_path):
    (tmp_path / "bad.png").write_text("no picture")
    page.type("#file", str(tmp_path / "bad.png"))
    page.type("#phrases", "the dog")
    page.click("#ask")
    said = page.wait_for("return document.querySelector('#message.error')?.textContent")
    assert "picture" in said
    assert "/" not in said


def test_many_requests_at_once_get_the_answers_of_single_ones_and_memory_stays(demo):
    address, process = demo
    requests = bodies(5, (96, 80))
    single = [ask(address, body) for body in requests]
    first, second = (ask_all(address, process, 4 * requests) for _ in range(2))
    assert first.answers == second.answers == 4 * single
    assert len({str(answer["found"]) for answer in single}) == 5
    assert second.rss_mib < first.rss_mib + 10
    assert second.threads <= first.threads < 20  # not one for each request


def test_the_devices_are_those_of_the_params():
    names = get_args(get_type_hints(RuntimeParams)["device"])
    assert _parser().parse_args([]).device is None
    assert [_parser().parse_args(["--device", name]).device for name in names] == [*names]


def test_a_model_and_a_port_may_be_named():
    named = _parser().parse_args([str(RESULTS.folder), "--port", "0"])
    assert (named.model, named.port) == (RESULTS.folder, 0)
    assert _parser().parse_args([]).model is None


def test_a_port_that_is_taken_is_one_error(served, monkeypatch, capsys):
    monkeypatch.chdir(served)
    monkeypatch.setattr(sys, "argv", ["camground"])
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert main(["demo", str(RESULTS.folder), "--port", port]) == 1
    assert port in capsys.readouterr().err


def test_a_project_without_a_model_is_one_error(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["camground"])
    assert main(["demo"]) == 1
    assert "results" in capsys.readouterr().err
