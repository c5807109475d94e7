"""The upstream servers of the tests, and how each is started and reached.

A `Server` knows its command, its transport and the story played with it. It knows nothing of the gate.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import programs
import stories

# How long a program may take to begin listening or to end. Generous: a busy machine is not a failure.
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """One upstream server as the tests use it."""

    name: str
    transport: str
    # The command, given the working folder and, over HTTP, the port.
    command: Callable[[Path, int | None], list[str]]
    # The steps, given the working folder and whether the client speaks the modern era.
    story: Callable[[Path, bool], list[stories.Step]]
    modern: bool = False
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
