"""Clients that can be given only a URL work within the task whose token stands in it: no header, no bearer token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gate import TOKEN, Gate
from outcomes import faults, none
from plain_client import LegacySession, text
from sessions import CLIENTS, modern, over_http
from upstreams import SERVERS
from watched import Watched, register

NAMES = ("filesystem", "git")
PROFILE = 'name = "work"\nlifetime_s = 3600\n[scope]\nservers = ["filesystem", "git"]\n'


@pytest.fixture(scope="module")
def watched(gate: Gate, work: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Watched]]:
    """The servers, registered with a gate that has one kind of task."""
    scratch = tmp_path_factory.mktemp("watched")
    (gate.folder / "registry" / "tasks").mkdir()
    (gate.folder / "registry" / "tasks" / "work.toml").write_text(PROFILE)
    with ExitStack() as stack:
        registered = {name: register(gate, SERVERS[name], work, scratch, stack) for name in NAMES}
        gate.start()
        yield registered


def opened(gate: Gate, *more: str) -> dict[str, Any]:
    """A task, opened as a host does."""
    of = ["--profile", "work", "--agent", "tester", "--goal", "The whole story", "--json"]
    said = gate.command("task", "open", *of, *more, "--config", str(gate.config), "--token", TOKEN)
    task: dict[str, Any] = json.loads(said)
    return task


@pytest.mark.parametrize(
    ("client", "server"),
    [
        ("python", "git"),
        ("python-legacy", "filesystem"),
        ("typescript-v1", "filesystem"),
        ("typescript-v2", "git"),
        ("fastmcp", "git"),
    ],
)
def test_a_whole_session_by_url_alone(
    client: str, server: str, gate: Gate, watched: dict[str, Watched], work: Path, tmp_path: Path
) -> None:
    task = opened(gate)
    before = watched[server].reached()

    def route(port: int) -> tuple[str, dict[str, str]]:
        return f"http://127.0.0.1:{port}/t/{task['token']}/{server}/mcp", {}

    session = over_http(CLIENTS[client], SERVERS[server], route, gate.port, work, tmp_path)
    none(faults(SERVERS[server].story(work, modern(CLIENTS[client], SERVERS[server])), session.outcome))
    reached = watched[server].since(before)
    assert reached.sent
    assert task["token"] not in json.dumps([reached.sent, reached.received], default=str)
    gate.story(task["trace"], "task_opened", "The whole story", "default/tester")
    assert task["token"] not in gate.story(task["trace"], "task_opened")
    assert task["token"] not in gate.log.read_text()


def test_a_task_that_may_only_read(gate: Gate, watched: dict[str, Watched], work: Path) -> None:
    assert watched
    task = opened(gate, "--tool", "filesystem/read_*", "--tool", "filesystem/list_*")
    session = LegacySession(f"http://127.0.0.1:{gate.port}/t/{task['token']}/filesystem/mcp", {})
    names = {tool["name"] for tool in session.request("tools/list", {}).result()["tools"]}
    assert "read_text_file" in names
    assert "write_file" not in names
    denied = session.call("write_file", {"path": str(work / "note.txt"), "content": "x"})
    assert denied["isError"]
    assert "outside the scope of this task" in text(denied)
    assert "filesystem/read_text_file" in text(denied)
    gate.command("task", "stop", task["id"], "--reason", "enough", "--config", str(gate.config), "--token", TOKEN)
    over = session.call("list_allowed_directories", {})
    assert over["isError"]
    assert "stopped by a person: enough" in text(over)
    gate.story(task["trace"], "attempted expansion", "task_stopped", "enough")
