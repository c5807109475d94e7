"""Long-running tasks as the revision 2025-11-25 has them: created by a call, polled, and fetched when they are done."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from gate import HEADERS, Gate
from outcomes import faults, none
from sessions import CLIENTS, Session, direct, over_http
from upstreams import RESEARCH
from watched import register

CLIENT = CLIENTS["typescript-v1"]


def assert_researched(session: Session, work: Path) -> None:
    """The task went its way to the end, and asked the user on it."""
    none(faults(RESEARCH.story(work, False), session.outcome))
    assert session.outcome["asked"] == ["roots/list", "elicitation/create"]
    (task,) = (step for step in session.outcome["steps"] if step["do"] == "task")
    assert "working" in task["statuses"]
    methods = [text for text in session.transcript.sent if '"method":"tasks/' in text]
    assert any('"tasks/get"' in text for text in methods)
    assert any('"tasks/result"' in text for text in methods)


@pytest.fixture(scope="module")
def researched_directly(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The session without the gate."""
    return direct(CLIENT, RESEARCH, work, tmp_path_factory.mktemp("research"))


def test_a_task_directly(researched_directly: Session, work: Path) -> None:
    assert_researched(researched_directly, work)


def test_a_task(researched_directly: Session, gate: Gate, work: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        register(gate, RESEARCH, work, tmp_path, stack)
        gate.start()

        def route(port: int) -> tuple[str, dict[str, str]]:
            return gate.url(RESEARCH.name, port), HEADERS

        session = over_http(CLIENT, RESEARCH, route, gate.port, work, tmp_path)
        gate.stop()
    assert_researched(session, work)
    # How often a task is polled is a matter of time, so the texts it ended with are compared and not every message.
    assert content(session) == content(researched_directly)


def content(session: Session) -> list[object]:
    """What the task's result said."""
    return [step["ok"]["content"] for step in session.outcome["steps"] if step["do"] == "task"]
