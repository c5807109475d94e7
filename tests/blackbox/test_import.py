"""`wicketgate import` with the agents themselves: they write their configuration, it is imported, they connect as it then
says, and it is restored byte for byte."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import programs
from agents import SERVER, Codex, run
from gate import REVIEWER, TOKEN, Gate

# What a server is given that nobody else may see.
SECRET = "a-literal-secret-of-the-client"
CLAUDE = {"DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
GEMINI = {"GEMINI_CLI_TRUST_WORKSPACE": "true"}


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """A gate that knows no server and permits nothing but what keeps a session."""
    (tmp_path / "gate").mkdir()
    made = Gate(tmp_path / "gate")
    made.policy('@id("lifecycle") permit (principal, action in Gate::Action::"lifecycle", resource);\n')
    yield made
    made.stop()


def imported(gate: Gate, client: str, file: Path) -> bytes:
    """Imports a client's file, reviews what was found, and starts the gate; the file as it was."""
    before = file.read_bytes()
    config = ["--config", str(gate.config)]
    said = gate.command("import", client, "--file", str(file), *config)
    assert SECRET not in said
    assert SECRET not in (gate.folder / "registry/servers" / f"{SERVER}.toml").read_text()
    after = file.read_bytes()
    assert after != before
    gate.command("import", client, "--file", str(file), *config)
    assert file.read_bytes() == after
    gate.command("registry", "scan", SERVER, *config, "--effect", "read", "--reviewed-by", REVIEWER)
    gate.start()
    return before


def restored(gate: Gate, file: Path, before: bytes) -> None:
    """Takes the import back."""
    gate.command("import", "--undo", "--config", str(gate.config))
    assert file.read_bytes() == before


def copied(home: Path) -> Path:
    """A copy of a home: agents write into theirs whenever they run."""
    return Path(shutil.copytree(home, home.with_name(f"{home.name}-used")))


def test_claude_code(gate: Gate, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    node, *arguments = programs.everything("stdio")
    added = ["mcp", "add", "-s", "user", SERVER, "-e", f"API_KEY={SECRET}", "--", node, *arguments]
    run([programs.claude(), *added], home, CLAUDE_CONFIG_DIR=str(home), **CLAUDE)
    file = home / ".claude.json"
    before = imported(gate, "claude-code", file)
    assert f"{SERVER}/mcp" in file.read_text()
    used = copied(home)
    said = run([programs.claude(), "mcp", "list"], used, CLAUDE_CONFIG_DIR=str(used), WICKETGATE_TOKEN=TOKEN, **CLAUDE)
    assert "Connected" in said, said
    said = run([programs.claude(), "mcp", "list"], used, CLAUDE_CONFIG_DIR=str(used), WICKETGATE_TOKEN="wrong", **CLAUDE)
    assert "Connected" not in said.replace("Disconnected", ""), said
    restored(gate, file, before)


def test_gemini_cli(gate: Gate, tmp_path: Path) -> None:
    home = tmp_path / "home"
    file = home / ".gemini" / "settings.json"
    file.parent.mkdir(parents=True)
    node, *arguments = programs.everything("stdio")
    run([*programs.gemini(), "mcp", "add", "-s", "user", "-e", f"API_KEY={SECRET}", SERVER, node, *arguments], home, **GEMINI)
    assert json.loads(file.read_text())["mcpServers"][SERVER]["command"] == node
    before = imported(gate, "gemini", file)
    used = copied(home)
    said = run([*programs.gemini(), "mcp", "list"], used, WICKETGATE_TOKEN=TOKEN, **GEMINI)
    assert "Connected" in said, said
    restored(gate, file, before)


def test_codex(gate: Gate, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    node, *arguments = programs.everything("stdio")
    added = ["mcp", "add", "--env", f"API_KEY={SECRET}", SERVER, "--", node, *arguments]
    run([programs.codex(), *added], home, CODEX_HOME=str(home))
    file = home / "config.toml"
    before = imported(gate, "codex", file)
    used = copied(home)
    with Codex.at_home(used, {"WICKETGATE_TOKEN": TOKEN}) as codex:
        assert "echo" in codex.tools()
        result = codex.call(codex.thread(), "echo", {"message": "from codex"})
        assert "from codex" in json.dumps(result)
    restored(gate, file, before)


def test_claude_desktop_starts_the_bridge(gate: Gate, tmp_path: Path) -> None:
    """Claude Desktop does not run here: its part is played with the command that its file then names."""
    file = tmp_path / "claude_desktop_config.json"
    node, *arguments = programs.everything("stdio")
    entry = {"command": node, "args": arguments, "env": {"API_KEY": SECRET}}
    file.write_text(json.dumps({"mcpServers": {SERVER: entry}}, indent=2))
    before = imported(gate, "claude-desktop", file)
    entry = json.loads(file.read_text())["mcpServers"][SERVER]
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    lines = [
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {"message": "hi"}}},
    ]
    process = subprocess.Popen(
        [entry["command"], *entry["args"]],
        env={"HOME": str(tmp_path), "WICKETGATE_TOKEN": TOKEN},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout
    answers = {}
    for message in lines:
        process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
        while "id" in message and message["id"] not in answers:
            said = json.loads(process.stdout.readline())
            if "id" in said and "method" not in said:
                answers[said["id"]] = said
    assert "hi" in json.dumps(answers[1]), answers
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    restored(gate, file, before)
