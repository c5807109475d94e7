"""The MCP Inspector's command line, without the gate and through it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import programs
from gate import HEADERS, Gate
from outcomes import none
from relay import Relay, wire
from transcripts import Transcript, differences, labels

USED = ["everything-http", "dual-http"]
# The Inspector asks in the legacy era unless told otherwise; everything knows no other.
ERAS = [("everything-http", "legacy"), ("everything-http", "auto"), ("dual-http", "legacy"), ("dual-http", "modern")]


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
