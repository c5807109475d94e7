"""The tasks extension: work that outlives the request that began it, polled with `tasks/get`."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from call import Call
from wire import INVALID_PARAMS, TASKS, Fault, Message

TTL_MS = 600_000
POLL_MS = 100
_known: dict[str, Task] = {}


class Task:
    """One piece of work, and what is known of it."""

    def __init__(self) -> None:
        self.identifier = str(uuid.uuid4())
        self.created = self.updated = _now()
        self.status = "working"
        self.outcome: Message = {}
        self.wanted: dict[str, Message] = {}
        self.given: dict[str, Any] = {}
        self.answered = asyncio.Event()
        self.running: asyncio.Task[None] | None = None

    def turn(self, status: str, outcome: Message | None = None) -> None:
        """Takes a new status."""
        self.status, self.outcome, self.updated = status, outcome or {}, _now()

    def shown(self) -> Message:
        """What `tools/call` says of it; `tasks/get` adds the outcome."""
        return {
            "taskId": self.identifier,
            "status": self.status,
            "createdAt": self.created,
            "lastUpdatedAt": self.updated,
            "ttlMs": TTL_MS,
            "pollIntervalMs": POLL_MS,
        }

    async def run(self, work: Callable[[Call], Awaitable[Message]], call: Call) -> None:
        """Does the work and keeps how it ended."""
        try:
            value = await work(call)
            self.turn("completed", {"result": {"resultType": "complete", **value}})
        except Fault as fault:
            self.turn("failed", {"error": fault.member()})
        except asyncio.CancelledError:
            self.turn("cancelled")

    async def ask(self, wanted: dict[str, Message]) -> dict[str, Any]:
        """Waits until the client has answered all of these."""
        self.wanted, self.given = dict(wanted), {}
        self.answered.clear()
        self.turn("input_required")
        await self.answered.wait()
        self.turn("working")
        return self.given


async def begin(call: Call, work: Callable[[Call], Awaitable[Message]]) -> Message:
    """Begins the work as a task where the client takes tasks; else does it now."""
    if not call.takes_tasks:
        return await work(call)
    task = Task()
    _known[task.identifier] = task
    shown = task.shown()
    task.running = asyncio.create_task(task.run(work, dataclasses.replace(call, put=task.ask, send=_nowhere)))
    return {"resultType": "task", **shown}


async def _nowhere(_message: Message) -> None:
    """A task's request has been answered, so nothing more can be sent on its stream."""


def get(call: Call) -> Message:
    """`tasks/get`."""
    task = _find(call)
    pending = {"inputRequests": task.wanted} if task.status == "input_required" else {}
    return {**task.shown(), **task.outcome, **pending}


def update(call: Call) -> Message:
    """`tasks/update`: takes answers, ignores those nobody asked for."""
    task = _find(call)
    for key, value in (call.params.get("inputResponses") or {}).items():
        if task.wanted.pop(key, None) is not None:
            task.given[key] = value
    if task.status == "input_required" and not task.wanted:
        task.answered.set()
    return {}


async def cancel(call: Call) -> Message:
    """`tasks/cancel`: the same answer whether or not there was anything to cancel."""
    task = _find(call)
    if task.running is not None and not task.running.done():
        task.running.cancel()
        await asyncio.wait([task.running])
        # A task that was cancelled before its first step had no chance to say so.
        if task.status in ("working", "input_required"):
            task.turn("cancelled")
    return {}


def _find(call: Call) -> Task:
    call.need(TASKS)
    task = _known.get(str(call.params.get("taskId")))
    if task is None:
        raise Fault(INVALID_PARAMS, "no such task")
    return task


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
