"""The registry decides what exists: what is not in it is neither listed nor callable."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import programs
from gate import HEADERS, Gate
from plain_client import LegacySession, modern_request, post


@pytest.fixture(scope="module")
def session(gate: Gate) -> Iterator[LegacySession]:
    """A session with a server of which one tool was never registered and another never reviewed."""
    command, *arguments = programs.dual_era()
    gate.register("dual", {"kind": "stdio", "command": command, "args": arguments, "env_from": ["PATH", "HOME"]})
    entry = gate.registration("dual")
    del entry["tools"]["add"]
    del entry["tools"]["route"]["reviewed_by"]
    gate.write_registration("dual", entry)
    gate.start()
    opened = LegacySession(gate.url("dual"), HEADERS)
    yield opened
    opened.close()


@pytest.mark.parametrize("tool", ["add", "route"])
def test_a_tool_without_entry_or_review_is_not_listed(tool: str, session: LegacySession) -> None:
    listed = {entry["name"] for entry in session.request("tools/list").result()["tools"]}
    assert "echo" in listed
    assert tool not in listed


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("add", {"left": 1, "right": 2}), ("route", {"region": "eu", "query": "q"}), ("no_such_tool", {})],
)
def test_nor_can_it_be_called(tool: str, arguments: dict[str, object], session: LegacySession) -> None:
    message = session.request("tools/call", {"name": tool, "arguments": arguments}).last()
    refused = "error" in message or message["result"]["isError"]
    assert refused, message
    # To the client a tool that does not exist and one that is withheld are the same.
    assert "review" not in str(message)
    assert session.call("echo", {"message": "still here"})["content"][0]["text"] == "still here"


def test_arguments_must_fit_the_reviewed_schema(session: LegacySession) -> None:
    message = session.request("tools/call", {"name": "echo", "arguments": {"message": 7}}).last()
    assert "error" in message or message["result"]["isError"], message
    assert "message" in str(message)


def test_a_server_that_is_not_registered_has_no_route(session: LegacySession, gate: Gate) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    answer = post(gate.url("nowhere"), message, HEADERS)
    assert answer.status == 404
    assert "error" in answer.last()


def test_without_a_token_nothing_is_said(session: LegacySession, gate: Gate) -> None:
    answer = modern_request(gate.url("dual"), "tools/list", {}, {})
    assert answer.status == 401
    assert "error" in answer.last()
    assert "echo" not in answer.text


def test_a_definition_that_changes_is_withheld_and_its_siblings_work(session: LegacySession) -> None:
    listed = {tool["name"] for tool in session.request("tools/list").result()["tools"]}
    assert "fail" in listed
    session.call("turn")
    listed = {tool["name"] for tool in session.request("tools/list").result()["tools"]}
    assert "fail" not in listed
    assert "echo" in listed
    message = session.request("tools/call", {"name": "fail", "arguments": {"reason": "reached"}}).last()
    assert "error" in message or message["result"]["isError"], message
    assert "reached" not in str(message)
    assert session.call("echo", {"message": "sibling"})["content"][0]["text"] == "sibling"
