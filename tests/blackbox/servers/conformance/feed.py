"""Who wants to be told that something changed: listen streams of 2026-07-28, and legacy sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

Listener = Callable[[str], Awaitable[None]]
_listeners: dict[object, Listener] = {}


def listen(listener: Listener) -> Callable[[], None]:
    """Calls `listener` with `tools` or `prompts` when these change, until the returned function is called."""
    key = object()
    _listeners[key] = listener

    def stop() -> None:
        _listeners.pop(key, None)

    return stop


async def announce(kind: str) -> None:
    """Tells everyone who listens."""
    for listener in list(_listeners.values()):
        await listener(kind)
