"""The server over stdio, one message a line: a legacy session, and modern requests, as each message says of itself."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import modern
from legacy import Session
from wire import Fault, Message, dump, error, result


class Pipe:
    """Standard input and output."""

    def __init__(self) -> None:
        self.session = Session(self.send)
        # What is being answered, by the request's id as JSON: 1 and "1" are two ids.
        self.running: dict[str, asyncio.Task[None]] = {}

    async def send(self, message: Message) -> None:
        """Writes a message."""
        sys.stdout.buffer.write(dump(message).encode() + b"\n")
        sys.stdout.buffer.flush()

    async def take(self, message: Message) -> None:
        """Takes a message."""
        if "method" not in message:
            self.session.take(message)
        elif "id" not in message:
            if message["method"] == "notifications/cancelled":
                self._cancel((message.get("params") or {}).get("requestId"))
        else:
            key = json.dumps(message["id"])
            self.running[key] = asyncio.create_task(self._answer(message))
            self.running[key].add_done_callback(lambda _task: self.running.pop(key, None))

    def _cancel(self, identifier: Any) -> None:
        if running := self.running.get(json.dumps(identifier)):
            running.cancel()

    async def _answer(self, message: Message) -> None:
        try:
            if modern.speaks(message) or message["method"] in ("server/discover", "subscriptions/listen"):
                modern.admit(message, None)
                value = await modern.answer(message, self.send)
            else:
                value = await self.session.answer(message, self.send, None)
        except Fault as fault:
            await self.send(error(message["id"], fault))
        else:
            await self.send(result(message["id"], value))


async def serve() -> None:
    """Serves until standard input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    pipe = Pipe()
    while line := await reader.readline():
        await pipe.take(json.loads(line))
