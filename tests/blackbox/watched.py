"""Servers behind the gate whose side of the wire is watched too: what reaches them is compared with what was sent."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import programs
from gate import Gate
from relay import Relay, pipe_log, wire
from transcripts import Transcript
from upstreams import Server, prepare, serve_http


@dataclass
class Watched:
    """A registered server, and where what reached it is kept."""

    server: Server
    relay: Relay | None
    log: Path

    def reached(self) -> Transcript:
        """Everything that reached the server so far."""
        if self.relay is not None:
            return Transcript(*wire(self.relay.exchanges()))
        return Transcript(*pipe_log(self.log)) if self.log.exists() else Transcript()

    def since(self, before: Transcript) -> Transcript:
        """What reached the server after `before` was taken."""
        now = self.reached()
        return Transcript(now.sent[len(before.sent) :], now.received[len(before.received) :])


def register(gate: Gate, server: Server, work: Path, scratch: Path, stack: ExitStack) -> Watched:
    """Starts a server where it must be started, and registers it under its own name with the label `untrusted`."""
    prepare(work)
    log = scratch / f"{server.name}.jsonl"
    if server.transport != "stdio":
        port = stack.enter_context(serve_http(server, work, scratch / f"{server.name}.log"))
        relay = Relay(port)
        stack.callback(relay.close)
        url = f"http://127.0.0.1:{relay.port}{server.path}"
        gate.register(server.name, {"kind": server.transport, "url": url}, ["untrusted"])
        return Watched(server, relay, log)
    command, *arguments = programs.tee(log, server.command(work, None))
    transport = {"kind": "stdio", "command": command, "args": arguments, "env_from": ["PATH", "HOME"]}
    gate.register(server.name, transport, ["untrusted"])
    return Watched(server, None, log)
