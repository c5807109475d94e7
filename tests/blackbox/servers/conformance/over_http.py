"""The server over streamable HTTP, at `/mcp`: both eras on one path.

An answer is JSON when it is the only message and the client names JSON first in `Accept`; else it is a stream. Streams
of legacy sessions are kept, so that a client can come back with `Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import modern
import uvicorn
from legacy import Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from wire import INVALID_REQUEST, LEGACY, Fault, Message, dump, error, result

STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
RETRY_MS = 100
LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")


class Stream:
    """The events of one stream; those of a named one carry ids and can be read again from any of them."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name
        self.events: list[str] = []
        self.ended = False
        self.cut = False
        self._changed = asyncio.Condition()

    async def put(self, message: Message) -> None:
        """Adds a message."""
        await self._add(f"data: {dump(message)}\n\n")

    async def prime(self) -> None:
        """Adds an event that says nothing but where the stream begins, and when to come back."""
        await self._add(f"retry: {RETRY_MS}\ndata: \n\n")

    async def _add(self, event: str) -> None:
        mark = f"id: {self.name}-{len(self.events)}\n" if self.name else ""
        async with self._changed:
            self.events.append(mark + event)
            self._changed.notify_all()

    async def turn(self, *, ended: bool = False, cut: bool = False) -> None:
        """Ends the stream for good, or cuts the connections that read it now."""
        async with self._changed:
            self.ended, self.cut = self.ended or ended, cut
            self._changed.notify_all()

    async def read(self, position: int) -> AsyncIterator[str]:
        """The events from `position` on, until the end or a cut."""
        while True:
            async with self._changed:
                while len(self.events) <= position and not self.ended and not self.cut:
                    await self._changed.wait()
                fresh = self.events[position:]
                over = self.ended or self.cut
            for event in fresh:
                yield event
            position += len(fresh)
            if over and position >= len(self.events):
                return


class Legacy:
    """A session and its streams; stream `0` is the one a GET reads."""

    def __init__(self) -> None:
        self.streams = {"0": Stream("0")}
        self.session = Session(self.streams["0"].put)

    def open(self) -> Stream:
        """A new stream for one request."""
        name = str(len(self.streams))
        self.streams[name] = Stream(name)
        return self.streams[name]


SESSIONS: dict[str, Legacy] = {}
# Kept, since the loop itself holds tasks weakly.
RUNNING: set[asyncio.Task[None]] = set()


def plain(status: int, why: str, identifier: Any = None) -> Response:
    """A refusal outside any method."""
    return JSONResponse(error(identifier, Fault(INVALID_REQUEST, why)), status)


async def endpoint(request: Request) -> Response:
    """Every request comes here."""
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    if not LOOPBACK.fullmatch(host) or (origin and not LOOPBACK.fullmatch(origin.removeprefix("http://"))):
        return plain(403, "Host or Origin is not this machine")
    version = request.headers.get("mcp-protocol-version")
    if request.method != "POST":
        return plain(405, "POST only") if version not in (None, *LEGACY) else await outside_a_post(request)
    try:
        message = json.loads(await request.body())
    except ValueError:
        return plain(400, "not JSON")
    if not isinstance(message, dict):
        return plain(400, "not one message")
    if modern.speaks(message) or (version not in (None, *LEGACY)):
        return await modern_post(request, message)
    return await legacy_post(request, message)


# ---- 2026-07-28 ------------------------------------------------------------------------------------------------------


async def modern_post(request: Request, message: Message) -> Response:
    """A POST of the modern era."""
    if "id" not in message:
        return Response(status_code=202)
    try:
        modern.admit(message, request.headers)
    except Fault as fault:
        return JSONResponse(error(message["id"], fault), fault.status)
    stream = Stream()
    running, status = produce(message["id"], stream, lambda: modern.answer(message, stream.put))
    return await respond(request, stream, running, status)


# ---- Until 2025-11-25 ------------------------------------------------------------------------------------------------


async def legacy_post(request: Request, message: Message) -> Response:
    """A POST of a legacy session, or of one that begins."""
    headers = {}
    if message.get("method") == "initialize":
        name = str(uuid.uuid4())
        known = SESSIONS[name] = Legacy()
        headers["mcp-session-id"] = name
    else:
        found = session_of(request)
        if isinstance(found, Response):
            return found
        known = found
    if "method" not in message:
        known.session.take(message)
        return Response(status_code=202)
    if "id" not in message:
        return Response(status_code=202)
    stream = known.open()
    wants_stream = first_accepted(request) == "text/event-stream"
    if wants_stream:
        await stream.prime()

    async def hang_up() -> None:
        if wants_stream:
            await stream.turn(cut=True)

    running, status = produce(message["id"], stream, lambda: known.session.answer(message, stream.put, hang_up))
    return await respond(request, stream, running, status, headers)


async def outside_a_post(request: Request) -> Response:
    """GET: the session's own stream, or one taken up again. DELETE: the session's end."""
    found = session_of(request)
    if isinstance(found, Response):
        return found
    if request.method == "DELETE":
        del SESSIONS[request.headers["mcp-session-id"]]
        found.session.end()
        for stream in found.streams.values():
            await stream.turn(ended=True)
        return Response(status_code=204)
    name, _, number = request.headers.get("last-event-id", "").partition("-")
    own = found.streams.get(name or "0")
    if own is None or (name and not number.isdecimal()):
        return plain(400, "no such event")
    position = int(number) + 1 if name else len(own.events)
    await own.turn(cut=False)
    return StreamingResponse(own.read(position), media_type="text/event-stream", headers=STREAM_HEADERS)


def session_of(request: Request) -> Legacy | Response:
    """The session a request belongs to, or the refusal of one that belongs to none."""
    name = request.headers.get("mcp-session-id")
    if name is None:
        return plain(400, "Mcp-Session-Id is missing")
    return SESSIONS.get(name) or plain(404, "no such session")


# ---- Both ------------------------------------------------------------------------------------------------------------


def produce(
    identifier: Any, stream: Stream, answer: Callable[[], Awaitable[Message]]
) -> tuple[asyncio.Task[None], list[int]]:
    """Begins to answer a request on its stream. The list holds the status that a lone answer has."""
    status = [200]

    async def run() -> None:
        try:
            await stream.put(result(identifier, await answer()))
        except Fault as fault:
            status[0] = fault.status
            await stream.put(error(identifier, fault))
        finally:
            await stream.turn(ended=True)

    running = asyncio.create_task(run())
    RUNNING.add(running)
    running.add_done_callback(RUNNING.discard)
    return running, status


async def respond(
    request: Request,
    stream: Stream,
    running: asyncio.Task[None],
    status: list[int],
    headers: dict[str, str] | None = None,
) -> Response:
    """The HTTP answer: JSON if there is one message and the client likes JSON best, else the stream."""
    headers = headers or {}
    if first_accepted(request) == "application/json":
        async for _event in stream.read(0):
            break
        # The answer is the first event if the work ended with it; a step of the loop lets it say so.
        await asyncio.sleep(0)
        if stream.ended and len(stream.events) == 1:
            body = stream.events[0].partition("data: ")[2].rstrip("\n")
            return Response(body, status[0], headers, "application/json")

    async def events() -> AsyncIterator[str]:
        try:
            async for event in stream.read(0):
                yield event
        finally:
            # The end of the stream is the end of the request, but only in the modern era, whose streams have no name.
            if stream.name is None:
                running.cancel()

    return StreamingResponse(events(), 200, {**STREAM_HEADERS, **headers}, "text/event-stream")


def first_accepted(request: Request) -> str:
    """The media type the client names first."""
    return request.headers.get("accept", "application/json").partition(",")[0].partition(";")[0].strip()


def serve(port: int) -> None:
    """Serves on the loopback interface until the process is ended."""
    application = Starlette(routes=[Route("/mcp", endpoint, methods=["GET", "POST", "DELETE"])])
    uvicorn.run(application, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)
