"""The MCP conformance suite, of both eras: our own server passes it directly, and as well through the gate.

Through the gate to an HTTP server every check must end as it does directly. To a stdio server it may end otherwise only
where `OVER_STDIO` says why: what HTTP alone can carry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import conformance
import programs
from conformance import EXTRA, REVISIONS, Outcome
from gate import OPEN, TOKEN, Gate
from upstreams import Server, serve_http

# What the reference server of the official Rust SDK passes, directly, with this version of the suite.
AT_LEAST = {"2025-11-25": 83, "2026-07-28": 197}

ONE_MESSAGE = "an answer that is a stdio server's only message comes back as JSON, which is no stream to try out"
NO_STREAM = "standard streams have no event ids and no retry hints, cannot be closed during a call, nor come back to"
NO_EVENTS = "a note of the suite on its own requests and on events it saw: over stdio there are none of these"
# Scenario, check: why it cannot end over stdio as it does over HTTP. Whatever is not here must.
OVER_STDIO: dict[tuple[str, str], str] = {
    ("server-sse-multiple-streams", "server-sse-streams-functional (ServerSSEStreamsFunctional)"): ONE_MESSAGE,
    ("server-sse-polling", "server-sse-content-type (ServerSSEContentType)"): ONE_MESSAGE,
    ("server-sse-polling", "server-sse-priming-event (ServerSendsPrimingEvent)"): NO_STREAM,
    ("server-sse-polling", "server-sse-retry-field (ServerSendsRetryField)"): NO_STREAM,
    ("server-sse-polling", "server-sse-disconnect-resume (ServerDisconnectResume)"): NO_STREAM,
    ("server-sse-polling", "outgoing-request (OutgoingRequest)"): NO_EVENTS,
    ("server-sse-polling", "incoming-response (IncomingResponse)"): NO_EVENTS,
    ("server-sse-polling", "incoming-sse-event (IncomingSseEvent)"): NO_EVENTS,
    ("server-sse-polling", "stream-closed (StreamClosed)"): NO_EVENTS,
}

FIXTURE = Server(
    "conformance", "http", lambda _folder, port: programs.conformance_server(port), lambda _folder, _modern: []
)


@pytest.fixture(scope="module")
def server(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the server."""
    with serve_http(FIXTURE, work, tmp_path_factory.mktemp("conformance") / "server.log") as port:
        yield port


Directly = Callable[[str], Outcome]


@pytest.fixture(scope="module")
def directly(server: int, tmp_path_factory: pytest.TempPathFactory) -> Directly:
    """What the suite finds without the gate, run once for each revision."""
    kept: dict[str, Outcome] = {}

    def outcome(revision: str) -> Outcome:
        if revision not in kept:
            url = f"http://127.0.0.1:{server}/mcp"
            kept[revision] = conformance.run(url, revision, tmp_path_factory.mktemp("direct"))
        return kept[revision]

    return outcome


@pytest.fixture(scope="module")
def registered(gate: Gate, server: int) -> Iterator[Gate]:
    """A gate with the server behind it twice: over HTTP and over stdio."""
    command, *arguments = programs.conformance_server()
    everything = [*OPEN, "skills"]
    gate.register("http", {"kind": "http", "url": f"http://127.0.0.1:{server}/mcp"}, open=everything)
    stdio = {"kind": "stdio", "command": command, "args": arguments, "env_from": ["PATH"]}
    gate.register("stdio", stdio, open=everything)
    # Every legacy session is a process, and the suite opens more of them within a minute than a client would.
    gate.config.write_text(gate.config.read_text() + "\n[limits]\nchild_starts_per_minute_max = 1000\n")
    gate.start()
    yield gate


Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Prints past the capture: the numbers are of interest when all is well, too."""

    def aloud(words: str) -> None:
        with capsys.disabled():
            print(f"\n{words}")

    return aloud


def table(direct: Outcome, through: Outcome, revision: str, upstream: str) -> str:
    """Both runs side by side: the totals, and every scenario whose numbers differ."""
    rows = [("scenario", "direct", "through the gate")]
    ours, theirs = direct.scenarios(), through.scenarios()
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            rows.append((name, shown(ours.get(name)), shown(theirs.get(name))))
    rows.append((f"all {len(ours)} scenarios", shown(direct.numbers[:2]), shown(through.numbers[:2])))
    width = max(len(row[0]) for row in rows)
    head = f"{revision}, {upstream} server: passed / failed"
    return "\n".join([head, *(f"  {name:{width}}  {left:>9}  {right:>9}" for name, left, right in rows)])


def shown(numbers: tuple[int, int] | None) -> str:
    """Passed and failed."""
    return "-" if numbers is None else f"{numbers[0]} / {numbers[1]}"


def complaints(outcome: Outcome) -> list[str]:
    """Everything that failed or was warned of."""
    return [str(check) for check in outcome.checks if check.status in ("FAILURE", "WARNING")]


@pytest.mark.parametrize("revision", REVISIONS)
def test_the_server_passes_directly(revision: str, directly: Directly, say: Say) -> None:
    outcome = directly(revision)
    say(f"{revision}, directly: {shown(outcome.numbers[:2])} passed / failed")
    assert complaints(outcome) == []
    assert outcome.numbers[0] >= AT_LEAST[revision]


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_check_ends_through_the_gate_as_it_does_directly(
    revision: str, directly: Directly, registered: Gate, gate: Gate, tmp_path: Path, say: Say
) -> None:
    direct = directly(revision)
    through = conformance.run(gate.url("http"), revision, tmp_path, TOKEN)
    say(table(direct, through, revision, "HTTP"))
    assert complaints(through) == []
    assert through.verdicts() == direct.verdicts()
    assert through.numbers[0] >= AT_LEAST[revision]


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_stdio_server_passes_all_that_stdio_can_carry(
    revision: str, directly: Directly, registered: Gate, gate: Gate, tmp_path: Path, say: Say
) -> None:
    direct = directly(revision)
    through = conformance.run(gate.url("stdio"), revision, tmp_path, TOKEN)
    say(table(direct, through, revision, "stdio"))
    assert complaints(through) == []
    differing = names((direct.verdicts() - through.verdicts()) + (through.verdicts() - direct.verdicts()))
    assert differing <= OVER_STDIO.keys()
    scenarios = direct.scenarios().keys()
    unneeded = {excused for excused in OVER_STDIO if excused[0] in scenarios} - differing
    assert unneeded == set(), "OVER_STDIO excuses what needs no excuse"


def names(verdicts: Counter[tuple[str, str, str]]) -> set[tuple[str, str]]:
    """The checks of these verdicts."""
    return {(scenario, name) for scenario, name, _status in verdicts}


@pytest.mark.parametrize("revision", EXTRA)
@pytest.mark.parametrize("upstream", ["http", "stdio"])
def test_extensions_that_no_revision_requires_pass_too(
    revision: str, upstream: str, server: int, registered: Gate, gate: Gate, tmp_path: Path
) -> None:
    folders = [tmp_path / "direct", tmp_path / "through"]
    for folder in folders:
        folder.mkdir()
    direct = conformance.run_extra(f"http://127.0.0.1:{server}/mcp", revision, folders[0])
    through = conformance.run_extra(gate.url(upstream), revision, folders[1], TOKEN)
    assert complaints(direct) == complaints(through) == []
    assert direct.numbers[0] > 0
    assert through.verdicts() == direct.verdicts()
