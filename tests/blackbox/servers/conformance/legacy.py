"""The eras until 2025-11-25: a session, opened by `initialize`, in which the server too may ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import feed
from call import Call, InputRequired
from methods import NAME, SHARED, capabilities
from wire import (
    INVALID_PARAMS,
    LEGACY,
    LEVELS,
    METHOD_NOT_FOUND,
    Fault,
    Message,
    notification,
    request,
)

Send = Callable[[Message], Awaitable[None]]


class Session:
    """One client's session."""

    def __init__(self, send: Send) -> None:
        self.version = LEGACY[-1]
        self.capabilities: Message = {}
        self.level: str = "info"
        self.watched: set[str] = set()
        self._send = send
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._stop = feed.listen(self._tell)

    async def answer(self, message: Message, send: Send, hang_up: Callable[[], Awaitable[None]] | None) -> Message:
        """Answers a request; `send` takes what goes before the answer on its stream."""
        method, params = message["method"], message.get("params") or {}
        match method:
            case "initialize":
                return self._initialize(params)
            case "ping":
                return {}
            case "logging/setLevel":
                if params.get("level") not in LEVELS:
                    raise Fault(INVALID_PARAMS, "no such level")
                self.level = params["level"]
                return {}
            case "resources/subscribe":
                self.watched.add(str(params.get("uri")))
                return {}
            case "resources/unsubscribe":
                self.watched.discard(str(params.get("uri")))
                return {}
        if method not in SHARED:
            raise Fault(METHOD_NOT_FOUND, f"Method not found: {method}")

        async def put(wanted: dict[str, Message]) -> dict[str, Any]:
            return {key: await self._ask(one, send) for key, one in wanted.items()}

        call = Call(params, False, self.capabilities, self.level, send, put, hang_up)
        try:
            return await SHARED[method](call)
        except InputRequired as impossible:
            raise AssertionError("a legacy client is asked by a request") from impossible

    def _initialize(self, params: Message) -> Message:
        wanted = params.get("protocolVersion")
        self.version = wanted if wanted in LEGACY else LEGACY[-1]
        self.capabilities = params.get("capabilities") or {}
        return {
            "protocolVersion": self.version,
            "capabilities": capabilities(False),
            "serverInfo": NAME,
            "instructions": "For tests.",
        }

    def take(self, message: Message) -> None:
        """Takes the client's answer to a request of ours."""
        waiting = self._waiting.pop(message.get("id"), None)  # type: ignore[arg-type]
        if waiting is None or waiting.done():
            return
        if "error" in message:
            waiting.set_exception(Fault(INVALID_PARAMS, f"the client refused: {message['error'].get('message')}"))
        else:
            waiting.set_result(message.get("result"))

    def end(self) -> None:
        """Ends the session: nobody waits any longer."""
        self._stop()
        for waiting in self._waiting.values():
            waiting.cancel()

    async def _ask(self, wanted: Message, send: Send) -> Any:
        self._number += 1
        number = self._number
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await send(request(number, wanted["method"], wanted["params"]))
        return await self._waiting[number]

    async def _tell(self, kind: str) -> None:
        await self._send(notification(f"notifications/{kind}/list_changed"))
