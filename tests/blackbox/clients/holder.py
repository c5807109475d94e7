"""Opens sessions, leaves a stream and a call open in each, and then waits to be killed.

Usage: holder.py URL AUTHORIZATION COUNT. Says `ready` when everything is open. A program of its own, so that the kernel ends
its connections as it does those of a client that is killed.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from plain_client import LegacySession, open_get, open_post


def main() -> None:
    """Opens what was asked for, and holds it."""
    url, authorization, count = sys.argv[1:]
    held = []
    for _ in range(int(count)):
        session = LegacySession(url, {"authorization": authorization})
        held.append(open_get(url, session.headers))
        held.append(open_post(url, session.message("tools/call", {"name": "hang", "arguments": {}}), session.headers))
    print("ready", flush=True)
    while held:
        time.sleep(3600)


if __name__ == "__main__":
    main()
