"""A model that says what a test tells it to, behind the two interfaces that Claude Code and Gemini CLI speak.

With it the agents themselves call tools, wait for people and give up, without an account and without leaving the machine. What
an agent asks of its model by the way (a title, a check) is answered with a word.
"""

from __future__ import annotations

import json
import queue
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

# How long an agent may think or start; only ends what hangs.
TURN_SECONDS = 120


class Model:
    """One model, for one agent's conversation."""

    def __init__(self, tool: str) -> None:
        self._tool = tool
        self._turns: queue.Queue[dict[str, Any]] = queue.Queue()
        self._replies: queue.Queue[dict[str, Any] | str] = queue.Queue()
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
                events = model.answered(self.path, asked)
                streams = "stream" in self.path or asked.get("stream")
                kind = "text/event-stream" if streams else "application/json"
                body = b"".join(events) if streams else json.dumps(model.whole(self.path)).encode()
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                self.send_error(404)

            def log_message(self, *_: object) -> None:
                """Says nothing: the tests' output is theirs."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._replies.put("Stop.")
        self._server.shutdown()
        self._server.server_close()

    # What a test does.

    def calls(self, arguments: dict[str, Any]) -> None:
        """The model calls the tool, when it is its turn."""
        self._replies.put(arguments)

    def says(self, words: str) -> None:
        """The model says words, which end its turn."""
        self._replies.put(words)

    def turn(self) -> dict[str, Any]:
        """What the agent has just told the model; waits until it does."""
        return self._turns.get(timeout=TURN_SECONDS)

    # What an agent sees.

    def answered(self, path: str, asked: dict[str, Any]) -> list[bytes]:
        """The events of an answer."""
        name = self._named(asked)
        if name is None:
            reply: dict[str, Any] | str = "ok"
        else:
            self._turns.put(asked)
            reply = self._replies.get(timeout=TURN_SECONDS)
        return _anthropic(name, reply) if "/messages" in path else _google(name, reply)

    def whole(self, path: str) -> dict[str, Any]:
        """An answer that is not streamed: a word."""
        if "count" in path.lower():
            return {"input_tokens": 1, "totalTokens": 1}
        if "/messages" in path:
            return {**_MESSAGE, "content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn"}
        return _candidate({"text": "{}"})

    def _named(self, asked: dict[str, Any]) -> str | None:
        """The name that the agent gives to the tool; nothing where it offers none and only asks by the way."""
        tools = [tool for offered in asked.get("tools", []) for tool in offered.get("functionDeclarations", [offered])]
        names = [tool["name"] for tool in tools if tool.get("name", "").endswith(self._tool)]
        return names[0] if names else None


_USAGE = {"input_tokens": 1, "output_tokens": 1}
_MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "scripted", "usage": _USAGE, "stop_sequence": None}


def _anthropic(name: str | None, reply: dict[str, Any] | str) -> list[bytes]:
    """A streamed answer of the Messages API."""
    if isinstance(reply, str):
        block, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": reply}
        reason = "end_turn"
    else:
        block = {"type": "tool_use", "id": f"toolu_{secrets.token_hex(8)}", "name": name, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(reply)}
        reason = "tool_use"
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**_MESSAGE, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": _USAGE},
        {"type": "message_stop"},
    ]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def _candidate(part: dict[str, Any]) -> dict[str, Any]:
    content = {"role": "model", "parts": [part]}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "usageMetadata": usage}


def _google(name: str | None, reply: dict[str, Any] | str) -> list[bytes]:
    """A streamed answer of the Gemini API."""
    part = {"text": reply} if isinstance(reply, str) else {"functionCall": {"name": name, "args": reply}}
    return [f"data: {json.dumps(_candidate(part))}\n\n".encode()]
