"""A client that is no SDK: it sends exactly the message a test wants and gives back what came, of either era.

For tests that need a message no SDK would send, or full control of `_meta` and headers.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
import time
from typing import Any
from urllib.parse import urlsplit

from relay import events

MODERN = "2026-07-28"
LEGACY = "2025-11-25"


class Answer:
    """An HTTP answer: its status, its headers, and the JSON-RPC messages in it."""

    def __init__(self, status: int, headers: dict[str, str], text: str) -> None:
        self.status = status
        self.headers = headers
        self.text = text
        if headers.get("content-type", "").startswith("text/event-stream"):
            self.messages = [json.loads(data) for data in events(text)]
        elif text.startswith("{"):
            self.messages = [json.loads(text)]
        else:
            self.messages = []

    def last(self) -> dict[str, Any]:
        """The last message, which is the answer to the request."""
        assert self.messages, f"HTTP {self.status} without a message: {self.text[:500]}"
        message: dict[str, Any] = self.messages[-1]
        return message

    def result(self) -> dict[str, Any]:
        """The result; fails on an error."""
        message = self.last()
        assert "result" in message, f"HTTP {self.status}: {message}"
        result: dict[str, Any] = message["result"]
        return result


def post(url: str, message: dict[str, Any], headers: dict[str, str], seconds: float = 60) -> Answer:
    """Sends one message and reads the answer to its end."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=seconds)
    try:
        given = {"content-type": "application/json", "accept": "application/json, text/event-stream", **headers}
        connection.request("POST", parts.path, json.dumps(message).encode(), given)
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode())
    finally:
        connection.close()


def open_request(url: str, method: str, headers: dict[str, str], body: bytes = b"", length: int | None = None) -> socket.socket:
    """Sends a request and gives the connection back with the answer unread, for a test to treat badly.

    `length` is what the head says of the body, where that is not the truth.
    """
    parts = urlsplit(url)
    given = {"host": f"{parts.hostname}:{parts.port}", "accept": "application/json, text/event-stream", **headers}
    if method == "POST":
        given |= {"content-type": "application/json", "content-length": str(len(body) if length is None else length)}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    connection = socket.create_connection((str(parts.hostname), parts.port or 80), timeout=60)
    connection.sendall(f"{method} {parts.path} HTTP/1.1\r\n{head}\r\n".encode() + body)
    return connection


def open_get(url: str, headers: dict[str, str]) -> socket.socket:
    """Opens a session's own stream; returns when its head has come."""
    connection = open_request(url, "GET", headers)
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(1)
    assert head.startswith(b"HTTP/1.1 200"), head
    return connection


def open_post(url: str, message: dict[str, Any], headers: dict[str, str]) -> socket.socket:
    """Sends a message and does not wait for its answer."""
    return open_request(url, "POST", headers, json.dumps(message).encode())


def reset(connection: socket.socket) -> None:
    """Closes a connection as a crash does: with RST, whatever is still under way."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # By its descriptor: `close` waits for whoever still reads from the socket.
    os.close(connection.detach())


def delete(url: str, headers: dict[str, str]) -> int:
    """Ends a session; the status."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    try:
        connection.request("DELETE", parts.path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


class EventStream:
    """An event stream that is read event by event, and may be cut."""

    def __init__(self, url: str, method: str, headers: dict[str, str], message: dict[str, Any] | None = None) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        given = {"content-type": "application/json", "accept": "application/json, text/event-stream", **headers}
        self._connection.request(method, parts.path, json.dumps(message).encode() if message else None, given)
        # Taken before the answer is read, after which http.client gives it away.
        self._socket = self._connection.sock
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200, self._answer.read()

    def next(self, seconds: float = 60) -> tuple[str | None, dict[str, Any]]:
        """The next event that carries a message: its id, and the message. Priming events and comments are passed over."""
        identity, data = None, ""
        # Comments keep a stream alive, so that the connection's own time-out never comes.
        deadline = time.monotonic() + seconds
        while line := self._answer.readline().decode():
            assert time.monotonic() < deadline, f"no message within {seconds} s"
            name, _, value = line.rstrip("\r\n").partition(":")
            if name == "id":
                identity = value.strip()
            elif name == "data":
                data += value.strip()
            elif not line.strip() and data:
                return identity, json.loads(data)
        raise AssertionError("the stream ended")

    def cut(self) -> None:
        """Closes the connection as a crash does."""
        reset(self._socket)


class LegacySession:
    """A session of the legacy era that declares no capabilities and opens no stream of its own."""

    def __init__(self, url: str, headers: dict[str, str], meta: dict[str, Any] | None = None) -> None:
        self.url = url
        self.headers = dict(headers)
        self.number = 0
        params: dict[str, Any] = {
            "protocolVersion": LEGACY,
            "capabilities": {},
            "clientInfo": {"name": "plain", "version": "1"},
        }
        if meta:
            params["_meta"] = meta
        opened = self.request("initialize", params)
        self.opened = opened.result()
        session = opened.headers.get("mcp-session-id")
        if session:
            self.headers["mcp-session-id"] = session
        self.headers["mcp-protocol-version"] = self.opened["protocolVersion"]
        initialized = post(url, {"jsonrpc": "2.0", "method": "notifications/initialized"}, self.headers)
        assert initialized.status == 202, initialized.text

    def request(self, method: str, params: dict[str, Any] | None = None) -> Answer:
        """Sends a request."""
        return post(self.url, self.message(method, params), self.headers)

    def message(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """The next request of the session, not sent."""
        self.number += 1
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": self.number, "method": method}
        if params is not None:
            message["params"] = params
        return message

    def call(self, tool: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """Calls a tool; its result."""
        return self.request("tools/call", {"name": tool, "arguments": arguments or {}}).result()

    def close(self) -> int:
        """Ends the session; the status."""
        return delete(self.url, self.headers)


def modern_request(
    url: str,
    method: str,
    params: dict[str, Any],
    headers: dict[str, str],
    meta: dict[str, Any] | None = None,
) -> Answer:
    """One request of the modern era, complete with the members and headers it must carry."""
    envelope = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "plain", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
        **(meta or {}),
    }
    mirrored = {"mcp-protocol-version": MODERN, "mcp-method": method}
    if name := params.get("name") or params.get("uri"):
        mirrored["mcp-name"] = name
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": envelope}}
    return post(url, message, {**headers, **mirrored})


def modern_call(
    url: str,
    tool: str,
    arguments: dict[str, Any],
    headers: dict[str, str],
    meta: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Calls a tool in the modern era; its result."""
    return modern_request(url, "tools/call", {"name": tool, "arguments": arguments}, headers, meta).result()


def text(result: dict[str, Any]) -> str:
    """The texts of a tool's result."""
    return "\n".join(block.get("text", "") for block in result["content"])
