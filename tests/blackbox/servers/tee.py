"""Runs a stdio server and keeps every line that passes to and from it.

Usage: tee.py LOG COMMAND [ARGUMENT...]. It stands where the server's command would stand, so a direct run over stdio
leaves the same evidence that the relay leaves over HTTP. It must not change a byte.
"""

import json
import subprocess
import sys
import threading
from typing import BinaryIO


def copy(source: BinaryIO, sink: BinaryIO, way: str, log: BinaryIO) -> None:
    """Copies lines until the source ends, then closes the sink."""
    for line in source:
        log.write(json.dumps({"way": way, "text": line.decode().rstrip("\n")}).encode() + b"\n")
        log.flush()
        try:
            sink.write(line)
            sink.flush()
        except BrokenPipeError:
            break
    if way == "sent":
        sink.close()


def main() -> int:
    """Runs until the server ends; its exit code is ours."""
    log_path, *command = sys.argv[1:]
    with open(log_path, "ab") as log:
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert server.stdin and server.stdout
        threading.Thread(target=copy, args=(sys.stdin.buffer, server.stdin, "sent", log), daemon=True).start()
        copy(server.stdout, sys.stdout.buffer, "received", log)
        return server.wait()


if __name__ == "__main__":
    sys.exit(main())
