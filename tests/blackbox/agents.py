"""The agents people use, as far as they can be driven without an account: Claude Code, Gemini CLI and Codex.

Each is given a home of its own that names one server at a port, and what crosses the wire is kept. Nothing here knows
whether the server is the gate.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import programs
from relay import Exchange, Relay

# What one answer of an agent may take; only ends one that hangs.
ANSWER_SECONDS = 120

SERVER = "tested"


def run(command: list[str], home: Path, **environment: str) -> str:
    """Runs a command with a home of its own, which must succeed; what it printed."""
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "HOME": str(home), **environment},
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=ANSWER_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    # Gemini CLI lists on standard error where that is no terminal.
    return done.stdout + done.stderr


def claude_lists(port: int, path: str, token: str, home: Path) -> tuple[str, list[Exchange]]:
    """What `claude mcp list` says of a server, and what crossed the wire."""
    environment = {
        "CLAUDE_CONFIG_DIR": str(home),
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    relay = Relay(port)
    try:
        entry = ["--transport", "http", "-s", "user", SERVER, f"http://127.0.0.1:{relay.port}{path}"]
        run([programs.claude(), "mcp", "add", *entry, "-H", f"Authorization: {token}"], home, **environment)
        return run([programs.claude(), "mcp", "list"], home, **environment), relay.exchanges()
    finally:
        relay.close()


def gemini_lists(port: int, path: str, token: str, home: Path) -> tuple[str, list[Exchange]]:
    """What `gemini mcp list` says of a server, and what crossed the wire."""
    relay = Relay(port)
    try:
        url = f"http://127.0.0.1:{relay.port}{path}"
        settings = home / ".gemini" / "settings.json"
        settings.parent.mkdir()
        entry = {"url": url, "type": "http", "headers": {"Authorization": token}}
        settings.write_text(json.dumps({"mcpServers": {SERVER: entry}}))
        said = run([*programs.gemini(), "mcp", "list"], home, GEMINI_CLI_TRUST_WORKSPACE="true")
        return said, relay.exchanges()
    finally:
        relay.close()


def codex_lists(port: int, path: str, home: Path) -> tuple[str, list[Exchange]]:
    """What `codex mcp list` says of a server it has no token for, and what crossed the wire: it looks for OAuth."""
    relay = Relay(port)
    try:
        environment = codex_home(home, f"http://127.0.0.1:{relay.port}{path}", {})
        return run([programs.codex(), "mcp", "list"], home, **environment), relay.exchanges()
    finally:
        relay.close()


def codex_home(home: Path, url: str, headers: dict[str, str]) -> dict[str, str]:
    """Writes Codex's configuration; the environment that leads to it."""
    given = ", ".join(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in headers.items())
    lines = [f"[mcp_servers.{SERVER}]", f"url = {json.dumps(url)}", f"http_headers = {{ {given} }}"]
    (home / "config.toml").write_text("\n".join(lines) + "\n")
    return {"CODEX_HOME": str(home)}


class Codex:
    """Codex itself, driven through the interface its editors use: JSON-RPC over its standard streams."""

    relay: Relay | None

    def __init__(self, port: int, path: str, headers: dict[str, str], home: Path, user: dict[str, Any]) -> None:
        self.relay = Relay(port)
        self._start(home, user, codex_home(home, f"http://127.0.0.1:{self.relay.port}{path}", headers))

    @classmethod
    def at_home(cls, home: Path, environment: dict[str, str]) -> Codex:
        """Codex with the configuration that lies in a home already."""
        codex = cls.__new__(cls)
        codex.relay = None
        codex._start(home, {}, {"CODEX_HOME": str(home), **environment})
        return codex

    def _start(self, home: Path, user: dict[str, Any], environment: dict[str, str]) -> None:
        # What the user answers when a server asks for something.
        self.user = user
        self.asked: list[str] = []
        self._number = 0
        self._home = home
        self._process = subprocess.Popen(
            [programs.codex(), "app-server"],
            env={"PATH": os.environ["PATH"], "HOME": str(home), **environment},
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._said: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Codex:
        self.ask("initialize", {"clientInfo": {"name": "tests", "version": "1"}})
        self._tell({"method": "initialized"})
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(timeout=ANSWER_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            if self.relay is not None:
                self.relay.close()

    def tools(self) -> dict[str, Any]:
        """The tools Codex finds, by name."""
        (server,) = self.ask("mcpServerStatus/list", {})["data"]
        tools: dict[str, Any] = server["tools"]
        return tools

    def thread(self) -> str:
        """Opens a conversation, which connects to the servers and keeps them."""
        return str(self.ask("thread/start", {"cwd": str(self._home)})["thread"]["id"])

    def call(self, thread: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Calls a tool as the model would; its result."""
        params = {"threadId": thread, "server": SERVER, "tool": tool, "arguments": arguments}
        return self.ask("mcpServer/tool/call", params)

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Asks Codex, answering what it asks in between; its result."""
        self._number += 1
        self._tell({"id": self._number, "method": method, "params": params})
        while True:
            message = json.loads(self._said.get(timeout=ANSWER_SECONDS))
            if "method" in message and "id" in message:
                self.asked.append(message["method"])
                self._tell({"id": message["id"], "result": self.user})
            elif message.get("id") == self._number:
                assert "result" in message, message
                result: dict[str, Any] = message["result"]
                return result

    def _tell(self, message: dict[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._said.put(line)
