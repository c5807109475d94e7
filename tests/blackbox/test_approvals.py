"""Clients that give up while people think: no decision is lost, and none is applied twice.

Here the gate waits longer than any of the clients, so that it is they who give up. What they do is in `clients/patient.mjs`.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest

from house import LAW, House, bearer, mail, traceparent
from patient import Patient
from plain_client import modern_request, post, text
from upstreams import wait_until

APPROVALS = "hold_s = 150\nhold_progress_s = 150"

# Milliseconds. Long enough for a request to be seen, short enough to be waited for.
SOON = 4_000
NEVER = 100_000_000


@pytest.fixture(autouse=True)
def under_the_law(house: House) -> None:
    """Every test begins under the same law, with nothing that waits."""
    house.law(LAW)
    house.quiet()


@pytest.mark.parametrize(
    ("manner", "settings"),
    [
        ("claude", {"timeout": SOON, "idle": NEVER}),
        ("claude", {"timeout": NEVER, "idle": SOON}),
        ("gemini", {"timeout": SOON}),
        ("plain", {}),
    ],
    ids=["claude-tool-timeout", "claude-idle-timeout", "gemini", "plain-60s"],
)
def test_a_decision_after_the_client_gave_up_is_found_by_its_next_call(
    manner: str, settings: dict[str, int], house: House, request: pytest.FixtureRequest
) -> None:
    sent = mail(f"Gave up {request.node.callspec.id}")
    with Patient(manner, house, **settings) as client:
        identity = client.begin("send_mail", sent)
        assert "gave_up" in client.end()
        # The request outlives the call, and nobody waits for it now.
        wait_until(lambda: house.request(identity)["waiting"] == 0, "the call to be gone")
        assert house.state(identity) == "pending"
        assert house.acts(sent["subject"]) == []
        assert house.approve(identity)[0] == 200
        # Nothing runs by itself: whoever asked has gone.
        assert house.state(identity) == "granted"
        assert house.acts(sent["subject"]) == []
        answer = client.call("send_mail", sent)
        assert text(answer["ok"]) == "send_mail done"
        assert house.state(identity) == "spent"
        assert len(house.acts(sent["subject"])) == 1
        again = client.begin("send_mail", sent)
        assert again != identity
        assert house.deny(again, "Once.")[0] == 200
        assert client.end()["ok"]["isError"]
    assert len(house.acts(sent["subject"])) == 1


@pytest.mark.parametrize("manner", ["claude", "gemini"])
def test_a_refusal_after_the_client_gave_up_is_found_too(manner: str, house: House) -> None:
    sent = mail(f"Refused later, {manner}")
    with Patient(manner, house, timeout=SOON, idle=NEVER) as client:
        identity = client.begin("send_mail", sent)
        assert "gave_up" in client.end()
        assert house.deny(identity, "Not to Max.")[0] == 200
        answer = client.call("send_mail", sent)["ok"]
        assert answer["isError"]
        assert "Not to Max" in text(answer)
        assert house.ids("pending") == set()
    assert house.acts(sent["subject"]) == []


def test_a_call_that_was_cancelled_takes_no_decision_with_it(house: House) -> None:
    """The decision comes right after the agent has given up: it is kept for the next call, and nothing runs before."""
    session, sent = house.session(), mail("Cancelled")
    message = session.message("tools/call", {"name": "send_mail", "arguments": sent})
    call = house.begin(lambda: post(session.url, message, session.headers))
    identity = call.request()
    gone = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": message["id"]}}
    assert post(session.url, gone, session.headers).status == 202
    assert house.approve(identity)[0] == 200
    call.answer()
    assert house.state(identity) == "granted"
    assert house.acts("Cancelled") == []
    assert text(session.call("send_mail", sent)) == "send_mail done"
    assert house.state(identity) == "spent"
    assert len(house.acts("Cancelled")) == 1


def test_progress_keeps_claude_code_waiting(house: House) -> None:
    """The gate is heard from every ten seconds; a client that would give up after fifteen of silence waits on."""
    sent = mail("Progress keeps")
    with Patient("claude", house, timeout=NEVER, idle=15_000) as client:
        identity = client.begin("send_mail", sent)
        told = [client.line() for _ in range(3)]
        assert all("waits for a person" in line["progress"] for line in told), told
        assert house.approve(identity)[0] == 200
        assert text(client.end()["ok"]) == "send_mail done"
    assert len(house.acts("Progress keeps")) == 1


def test_a_call_that_comes_while_another_gave_up_waits_on_for_the_same_word(house: House) -> None:
    """A client that sends the call again at once, before anybody has decided, joins the request that waits."""
    sent = mail("Joined")
    with Patient("gemini", house, timeout=SOON) as client:
        identity = client.begin("send_mail", sent)
        assert "gave_up" in client.end()
        second: dict[str, Any] = {}
        waits = threading.Thread(target=lambda: second.update(client.call("send_mail", sent)))
        waits.start()
        wait_until(lambda: house.request(identity)["asked"] == 2, "the call to be heard of again")
        wait_until(lambda: house.request(identity)["waiting"] == 1, "the first call to be gone")
        assert house.ids("pending") == {identity}
        assert house.approve(identity)[0] == 200
        waits.join()
    assert text(second["ok"]) == "send_mail done"
    assert len(house.acts("Joined")) == 1


@pytest.mark.parametrize("turn", range(5))
def test_many_at_once_decide_once(turn: int, house: House) -> None:
    """Eight words at the same moment, of two persons, yes and no: one counts, the others are told so."""
    call = house.sends(f"Race {turn}")
    identity = call.request()
    digest = house.request(identity)["digest"]
    begin = threading.Barrier(8)
    answers: list[tuple[str, int, str]] = []

    def decide(who: str, act: str) -> None:
        body = {"digest": digest} if act == "approve" else {"digest": digest, "reason": "No."}
        begin.wait()
        status, told = house.ask(who, "POST", f"/v1/approvals/{identity}/{act}", body)
        answers.append((act, status, told.get("error", {}).get("code", "")))

    words = [(who, act) for who in ("bob", "carol") for act in ("approve", "deny") * 2]
    threads = [threading.Thread(target=decide, args=word) for word in words]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted = [act for act, status, _ in answers if status == 200]
    assert len(counted) == 1, answers
    assert {code for _, status, code in answers if status != 200} == {"decided"}, answers
    answer = call.answer()
    assert bool(answer.get("isError")) == (counted == ["deny"])
    assert len(house.acts(f"Race {turn}")) == (1 if counted == ["approve"] else 0)


def test_identical_calls_race_for_one_use(house: House) -> None:
    trace = traceparent()
    first = house.sends("One use", house.session(trace=trace))
    identity = first.request()
    others = [house.sends("One use", house.session(trace=trace)) for _ in range(4)]
    wait_until(lambda: house.request(identity)["waiting"] == 5, "five calls to wait")
    assert house.approve(identity)[0] == 200
    # One runs; the rest are asked about anew, together.
    house.until(identity, "spent")
    wait_until(lambda: bool(house.ids("pending")), "the others to be asked about")
    (second,) = house.ids("pending")
    wait_until(lambda: house.request(second)["waiting"] == 4, "four calls to wait")
    assert house.deny(second, "One is enough.")[0] == 200
    answers = [call.answer() for call in (first, *others)]
    assert sorted(bool(answer.get("isError")) for answer in answers) == [False, True, True, True, True]
    assert len(house.acts("One use")) == 1


URL_CLIENT = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}, "url": {}}}}


def test_a_client_of_2026_07_28_is_sent_to_the_request_and_comes_back(house: House) -> None:
    trace, sent = {"traceparent": traceparent()}, mail("By URL")
    url, headers = house.gate.url("office"), bearer("claude")
    params = {"name": "send_mail", "arguments": sent}
    before = house.ids()
    asked = modern_request(url, "tools/call", params, headers, {**URL_CLIENT, **trace}).result()
    assert asked["resultType"] == "input_required"
    (identity,) = house.ids() - before
    ((name, question),) = asked["inputRequests"].items()
    assert question["method"] == "elicitation/create"
    assert question["params"]["mode"] == "url"
    assert question["params"]["url"] == f"http://localhost:{house.gate.control_port}/console/#/approvals/{identity}"
    # What is asked names nobody's arguments, and the state says nothing to whoever reads it.
    assert "max@example.org" not in str(asked)
    assert identity not in asked["requestState"]

    def back(state: str, who: str = "claude", **changed: Any) -> dict[str, Any]:
        again = {**params, "requestState": state, "inputResponses": {name: {"action": "accept"}}, **changed}
        return modern_request(url, "tools/call", again, bearer(who), {**URL_CLIENT, **trace}).last()

    # Nothing that the client says decides: another state, another caller's state.
    forged = back(asked["requestState"][:-2] + "AA")
    assert "error" in forged, forged
    stolen = back(asked["requestState"], "bob")
    assert "error" in stolen, stolen
    assert house.acts("By URL") == []

    assert house.approve(identity)[0] == 200
    answer = back(asked["requestState"])
    assert text(answer["result"]) == "send_mail done"
    assert len(house.acts("By URL")) == 1
    assert house.state(identity) == "spent"
    # The same, once more: it is asked about anew, and nothing runs.
    waits = house.begin(lambda: back(asked["requestState"]))
    second = waits.request()
    assert second != identity
    assert house.deny(second, "Once.")[0] == 200
    waits.answer()
    assert len(house.acts("By URL")) == 1


def test_coming_back_with_other_arguments_is_another_request(house: House) -> None:
    trace = {"traceparent": traceparent()}
    url, headers = house.gate.url("office"), bearer("claude")
    before = house.ids()
    asked = modern_request(
        url, "tools/call", {"name": "send_mail", "arguments": mail("Swapped")}, headers, {**URL_CLIENT, **trace}
    ).result()
    (identity,) = house.ids() - before
    ((name, _),) = asked["inputRequests"].items()
    assert house.approve(identity)[0] == 200
    other = {"name": "send_mail", "arguments": mail("Swapped", to="eve@attacker.example")}
    again = {**other, "requestState": asked["requestState"], "inputResponses": {name: {"action": "accept"}}}
    waits = house.begin(lambda: modern_request(url, "tools/call", again, headers, {**URL_CLIENT, **trace}).result())
    second = waits.request()
    assert house.request(second)["arguments"]["text"].count("eve@attacker.example") == 1
    assert house.deny(second, "No.")[0] == 200
    waits.answer()
    assert house.acts("Swapped") == []
    assert house.state(identity) == "granted"
