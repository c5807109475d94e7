"""Processes are never leaked: sessions that end in every rude way, and a gate that ends in every way, leave none behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import programs
from gate import HEADERS, Gate
from plain_client import LegacySession, delete, open_get, open_post, open_request, post, reset, text
from processes import children, stdio, zombies
from upstreams import wait_until

HABITS = ["plain", "deaf", "launcher", "slow"]
# Every fifth server is deaf and every fifth launches another, in each of the ways below.
MIX = ["plain", "plain", "deaf", "plain", "launcher"]
SESSIONS = 200
LIMITS = """
[limits]
child_starts_per_minute_max = 100000
child_idle_s = 3
child_grace_ms = 300
"""


@pytest.fixture(scope="module")
def registered(gate: Gate) -> Iterator[Gate]:
    """A gate with servers of every habit, which soon ends what nobody uses."""
    gate.configure(LIMITS)
    for habit in HABITS:
        gate.register(habit, stdio(programs.rude(habit)))
    gate.start()
    yield gate


@pytest.fixture(scope="module")
def patient(gate: Gate, registered: Gate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A gate with the same servers that ends nothing for want of use, and gives each time to end by itself."""
    made = Gate(tmp_path_factory.mktemp("patient"))
    for habit in ["choosy", *HABITS]:
        made.write_registration(habit, {**registered.registration("plain"), **named(habit)})
        tools = registered.folder / "registry" / "servers" / "plain.tools.json"
        (made.folder / "registry" / "servers" / f"{habit}.tools.json").write_text(tools.read_text())
    made.start()
    yield made
    made.stop()


def named(habit: str) -> dict[str, object]:
    """What differs between the registrations."""
    return {"name": habit, "system": habit, "transport": stdio(programs.rude(habit))}


@dataclass
class Guest:
    """Somebody with a session, about to be rude."""

    url: str
    # What must stay open for the rudeness to be one.
    held: list[socket.socket] = field(default_factory=list)

    def session(self) -> LegacySession:
        """Opens a session that works."""
        opened = LegacySession(self.url, HEADERS)
        assert text(opened.call("echo", {"message": "here"})) == "here"
        return opened

    def hanging(self, session: LegacySession) -> socket.socket:
        """A call that will not be answered, under way."""
        return open_post(self.url, session.message("tools/call", {"name": "hang", "arguments": {}}), session.headers)


def says_goodbye(guest: Guest) -> None:
    """What a polite client does."""
    assert guest.session().close() == 200


def says_goodbye_in_midst_of_a_call(guest: Guest) -> None:
    """Ends the session while a call is under way."""
    session = guest.session()
    guest.held.append(guest.hanging(session))
    assert session.close() == 200


def says_goodbye_and_does_not_listen(guest: Guest) -> None:
    """Ends the session and is gone before the answer."""
    session = guest.session()
    reset(open_request(guest.url, "DELETE", session.headers))


def never_comes_back(guest: Guest) -> None:
    """Leaves without a word."""
    guest.session()


def cuts_its_stream(guest: Guest) -> None:
    """Its own stream ends with RST."""
    session = guest.session()
    reset(open_get(guest.url, session.headers))


def closes_one_half_of_its_stream(guest: Guest) -> None:
    """Says that it will send no more, and never closes its end."""
    session = guest.session()
    stream = open_get(guest.url, session.headers)
    stream.shutdown(socket.SHUT_WR)
    guest.held.append(stream)


def leaves_in_midst_of_a_call(guest: Guest) -> None:
    """Closes the connection a call waits on."""
    guest.hanging(guest.session()).close()


def is_killed_in_midst_of_a_call(guest: Guest) -> None:
    """Resets the connections of a call and of its stream."""
    session = guest.session()
    stream, waiting = open_get(guest.url, session.headers), guest.hanging(session)
    reset(waiting)
    reset(stream)


def breaks_off_in_midst_of_a_request(guest: Guest) -> None:
    """Sends half of a message and dies."""
    session = guest.session()
    reset(open_request(guest.url, "POST", session.headers, b'{"jsonrpc":"2.0",', 1000))


PARAMS = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "plain", "version": "1"}}
INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": PARAMS}


def leaves_before_it_has_a_session(guest: Guest) -> None:
    """Is gone before the answer to `initialize`, so that it never learns its session's name."""
    reset(open_post(guest.url.replace("/plain/", "/slow/"), INITIALIZE, HEADERS))


def makes_its_server_die(guest: Guest) -> None:
    """Calls a tool that ends its server, and goes on as if nothing had been."""
    session = guest.session()
    answer = session.request("tools/call", {"name": "die", "arguments": {}})
    assert answer.status == 404 or "error" in answer.last() or answer.result()["isError"], answer.text
    assert session.request("tools/list").status in (200, 404)


WAYS: list[Callable[[Guest], None]] = [
    says_goodbye,
    says_goodbye_in_midst_of_a_call,
    says_goodbye_and_does_not_listen,
    never_comes_back,
    cuts_its_stream,
    closes_one_half_of_its_stream,
    leaves_in_midst_of_a_call,
    is_killed_in_midst_of_a_call,
    breaks_off_in_midst_of_a_request,
    leaves_before_it_has_a_session,
    makes_its_server_die,
]


def test_sessions_dropped_in_every_rude_way_leave_nothing_behind(registered: Gate, gate: Gate) -> None:
    guests = [(WAYS[n % len(WAYS)], Guest(gate.url(MIX[n // len(WAYS) % len(MIX)]))) for n in range(SESSIONS)]
    seen: list[int] = []

    def visit(at: tuple[Callable[[Guest], None], Guest]) -> None:
        way, guest = at
        way(guest)
        seen.append(len(children()))

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(visit, guests))
    # Else the mark was not there to be counted.
    assert max(seen) > 1
    wait_until(lambda: not children(), "the children of rude sessions to end")
    wait_until(lambda: not zombies(gate.pid()), "every child to have been waited for")
    assert gate.healthy()
    says_goodbye(Guest(gate.url("plain")))
    for guest in guests:
        for connection in guest[1].held:
            connection.close()


def test_a_client_that_is_killed_leaves_nothing_behind(registered: Gate, gate: Gate) -> None:
    wait_until(lambda: not children(), "the children of earlier sessions to end")
    holders = []
    for habit in ("plain", "deaf", "launcher"):
        command = programs.holder(gate.url(habit), HEADERS["authorization"], 4)
        holders.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True))
    for holder in holders:
        assert holder.stdout
        assert holder.stdout.readline() == "ready\n"
    assert len(children()) >= 12
    for holder in holders:
        holder.kill()
        holder.wait()
    wait_until(lambda: not children(), "the children of the killed clients to end")


def test_a_server_that_dies_ends_its_session_also_where_it_leaves_a_process_behind(
    registered: Gate, gate: Gate
) -> None:
    wait_until(lambda: not children(), "the children of earlier sessions to end")
    session = Guest(gate.url("launcher")).session()
    # The one it launched holds its streams open, so that their end tells nothing.
    assert len(children()) == 2
    answer = session.request("tools/call", {"name": "die", "arguments": {}})
    assert "error" in answer.last() or answer.result()["isError"], answer.text
    wait_until(lambda: not children(), "what the dead server launched to end")
    assert session.request("tools/list").status == 404


def test_a_gate_that_is_stopped_leaves_nothing_behind(registered: Gate, gate: Gate) -> None:
    held = []
    for habit in ("plain", "deaf", "launcher"):
        for _ in range(3):
            guest = Guest(gate.url(habit))
            session = guest.session()
            held += [open_get(guest.url, session.headers), guest.hanging(session)]
        # Their end is under way as the gate's begins.
        for _ in range(3):
            session = Guest(gate.url(habit)).session()
            assert delete(session.url, session.headers) == 200
    assert len(children()) >= 12
    gate.stop()
    wait_until(lambda: not children(), "every child to end with the gate", 2)
    for connection in held:
        connection.close()
    gate.start()


def test_a_gate_that_is_killed_leaves_none_behind_that_heeds_the_end_of_its_input(
    registered: Gate, gate: Gate
) -> None:
    sessions = [Guest(gate.url("plain")).session() for _ in range(5)]
    deaf = Guest(gate.url("deaf")).session()
    deaf_child = {pid for pid in children() if b"deaf" in Path(f"/proc/{pid}/cmdline").read_bytes()}
    assert len(children()) == len(sessions) + 1
    gate.kill()
    try:
        wait_until(lambda: children() == deaf_child, "the children of the killed gate to end")
    finally:
        for pid in deaf_child:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    gate.start()
    # The new gate knows nothing of the old one's sessions, and says so.
    assert deaf.request("tools/list").status == 404


def test_a_session_nobody_knows_of_is_ended_at_once(patient: Gate, gate: Gate) -> None:
    wait_until(lambda: not children(), "the children of earlier sessions to end")
    opening = open_post(patient.url("slow"), INITIALIZE, HEADERS)
    wait_until(lambda: len(children()) == 1, "the server to start")
    reset(opening)
    wait_until(lambda: not children(), "the server nobody waits for to end")
    refused = post(patient.url("choosy"), INITIALIZE, HEADERS)
    assert refused.last()["error"]["message"] == "not with you"
    wait_until(lambda: not children(), "the server that refused to end")


def test_what_is_ending_as_the_gate_is_stopped_is_ended_too(patient: Gate, gate: Gate) -> None:
    for habit in ("deaf", "launcher"):
        for _ in range(3):
            assert Guest(patient.url(habit)).session().close() == 200
    # Each heeds nothing but SIGKILL, which comes after the grace; the gate must not go before.
    assert len(children()) >= 6
    patient.stop()
    assert not children()
    patient.start()
