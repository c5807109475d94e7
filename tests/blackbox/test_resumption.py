"""Streams that break and are resumed by `Last-Event-ID`, as clients of the legacy era do, without the gate and through it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from gate import HEADERS, Gate
from plain_client import EventStream, LegacySession
from transcripts import LABEL

USED = ["everything-http"]
RESOURCE = {"uri": "demo://resource/dynamic/text/7"}
STEPS = 4


@pytest.fixture
def directly(ports: dict[str, int]) -> Iterator[LegacySession]:
    """A session without the gate."""
    session = LegacySession(f"http://127.0.0.1:{ports['everything-http']}/mcp", HEADERS)
    yield session
    session.close()


@pytest.fixture
def gated(registered: Gate, gate: Gate) -> Iterator[LegacySession]:
    """A session through it."""
    session = LegacySession(gate.url("everything-http"), HEADERS)
    yield session
    session.close()


def resumed(session: LegacySession, last: str | None) -> EventStream:
    """The stream that brings what came after an event."""
    assert last
    return EventStream(session.url, "GET", {**session.headers, "last-event-id": last})


def told(stream: EventStream, method: str | None) -> tuple[str | None, dict[str, Any]]:
    """The next notification of a method, or the next answer; this server tells of its lists too, as it pleases."""
    while True:
        identity, message = stream.next()
        if message.get("method") == method:
            return identity, message


def misses_a_message(session: LegacySession) -> tuple[str | None, str]:
    """The session's own stream breaks; a message is sent meanwhile, and comes when it is resumed. Its event id, and its words."""
    with ExitStack() as stack:
        stream = EventStream(session.url, "GET", session.headers)
        # The server tells of each on this stream.
        session.request("resources/subscribe", RESOURCE).result()
        last, message = told(stream, "notifications/message")
        assert "Received Subscribe Resource request" in message["params"]["data"]
        stream.cut()
        session.request("resources/unsubscribe", RESOURCE).result()
        stream = resumed(session, last)
        stack.callback(stream.cut)
        identity, message = told(stream, "notifications/message")
    assert identity != last
    return identity, message["params"]["data"]


def loses_its_answer(session: LegacySession) -> dict[str, object]:
    """The stream of a call breaks after its first progress; the rest and the answer come when it is resumed."""
    arguments = {"duration": 1, "steps": STEPS}
    message = session.message("tools/call", {"name": "trigger-long-running-operation", "arguments": arguments})
    message["params"]["_meta"] = {"progressToken": "p"}
    with ExitStack() as stack:
        stream = EventStream(session.url, "POST", session.headers, message)
        last, progress = told(stream, "notifications/progress")
        assert progress["params"]["progress"] == 1
        stream.cut()
        # Done, since it is asked after: this server replays what is over, and does not go on with what is not.
        session.call("trigger-long-running-operation", {"duration": 1.5, "steps": 1})
        stream = resumed(session, last)
        stack.callback(stream.cut)
        for step in range(2, STEPS + 1):
            _, progress = told(stream, "notifications/progress")
            assert progress["params"] == {"progress": step, "total": STEPS, "progressToken": "p"}
        _, answer = told(stream, None)
    assert answer["id"] == message["id"]
    result: dict[str, object] = answer["result"]
    return result


def test_a_sessions_own_stream_directly(directly: LegacySession) -> None:
    _, said = misses_a_message(directly)
    assert "Received Unsubscribe Resource request" in said


def test_a_sessions_own_stream(gated: LegacySession) -> None:
    identity, said = misses_a_message(gated)
    # The event's id is the server's, so that it is of use where the gate was replaced meanwhile.
    assert identity
    assert "Received Unsubscribe Resource request" in said


def test_the_stream_of_a_call_directly(directly: LegacySession) -> None:
    assert "Long running operation completed" in str(loses_its_answer(directly))


def test_the_stream_of_a_call(gated: LegacySession) -> None:
    result = loses_its_answer(gated)
    assert "Long running operation completed" in str(result)
    # It is the same answer, on whatever stream it comes.
    label = result["_meta"][LABEL]  # type: ignore[index]
    assert label["source"]["tool"] == "trigger-long-running-operation"
    assert label["labels"] == ["untrusted"]
