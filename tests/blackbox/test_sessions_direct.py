"""Whole sessions without the gate: they prove that the stories, the clients and the servers are right by themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from outcomes import faults, none
from sessions import CLIENTS, PAIRS, Session, modern, protocol
from transcripts import LABEL
from upstreams import SERVERS


@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_a_whole_session(client: str, server: str, work: Path, played_directly: Callable[[str, str], Session]) -> None:
    session = played_directly(client, server)
    both_modern = modern(CLIENTS[client], SERVERS[server])
    none(faults(SERVERS[server].story(work, both_modern), session.outcome))
    assert session.transcript.protocol() == protocol(CLIENTS[client], SERVERS[server])
    assert not any(LABEL in text for text in session.transcript.received)
