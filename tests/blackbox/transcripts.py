"""Compares what a client saw directly with what it saw through the gate.

The texts are compared as they were on the wire: member order and the spelling of numbers count, because a gate that
rewrites either has decoded and re-encoded what it should have passed on. Only the label the gate adds may differ.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

LABEL = "dev.wicketgate/label"

# What differs between two runs of the same server. Session ids and times stand inside texts, so texts are searched.
VOLATILE = [
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\d{1,2}:\d{2}:\d{2}\s[AP]M"), "<time>"),
    # What the time server says of now, in the zone the tests ask it for, and its date for every other.
    (re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\+05:45"), "<now>"),
    # The browser server's names of its files.
    (re.compile(r"page-\d{4}-\d{2}-\d{2}T[\d-]+Z"), "<page>"),
]
# Opaque to everybody but the server that sealed it; it differs on every call.
OPAQUE = {"requestState"}
# The everything server sends these while the client is still opening its stream: how many arrive is a race without a
# gate too.
RACY = {"notifications/tools/list_changed"}


Json = Any


@dataclass(frozen=True)
class Number:
    """A number as it was spelled: 1 and 1.0 are not the same."""

    spelling: str


class Object(list):  # type: ignore[type-arg]
    """An object as its members in order, never equal to an array."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Object) and list.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]


def read(text: str) -> Json:
    """Reads JSON without losing member order or the spelling of numbers."""
    return json.loads(text, parse_float=Number, parse_int=Number, object_pairs_hook=Object)


def get(value: Json, *path: str) -> Json:
    """The member at a path of names, or None."""
    for name in path:
        value = next((inner for key, inner in value if key == name), None) if isinstance(value, Object) else None
    return value


def settle(value: Json) -> Json:
    """The same value without what legitimately differs: the label, and what no two runs share."""
    if isinstance(value, Object):
        kept = Object()
        for key, inner in value:
            if key == LABEL:
                continue
            settled = "<opaque>" if key in OPAQUE else settle(inner)
            # A `_meta` that held the label only was made for it.
            if not (key == "_meta" and len(settled) == 0 and len(inner) > 0):
                kept.append((key, settled))
        return kept
    if isinstance(value, list):
        return [settle(inner) for inner in value]
    if isinstance(value, str):
        for pattern, stand_in in VOLATILE:
            value = pattern.sub(stand_in, value)
    return value


@dataclass
class Transcript:
    """One session's messages as texts, in the order each side's stream carried them."""

    sent: list[str] = field(default_factory=list)
    received: list[str] = field(default_factory=list)

    def answers(self) -> dict[str, Json]:
        """Each answer the client received, by method and ordinal of the request it answers."""
        asked: dict[Any, str] = {}
        count: Counter[str] = Counter()
        for message in map(read, self.sent):
            method, key = get(message, "method"), get(message, "id")
            if method is not None and key is not None:
                count[method] += 1
                asked[key] = f"{method} #{count[method]}"
        found: dict[str, Json] = {}
        for message in map(read, self.received):
            if get(message, "method") is None:
                # An error for a message whose id could not be read has no id; only a rejected discover does that here.
                key = get(message, "id")
                found[asked.get(key, "no id") if key is not None else "no id"] = message
        return found

    def protocol(self) -> str | None:
        """The protocol version agreed: by `initialize`, else by a `server/discover` that was answered."""
        answers = self.answers()
        initialized = get(answers.get("initialize #1"), "result", "protocolVersion")
        if initialized is not None:
            return str(initialized)
        supported = get(answers.get("server/discover #1"), "result", "supportedVersions")
        return supported[0] if supported else None

    def notices(self) -> dict[str, list[Json]]:
        """The notifications and requests the client received, by method.

        Progress stays in order, but of calls that were answered only: when a call is given up, how much of its
        progress still comes is a race. The other messages may come on any stream, and between streams there is no
        order to keep.
        """
        answered = {get(message, "id") for message in map(read, self.received) if get(message, "method") is None}
        tokens = {
            get(message, "params", "_meta", "progressToken")
            for message in map(read, self.sent)
            if get(message, "id") in answered
        }
        found: dict[str, list[Json]] = {}
        for message in map(read, self.received):
            method = get(message, "method")
            given_up = method == "notifications/progress" and get(message, "params", "progressToken") not in tokens
            if method is not None and method not in RACY and not given_up:
                # A server that takes part in tracing hands the context it was given on in its own requests.
                found.setdefault(method, []).append(_untraced(settle(message)))
        return {
            method: messages if method == "notifications/progress" else sorted(messages, key=write)
            for method, messages in found.items()
        }


def differences(direct: Transcript, gated: Transcript, notices: bool = True, ids: bool = True) -> list[str]:
    """What the client saw otherwise through the gate, in words; empty when only the label differs.

    Without `notices` only answers are compared: a program that leaves when it has its answer may miss what comes later.
    Without `ids` what they are numbered with is left out: a program that asks several things at once numbers them as it
    happens. That each answer has the id of its request is seen either way.
    """
    found = []
    ours, theirs = gated.answers(), direct.answers()
    for key in sorted(ours.keys() | theirs.keys()):
        saw, sees = settle(theirs.get(key)), settle(ours.get(key))
        if not ids:
            saw, sees = _without_id(saw), _without_id(sees)
        found += _compare(f"answer to {key}", saw, sees)
    mine, other = (gated.notices(), direct.notices()) if notices else ({}, {})
    for method in sorted(mine.keys() | other.keys()):
        found += _compare(method, other.get(method), mine.get(method))
    return found


def altered(sent: Transcript, forwarded: Transcript, shared: bool = False) -> list[str]:
    """What the server received otherwise than the client sent it; trace context the gate adds is left out of account.

    The gate may ask a server for its tools on its own account. And where a client of the modern era cancels by closing
    its stream, a server over stdio must be told by a message. Those two are not a difference. One `shared` by many
    clients of the modern era, over one pipe, must be asked under ids and progress tokens of the gate's own.
    """
    wanted = [_untraced(settle(read(text))) for text in sent.sent]
    came = [_untraced(settle(read(text))) for text in forwarded.sent]
    if shared:
        wanted, came = [_unnumbered(message) for message in wanted], [_unnumbered(message) for message in came]
    found = []
    for message in wanted:
        if message in came:
            came.remove(message)
        else:
            found.append(f"the server never received, as the client sent it: {write(message)[:600]}")
    for message in came:
        if get(message, "method") not in {"tools/list", "notifications/cancelled"}:
            found.append(f"the server received what no client sent: {write(message)[:600]}")
    return found


def _untraced(message: Json) -> Json:
    if not isinstance(message, Object):
        return message
    trace = {"traceparent", "tracestate", "baggage"}
    kept = Object()
    for key, inner in message:
        if key == "_meta":
            inner = Object((name, value) for name, value in inner if name not in trace)
            if not inner:
                continue
        elif key == "params":
            inner = _untraced(inner)
            # A request without params gains them when the gate has a trace context to add.
            if len(inner) == 0:
                continue
        kept.append((key, inner))
    return kept


def _without_id(message: Json) -> Json:
    return Object((key, inner) for key, inner in message if key != "id") if isinstance(message, Object) else message


def _unnumbered(message: Json) -> Json:
    if get(message, "params", "_meta", "io.modelcontextprotocol/protocolVersion") is None:
        return message
    kept = Object()
    for key, inner in message:
        if key in ("params", "_meta"):
            inner = _unnumbered_members(inner)
        kept.append((key, "<id>" if key == "id" else inner))
    return kept


def _unnumbered_members(value: Object) -> Object:
    kept = Object()
    for key, inner in value:
        if key in ("progressToken", "requestId"):
            inner = "<token>"
        kept.append((key, _unnumbered_members(inner) if key == "_meta" else inner))
    return kept


def _compare(what: str, direct: Json, gated: Json) -> list[str]:
    if direct == gated:
        return []
    return [f"{what}:\n    direct: {write(direct)[:1500]}\n    gate:   {write(gated)[:1500]}"]


def write(value: Json) -> str:
    """The value as JSON text again, for a person to read."""
    if isinstance(value, Object):
        return "{" + ",".join(f"{json.dumps(key)}:{write(inner)}" for key, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(write(inner) for inner in value) + "]"
    return value.spelling if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def labels(transcript: Transcript, method: str) -> list[Json]:
    """The label of each answer to a method, as plain data; None where an answer has none."""
    found = []
    for key, message in transcript.answers().items():
        if key.startswith(f"{method} #") and get(message, "result") is not None:
            label = get(message, "result", "_meta", LABEL)
            found.append(None if label is None else json.loads(write(label)))
    return found
