"""The explorer's web application: the page, its files, and what it asks."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from blindspots.errors import UsageError
from blindspots.explorer import requests as asked
from blindspots.explorer.app_state import AppState, Turns, facts
from blindspots.explorer.guard import Guard
from blindspots.explorer.image_catalog import Missing, png
from blindspots.explorer.model_thread import WENT_WRONG, Busy, TabJob
from blindspots.explorer.save_case import SavedCase, check_case
from blindspots.explorer.traversal_job import TraversalJob, contrast, named, result, traversal
from blindspots.explorer.triangle_job import at_point, check_weights, triangle
from blindspots.reporting.page.inline import file_type, page_files
from blindspots.reporting.page.report_data import page_html, report_data
from blindspots.store.paths import check_writable
from blindspots.store.reader import Run


def create_app(hub: AppState, port: int, origins: Sequence[str] = ()) -> ASGIApp:
    app = FastAPI(lifespan=_lifespan(hub), docs_url=None, redoc_url=None, openapi_url=None)
    _handle_errors(app)
    _page(app)
    _images(app, hub)
    _work(app, hub)
    _results(app, hub)
    return Guard(app, port, origins)


class EventStream(EventSourceResponse):
    def __init__(self, hub: AppState, job: TabJob) -> None:
        super().__init__(_encoded(job))
        self._hub, self._job = hub, job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._hub.end(self._job)


async def _encoded(job: TabJob) -> AsyncIterator[bytes]:
    yield _event({"kind": "job", "id": job.id})
    async for event in job.outbox.events():
        yield _event(event)
    yield _event({"kind": "end"})


def _event(event: dict[str, Any]) -> bytes:
    return format_sse_event(data_str=json.dumps(event, allow_nan=False))


def _lifespan(hub: AppState) -> Callable:
    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        hub.start()
        yield
        hub.close()

    return living


def _page(app: FastAPI) -> None:
    @app.get("/")
    async def page() -> Response:
        return _file("index.html")

    @app.get("/static/{name}")
    async def file(name: str) -> Response:
        return _file(name)


def _file(name: str) -> Response:
    content = _static().get(name)
    if content is None:
        raise Missing("there is no such file")
    return Response(content, media_type=file_type(name))


@cache
def _static() -> dict[str, bytes]:
    own = files("blindspots.explorer") / "static"
    return {name: file.read_bytes() for name, file in page_files(own).items()}


def _images(app: FastAPI, hub: AppState) -> None:
    @app.get("/api/start")
    async def start() -> dict[str, Any]:
        return facts(hub)

    @app.get("/api/images/{image}")
    async def picture(image: str, model: str | None = None) -> Response:
        name = hub.subject(model or next(iter(hub.subjects))).name
        pixels = await asyncio.to_thread(hub.gallery.pixels, image, name)
        return Response(png(pixels), media_type="image/png")

    @app.post("/api/uploads")
    async def upload(request: Request) -> dict[str, Any]:
        async with request.form(max_files=1, max_fields=0) as form:
            file = form.get("file")
            if file is None or isinstance(file, str):
                raise UsageError("no file came with the request; expected one image")
            data, name = await file.read(), file.filename or "image"
        kept = await asyncio.to_thread(hub.gallery.uploads.add, name, data)
        return {"id": kept.id, "name": kept.name}

    @app.post("/api/known")
    async def known(body: asked.KnownRequest) -> dict[str, str | None]:
        return {image: hub.gallery.known(image) for image in body.images}

    @app.post("/api/looks")
    async def look(body: asked.LookRequest) -> dict[str, Any]:
        subject = hub.subject(body.model)
        image = await asyncio.to_thread(hub.gallery.image, body.image, subject.name)
        said = await hub.ask(subject.name, lambda evaluator, seen: named(evaluator, seen, image))
        return {**said, "right": said["label"] == hub.gallery.given(body.image, body.model)}


def _work(app: FastAPI, hub: AppState) -> None:
    @app.post("/api/traversals")
    async def traverse(body: asked.TraversalRequest) -> Response:
        method = asked.method_of(body.method, body.settings)
        _check_pair(body.source, body.targets)
        trips = [await asyncio.to_thread(_trip, hub, body, method, m) for m in _named_once(body)]
        return _stream(hub, [_part(t.subject.name, traversal, t, hub.shelf) for t in trips])

    @app.post("/api/triangles")
    async def triangles(body: asked.TriangleRequest) -> Response:
        hulls = [hub.shelf.hull(names) for names in body.triangles]
        subjects = [hub.subject(found[0].model) for found in hulls]
        zipped = zip(subjects, hulls, strict=True)
        return _stream(hub, [_part(s.name, triangle, s, *found) for s, found in zipped])

    @app.post("/api/contrasts")
    async def contrasts(body: asked.ContrastRequest) -> Response:
        subjects = [hub.subject(name) for name in _named_once(body)]
        parts = []
        for subject in subjects:
            pair = [
                await asyncio.to_thread(hub.gallery.image, image, subject.name)
                for image in (body.source, body.target)
            ]
            parts.append(_part(subject.name, contrast, subject, *pair))
        return _stream(hub, parts)

    @app.post("/api/jobs/{job}/{what}", status_code=204)
    async def change(job: str, what: str) -> None:
        if what not in ("pause", "resume"):
            raise Missing("there is no such request")
        hub.job(job).pause(what == "pause")


def _results(app: FastAPI, hub: AppState) -> None:
    @app.post("/api/points")
    async def point(body: asked.PointRequest) -> dict[str, Any]:
        found = hub.shelf.hull(body.found)
        weights = check_weights(body.weights, len(found) + 1)
        return await hub.ask(found[0].model, lambda o, s: at_point(o, s, found, weights))

    @app.post("/api/pairs/{pair}")
    async def pair(pair: str) -> dict[str, Any]:
        if hub.stored is None:
            raise Missing("no run is shown here; start the explorer with --run")
        found = await asyncio.to_thread(hub.stored.open, pair)
        hub.shelf.put(found)
        frames = await asyncio.to_thread(hub.stored.frames, found)
        return {**result(hub.subject(found.model), found), "frames": frames}

    @app.post("/api/cases")
    async def save(body: asked.CaseRequest) -> dict[str, Any]:
        check_writable(hub.out)
        return {"path": str(await _written(hub, body, hub.out))}

    @app.post("/api/reports")
    async def report(body: asked.CaseRequest) -> HTMLResponse:
        with TemporaryDirectory(prefix="blindspots-") as folder:
            path = await _written(hub, body, Path(folder))
            return HTMLResponse(await asyncio.to_thread(_report, path))


async def _written(hub: AppState, body: asked.CaseRequest, out: Path) -> Path:
    """The results that are asked for, measured: rows come model after model, in their order."""
    found = [hub.shelf.get(name) for name in dict.fromkeys(body.found)]
    check_case(found)
    ordered = [one for name in hub.subjects for one in found if one.model == name]
    case = SavedCase(hub.subjects, ordered, hub.gallery)
    subjects = [hub.subject(name) for name in case.models]
    events = await hub.collect([_part(one.name, case.rows, one) for one in subjects])
    events.sort(key=lambda event: case.models.index(event["row"]["model"]))
    path = await asyncio.to_thread(case.write, out, events)
    await hub.collect([_part(one.name, case.contrast, one, path) for one in subjects])
    return path


def _report(path: Path) -> str:
    return page_html(report_data(Run(path)))


def _trip(hub: AppState, body: asked.TraversalRequest, method: Any, model: str) -> TraversalJob:
    subject = hub.subject(model)
    aims = [hub.gallery.image(target, subject.name) for target in body.targets]
    image = hub.gallery.image(body.source, subject.name)
    return TraversalJob(subject, method, body.source, body.targets, image, aims)


def _check_pair(source: str, targets: list[str]) -> None:
    if source in targets or len(set(targets)) < len(targets):
        raise UsageError("an image was given twice; pick a source and targets that are different")


def _named_once(body: asked.TraversalRequest | asked.ContrastRequest) -> list[str]:
    return list(dict.fromkeys(body.models))


def _part(model: str, work: Callable[..., Turns], *given: Any) -> tuple[str, Callable[[], Turns]]:
    return model, lambda: work(*given)


def _stream(hub: AppState, parts: list[tuple[str, Callable[[], Turns]]]) -> EventStream:
    return EventStream(hub, hub.begin(parts))


def _handle_errors(app: FastAPI) -> None:
    for kind, status in ((Missing, 404), (UsageError, 400), (Busy, 503)):
        app.add_exception_handler(kind, _as_json(status))
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(RequestValidationError, _misfit)
    # The server logs what this stands for, with its trace; the page gets the sentence alone.
    app.add_exception_handler(Exception, _went_wrong)


def _as_json(status: int) -> Callable:
    async def answer(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status)

    return answer


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": str(error.detail)}, error.status_code)


async def _left(_: Request, error: Exception) -> Response:
    """Nobody reads this: the visitor left in the middle of a request."""
    del error
    return Response(status_code=400)


async def _misfit(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part)[:40] for part in first["loc"][1:6])
    sentence = f"the request does not fit: {place or 'its body'}: {first['msg']}"
    return JSONResponse({"error": sentence}, 400)


async def _went_wrong(_: Request, error: Exception) -> Response:
    del error
    return JSONResponse({"error": WENT_WRONG}, 500)
