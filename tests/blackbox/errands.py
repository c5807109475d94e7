"""Claude Code and Gemini CLI at work: each runs one errand without a terminal, with a scripted model behind it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType

import programs
from agents import ANSWER_SECONDS
from models import Model

SERVER = "office"
PROMPT = "Send it."


def claude(home: Path, url: str, headers: dict[str, str], model: Model, timeout_ms: int) -> Errand:
    """Claude Code; `timeout_ms` is what it takes from MCP_TOOL_TIMEOUT."""
    config = home / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {SERVER: {"type": "http", "url": url, "headers": headers}}}))
    options = ["--mcp-config", str(config), "--strict-mcp-config", "--allowedTools", f"mcp__{SERVER}__send_mail"]
    environment = {
        "ANTHROPIC_BASE_URL": model.url,
        "ANTHROPIC_API_KEY": "none",
        "CLAUDE_CONFIG_DIR": str(home),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        # Its tools are offered to the model by name, and not for it to search.
        "ENABLE_TOOL_SEARCH": "false",
        "MCP_TOOL_TIMEOUT": str(timeout_ms),
    }
    return Errand([programs.claude(), "-p", PROMPT, *options], home, environment)


def gemini(home: Path, url: str, headers: dict[str, str], model: Model, timeout_ms: int) -> Errand:
    """Gemini CLI; `timeout_ms` is the server's `timeout` in its settings."""
    server = {"url": url, "type": "http", "headers": headers, "timeout": timeout_ms, "trust": True}
    settings = home / ".gemini" / "settings.json"
    settings.parent.mkdir()
    auth = {"auth": {"selectedType": "gemini-api-key"}}
    private = {"usageStatisticsEnabled": False}
    settings.write_text(json.dumps({"mcpServers": {SERVER: server}, "security": auth, "privacy": private}))
    environment = {
        "GOOGLE_GEMINI_BASE_URL": model.url,
        "GEMINI_API_KEY": "none",
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }
    return Errand([*programs.gemini(), "-m", "gemini-2.5-pro", "--yolo", "-p", PROMPT], home, environment)


AGENTS = {"claude": claude, "gemini": gemini}


class Errand:
    """One run of an agent."""

    def __init__(self, command: list[str], home: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], "HOME": str(home), **environment},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Errand:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    def end(self) -> str:
        """What the agent has printed, when it is done."""
        said, _ = self._process.communicate(timeout=ANSWER_SECONDS)
        assert self._process.returncode == 0, said
        return said
