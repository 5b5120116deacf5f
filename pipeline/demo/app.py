"""A page to try a trained model on: a picture and phrases in; boxes, heat maps and reasons out.

Everything the page loads comes from here, and its content security policy lets it ask nobody else.
"""

import asyncio
import base64
import io
import tempfile
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel
from starlette.middleware.base import RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware

from pipeline.demo.examples import Example
from pipeline.errors import InputError
from pipeline.images.images import read_image
from pipeline.images.overlays import tint
from pipeline.serving.found import AnswerName, Found
from pipeline.serving.phrase_grounder import PhraseGrounder

PAGE = Path(__file__).with_name("page")
HOSTS = ["127.0.0.1", "localhost"]
POLICY = "default-src 'self'; img-src 'self' data:"
ANSWERS: dict[AnswerName, str] = {
    "reg": "predicted",
    "proposal": "best proposal",
    "refined": "best proposal, refined",
}
SHOWN_PX = 1200  # longest side of a picture that is sent back
SHOWN_CANDIDATES = 12
UPLOAD = "picture"
MOST_BYTES = 48 * 2**20  # of a request; a picture of 36 MiB in base64


class Asked(BaseModel):
    """What the page asks.

    Attributes:
        picture: bytes of a picture file in base64; empty for an example.
        example: number of the example.
        phrases: one or more texts.
        sentence: that the phrases are from; empty for none.
        answer: which of the model's boxes.
    """

    picture: str = ""
    example: int = 0
    phrases: list[str]
    sentence: str = ""
    answer: AnswerName = "reg"


def build_app(grounder: PhraseGrounder, name: str, examples: Sequence[Example]) -> FastAPI:
    """Return the application of the page.

    One thread answers, one request after the other, so that memory does not grow with them; the
    page itself does not wait for it.

    Args:
        grounder: answers.
        name: of the model, shown on the page.
        examples: pictures to try.
    """
    worker = ThreadPoolExecutor(1)
    app = _closed_app(worker)

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        return render_page(name, examples)

    @app.get("/page/{file}")
    def page_file(file: str) -> FileResponse:
        names = {path.name: path for path in PAGE.iterdir()}
        if file not in names:
            raise InputError(f"{file}: is no file of the page")
        return FileResponse(names[file])

    @app.get("/examples/{number}")
    def example(number: int) -> FileResponse:
        return FileResponse(_example(examples, number).image)

    @app.post("/ground")
    async def ground(asked: Asked) -> JSONResponse:
        def answer() -> JSONResponse:
            pixels = read_asked(asked, examples)
            found = grounder.ground(
                pixels, asked.phrases, asked.answer, asked.sentence.strip() or None
            )
            return JSONResponse(describe(pixels, found))

        return await asyncio.get_running_loop().run_in_executor(worker, answer)

    return app


def render_page(name: str, examples: Sequence[Example]) -> str:
    """Return the HTML of the page."""
    templates = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined
    )
    page = templates.get_template("demo.html")
    return page.render(name=name, examples=examples, answers=ANSWERS)


def read_asked(asked: Asked, examples: Sequence[Example]) -> NDArray[np.uint8]:
    """Return the picture that is asked about, RGB uint8 (H, W, 3).

    Raises:
        InputError: there is none, or it cannot be read.
    """
    if not asked.picture:
        return read_image(_example(examples, asked.example).image)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / UPLOAD
        try:
            path.write_bytes(base64.b64decode(asked.picture, validate=True))
        except ValueError as error:
            raise InputError(f"{UPLOAD}: is not base64: {error}") from error
        try:
            return read_image(path)
        except InputError as error:
            raise InputError(str(error).replace(str(path), UPLOAD)) from error


def describe(pixels: NDArray[np.uint8], found: Sequence[Found]) -> dict[str, Any]:
    """Return what the page shows of the answers to a picture, RGB uint8 (H, W, 3).

    Returns:
        `width` and `height` in pixels; `picture` as the model saw it; of each phrase `found`:
        `phrase`, `box_xyxy`, `score`, `confidence`, `nouns`, `heat_map` (a picture, or null) and
        the best `candidates`.
    """
    height, width = pixels.shape[:2]
    return {
        "width": width,
        "height": height,
        "picture": _data_url(pixels),
        "found": [_describe_one(pixels, one) for one in found],
    }


def _describe_one(pixels: NDArray[np.uint8], found: Found) -> dict[str, Any]:
    heat_map = found.heat_map
    return {
        "phrase": found.phrase,
        "box_xyxy": found.box_xyxy,
        "score": found.score,
        "confidence": found.confidence,
        "nouns": found.nouns,
        "heat_map": None if heat_map is None else _data_url(tint(pixels, heat_map)),
        "candidates": [asdict(one) for one in found.candidates[:SHOWN_CANDIDATES]],
    }


def _closed_app(worker: ThreadPoolExecutor) -> FastAPI:
    """Return an application without pages that forbids others; when it ends, the worker does."""

    @asynccontextmanager
    async def stop_worker(_: FastAPI) -> AsyncIterator[None]:
        yield
        worker.shutdown(cancel_futures=True)

    app = FastAPI(openapi_url=None, lifespan=stop_worker)  # and so no pages of it
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)

    @app.middleware("http")
    async def forbid_others(request: Request, proceed: RequestResponseEndpoint) -> Response:
        problem = _size_problem(request)
        response = problem if problem is not None else await proceed(request)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    @app.exception_handler(InputError)
    async def tell(_request: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"error": " ".join(str(error).split())}, status_code=400)

    return app


def _size_problem(request: Request) -> JSONResponse | None:
    """Return the refusal of a request whose body is too large or of unknown size, or None."""
    if request.method != "POST":
        return None
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        return JSONResponse({"error": "the request does not tell its length"}, status_code=411)
    if int(length) > MOST_BYTES:
        error = f"the request is larger than {MOST_BYTES // 2**20} MiB; use a smaller picture"
        return JSONResponse({"error": error}, status_code=413)
    return None


def _example(examples: Sequence[Example], number: int) -> Example:
    if not 0 <= number < len(examples):
        raise InputError("choose a picture first")
    return examples[number]


def _data_url(pixels: NDArray[np.uint8]) -> str:
    """Return a picture as a JPEG in a URL, shrunk if it is large."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((SHOWN_PX, SHOWN_PX))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
