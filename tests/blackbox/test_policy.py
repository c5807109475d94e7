"""Policies on live traffic: an edit of a `.cedar` file judges the next call, and a broken one changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import programs
from gate import HEADERS, PERMIT_ALL, Gate
from plain_client import LegacySession, text
from upstreams import wait_until

FORBID_ECHO = (
    '@id("no-echo") @reason("Echo is closed for the day") '
    'forbid (principal, action == dual::Action::"echo", resource);\n'
)
FORBID_WORD = (
    '@id("no-word") @reason("That word is not said here") '
    'forbid (principal, action == dual::Action::"echo", resource) '
    'when { context.args.message == "xyzzy" };\n'
)


@pytest.fixture(scope="module")
def session(gate: Gate) -> Iterator[LegacySession]:
    """One session over the whole module: policies change under it while it lasts."""
    command, *arguments = programs.dual_era()
    gate.register("dual", {"kind": "stdio", "command": command, "args": arguments, "env_from": ["PATH", "HOME"]})
    gate.start()
    opened = LegacySession(gate.url("dual"), HEADERS)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def permissive(gate: Gate, session: LegacySession) -> None:
    """Every test begins with the policy that permits everything, in force."""
    gate.policy(PERMIT_ALL)
    gate.reload()
    assert said(session, "before") == "before"


def said(session: LegacySession, message: str) -> str:
    """What the tool said, or the denial."""
    return text(session.call("echo", {"message": message}))


def denied(result: dict[str, Any]) -> bool:
    """Whether a result is the gate's denial."""
    return bool(result.get("isError")) and "dev.wicketgate/refusal" in result.get("_meta", {})


def test_an_edit_judges_the_next_call_after_a_reload(gate: Gate, session: LegacySession) -> None:
    gate.policy(PERMIT_ALL + FORBID_ECHO)
    gate.reload()
    result = session.call("echo", {"message": "hello"})
    assert denied(result)
    assert "echo" in text(result)
    assert "Echo is closed for the day" in text(result)
    # The denial names what remains open, and other tools do remain open.
    assert "add" in text(result)
    assert session.call("add", {"left": 1, "right": 2})["structuredContent"] == {"total": 3}


def test_an_edit_is_seen_without_being_told(gate: Gate, session: LegacySession) -> None:
    gate.policy(PERMIT_ALL + FORBID_ECHO)
    wait_until(lambda: denied(session.call("echo", {"message": "hello"})), "the edited policy to be in force")
    gate.policy(PERMIT_ALL)
    wait_until(lambda: said(session, "open again") == "open again", "the mended policy to be in force")


def test_a_policy_judges_arguments(gate: Gate, session: LegacySession) -> None:
    gate.policy(PERMIT_ALL + FORBID_WORD)
    gate.reload()
    assert said(session, "plugh") == "plugh"
    result = session.call("echo", {"message": "xyzzy"})
    assert denied(result)
    assert "That word is not said here" in text(result)


def test_without_a_permit_everything_is_denied(gate: Gate, session: LegacySession) -> None:
    gate.policy('@id("lifecycle") permit (principal, action in Gate::Action::"lifecycle", resource);\n')
    gate.reload()
    assert denied(session.call("echo", {"message": "hello"}))


@pytest.mark.parametrize(
    "broken",
    [
        "permit (principal, action",
        '@id("typo") forbid (principal, action == dual::Action::"echo", resource) when { context.args.mesage == "x" };',
        '@id("nobody") forbid (principal, action == dual::Action::"ecko", resource);',
    ],
)
def test_a_broken_policy_changes_nothing(broken: str, gate: Gate, session: LegacySession) -> None:
    gate.policy(PERMIT_ALL + FORBID_ECHO)
    gate.reload()
    gate.policy(PERMIT_ALL + broken)
    status, body = gate.control("POST", "/v1/reload")
    assert status >= 400
    assert "tests.cedar" in str(body)
    assert denied(session.call("echo", {"message": "hello"}))
    assert session.call("add", {"left": 1, "right": 2})["structuredContent"] == {"total": 3}
