import base64
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from pipeline.demo.app import SHOWN_CANDIDATES, SHOWN_PX, _closed_app, build_app
from pipeline.demo.examples import Example
from pipeline.serving.phrase_grounder import PhraseGrounder
from tests.served_world import IMAGES, RESULTS


@pytest.fixture(scope="module")
def model(served):
    return PhraseGrounder.load(served / RESULTS.folder)


@pytest.fixture(scope="module")
def client(served, model):
    examples = [Example(served / IMAGES / "c.png", "a <b>dog</b>")]
    app = build_app(model, "shapes/<full>", examples)
    return TestClient(app, base_url="http://127.0.0.1")


def png(image_hw):
    pixels = np.random.default_rng(0).integers(0, 256, (*image_hw, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return pixels, base64.b64encode(stream.getvalue()).decode()


def asked(client, **what):
    return client.post("/ground", json=what)


def shown(url):
    kind, _, content = url.partition(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_an_uploaded_picture_gets_the_model_s_answer(client, model):
    pixels, picture = png((31, 47))
    answer = asked(client, picture=picture, phrases=["the dog"], answer="refined").json()
    [found] = model.ground(pixels, "the dog", "refined")
    assert (answer["width"], answer["height"]) == (47, 31)
    assert answer["found"][0]["box_xyxy"] == pytest.approx(found.box_xyxy)
    assert answer["found"][0]["nouns"] == ["dog"]
    candidates = answer["found"][0]["candidates"]
    assert len(candidates) == min(SHOWN_CANDIDATES, len(found.candidates))
    assert candidates[0]["probability"] == pytest.approx(found.score)
    assert answer["found"][0]["confidence"] is None


def test_the_box_of_the_model_has_its_confidence(client, model, served):
    [answer] = asked(client, example=0, phrases=["the dog"]).json()["found"]
    [found] = model.ground(served / IMAGES / "c.png", "the dog")
    assert answer["confidence"] == pytest.approx(found.confidence)
    assert answer["box_xyxy"] == pytest.approx(found.box_xyxy)
    assert answer["phrase"] == "the dog"


def test_the_best_candidates_are_told_and_the_heat_map_lies_over_the_picture(client, monkeypatch):
    monkeypatch.setattr("pipeline.demo.app.SHOWN_CANDIDATES", 1)
    answer = asked(client, example=0, phrases=["the dog"]).json()
    [found] = answer["found"]
    assert len(found["candidates"]) == 1
    picture, heat_map = (shown(url) for url in (answer["picture"], found["heat_map"]))
    assert picture.size == heat_map.size == (answer["width"], answer["height"])
    assert np.abs(np.asarray(picture, int) - np.asarray(heat_map, int)).max() > 40


def test_an_example_is_served_and_no_page_that_describes_the_others(client, served):
    assert client.get("/examples/0").content == (served / IMAGES / "c.png").read_bytes()
    assert client.get("/examples/1").status_code == 400
    for name in ("docs", "redoc", "openapi.json"):
        assert client.get(f"/{name}").status_code == 404


def test_phrases_of_a_sentence_are_asked_as_such(client, model, served):
    phrases, sentence = ["the dog"] * 2, "the dog and the dog"
    found = model.ground(served / IMAGES / "c.png", phrases, sentence=sentence)
    for said in (sentence, f" {sentence}\n"):
        answer = asked(client, example=0, phrases=phrases, sentence=said).json()["found"]
        for row, one in zip(answer, found, strict=True):
            assert row["score"] == pytest.approx(one.score)
    alone = asked(client, example=0, phrases=phrases, sentence=" ").json()["found"]
    assert alone[0]["score"] == alone[1]["score"]
    assert found[0].score != pytest.approx(found[1].score)


def test_a_large_picture_is_shown_smaller_with_boxes_in_its_own_pixels(client):
    _, picture = png((20, 3 * SHOWN_PX))
    answer = asked(client, picture=picture, phrases=["the dog"]).json()
    assert answer["width"] == 3 * SHOWN_PX
    assert shown(answer["picture"]).width == SHOWN_PX


def test_a_phrase_without_a_noun_has_no_heat_map(client):
    [found] = asked(client, example=0, phrases=["left one !"]).json()["found"]
    assert (found["heat_map"], found["nouns"]) == (None, [])


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ({"picture": "AAAA", "phrases": ["a"]}, "picture: "),
        ({"picture": "%", "phrases": ["a"]}, "base64"),
        ({"example": 7, "phrases": ["a"]}, "choose"),
        ({"example": -1, "phrases": ["a"]}, "choose"),
        ({"example": 0, "phrases": [" "]}, "empty"),
    ],
)
def test_what_cannot_be_asked_is_told(client, what, named):
    response = asked(client, **what)
    assert response.status_code == 400
    assert named in response.json()["error"]
    assert "/tmp" not in response.json()["error"]


def test_the_page_escapes_what_it_is_given_and_may_load_from_here_alone(client):
    page = client.get("/")
    assert "shapes/&lt;full&gt;" in page.text
    assert "<b>dog" not in page.text
    assert "http" not in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")


@pytest.mark.parametrize("name", ["demo.css", "demo.js"])
def test_what_the_page_loads_is_served(client, name):
    assert client.get(f"/page/{name}").status_code == 200


@pytest.mark.parametrize("name", ["app.py", "..%2fapp.py", "none"])
def test_no_other_file_is(client, name):
    assert client.get(f"/page/{name}").status_code in (400, 404)


def test_a_request_that_is_too_large_or_does_not_tell_its_length_is_refused(client, monkeypatch):
    monkeypatch.setattr("pipeline.demo.app.MOST_BYTES", 100)
    too_large = asked(client, picture="A" * 101, phrases=["a"])
    assert (too_large.status_code, set(too_large.json())) == (413, {"error"})
    assert client.post("/ground", content=b" " * 100).status_code == 422  # of the largest size
    in_pieces = client.post("/ground", content=iter([b"{}"]))
    assert (in_pieces.status_code, set(in_pieces.json())) == (411, {"error"})


class Meeting:
    """Answers nothing, once it has waited for a second question; keeps whether one came."""

    def __init__(self):
        self.here, self.met = threading.Barrier(2), []

    def ground(self, *_):
        try:
            self.here.wait(0.2)
        except threading.BrokenBarrierError:
            self.here.reset()
        else:
            self.met.append(True)
        return []


def test_questions_are_answered_one_after_the_other(served):
    meeting, threads = Meeting(), {*threading.enumerate()}
    app = build_app(meeting, "x", [Example(served / IMAGES / "c.png", "a dog")])
    with TestClient(app, base_url="http://127.0.0.1") as client, ThreadPoolExecutor(2) as askers:
        asking = [askers.submit(asked, client, example=0, phrases=["a"]) for _ in range(2)]
        assert [one.result().json()["found"] for one in asking] == [[], []]
    assert not meeting.met
    assert {*threading.enumerate()} <= threads  # the one that answered has ended


def test_questions_that_wait_when_the_page_ends_are_not_answered():
    worker, ended = ThreadPoolExecutor(1), threading.Event()
    with TestClient(_closed_app(worker)):
        worker.submit(ended.wait, 2)
        waiting = worker.submit(int)
        waiting.add_done_callback(lambda _: ended.set())
    assert waiting.cancelled()


def test_a_page_of_another_name_is_refused(client):
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
