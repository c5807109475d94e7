"""Plays a story with a client and keeps the evidence: its outcome, and every message that crossed the wire."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import programs
import stories
from relay import Exchange, Relay, pipe_log, report, wire
from transcripts import Transcript
from upstreams import SERVERS, Server, prepare, serve_http

# A whole story takes seconds; this only ends one that hangs.
STORY_SECONDS = 300


@dataclass(frozen=True)
class Client:
    """An SDK and the protocol era it is asked to speak."""

    name: str
    # "legacy" never probes; "auto" asks the server and takes the newest era both know.
    era: str


CLIENTS = {
    client.name: client
    for client in (
        Client("python", "auto"),
        Client("python-legacy", "legacy"),
        Client("typescript-v1", "legacy"),
        Client("typescript-v2", "auto"),
        Client("fastmcp", "auto"),
    )
}


@dataclass
class Session:
    """What came of a story."""

    outcome: dict[str, Any]
    transcript: Transcript
    # The raw exchanges of an HTTP session, for the report of a failure.
    exchanges: list[Exchange]

    def report(self) -> str:
        """The session on the wire, as text."""
        return report(self.exchanges)


def modern(client: Client, server: Server) -> bool:
    """Whether these two meet in the 2026-07-28 era."""
    return client.era == "auto" and server.modern


def protocol(client: Client, server: Server) -> str:
    """The revision these two agree on."""
    return "2026-07-28" if modern(client, server) else server.legacy


# Who meets whom.
PAIRS = [(client, server.name) for server in SERVERS.values() for client in server.clients]


def play(client: Client, server: Server, target: dict[str, Any], folder: Path, scratch: Path) -> dict[str, Any]:
    """Runs the client's player against a target; its outcome."""
    prepare(folder)
    story = {
        "target": target,
        "era": client.era,
        "steps": server.story(folder, modern(client, server)),
        "roots": [{"uri": folder.as_uri(), "name": "work"}],
        "sampling": stories.SAMPLING,
        "elicitation": {**stories.ELICITATION, **server.user},
    }
    path = scratch / "story.json"
    path.write_text(json.dumps(story))
    done = subprocess.run(
        [*programs.player(client.name), str(path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=STORY_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"the {client.name} player failed:\n{done.stderr[-6000:]}\n{done.stdout[-2000:]}")
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def over_http(client: Client, server: Server, url_of: Any, port: int, folder: Path, scratch: Path) -> Session:
    """A session over HTTP to whatever listens on `port`, through a relay.

    `url_of` gives the URL and the headers for the relay's port.
    """
    relay = Relay(port)
    try:
        url, headers = url_of(relay.port)
        outcome = play(client, server, {"url": url, "headers": headers}, folder, scratch)
        exchanges = relay.exchanges()
        return Session(outcome, Transcript(*wire(exchanges)), exchanges)
    except BaseException:
        (scratch / "wire.txt").write_text(report(relay.exchanges()))
        raise
    finally:
        relay.close()


def direct(client: Client, server: Server, folder: Path, scratch: Path) -> Session:
    """A session without the gate."""
    if server.transport != "stdio":
        with serve_http(server, folder, scratch / "server.log") as port:
            return over_http(
                client, server, lambda at: (f"http://127.0.0.1:{at}{server.path}", {}), port, folder, scratch
            )
    log = scratch / "pipe.jsonl"
    command, *arguments = programs.tee(log, server.command(folder, None))
    target = {"command": command, "args": arguments, "env": {}}
    outcome = play(client, server, target, folder, scratch)
    return Session(outcome, Transcript(*pipe_log(log)), [])
