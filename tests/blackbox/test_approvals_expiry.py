"""Requests that nobody decides, approvals that nobody uses, and agents that ask too much: short times, so that they run out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from desk import Desk
from house import House, refusal, traceparent
from plain_client import text
from upstreams import wait_until

APPROVALS = "hold_s = 1\nhold_progress_s = 90\npending_s = 12\ngranted_s = 6\nrefused_s = 4\npending_per_task_max = 3"

Desks = Callable[..., Desk]


@pytest.fixture(autouse=True)
def quiet(house: House) -> None:
    """Every test begins with nothing that waits."""
    house.quiet()


def test_the_agent_is_told_to_come_back_and_where_the_request_is(house: House) -> None:
    trace = traceparent()
    call = house.sends("Come back", house.session(trace=trace))
    identity = call.request()
    answer = call.answer()
    assert answer["isError"]
    told = refusal(answer)
    assert identity in str(told)
    assert "nobody has decided yet" in text(answer)
    assert f"http://localhost:{house.gate.control_port}/console/#/approvals/{identity}" in text(answer)
    assert house.approve(identity)[0] == 200
    assert text(house.sends("Come back", house.session(trace=trace)).answer()) == "send_mail done"
    assert len(house.acts("Come back")) == 1


def test_a_long_call_without_progress_is_not_held_for_it(house: House) -> None:
    session = house.session()
    # It would be held longer than this connection lasts.
    answer = session.call("file_away", {"document": "All is well. " * 1000})
    assert "nobody has decided yet" in text(answer)


def test_a_request_that_nobody_decides_expires(house: House, desks: Desks) -> None:
    trace = traceparent()
    call = house.sends("Expires", house.session(trace=trace))
    identity = call.request()
    digest = house.request(identity)["digest"]
    assert call.answer()["isError"]
    bob = desks().sign_in("bob", f"#/approvals/{identity}")
    expect(bob.page.locator("#approve")).to_have_count(1)
    house.until(identity, "expired")
    expect(bob.decision).to_contain_text("Nobody decided in time")
    expect(bob.page.locator("#approve")).to_have_count(0)
    status, body = house.ask("bob", "POST", f"/v1/approvals/{identity}/approve", {"digest": digest})
    assert (status, body["error"]["code"]) == (409, "decided")
    # The agent asks anew, and it is another request.
    again = house.sends("Expires", house.session(trace=trace))
    second = again.request()
    assert second != identity
    again.answer()
    assert house.acts("Expires") == []
    bob.open("#/queue")
    expect(bob.page.locator(f'.item:not(.done) a[href*="{second}"]')).to_be_visible()
    expect(bob.page.locator(f'.item:not(.done) a[href*="{identity}"]')).to_have_count(0)


def test_an_approval_that_nobody_uses_expires(house: House) -> None:
    trace = traceparent()
    call = house.sends("Unused", house.session(trace=trace))
    identity = call.request()
    call.answer()
    assert house.approve(identity)[0] == 200
    house.until(identity, "expired")
    again = house.sends("Unused", house.session(trace=trace))
    assert again.request() != identity
    assert again.answer()["isError"]
    assert house.acts("Unused") == []


def test_a_no_is_forgotten_after_a_while(house: House) -> None:
    trace = traceparent()
    session = house.session(trace=trace)
    call = house.sends("Forgotten", session)
    identity = call.request()
    call.answer()
    assert house.deny(identity, "Not now.")[0] == 200
    assert "Not now" in text(house.sends("Forgotten", session).answer())

    def asked_anew() -> bool:
        session.call("send_mail", {"to": "max@example.org", "subject": "Forgotten", "body": "As asked."})
        return bool(house.ids("pending"))

    wait_until(asked_anew, "people to be asked again")
    assert house.acts("Forgotten") == []


def test_a_task_cannot_flood_the_queue(house: House) -> None:
    session = house.session(trace=traceparent())
    asked = set()
    for number in range(3):
        call = house.sends(f"Flood {number}", session)
        asked.add(call.request())
        call.answer()
    full = refusal(house.sends("Flood too many", session).answer())
    assert full["code"] == "approvals_full", full
    assert house.ids("pending") <= asked
    # Another task of the same agent still gets through.
    call = house.sends("Flood elsewhere")
    call.request()
    call.answer()
