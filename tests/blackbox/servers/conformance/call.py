"""One request being answered, as a tool or a prompt sees it.

A behaviour asks the client through `ask` and need not know the era: a legacy client gets a request and the behaviour
waits; a modern one gets an `input_required` result, and the behaviour begins anew when the client comes back with the
answers and the sealed state. A task asks through its own `ask`, which waits for `tasks/update`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from wire import INVALID_PARAMS, LEVELS, TASKS, Fault, Message, notification, undeclared

# What a client must have declared to be asked.
NEEDS = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}
_KEY = secrets.token_bytes(32)


class InputRequired(Exception):
    """Ends a round: the result asks the client for something."""

    def __init__(self, requests: Message, state: Message | None) -> None:
        super().__init__("input required")
        self.value: Message = {"resultType": "input_required", "inputRequests": requests}
        if state is not None:
            self.value["requestState"] = _seal(state)


@dataclass
class Call:
    """A request, its client, and the ways back to it."""

    params: Message
    modern: bool
    capabilities: Message
    # The least severe level the client wants to be told of; None for nothing.
    level: str | None
    # Sends a message on this request's own stream.
    send: Callable[[Message], Awaitable[None]]
    # Sends the client a request and waits for the result: legacy clients, and tasks.
    put: Callable[[dict[str, Message]], Awaitable[dict[str, Message]]] | None = None
    # Ends the stream, so that the client must come back for the answer. Nothing where there is no stream to end.
    hang_up: Callable[[], Awaitable[None]] | None = None

    @property
    def arguments(self) -> Message:
        """The arguments of a tool or prompt."""
        return self.params.get("arguments") or {}

    @property
    def state(self) -> Message:
        """What this server sealed into `requestState` in the round before."""
        sealed = self.params.get("requestState")
        return {} if sealed is None else _unseal(sealed)

    async def log(self, said: str, level: str = "info") -> None:
        """Tells the client, if it wants to know."""
        if self.level is not None and LEVELS.index(level) >= LEVELS.index(self.level):
            await self.send(notification("notifications/message", {"level": level, "logger": "tool", "data": said}))

    async def progress(self, done: int, total: int) -> None:
        """Reports progress, if the client gave a token."""
        token = (self.params.get("_meta") or {}).get("progressToken")
        if token is not None:
            params = {"progressToken": token, "progress": done, "total": total}
            await self.send(notification("notifications/progress", params))

    def need(self, *capabilities: str) -> None:
        """Refuses a client that did not declare these."""
        missing = [name for name in capabilities if not self.declares(name)]
        if missing:
            raise undeclared(*missing)

    def declares(self, capability: str) -> bool:
        """Whether the client declared it; a name with a slash is an extension."""
        if "/" in capability:
            return capability in (self.capabilities.get("extensions") or {})
        return capability in self.capabilities

    @property
    def takes_tasks(self) -> bool:
        """Whether the answer may be a task."""
        return self.modern and self.declares(TASKS)

    async def ask(self, key: str, wanted: Message, state: Message | None = None) -> Any:
        """Asks the client for one thing; its result."""
        return (await self.ask_all({key: wanted}, state))[key]

    async def ask_all(self, wanted: dict[str, Message], state: Message | None = None) -> dict[str, Any]:
        """Asks the client for all of these; its results by the same keys."""
        self.need(*sorted({NEEDS[one["method"]] for one in wanted.values()}))
        if self.put is not None:
            return await self.put(wanted)
        given = self.params.get("inputResponses", {})
        if not isinstance(given, dict):
            raise Fault(INVALID_PARAMS, "inputResponses is not an object")
        if not all(isinstance(given.get(key), dict) for key in wanted):
            raise InputRequired(wanted, state)
        if state is not None and "requestState" not in self.params:
            raise Fault(INVALID_PARAMS, "requestState is missing")
        return {key: given[key] for key in wanted}


def _seal(state: Message) -> str:
    body = urlsafe_b64encode(json.dumps(state).encode()).decode()
    return f"{body}.{hmac.new(_KEY, body.encode(), hashlib.sha256).hexdigest()}"


def _unseal(sealed: Any) -> Message:
    body, _, mark = str(sealed).partition(".")
    if not hmac.compare_digest(mark.encode(), hmac.new(_KEY, body.encode(), hashlib.sha256).hexdigest().encode()):
        raise Fault(INVALID_PARAMS, "requestState is not one that this server gave")
    opened: Message = json.loads(urlsafe_b64decode(body))
    return opened
