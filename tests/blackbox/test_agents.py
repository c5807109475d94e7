"""Claude Code, Gemini CLI and Codex, without the gate and through it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents import Codex, claude_lists, codex_lists, gemini_lists
from gate import HEADERS, Gate
from outcomes import none
from plain_client import modern_request
from relay import Exchange, by_session, wire
from transcripts import Transcript, differences, labels

USED = ["everything-http", "dual-http"]
TOKEN = HEADERS["authorization"]

Lists = Callable[[int, str, str, Path], tuple[str, list[Exchange]]]
LISTS: dict[str, Lists] = {"claude": claude_lists, "gemini": gemini_lists}


def seen(exchanges: list[Exchange]) -> Transcript:
    """What crossed the wire, to be compared."""
    return Transcript(*wire(exchanges))


def homes(folder: Path) -> tuple[Path, Path]:
    """A home without the gate, and one with it."""
    bare, through = folder / "bare", folder / "through"
    bare.mkdir()
    through.mkdir()
    return bare, through


@pytest.mark.parametrize("server", USED)
@pytest.mark.parametrize("agent", LISTS)
def test_an_agent_connects_directly(agent: str, server: str, ports: dict[str, int], tmp_path: Path) -> None:
    said, _ = LISTS[agent](ports[server], "/mcp", TOKEN, tmp_path)
    assert "Connected" in said


@pytest.mark.parametrize("server", USED)
@pytest.mark.parametrize("agent", LISTS)
def test_an_agent_connects(
    agent: str, server: str, registered: Gate, ports: dict[str, int], tmp_path: Path, gate: Gate
) -> None:
    bare, through = homes(tmp_path)
    _, expected = LISTS[agent](ports[server], "/mcp", TOKEN, bare)
    said, exchanges = LISTS[agent](gate.port, f"/{server}/mcp", TOKEN, through)
    assert "Connected" in said
    none(differences(seen(expected), seen(exchanges), notices=False))


@pytest.mark.parametrize("agent", LISTS)
def test_an_agent_with_a_wrong_token_does_not_connect(
    agent: str, registered: Gate, tmp_path: Path, gate: Gate
) -> None:
    said, exchanges = LISTS[agent](gate.port, "/everything-http/mcp", "Bearer wrong", tmp_path)
    assert "Connected" not in said.replace("Disconnected", "")
    # They look for OAuth metadata next, which is not there: an answer, and never a demand for a credential.
    assert {exchange.status for exchange in exchanges if "/.well-known/" not in exchange.target} == {401}
    assert {exchange.status for exchange in exchanges if "/.well-known/" in exchange.target} <= {404}


def test_claude_code_is_told_why_a_wrong_token_is_refused(registered: Gate, tmp_path: Path, gate: Gate) -> None:
    said, _ = claude_lists(gate.port, "/everything-http/mcp", "Bearer wrong", tmp_path)
    assert "401" in said


def test_what_codex_probes_before_it_has_a_token_is_answered_and_held_against_nobody(
    registered: Gate, tmp_path: Path, gate: Gate
) -> None:
    # What failed in other tests is forgotten with the process.
    gate.stop()
    gate.start()
    # More often than failed credentials are borne with in a minute.
    for number in range(7):
        home = tmp_path / str(number)
        home.mkdir()
        said, exchanges = codex_lists(gate.port, "/everything-http/mcp", home)
        assert "tested" in said
        probes = [exchange for exchange in exchanges if "/.well-known/" in exchange.target]
        assert len(probes) >= 4
        assert {exchange.status for exchange in probes} == {404}
        (knock,) = (exchange for exchange in exchanges if exchange not in probes)
        assert (knock.method, knock.status) == ("GET", 401)
    refused = modern_request(gate.url("dual-http"), "tools/list", {}, {"authorization": "Bearer wrong"})
    assert refused.status == 401, refused.text


USER = {"action": "accept", "content": {"name": "Ana", "check": True}}


def codex_session(port: int, path: str, home: Path) -> tuple[dict[str, Any], list[Any], list[Transcript]]:
    """Codex lists the tools of a server, calls one, and is asked for something by another."""
    with Codex(port, path, HEADERS, home, USER) as codex:
        tools = codex.tools()
        thread = codex.thread()
        results = [codex.call(thread, "echo", {"message": "from codex"})]
        if "trigger-elicitation-request" in tools:
            results.append(codex.call(thread, "trigger-elicitation-request", {}))
            assert codex.asked == ["mcpServer/elicitation/request"]
    assert codex.relay is not None
    # One session to list the tools and one for the conversation, with the same ids.
    transcripts = [seen(session) for session in by_session(codex.relay.exchanges())]
    return tools, results, transcripts


def assert_worked(tools: dict[str, Any], results: list[Any]) -> None:
    """Codex found the tools, and they answered what it asked."""
    assert "echo" in tools
    said = json.dumps(results)
    assert "from codex" in said
    if len(results) > 1:
        assert "User provided the requested information" in said
        assert "Name: Ana" in said


@pytest.mark.parametrize("server", USED)
def test_codex_works_directly(server: str, ports: dict[str, int], tmp_path: Path) -> None:
    tools, results, _ = codex_session(ports[server], "/mcp", tmp_path)
    assert_worked(tools, results)


@pytest.mark.parametrize("server", USED)
def test_codex_works(server: str, registered: Gate, ports: dict[str, int], tmp_path: Path, gate: Gate) -> None:
    bare, through = homes(tmp_path)
    expected_tools, _, expected = codex_session(ports[server], "/mcp", bare)
    tools, results, transcripts = codex_session(gate.port, f"/{server}/mcp", through)
    assert_worked(tools, results)
    assert tools == expected_tools
    assert len(transcripts) == len(expected) == 2
    for direct, gated in zip(expected, transcripts, strict=True):
        none(differences(direct, gated, notices=False, ids=False))
    assert labels(transcripts[1], "tools/call")[0]["source"]["tool"] == "echo"
