"""Whole sessions through the gate: each client sees what it sees without the gate, but for the label."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gate import HEADERS, Gate
from outcomes import faults, none
from sessions import CLIENTS, PAIRS, Session, modern, over_http, protocol
from transcripts import altered, differences, labels
from upstreams import SERVERS
from watched import Watched, register


@pytest.fixture(scope="module")
def watched(gate: Gate, work: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Watched]]:
    """Every server, registered with a gate that permits everything."""
    scratch = tmp_path_factory.mktemp("watched")
    with ExitStack() as stack:
        registered = {name: register(gate, server, work, scratch, stack) for name, server in SERVERS.items()}
        gate.start()
        yield registered


@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_a_whole_session(
    client: str,
    server: str,
    gate: Gate,
    watched: dict[str, Watched],
    work: Path,
    tmp_path: Path,
    played_directly: Callable[[str, str], Session],
) -> None:
    expected = played_directly(client, server)
    before = watched[server].reached()

    def route(port: int) -> tuple[str, dict[str, str]]:
        return gate.url(server, port), HEADERS

    session = over_http(CLIENTS[client], SERVERS[server], route, gate.port, work, tmp_path)
    (tmp_path / "wire.txt").write_text(session.report())

    both_modern = modern(CLIENTS[client], SERVERS[server])
    none(faults(SERVERS[server].story(work, both_modern), session.outcome))
    assert session.transcript.protocol() == protocol(CLIENTS[client], SERVERS[server])
    none(differences(expected.transcript, session.transcript))
    shared = SERVERS[server].transport == "stdio"
    none(altered(session.transcript, watched[server].since(before), shared))
    found = labels(session.transcript, "tools/call")
    assert found
    for label in found:
        # A round of the modern era that only asks the client for input brings no content to label.
        if label is not None:
            assert label["source"]["server"] == server
            assert label["trust"] == "untrusted"
            assert "untrusted" in label["labels"]


def test_every_tool_result_carries_the_label(
    gate: Gate, watched: dict[str, Watched], work: Path, tmp_path: Path
) -> None:
    def route(port: int) -> tuple[str, dict[str, str]]:
        return gate.url("filesystem", port), HEADERS

    session = over_http(CLIENTS["python"], SERVERS["filesystem"], route, gate.port, work, tmp_path)
    found = labels(session.transcript, "tools/call")
    calls = [step for step in SERVERS["filesystem"].story(work, False) if step["do"] == "call"]
    assert len(found) == len(calls)
    assert None not in found
    assert [label["source"]["tool"] for label in found] == [step["name"] for step in calls]
    assert len({label["record"] for label in found}) == len(calls)
    assert len({label["trace"] for label in found}) == 1
