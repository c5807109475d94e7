"""A TCP relay that keeps what a client and a server said to each other.

It stands between a client and the gate (or, in direct runs, the server itself) and copies bytes both ways unchanged,
so a test compares what really crossed the wire and not what an SDK made of it. It must not change, delay or buffer a
byte.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h11


@dataclass
class Exchange:
    """One HTTP request and the answer to it, as far as both were seen."""

    connection: int
    began: float
    method: str
    target: str
    request_headers: list[tuple[str, str]]
    request_body: bytes
    status: int | None = None
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    response_body: bytes = b""

    def header(self, name: str) -> str | None:
        """The request header of that name, or None."""
        return next((value for key, value in self.request_headers if key.lower() == name), None)

    def response_header(self, name: str) -> str | None:
        """The response header of that name, or None."""
        return next((value for key, value in self.response_headers if key.lower() == name), None)

    def sent(self) -> list[str]:
        """The JSON-RPC text the client sent: one, or none for GET and DELETE."""
        return [self.request_body.decode()] if self.request_body else []

    def received(self) -> list[str]:
        """The JSON-RPC texts the client received, one for each event of a stream."""
        kind = self.response_header("content-type") or ""
        if kind.startswith("text/event-stream"):
            return list(events(self.response_body.decode()))
        if kind.startswith("application/json") and self.response_body:
            return [self.response_body.decode()]
        return []


def events(text: str) -> list[str]:
    """The message in each complete server-sent event in `text`.

    Events without data (priming, comments) are left out, and what tells a client of HTTP+SSE where to post its messages.
    """
    found = []
    blocks = text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n")
    for block in blocks[:-1]:
        lines = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        if any(lines) and "event: endpoint" not in block.split("\n"):
            found.append("\n".join(lines))
    return found


@dataclass
class _Connection:
    number: int
    to_server: bytearray = field(default_factory=bytearray)
    to_client: bytearray = field(default_factory=bytearray)
    # When the byte at each offset of `to_server` came, one entry for each chunk.
    times: list[tuple[int, float]] = field(default_factory=list)


class Relay:
    """Listens on a free loopback port and forwards every connection to `host:port`."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._connections: list[_Connection] = []
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            with self._lock:
                seen = _Connection(len(self._connections) + 1)
                self._connections.append(seen)
                self._sockets += [client, server]
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_copy, args=(client, server, seen.to_server, seen.times), daemon=True).start()
            threading.Thread(target=_copy, args=(server, client, seen.to_client, []), daemon=True).start()

    def close(self) -> None:
        """Stops listening and cuts every connection still open."""
        # Closing alone leaves a thread that waits in accept on the old socket, and its descriptor's number is given
        # out again.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            for side in self._sockets:
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
                side.close()

    def exchanges(self) -> list[Exchange]:
        """Every exchange so far, in the order their requests began."""
        with self._lock:
            seen = list(self._connections)
        found = [exchange for one in seen for exchange in _parse(one)]
        return sorted(found, key=lambda exchange: exchange.began)


def _copy(source: socket.socket, sink: socket.socket, kept: bytearray, times: list[tuple[int, float]]) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            times.append((len(kept), time.monotonic()))
            kept += chunk
            sink.sendall(chunk)
    for side, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with contextlib.suppress(OSError):
            side.shutdown(how)


def _parse(seen: _Connection) -> list[Exchange]:
    to_server, to_client = bytes(seen.to_server), bytes(seen.to_client)
    found: list[Exchange] = []
    while to_server:
        offset = len(seen.to_server) - len(to_server)
        began = max(at for start, at in list(seen.times) if start <= offset)
        request, body, to_server = _read(h11.Connection(h11.SERVER), to_server)
        if request is None:
            break
        exchange = Exchange(
            seen.number, began, request.method.decode(), request.target.decode(), _headers(request), body
        )
        found.append(exchange)
        if not to_client:
            # Not answered (yet); h11 takes no bytes for the end of the connection.
            continue
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method=request.method, target=request.target, headers=[("host", "relay")]))
        reader.send(h11.EndOfMessage())
        response, exchange.response_body, to_client = _read(reader, to_client)
        if response is not None:
            exchange.status, exchange.response_headers = response.status_code, _headers(response)
    return found


def _read(reader: h11.Connection, text: bytes) -> tuple[Any, bytes, bytes]:
    """Reads one message: its head, as much of its body as is there, and what follows it."""
    head, body = None, bytearray()
    reader.receive_data(text)
    while True:
        event = reader.next_event()
        if isinstance(event, h11.Request | h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.InformationalResponse):
            continue
        elif isinstance(event, h11.EndOfMessage):
            return head, bytes(body), reader.trailing_data[0]
        else:
            return head, bytes(body), b""


def _headers(head: h11.Request | h11.Response) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode()) for name, value in head.headers.raw_items()]


def wire(exchanges: list[Exchange]) -> tuple[list[str], list[str]]:
    """The JSON-RPC texts sent and received over these exchanges."""
    sent = [text for exchange in exchanges for text in exchange.sent()]
    received = [text for exchange in exchanges for text in exchange.received()]
    return sent, received


def by_session(exchanges: list[Exchange]) -> list[list[Exchange]]:
    """The exchanges of each session of the legacy era, in the order the sessions began."""
    found: dict[str | None, list[Exchange]] = {}
    for exchange in exchanges:
        session = exchange.header("mcp-session-id") or exchange.response_header("mcp-session-id")
        found.setdefault(session, []).append(exchange)
    return list(found.values())


def pipe_log(path: Path) -> tuple[list[str], list[str]]:
    """The JSON-RPC texts sent and received in a log written by `servers/tee.py`."""
    sent, received = [], []
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        (sent if entry["way"] == "sent" else received).append(entry["text"])
    return sent, received


def report(exchanges: list[Exchange]) -> str:
    """The exchanges as readable text, headers and bodies as they were."""
    lines = []
    for number, exchange in enumerate(exchanges, 1):
        after = exchange.began - exchanges[0].began
        lines.append(f"#{number} +{after:.3f}s connection {exchange.connection}: {exchange.method} {exchange.target}")
        lines += [f"  > {name}: {value}" for name, value in exchange.request_headers]
        lines += [f"  > {text}" for text in exchange.sent()]
        lines.append(f"  < {exchange.status}")
        lines += [f"  < {name}: {value}" for name, value in exchange.response_headers]
        body = exchange.response_body.decode(errors="replace")
        lines += [f"  < {line[:600]}" for line in body.splitlines()]
    return "\n".join(lines) + "\n"
