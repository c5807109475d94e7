"""The gate as an operator runs it: a configuration folder, the `wicketgate` binary, and nothing else.

A `Gate` owns one folder with configuration, policies, registry and state, and one process at a time. What it does it
does through the command line and the two listeners; it must not reach into the gate's files of state.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import signal
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import programs
from upstreams import PATIENCE_SECONDS, free_port, wait_until

TOKEN = "black-box-token-of-no-worth"
REVIEWER = "qa@example.org"
PERMIT_ALL = '@id("all") permit (principal, action, resource);\n'
# Every feature beyond tools: the tests of transparency are about what passes, those of policy about what does not.
OPEN = ["resources", "prompts", "completion", "logging", "sampling", "elicitation", "roots", "tasks"]


# Where nobody is there to decide, nobody waits for them: a call that asks for a person is answered at once.
NOBODY = "hold_s = 0\nhold_progress_s = 0"


class Gate:
    """One gate in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.control_port = free_port()
        self.config = folder / "wicketgate.toml"
        self.log = folder / "gate.log"
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("policies", "registry/servers", "state"):
            (folder / name).mkdir(parents=True)
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        self.config.write_text(
            f'listen = "127.0.0.1:{self.port}"\npolicies = "policies"\nregistry = "registry"\ndata = "state"\n\n'
            f'[control]\nlisten = "127.0.0.1:{self.control_port}"\n\n'
            f'[[principals]]\nagent = "tester"\nteams = ["qa"]\nuser = "ana"\nroles = ["admin"]\n'
            f'token_sha256 = "{digest}"\n\n'
            f"[approvals]\n{NOBODY}\n"
        )
        self.policy(PERMIT_ALL)

    # What an operator writes.

    def configure(self, lines: str) -> None:
        """Adds to the configuration file; to be called before the start."""
        with self.config.open("a") as file:
            file.write(f"\n{lines}\n")

    def people(self, approvals: str) -> None:
        """There are people who decide: the table that says how long they are waited for; to be called before the start."""
        text = self.config.read_text()
        assert NOBODY in text
        self.config.write_text(text.replace(NOBODY, approvals))

    def policy(self, text: str, name: str = "tests.cedar") -> None:
        """Writes a policy file, as an editor does: beside it first, then in its place."""
        path = self.folder / "policies" / name
        beside = path.with_name(f".{name}.new")
        beside.write_text(text)
        beside.replace(path)

    def registration(self, name: str) -> dict[str, Any]:
        """The registry's file for a server, read."""
        return tomllib.loads(self._server_file(name).read_text())

    def write_registration(self, name: str, entry: dict[str, Any]) -> None:
        """Writes the registry's file for a server."""
        path = self._server_file(name)
        beside = path.with_name(f".{name}.new")
        beside.write_text(toml(entry))
        beside.replace(path)

    def register(self, name: str, transport: dict[str, Any], labels: list[str] | None = None, **more: Any) -> None:
        """Registers a live server with the command an operator uses, every tool reviewed with the effect `read`."""
        entry = {
            "name": name,
            "owner": REVIEWER,
            "system": name,
            "labels": labels or [],
            "open": OPEN,
            **more,
            "transport": transport,
        }
        self.write_registration(name, entry)
        options = ["--effect", "read", "--reviewed-by", REVIEWER]
        self.command("registry", "scan", name, "--config", str(self.config), *options)

    def effect(self, server: str, tool: str, effects: list[str]) -> None:
        """Changes the reviewed effect of one tool."""
        entry = self.registration(server)
        entry["tools"][tool]["effect"] = effects
        self.write_registration(server, entry)

    def _server_file(self, name: str) -> Path:
        return self.folder / "registry" / "servers" / f"{name}.toml"

    # What an operator runs.

    def command(self, *arguments: str) -> str:
        """Runs `wicketgate` with these arguments, which must succeed; what it printed."""
        code, said = self.run(*arguments)
        if code != 0:
            raise AssertionError(f"wicketgate {' '.join(arguments)} ended with {code}:\n{said}")
        return said

    def run(self, *arguments: str) -> tuple[int, str]:
        """Runs `wicketgate` with these arguments; its exit code and all that it printed."""
        done = subprocess.run(
            [programs.gate(), *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
            check=False,
        )
        return done.returncode, done.stdout

    def story(self, trace: str, *words: str) -> str:
        """What `wicketgate trace` prints, once it holds these words: reads are committed a moment after their answer."""
        said = ""

        def whole() -> bool:
            nonlocal said
            code, said = self.run("trace", trace, "--config", str(self.config))
            return code == 0 and all(word in said for word in words)

        try:
            wait_until(whole, f"the story to tell of {', '.join(words)}", 10)
        except TimeoutError as late:
            raise AssertionError(f"{late}:\n{said}") from None
        return said

    def start(self, environment: dict[str, str] | None = None) -> None:
        """Starts `wicketgate serve` and waits until it says it is well."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [programs.gate(), "serve", "--config", str(self.config)],
                cwd=self.folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        process = self._process
        wait_until(lambda: self.healthy() or process.poll() is not None, "the gate to be well")
        if process.poll() is not None:
            raise AssertionError(f"the gate ended at its start:\n{self.log.read_text()[-6000:]}")

    def stop(self) -> None:
        """Asks the gate to end, as a service manager does, and waits until it has."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"the gate did not end on SIGTERM; see {self.log}") from None
        finally:
            self._process = None
        assert code == 0, f"the gate ended with {code}:\n{self.log.read_text()[-6000:]}"

    def kill(self) -> None:
        """Ends the gate as a crash does: it cannot do anything about it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def pid(self) -> int:
        """The process id of the running gate."""
        assert self._process is not None
        return self._process.pid

    # What is on the listeners.

    def url(self, server: str, port: int | None = None) -> str:
        """The endpoint of a server; through a relay when its port is given."""
        return f"http://127.0.0.1:{port or self.port}/{server}/mcp"

    def healthy(self) -> bool:
        """Whether the data plane answers that it is well."""
        try:
            status, body = get(self.port, "/healthz")
        except OSError:
            return False
        return status == 200 and body.get("status") == "ok"

    def control(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        """A call of the control API with the operator's token."""
        return get(self.control_port, path, method)

    def reload(self) -> dict[str, Any]:
        """Makes the gate take what is on disk now."""
        status, body = self.control("POST", "/v1/reload")
        assert status == 200, f"reload answered {status}: {body}"
        return body


HEADERS = {"authorization": f"Bearer {TOKEN}"}


def get(port: int, path: str, method: str = "GET") -> tuple[int, dict[str, Any]]:
    """One small HTTP exchange with the token; its status and JSON body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, headers={**HEADERS, "accept": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        try:
            body = json.loads(text) if text else {}
        except json.JSONDecodeError:
            body = {"text": text.decode(errors="replace")}
        return answer.status, body
    finally:
        connection.close()


def toml(entry: dict[str, Any]) -> str:
    """A registry entry as TOML: plain members first, then one table for each nested one (tables of tables two deep)."""
    lines = [f"{_key(key)} = {_value(value)}" for key, value in entry.items() if not isinstance(value, dict)]
    for key, table in entry.items():
        if not isinstance(table, dict):
            continue
        if table and all(isinstance(inner, dict) for inner in table.values()):
            for name, inner in table.items():
                lines.append(f"\n[{_key(key)}.{_key(name)}]")
                lines += [f"{_key(member)} = {_value(value)}" for member, value in inner.items()]
        else:
            lines.append(f"\n[{_key(key)}]")
            lines += [f"{_key(member)} = {_value(value)}" for member, value in table.items()]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    # A JSON string is a TOML basic string, and a quoted key may hold anything.
    return json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(inner) for inner in value) + "]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, str):
        return json.dumps(value)
    # Dates and times, as they are written in TOML.
    return str(value.isoformat())
