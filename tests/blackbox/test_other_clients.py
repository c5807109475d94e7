"""The programs people use: the MCP Inspector's command line and Claude Code, without the gate and through it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import programs
from gate import HEADERS, Gate
from outcomes import none
from relay import Exchange, Relay, wire
from transcripts import Transcript, differences, labels
from upstreams import SERVERS, serve_http
from watched import register

USED = ["everything-http", "dual-http"]
# The Inspector asks in the legacy era unless told otherwise; everything knows no other.
ERAS = [("everything-http", "legacy"), ("everything-http", "auto"), ("dual-http", "legacy"), ("dual-http", "modern")]


@pytest.fixture(scope="module")
def ports(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The servers without the gate."""
    scratch = tmp_path_factory.mktemp("direct")
    with ExitStack() as stack:
        yield {name: stack.enter_context(serve_http(SERVERS[name], work, scratch / f"{name}.log")) for name in USED}


@pytest.fixture(scope="module")
def registered(gate: Gate, work: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A gate that permits everything, with the same servers behind it."""
    scratch = tmp_path_factory.mktemp("registered")
    with ExitStack() as stack:
        for name in USED:
            register(gate, SERVERS[name], work, scratch, stack)
        gate.start()
        yield gate


def inspect(port: int, path: str, era: str, home: Path, *what: str) -> tuple[dict[str, Any], Transcript]:
    """Runs the Inspector once against a port; what it printed, and what crossed the wire."""
    relay = Relay(port)
    header = f"Authorization: {HEADERS['authorization']}"
    command = [
        *programs.inspector(),
        f"http://127.0.0.1:{relay.port}{path}",
        *["--transport", "http", "--header", header, "--stored-auth-only", "--protocol-era", era],
        *["--format", "json", *what],
    ]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode in (0, 5), f"{done.stdout}\n{done.stderr}"
        printed: dict[str, Any] = json.loads(done.stdout)
        return printed, Transcript(*wire(relay.exchanges()))
    finally:
        relay.close()


CALLS = {
    "tools": ["--method", "tools/list"],
    "call": ["--method", "tools/call", "--tool-name", "echo", "--tool-args-json", '{"message":"hello"}'],
    "resources": ["--method", "resources/list"],
    "prompts": ["--method", "prompts/list"],
}


@pytest.mark.parametrize(("server", "era"), ERAS)
@pytest.mark.parametrize("what", CALLS)
def test_the_inspector_directly(what: str, server: str, era: str, ports: dict[str, int], tmp_path: Path) -> None:
    printed, _ = inspect(ports[server], "/mcp", era, tmp_path, *CALLS[what])
    assert_answers(what, printed)


@pytest.mark.parametrize(("server", "era"), ERAS)
@pytest.mark.parametrize("what", CALLS)
def test_the_inspector(
    what: str, server: str, era: str, registered: Gate, ports: dict[str, int], tmp_path: Path, gate: Gate
) -> None:
    _, expected = inspect(ports[server], "/mcp", era, tmp_path, *CALLS[what])
    printed, seen = inspect(gate.port, f"/{server}/mcp", era, tmp_path, *CALLS[what])
    assert_answers(what, printed)
    none(differences(expected, seen, notices=False))
    if what == "call":
        assert [label["source"]["tool"] for label in labels(seen, "tools/call")] == ["echo"]


def assert_answers(what: str, printed: dict[str, Any]) -> None:
    """The Inspector printed what the servers have."""
    result = printed["result"]
    if what == "call":
        assert "hello" in result["content"][0]["text"]
    else:
        assert len(result[what]) > 0


def claude(home: Path, *arguments: str) -> str:
    """Runs Claude Code's `mcp` command with a home of its own; what it printed."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "CLAUDE_CONFIG_DIR": str(home),
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    done = subprocess.run(
        [programs.claude(), "mcp", *arguments],
        env=environment,
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def claude_lists(port: int, path: str, token: str, home: Path) -> tuple[str, list[Exchange]]:
    """What `claude mcp list` says of a server, and what crossed the wire."""
    relay = Relay(port)
    try:
        url = f"http://127.0.0.1:{relay.port}{path}"
        claude(home, "add", "--transport", "http", "-s", "user", "tested", url, "-H", f"Authorization: {token}")
        return claude(home, "list"), relay.exchanges()
    finally:
        relay.close()


@pytest.mark.parametrize("server", USED)
def test_claude_code_directly(server: str, ports: dict[str, int], tmp_path: Path) -> None:
    said, _ = claude_lists(ports[server], "/mcp", HEADERS["authorization"], tmp_path)
    assert "Connected" in said


@pytest.mark.parametrize("server", USED)
def test_claude_code(server: str, registered: Gate, ports: dict[str, int], tmp_path: Path, gate: Gate) -> None:
    bare, through = tmp_path / "bare", tmp_path / "through"
    bare.mkdir()
    through.mkdir()
    _, expected = claude_lists(ports[server], "/mcp", HEADERS["authorization"], bare)
    said, seen = claude_lists(gate.port, f"/{server}/mcp", HEADERS["authorization"], through)
    assert "Connected" in said
    none(differences(Transcript(*wire(expected)), Transcript(*wire(seen)), notices=False))


def test_claude_code_is_told_why_a_wrong_token_is_refused(registered: Gate, tmp_path: Path, gate: Gate) -> None:
    said, seen = claude_lists(gate.port, "/everything-http/mcp", "Bearer wrong", tmp_path)
    assert "Connected" not in said
    assert "401" in said
    assert {exchange.status for exchange in seen} == {401}
