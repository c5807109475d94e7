"""A stdio server that behaves badly on purpose, with no SDK so that hundreds of them start in moments.

Usage: rude.py HABIT. Every habit serves the tools `echo`, `hang` (never answers) and `die` (ends without an answer).

  plain     ends when its input ends, as the specification asks
  deaf      ignores the end of its input, and SIGTERM
  launcher  starts a second process that ignores SIGTERM and holds its streams, and ends when its input ends
  slow      takes a second over `initialize`
  choosy    answers `initialize` with an error
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

SCHEMA = {"type": "object", "properties": {"message": {"type": "string"}}}
TOOLS = [{"name": name, "description": name, "inputSchema": SCHEMA} for name in ("echo", "hang", "die")]


def say(message: dict[str, Any]) -> None:
    """Writes one message."""
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def sleep_for_ever() -> None:
    """Ends by a signal only."""
    while True:
        time.sleep(3600)


def answer(habit: str, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """What a request is answered with; None for a request that stays open."""
    if method == "initialize":
        if habit == "slow":
            time.sleep(1)
        if habit == "choosy":
            return {"error": {"code": -32602, "message": "not with you"}}
        info = {"name": "rude", "version": "1"}
        return {"result": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}}
    if method == "tools/list":
        return {"result": {"tools": TOOLS}}
    if method == "tools/call":
        if params["name"] == "hang":
            return None
        if params["name"] == "die":
            os._exit(1)
        said = params.get("arguments", {}).get("message", "")
        return {"result": {"content": [{"type": "text", "text": said}]}}
    return {"error": {"code": -32601, "message": f"there is no {method} here"}}


def main(habit: str) -> None:
    """Serves until the input ends, and longer where the habit says so."""
    if habit == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if habit == "launcher" and os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sleep_for_ever()
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and "method" in message:
            answered = answer(habit, message["method"], message.get("params", {}))
            if answered is not None:
                say({"id": message["id"], **answered})
    if habit == "deaf":
        sleep_for_ever()


if __name__ == "__main__":
    main(sys.argv[1])
