"""The processes a gate has started, found wherever they hang in the process tree, by a mark in their environment."""

from __future__ import annotations

import uuid
from pathlib import Path

# One for each run of the tests, so that no other run's processes are counted.
NAME = "WICKETGATE_BLACKBOX"
VALUE = str(uuid.uuid4())


def stdio(command: list[str], **environment: str) -> dict[str, object]:
    """A stdio transport whose child carries the mark, and hands it on to its own children."""
    return {
        "kind": "stdio",
        "command": command[0],
        "args": command[1:],
        "env": {NAME: VALUE, **environment},
        "env_from": ["PATH"],
    }


def children() -> set[int]:
    """The processes that carry the mark and have not ended."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # Of one that has ended and was not yet waited for, this is empty.
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if f"{NAME}={VALUE}".encode() in environment.split(b"\0"):
                found.add(int(entry.name))
    return found


def zombies(parent: int) -> set[int]:
    """The processes of this parent that have ended and were not waited for."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # After the name, which may hold anything and ends with the last parenthesis: state, parent (proc(5)).
                state, its_parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state == "Z" and int(its_parent) == parent:
                found.add(int(entry.name))
    return found
