"""The upstream servers of the tests, and how each is started and reached.

A `Server` knows its command, its transport and the story played with it. It knows nothing of the gate.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import programs
import stories

# How long a program may take to begin listening or to end. Generous: a busy machine is not a failure.
PATIENCE_SECONDS = 60


ALL = ("python", "python-legacy", "typescript-v1", "typescript-v2", "fastmcp")
LEGACY = ("python", "typescript-v1", "typescript-v2")
BOTH = ("python-legacy", "typescript-v2", "fastmcp")


@dataclass(frozen=True)
class Server:
    """One upstream server as the tests use it."""

    name: str
    # As the registry names it: "http", "stdio", or "sse" for the HTTP+SSE of 2024-11-05.
    transport: str
    # The command, given the working folder and, over HTTP, the port.
    command: Callable[[Path, int | None], list[str]]
    # The steps, given the working folder and whether the client speaks the modern era.
    story: Callable[[Path, bool], list[stories.Step]]
    modern: bool = False
    # The newest revision it knows of those before 2026-07-28.
    legacy: str = "2025-11-25"
    # Who plays the story. Where a server has no more than tools, two SDKs say as much as all of them.
    clients: tuple[str, ...] = ALL
    # Where it is on its port.
    path: str = "/mcp"
    # What the user answers beside the stories' own name and consent.
    user: dict[str, str] = field(default_factory=dict)


# Played by the one SDK that still has the tasks of 2025-11-25.
RESEARCH = Server(
    "research",
    "http",
    lambda _folder, _port: programs.everything("streamableHttp"),
    lambda _folder, _modern: stories.research(),
    user=stories.CLARIFICATION,
)

SERVERS = {
    server.name: server
    for server in (
        Server(
            "everything-http",
            "http",
            lambda _folder, _port: programs.everything("streamableHttp"),
            lambda _folder, _modern: stories.everything(),
        ),
        Server(
            "everything-stdio",
            "stdio",
            lambda _folder, _port: programs.everything("stdio"),
            lambda _folder, _modern: stories.everything(),
        ),
        Server(
            "everything-sse",
            "sse",
            lambda _folder, _port: programs.everything("sse"),
            lambda _folder, _modern: stories.everything(),
            clients=("python-legacy", "typescript-v1"),
            path="/sse",
        ),
        Server(
            "filesystem",
            "stdio",
            lambda folder, _port: programs.filesystem(folder),
            lambda folder, _modern: stories.filesystem(folder),
        ),
        Server(
            "git",
            "stdio",
            lambda _folder, _port: programs.git(),
            lambda folder, _modern: stories.git(folder),
            modern=True,
        ),
        Server(
            "memory",
            "stdio",
            lambda folder, _port: programs.memory(folder),
            lambda _folder, _modern: stories.memory(),
            clients=LEGACY,
        ),
        Server(
            "fetch",
            "stdio",
            lambda _folder, _port: programs.fetch(),
            lambda _folder, _modern: stories.fetch(page()),
            modern=True,
            clients=("python-legacy", "typescript-v2"),
        ),
        Server(
            "time",
            "stdio",
            lambda _folder, _port: programs.time(),
            lambda _folder, _modern: stories.time(),
            modern=True,
            clients=BOTH,
        ),
        Server(
            "playwright",
            "stdio",
            lambda folder, _port: programs.playwright(folder),
            lambda _folder, _modern: stories.playwright(),
            clients=("python", "typescript-v2"),
        ),
        Server(
            "github",
            "stdio",
            lambda _folder, _port: programs.github(),
            lambda _folder, _modern: stories.github(),
            legacy="2024-11-05",
            clients=LEGACY,
        ),
        Server(
            "dual-http",
            "http",
            lambda _folder, port: programs.dual_era(port),
            lambda _folder, modern: stories.dual_era(modern),
            modern=True,
        ),
        Server(
            "dual-stdio",
            "stdio",
            lambda _folder, _port: programs.dual_era(),
            lambda _folder, modern: stories.dual_era(modern),
            modern=True,
        ),
    )
}


PAGE = b"<!doctype html><title>Gate</title><article><h1>A page for the gate</h1><p>Nobody passes unseen.</p></article>"


class _Page(BaseHTTPRequestHandler):
    """One page at the root, and nothing else."""

    def do_GET(self) -> None:
        found = self.path == "/"
        self.send_response(200 if found else 404)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(PAGE) if found else 0))
        self.end_headers()
        self.wfile.write(PAGE if found else b"")

    def log_message(self, *_: object) -> None:
        """Says nothing: the tests' output is theirs."""


@functools.cache
def page() -> str:
    """The address of a page on this machine, served from the first use to the end of the run."""
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{listener.server_address[1]}/"


def prepare(folder: Path) -> None:
    """Makes the working folder new: a Git repository whose history is the same on every run, with one change in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    fixed = {"GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z"}
    who = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org", "-c", "commit.gpgsign=false"]
    (folder / "readme.txt").write_text("first\n")
    for command in (["init", "-q", "-b", "main"], ["add", "."], [*who, "commit", "-q", "-m", "Begin"]):
        subprocess.run(["git", *command], cwd=folder, env={**os.environ, **fixed}, check=True)
    (folder / "readme.txt").write_text("first\nsecond\n")


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(met: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Polls until a condition is met; says what was waited for when it is not."""
    deadline = time.monotonic() + seconds
    while not met():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def listening(port: int) -> bool:
    """Whether a connection to the loopback port is accepted."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def serve_http(server: Server, folder: Path, log: Path, port: int | None = None) -> Iterator[int]:
    """Runs an HTTP server for as long as the context lasts; gives its port."""
    port = port or free_port()
    with log.open("ab") as output:
        process = subprocess.Popen(
            server.command(folder, port),
            env={**os.environ, "PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until(lambda: listening(port) or process.poll() is not None, f"{server.name} to listen")
        if process.poll() is not None:
            raise RuntimeError(f"{server.name} ended at its start; see {log}")
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
