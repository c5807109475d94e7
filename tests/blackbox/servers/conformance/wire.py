"""Words of the protocol that every other file here uses: versions, reserved members, errors, content blocks.

Built on plain JSON values on purpose: this server must be able to say anything the specification allows, which no SDK's
model is. It knows neither a transport nor a tool.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from typing import Any

Message = dict[str, Any]

MODERN = "2026-07-28"
LEGACY = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]

RESERVED = "io.modelcontextprotocol/"
VERSION = RESERVED + "protocolVersion"
CAPABILITIES = RESERVED + "clientCapabilities"
LOG_LEVEL = RESERVED + "logLevel"
SUBSCRIPTION = RESERVED + "subscriptionId"
SERVER_INFO = RESERVED + "serverInfo"
TASKS = RESERVED + "tasks"
SKILLS = RESERVED + "skills"

INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
RESOURCE_NOT_FOUND = -32002  # until 2025-11-25; INVALID_PARAMS since
HEADER_MISMATCH = -32020
MISSING_CAPABILITY = -32021
UNSUPPORTED_VERSION = -32022

# The HTTP status that 2026-07-28 pairs with an error; 200 with all others.
STATUS = {METHOD_NOT_FOUND: 404, HEADER_MISMATCH: 400, MISSING_CAPABILITY: 400, UNSUPPORTED_VERSION: 400}

LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]


class Fault(Exception):
    """An error answer, and the HTTP status that goes with it in the era of 2026-07-28."""

    def __init__(self, code: int, message: str, data: Any = None, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data
        self.status = status or STATUS.get(code, 200)

    def member(self) -> Message:
        """The `error` member."""
        return {"code": self.code, "message": str(self), **({} if self.data is None else {"data": self.data})}


def undeclared(*missing: str) -> Fault:
    """The error for a client that did not declare what its request needs; `a/b` is an extension."""
    needed: Message = {name: {} for name in missing if "/" not in name}
    extensions: Message = {name: {} for name in missing if "/" in name}
    if extensions:
        needed["extensions"] = extensions
    return Fault(MISSING_CAPABILITY, f"this needs {', '.join(missing)}", {"requiredCapabilities": needed})


def request(number: int | str, method: str, params: Message) -> Message:
    """A request."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def notification(method: str, params: Message | None = None) -> Message:
    """A notification."""
    return {"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params})}


def result(number: Any, value: Message) -> Message:
    """A successful answer."""
    return {"jsonrpc": "2.0", "id": number, "result": value}


def error(number: Any, fault: Fault) -> Message:
    """A failed answer."""
    return {"jsonrpc": "2.0", "id": number, "error": fault.member()}


def dump(message: Message) -> str:
    """One message as one line."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


def text(said: str, failed: bool = False) -> Message:
    """A tool's result of one text block."""
    return {"content": [{"type": "text", "text": said}], **({"isError": True} if failed else {})}


def header_value(raw: str) -> str:
    """What a mirrored header says: literal visible ASCII, or UTF-8 in the base64 sentinel. Raises `ValueError`."""
    if sentinel := re.fullmatch(r"=\?base64\?(.*)\?=", raw):
        return b64decode(sentinel[1], validate=True).decode()
    if not re.fullmatch(r"[\t\x20-\x7e]*", raw):
        raise ValueError("a literal header value holds visible ASCII only")
    return raw
