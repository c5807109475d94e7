"""Upstreams as they fail in life: one that is dead, one that dies, and children that must not outlive the gate."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import programs
from gate import HEADERS, Gate
from plain_client import LegacySession, modern_call, modern_request, post, text
from processes import NAME, VALUE, children, stdio
from upstreams import PATIENCE_SECONDS, SERVERS, free_port, serve_http, wait_until

SECRET = "a-secret-of-the-gate's-own-environment"


@pytest.fixture(scope="module")
def port() -> int:
    """The port of the HTTP server, the same over its deaths."""
    return free_port()


@pytest.fixture(scope="module")
def registered(gate: Gate, port: int, work: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A gate with healthy servers and with such as cannot be reached."""
    log = tmp_path_factory.mktemp("upstreams") / "server.log"
    work.mkdir(parents=True, exist_ok=True)
    gate.register("everything", stdio(programs.everything("stdio")))
    gate.register("dual", stdio(programs.dual_era()))
    with serve_http(SERVERS["dual-http"], work, log, port):
        gate.register("remote", {"kind": "http", "url": f"http://127.0.0.1:{port}/mcp"})
    # Registered while they worked, as in life; then what they are reached by is gone.
    for name, transport in (
        ("refused", {"kind": "http", "url": f"http://127.0.0.1:{free_port()}/mcp"}),
        ("missing", stdio(["/nonexistent/program"])),
        ("crashing", stdio(["/bin/false"])),
    ):
        entry = gate.registration("dual")
        gate.write_registration(name, {**entry, "name": name, "system": name, "transport": transport})
        source = gate.folder / "registry" / "servers" / "dual.tools.json"
        source.with_name(f"{name}.tools.json").write_text(source.read_text())
    gate.start({"WICKETGATE_BLACKBOX_SECRET": SECRET})
    yield gate


@pytest.mark.parametrize("dead", ["refused", "missing", "crashing", "remote"])
def test_a_dead_server_hurts_no_other(dead: str, registered: Gate, gate: Gate) -> None:
    message = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "plain", "version": "1"}}
    with ExitStack() as stack:
        healthy = LegacySession(gate.url("everything"), HEADERS)
        stack.callback(healthy.close)
        for _ in range(3):
            failed = initialize(gate.url(dead), message)
            # Whether a program that ends at once was reached is a race, and the gate says which it was.
            assert failed["error"]["data"]["dev.wicketgate/refusal"]["code"] in ("unreachable", "answer_lost"), failed
            assert text(healthy.call("echo", {"message": "well"})) == "Echo: well"
        assert gate.healthy()


def initialize(url: str, params: dict[str, Any]) -> dict[str, Any]:
    """Tries to open a session; the answer, which may be an error."""
    return post(url, {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}, HEADERS).last()


def test_a_server_that_comes_back_is_used_again(
    registered: Gate, gate: Gate, port: int, work: Path, tmp_path: Path
) -> None:
    for life in range(2):
        with serve_http(SERVERS["dual-http"], work, tmp_path / f"{life}.log", port):
            assert text(modern_call(gate.url("remote"), "echo", {"message": f"life {life}"}, HEADERS)) == f"life {life}"
        answer = modern_call_or_error(gate.url("remote"))
        assert "error" in answer or answer["result"]["isError"], answer


def modern_call_or_error(url: str) -> dict[str, Any]:
    """A call that may fail; the whole answer."""
    return modern_request(url, "tools/call", {"name": "echo", "arguments": {"message": "x"}}, HEADERS).last()


# What every child gets of the gate's own environment, if it is there: none of it is a secret, and launchers need it.
PASSED = {"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SHELL"}


def test_a_child_gets_a_clean_environment(registered: Gate, gate: Gate) -> None:
    session = LegacySession(gate.url("everything"), HEADERS)
    environment = json.loads(text(session.call("get-env")))
    session.close()
    assert SECRET not in str(environment)
    expected = {name: os.environ[name] for name in PASSED if name in os.environ}
    assert environment == {**expected, NAME: VALUE}


def test_each_session_has_its_own_child_and_ending_it_ends_the_child(registered: Gate, gate: Gate) -> None:
    wait_until(lambda: not children(), "the children of earlier sessions to end")
    with ExitStack() as stack:
        first = LegacySession(gate.url("everything"), HEADERS)
        stack.callback(first.close)
        second = LegacySession(gate.url("everything"), HEADERS)
        stack.callback(second.close)
        first.call("echo", {"message": "one"})
        second.call("echo", {"message": "two"})
        assert len(children()) == 2
        assert first.close() in (200, 202, 204)
        wait_until(lambda: len(children()) == 1, "the first session's child to end")
        assert text(second.call("echo", {"message": "two"})) == "Echo: two"
        # A session that was ended is unknown, which tells its client to open another.
        assert first.request("tools/list").status == 404
    wait_until(lambda: not children(), "the second session's child to end")


def test_a_child_that_is_killed_fails_its_session_and_no_other(registered: Gate, gate: Gate) -> None:
    wait_until(lambda: not children(), "the children of earlier sessions to end")
    with ExitStack() as stack:
        doomed = LegacySession(gate.url("everything"), HEADERS)
        stack.callback(doomed.close)
        doomed.call("echo", {"message": "one"})
        (victim,) = children()
        other = LegacySession(gate.url("everything"), HEADERS)
        stack.callback(other.close)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in children(), "the child to be gone")
        # Its state went with it, so its session is over: an error, or unknown, which tells the client to open another.
        answer = doomed.request("tools/call", {"name": "echo", "arguments": {"message": "x"}})
        assert answer.status == 404 or "error" in answer.last() or answer.result()["isError"], answer.text
        assert text(other.call("echo", {"message": "other"})) == "Echo: other"
        again = LegacySession(gate.url("everything"), HEADERS)
        stack.callback(again.close)
        assert text(again.call("echo", {"message": "again"})) == "Echo: again"


def test_nothing_outlives_the_gate_and_what_it_recorded_does(registered: Gate, gate: Gate) -> None:
    sessions = [LegacySession(gate.url(name), HEADERS) for name in ("everything", "dual", "everything")]
    result = sessions[0].call("echo", {"message": "for the record"})
    trace = result["_meta"]["dev.wicketgate/label"]["trace"]
    assert len(children()) >= 3
    gate.stop()
    wait_until(lambda: not children(), "every child to end with the gate", PATIENCE_SECONDS)

    gate.start({"WICKETGATE_BLACKBOX_SECRET": SECRET})
    # A session of the old process is unknown to the new one: 404 is what makes a client open another.
    assert sessions[0].request("tools/list").status == 404
    with ExitStack() as stack:
        fresh = LegacySession(gate.url("everything"), HEADERS)
        stack.callback(fresh.close)
        assert text(fresh.call("echo", {"message": "after the restart"})) == "Echo: after the restart"
    gate.story(trace, "echo", trace)
