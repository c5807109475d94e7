"""A client that waits for people in the manner of a known one, as a process that outlives its calls."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from types import TracebackType
from typing import Any

import programs
from house import House, bearer

# What one line of a client may take; only ends one that hangs. Beyond the longest time-out that a test waits for.
LINE_SECONDS = 200


class Patient:
    """One client, connected to the office through the gate."""

    def __init__(self, manner: str, house: House, **settings: int) -> None:
        self._house = house
        self._process = subprocess.Popen(
            programs.patient(manner), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._said: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self._tell({"url": house.gate.url("office"), "headers": bearer("claude"), "settings": settings})
        assert self.line() == {"ok": "connected"}

    def __enter__(self) -> Patient:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(timeout=LINE_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()

    def begin(self, tool: str, arguments: dict[str, Any]) -> str:
        """Calls a tool that waits for people, and goes on; the id of the request that the call made."""
        call = self._house.begin(self._process.wait)
        self._tell({"name": tool, "arguments": arguments})
        return call.request()

    def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Calls a tool; what came of it."""
        self._tell({"name": tool, "arguments": arguments})
        return self.end()

    def end(self) -> dict[str, Any]:
        """What came of the call that was begun, after all progress."""
        while "progress" in (line := self.line()):
            pass
        return line

    def line(self) -> dict[str, Any]:
        """The next line that the client says."""
        try:
            line = self._said.get(timeout=LINE_SECONDS)
        except queue.Empty:
            raise AssertionError("the client says nothing") from None
        if not line:
            assert self._process.stderr
            raise AssertionError(f"the client ended:\n{self._process.stderr.read()[-4000:]}")
        said: dict[str, Any] = json.loads(line)
        return said

    def _tell(self, message: dict[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._said.put(line)
        self._said.put("")
