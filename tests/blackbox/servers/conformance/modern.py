"""The era of 2026-07-28: no sessions; each request says all there is to know of its client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import feed
import tasks
from call import Call, InputRequired
from catalogue import TOOLS
from methods import NAME, SHARED, Method, capabilities
from wire import (
    CAPABILITIES,
    HEADER_MISMATCH,
    INVALID_PARAMS,
    LOG_LEVEL,
    METHOD_NOT_FOUND,
    MODERN,
    SERVER_INFO,
    SUBSCRIPTION,
    UNSUPPORTED_VERSION,
    VERSION,
    Fault,
    Message,
    header_value,
    notification,
)

Send = Callable[[Message], Awaitable[None]]

# Results that say how long they may be kept.
CACHEABLE = {"server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list"}
CACHEABLE |= {"resources/read", "skills/list", "skills/get", "resources/directory/read"}
# The member of `params` that `Mcp-Name` mirrors.
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
NAMED |= dict.fromkeys(("tasks/get", "tasks/update", "tasks/cancel"), "taskId")


def speaks(message: Message) -> bool:
    """Whether a message says of itself that it is of this era."""
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    return isinstance(meta, dict) and VERSION in meta


def admit(message: Message, headers: Mapping[str, str] | None) -> None:
    """Checks what every request must have; over HTTP also that its headers say what its body says."""
    params = message.get("params") or {}
    meta = params.get("_meta") or {}
    if not isinstance(meta.get(VERSION), str) or not isinstance(meta.get(CAPABILITIES), dict):
        raise Fault(INVALID_PARAMS, f"params._meta needs {VERSION} and {CAPABILITIES}", status=400)
    if headers is not None and headers.get("mcp-protocol-version") != meta[VERSION]:
        raise Fault(HEADER_MISMATCH, "MCP-Protocol-Version is not what the body says")
    if meta[VERSION] != MODERN:
        data = {"supported": [MODERN], "requested": meta[VERSION]}
        raise Fault(UNSUPPORTED_VERSION, "Unsupported protocol version", data)
    if headers is not None:
        _compare("Mcp-Method", headers, message["method"])
    if message["method"] not in METHODS:
        raise Fault(METHOD_NOT_FOUND, f"Method not found: {message['method']}")
    if headers is not None:
        if member := NAMED.get(message["method"]):
            _compare("Mcp-Name", headers, params.get(member))
        if message["method"] == "tools/call":
            for member, name in _mirrored(params.get("name")).items():
                _compare(f"Mcp-Param-{name}", headers, (params.get("arguments") or {}).get(member))


def _mirrored(tool: object) -> dict[str, str]:
    for known in TOOLS:
        if known["name"] == tool:
            fields = known["inputSchema"]["properties"]
            return {member: field["x-mcp-header"] for member, field in fields.items() if "x-mcp-header" in field}
    return {}


def _compare(name: str, headers: Mapping[str, str], body: object) -> None:
    raw = headers.get(name.lower())
    try:
        said = None if raw is None else header_value(raw.strip())
    except ValueError as unreadable:
        raise Fault(HEADER_MISMATCH, f"{name} cannot be read: {unreadable}") from None
    meant = None if body is None else str(body).lower() if isinstance(body, bool) else str(body)
    if said != meant:
        raise Fault(HEADER_MISMATCH, f"{name} is not what the body says")


async def answer(message: Message, send: Send) -> Message:
    """Answers an admitted request; `send` takes what goes before the answer on its stream."""
    method, params = message["method"], message["params"]
    meta = params["_meta"]
    if method == "subscriptions/listen":
        await _listen(message, send)
    call = Call(params, True, meta[CAPABILITIES], meta.get(LOG_LEVEL), send)
    try:
        value = await METHODS[method](call)
    except InputRequired as ended:
        value = ended.value
    value = {"resultType": "complete", **value}
    if method in CACHEABLE and value["resultType"] == "complete":
        value |= {"ttlMs": 60_000, "cacheScope": "public"}
    return {**value, "_meta": {SERVER_INFO: NAME, **value.get("_meta", {})}}


async def _listen(message: Message, send: Send) -> None:
    """Tells of changes until it is cancelled."""
    wanted = message["params"].get("notifications") or {}
    tag = {SUBSCRIPTION: message["id"]}
    honoured = {key: wanted[key] for key in ("toolsListChanged", "promptsListChanged") if wanted.get(key)}
    changes: asyncio.Queue[str] = asyncio.Queue()
    stop = feed.listen(changes.put)
    try:
        acknowledged = {"_meta": tag, "notifications": honoured}
        await send(notification("notifications/subscriptions/acknowledged", acknowledged))
        while True:
            kind = await changes.get()
            if f"{kind}ListChanged" in honoured:
                await send(notification(f"notifications/{kind}/list_changed", {"_meta": tag}))
    finally:
        stop()


async def _discover(_call: Call) -> Message:
    return {"supportedVersions": [MODERN], "capabilities": capabilities(True), "instructions": "For tests."}


async def _get(call: Call) -> Message:
    return tasks.get(call)


async def _update(call: Call) -> Message:
    return tasks.update(call)


async def _never(_call: Call) -> Message:
    raise AssertionError("a listen request is answered by its end only")


METHODS: dict[str, Method] = {
    **SHARED,
    "server/discover": _discover,
    "subscriptions/listen": _never,
    "tasks/get": _get,
    "tasks/update": _update,
    "tasks/cancel": tasks.cancel,
}
