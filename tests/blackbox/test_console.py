"""An agent's call waits, and people decide on it in a browser: the whole of it, once for every way that it can end."""

from __future__ import annotations

import http.client
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from desk import Desk
from gate import HEADERS
from house import ASKS, ASKS_TWO, FORBIDS, LAW, House, mail, refusal, traceparent
from plain_client import EventStream, modern_call, text

APPROVALS = "hold_s = 50\nhold_progress_s = 120"

Desks = Callable[..., Desk]


@pytest.fixture(autouse=True)
def under_the_law(house: House) -> None:
    """Every test begins under the same law, with nothing that waits."""
    house.law(LAW)
    house.quiet()


def test_an_approver_sees_what_waits_approves_it_and_the_call_runs_once(house: House, desks: Desks) -> None:
    trace = traceparent()
    session = house.session(trace=trace)
    assert "March figures" in text(session.call("read_mail"))
    call = house.sends("The main story", session)
    identity = call.request()

    bob = desks().sign_in("bob")
    expect(bob.page.locator("#count")).to_contain_text("1")
    item = bob.page.locator(".item")
    expect(item).to_contain_text("send_mail")
    expect(item).to_contain_text("claude")
    item.click()
    expect(bob.page.get_by_role("heading", level=1)).to_contain_text("send_mail")
    for told in (
        *["max@example.org", "The main story", "As asked."],
        *["Mail leaves the house only with a person's word", "mail-leaves", "egress", "says where it goes"],
        *["claude", "alice", "untrusted", "qa@example.org", "read_mail", "security"],
    ):
        expect(bob.main).to_contain_text(told)
    # The recipient stands in the mail that was read before; the subject stands nowhere.
    expect(bob.page.locator(".argument", has_text="max@example.org")).to_contain_text("from untrusted")
    expect(bob.page.locator(".argument", has_text="The main story")).to_contain_text("found in nothing")
    # To look is not to decide.
    assert call.waits()
    assert house.acts("The main story") == []

    bob.approve()
    expect(bob.notice).to_contain_text("You approved it")
    assert text(call.answer()) == "send_mail done"
    assert house.acts("The main story") == [{"tool": "send_mail", **mail("The main story")}]
    expect(bob.decision).to_contain_text("Approved, and used")
    (sent,) = bob.decisions()
    assert sent.headers["x-wicketgate-csrf"]

    bob.decision.get_by_role("link", name="See the trace").click()
    expect(bob.page).to_have_url(f"{bob.origin}/console/#/traces/{trace.split('-')[1]}")
    for told in ("read_mail", "send_mail", "default/bob", identity):
        expect(bob.main).to_contain_text(told)
    story = house.gate.story(trace.split("-")[1], "send_mail", "default/bob", identity, "approval_granted", "approval_spent")
    assert "approval_viewed" in story


def test_a_denial_reaches_the_agent_with_its_reason(house: House, desks: Desks) -> None:
    session = house.session()
    call = house.sends("Denied", session)
    identity = call.request()
    bob = desks().sign_in("bob", f"#/approvals/{identity}")
    bob.page.locator("#deny").click()
    expect(bob.page.locator("#reason-error")).to_contain_text("Say why")
    assert call.waits()
    bob.deny("Max left the firm in May.")
    expect(bob.notice).to_contain_text("You denied it")
    answer = call.answer()
    assert answer["isError"]
    assert "Max left the firm in May" in text(answer)
    # The no is remembered, and nobody is asked again.
    again = house.sends("Denied", session)
    assert "Max left the firm in May" in text(again.answer())
    assert house.ids("pending") == set()
    assert house.acts("Denied") == []


def test_other_arguments_are_another_request(house: House, desks: Desks) -> None:
    session = house.session()
    first = house.sends("Arguments", session)
    asked = first.request()
    other = house.sends("Arguments", session, body="As asked. And something else.")
    also = other.request()
    assert also != asked
    bob = desks().sign_in("bob").look(asked)
    expect(bob.main).not_to_contain_text("something else")
    bob.approve()
    expect(bob.notice).to_contain_text("You approved it")
    assert text(first.answer()) == "send_mail done"
    assert other.waits()
    assert house.deny(also, "Only the first.")[0] == 200
    assert "Only the first" in text(other.answer())
    assert [act["body"] for act in house.acts("Arguments")] == ["As asked."]


def test_a_used_approval_is_used(house: House, desks: Desks) -> None:
    session = house.session()
    call = house.sends("Replay", session)
    identity = call.request()
    bob = desks().sign_in("bob").look(identity)
    bob.approve()
    expect(bob.decision).to_contain_text("Approved, and used")
    assert text(call.answer()) == "send_mail done"
    # The decision, sent once more as it was.
    sent = bob.decisions()[0]
    again = bob.context.request.post(
        sent.url,
        data=sent.post_data,
        headers={
            "x-wicketgate-csrf": sent.headers["x-wicketgate-csrf"],
            "origin": bob.origin,
            "content-type": "application/json",
        },
    )
    assert again.status == 409
    assert again.json()["error"]["code"] == "decided"
    # The call, sent once more as it was: people are asked again.
    second = house.sends("Replay", session)
    assert second.request() != identity
    assert len(house.acts("Replay")) == 1
    house.deny(second.request(), "Once is enough.")
    assert second.answer()["isError"]
    assert len(house.acts("Replay")) == 1


def test_a_law_that_forbids_closes_what_waits(house: House, desks: Desks) -> None:
    call = house.sends("Forbidden meanwhile")
    bob = desks().sign_in("bob").look(call.request())
    expect(bob.page.locator("#approve")).to_be_enabled()
    house.law(LAW + FORBIDS)
    expect(bob.decision).to_contain_text("Closed without a decision")
    expect(bob.page.locator("#approve")).to_have_count(0)
    answer = call.answer()
    assert answer["isError"]
    assert "No mail today" in text(answer)
    assert house.acts("Forbidden meanwhile") == []


def test_a_law_that_allows_lets_what_waits_go(house: House, desks: Desks) -> None:
    call = house.sends("Allowed meanwhile")
    identity = call.request()
    bob = desks().sign_in("bob").look(identity)
    expect(bob.page.locator("#approve")).to_be_enabled()
    house.law(LAW.replace(ASKS, ""))
    expect(bob.decision).to_contain_text("Closed without a decision")
    assert text(call.answer()) == "send_mail done"
    assert len(house.acts("Allowed meanwhile")) == 1
    assert house.state(identity) == "closed"


def test_a_law_that_changed_is_asked_again_before_the_call_runs(house: House, desks: Desks) -> None:
    """The decision is made under one law and the call judged under the next, which asks for another grant as well."""
    call = house.sends("Two grants")
    first = call.request()
    bob = desks().sign_in("bob").look(first)
    house.law(LAW + ASKS_TWO)
    # What bob looked at is not what is asked now: either he is shown the change, or it was closed and asked anew.
    expect(bob.page.locator("#approve:enabled")).to_have_count(0)
    bob.picture("request-changed")
    assert call.waits()
    (now,) = house.ids("pending")
    request = house.request(now)
    assert {grant["name"] for grant in request["grants"]} == {"audit", "security"}
    assert house.approve(now)[0] == 200
    assert text(call.answer()) == "send_mail done"
    assert len(house.acts("Two grants")) == 1


def test_a_definition_that_changed_while_it_waited_is_not_called(house: House, desks: Desks) -> None:
    office = f"http://127.0.0.1:{house.port}/mcp"
    call = house.sends("Reworded")
    identity = call.request()
    bob = desks().sign_in("bob").look(identity)
    try:
        modern_call(office, "reword", {}, {})
        bob.approve()
        expect(bob.notice).to_contain_text("You approved it")
        answer = call.answer()
        assert answer.get("isError"), answer
        assert house.acts("Reworded") == []
    finally:
        modern_call(office, "restore", {}, {})
    # The approval was not used up by what did not happen, but the tool is what was reviewed again.
    assert house.state(identity) in {"granted", "closed"}


def test_of_two_approvers_one_decides_and_the_other_sees_it(house: House, desks: Desks) -> None:
    call = house.sends("Two approvers")
    identity = call.request()
    bob = desks().sign_in("bob").look(identity)
    carol = desks()
    carol.cut_off()
    carol.sign_in("carol").look(identity)
    expect(carol.page.locator("#deny")).to_be_enabled()
    bob.approve()
    expect(bob.notice).to_contain_text("You approved it")
    # Carol has heard nothing of it.
    carol.deny("I would rather not.")
    expect(carol.notice).to_contain_text("was decided before")
    expect(carol.decision).to_contain_text("bob")
    assert len(carol.decisions()) == 1
    assert text(call.answer()) == "send_mail done"
    assert len(house.acts("Two approvers")) == 1


def test_one_sees_what_another_decides(house: House, desks: Desks) -> None:
    call = house.sends("Seen live")
    identity = call.request()
    carol = desks().sign_in("carol").look(identity)
    expect(carol.page.locator("#approve")).to_be_enabled()
    assert house.approve(identity)[0] == 200
    expect(carol.page.locator("#approve")).to_have_count(0)
    expect(carol.decision).to_contain_text("bob")
    assert text(call.answer()) == "send_mail done"


def test_identical_calls_are_one_request_and_run_as_often_as_was_said(house: House, desks: Desks) -> None:
    trace = traceparent()
    first = house.sends("Thrice", house.session(trace=trace))
    identity = first.request()
    others = [house.sends("Thrice", house.session(trace=trace)) for _ in range(2)]
    bob = desks().sign_in("bob").look(identity)
    expect(bob.page.locator("#approve-all")).to_contain_text("3 that wait")
    bob.page.locator("#approve-all").click()
    expect(bob.notice).to_contain_text("You approved it")
    assert [text(call.answer()) for call in (first, *others)] == ["send_mail done"] * 3
    assert len(house.acts("Thrice")) == 3
    assert house.state(identity) == "spent"


def test_a_client_that_asked_for_progress_hears_that_it_waits(house: House, desks: Desks) -> None:
    session = house.session()
    message = session.message(
        "tools/call", {"name": "send_mail", "arguments": mail("Progress"), "_meta": {"progressToken": "p1"}}
    )
    before = house.ids()
    stream = EventStream(session.url, "POST", session.headers, message)
    _, told = stream.next()
    assert told["method"] == "notifications/progress"
    assert told["params"]["progressToken"] == "p1"
    assert "waits for a person" in told["params"]["message"]
    (identity,) = house.ids() - before
    bob = desks().sign_in("bob").look(identity)
    bob.approve()
    expect(bob.notice).to_contain_text("You approved it")
    while "result" not in told:
        _, told = stream.next()
    assert text(told["result"]) == "send_mail done"
    assert len(house.acts("Progress")) == 1


def test_a_pending_request_and_a_decision_survive_a_restart(house: House, desks: Desks) -> None:
    trace = traceparent()
    call = house.sends("Restart", house.session(trace=trace))
    identity = call.request()
    house.gate.kill()
    # The agent's connection broke, however that is told.
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        call.answer()
    house.gate.start()
    assert house.state(identity) == "pending"
    # Sessions of browsers end with the gate; the link still leads to the request.
    bob = desks().sign_in("bob", f"#/approvals/{identity}")
    bob.approve()
    expect(bob.notice).to_contain_text("You approved it")
    assert house.state(identity) == "granted"
    house.gate.stop()
    house.gate.start()
    assert house.state(identity) == "granted"
    assert house.acts("Restart") == []
    assert text(house.session(trace=trace).call("send_mail", mail("Restart"))) == "send_mail done"
    assert len(house.acts("Restart")) == 1
    assert house.state(identity) == "spent"
    again = house.sends("Restart", house.session(trace=trace))
    assert again.request() != identity
    house.deny(again.request(), "Once.")
    assert refusal(again.answer())
    assert len(house.acts("Restart")) == 1


def test_the_gate_says_where_its_console_is(house: House) -> None:
    answer = house.exchange("GET", "/", None, HEADERS)
    assert answer.status == 308
    assert answer.headers["location"] == "/console/"
