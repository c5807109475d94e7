"""What the console says of what the gate tells: neither more nor less than that.

Where the gate tells something only in a plight that takes long to make, its answer is changed on the way to the page.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from desk import Desk
from house import LAW, House

APPROVALS = "hold_s = 100"

Desks = Callable[..., Desk]


@pytest.fixture(autouse=True)
def under_the_law(house: House) -> None:
    """Every test begins with nothing that waits."""
    house.law(LAW)
    house.quiet()


def changed(desk: Desk, change: Callable[[dict[str, Any]], None]) -> Desk:
    """From now on the page is told of a request what this makes of it."""

    def answer(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        change(body)
        route.fulfill(response=response, json=body)

    desk.page.unroute_all()
    desk.page.route("**/v1/approvals/ap_*", answer)
    return desk


def conflict(route: Route, message: str) -> None:
    """A decision is answered with no: of these grants none is left to give."""
    route.fulfill(status=409, json={"error": {"code": "decided", "message": message}})


def test_what_cannot_be_shown_is_not_called_exact_and_cannot_be_approved(house: House, desks: Desks) -> None:
    identity = house.sends("Withheld").request()

    def lost(request: dict[str, Any]) -> None:
        request["arguments"]["whole"] = False
        request["arguments"]["fields"][0]["sensitive"] = True
        request["before"] = None

    bob = changed(desks().sign_in("bob"), lost).look(identity)
    expect(bob.main.get_by_role("alert").first).to_contain_text("lost when the gate restarted")
    expect(bob.page.locator(".argument").first).to_contain_text("sensitive")
    expect(bob.main).to_contain_text("What came before could not be read")
    expect(bob.main).not_to_contain_text("first call of the task")
    expect(bob.main).not_to_contain_text("exactly")
    expect(bob.page.locator("#deny")).to_be_enabled()
    expect(bob.page.locator("#approve")).to_have_count(0)
    assert bob.violations() == []


def test_what_policy_was_never_asked_of_has_no_decision(house: House, desks: Desks) -> None:
    identity = house.sends("Before").request()
    call = {"number": 1, "at": "2026-11-22T00:00:00Z", "server": "office", "action": "pay", "ending": "refused", "labels": []}

    def unjudged(request: dict[str, Any]) -> None:
        request["before"] = [{**call, "decision": None}]

    bob = changed(desks().sign_in("bob"), unjudged).look(identity)
    expect(bob.main).to_contain_text("refused before policy")
    assert bob.page.evaluate("[...document.querySelectorAll('.badge')].filter(each => !each.textContent.trim()).length") == 0


@pytest.mark.parametrize(("effect", "tone"), [("destructive", "bad"), ("egress", "bad"), ("write", "warn"), ("memory_read", "")])
def test_effects_and_labels_have_the_colour_of_what_they_are(effect: str, tone: str, house: House, desks: Desks) -> None:
    identity = house.sends(f"Effect {effect}").request()

    def judged(request: dict[str, Any]) -> None:
        request["action"]["effects"] = [effect]
        request["server"]["trust"] = "untrusted" if tone else ""

    bob = changed(desks().sign_in("bob"), judged).look(identity)
    expect(bob.page.locator(".sub .badge")).to_have_class(f"badge {tone}".strip())
    trust = bob.page.locator(".verified .badge").first
    expect(trust).to_have_text("untrusted" if tone else "no labels")
    expect(trust).to_have_class("badge warn" if tone else "badge good")


def test_a_decision_that_was_not_taken_leaves_an_open_request_open(house: House, desks: Desks) -> None:
    identity = house.sends("Still open").request()
    bob = desks()
    bob.cut_off()
    bob.sign_in("bob").look(identity)
    bob.page.route("**/approve", lambda route: conflict(route, "you have given it already"))
    bob.approve()
    expect(bob.notice).to_contain_text("you have given it already")
    expect(bob.notice).not_to_contain_text("decided before")
    # It is the one that was shown: it can be decided.
    expect(bob.page.locator("#approve")).to_be_enabled()

    def another(request: dict[str, Any]) -> None:
        request["digest"] = f"sha256:{'0' * 64}"
        request["rules"] = [{"id": "another", "reason": "Another rule"}]

    # It is another one: it is shown what changed, and nothing can be sent for what was not shown.
    changed(bob, another)
    bob.page.route("**/approve", lambda route: conflict(route, "you have given it already"))
    bob.approve()
    expect(bob.page.locator(".changes")).to_contain_text("the rules")
    expect(bob.page.locator("#approve")).to_be_disabled()
    assert {json.loads(sent.post_data or "{}")["digest"] for sent in bob.decisions()} == {house.request(identity)["digest"]}


def test_an_agent_that_repeats_its_call_keeps_no_button_from_people(house: House, desks: Desks) -> None:
    calls = [house.sends("Again")]
    identity = calls[0].request()
    calls.append(house.sends("Again"))
    waiting = 2
    bob = desks().sign_in("bob").look(identity)

    def more(request: dict[str, Any]) -> None:
        nonlocal waiting
        waiting += 1
        request["waiting"] = waiting

    changed(bob, more)
    bob.page.reload()
    expect(bob.page.locator("#approve")).to_be_enabled()
    bob.page.evaluate(
        """() => { window.gone = 0; const was = document.querySelector("#deny"); setInterval(() => {
          const [deny, approve] = ["#deny", "#approve"].map((each) => document.querySelector(each));
          if (deny !== was || deny.disabled || approve.disabled) window.gone += 1; }, 5); }"""
    )
    known = waiting
    for _ in range(3):
        calls.append(house.sends("Again"))
        bob.page.wait_for_timeout(250)
    expect(bob.page.locator("#approve-all")).not_to_have_text(f"Approve all {known} that wait")
    assert bob.page.evaluate("window.gone") == 0
    expect(bob.page.locator("#approve-all")).to_be_enabled()
    house.deny(identity, "Enough.")
    for call in calls:
        call.answer()


DRAWN = r"""async (text) => {
  const { shownJson } = await import("/console/js/shown.js");
  const box = shownJson(text);
  document.querySelector("main").replaceChildren(box);
  const drawn = [];
  const walk = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
  for (let node; (node = walk.nextNode());) for (let i = 0; i < node.length; i += 1) {
    const range = document.createRange();
    range.setStart(node, i);
    range.setEnd(node, i + 1);
    const { top, left } = range.getBoundingClientRect();
    drawn.push([Math.round(top / 8), left, node.data[i]]);
  }
  return drawn.sort((a, b) => a[0] - b[0] || a[1] - b[1]).map((each) => each[2]).join("");
}"""


def test_letters_from_right_to_left_do_not_move_what_stands_around_them(desks: Desks) -> None:
    bob = desks().sign_in("bob")
    assert bob.page.evaluate(DRAWN, '{"x":0,"א":1,"ב":2}') == '{"x": 0, "א": 1, "ב": 2}'
    # Within its quotation marks a word is drawn from right to left, as it is read.
    assert bob.page.evaluate(DRAWN, '{"a":"אבג","b":["דה",1,2]}') == '{"a": "גבא", "b": ["הד", 1, 2]}'


REASONS = r"""async (text) => {
  const { shown, shownJson } = await import("/console/js/shown.js");
  return [shown(text, { max: 1e6 }), shownJson(JSON.stringify(text), { max: 1e6 })].map((box) =>
    [...box.querySelectorAll(".odd-why")].map((each) => each.textContent));
}"""


def test_no_number_of_marks_takes_a_warning_away(desks: Desks) -> None:
    bob = desks().sign_in("bob")
    one = ["mixes Latin and Cyrillic letters"]
    assert bob.page.evaluate(REASONS, "раураl " + "a\u200b" * 2001) == [one, one]
    (many, _) = bob.page.evaluate(REASONS, "раураl аррӏе ｐａ ｑｒ ａｂ")
    assert len(many) == 4
    assert many[-1] == "and 2 more such reasons"


def test_the_title_and_the_editor_know_all_that_hides(house: House, desks: Desks) -> None:
    identity = house.sends("Title").request()

    def named(request: dict[str, Any]) -> None:
        request["action"]["name"] = "x\u202e\u200b" + "y" * 100

    bob = changed(desks().sign_in("bob"), named).look(identity)
    expect(bob.page.locator(".argument").first).to_be_visible()
    assert "x\\u{202e}\\u{200b}y" in bob.page.title()
    assert "y… on" in bob.page.title()
    found = bob.page.evaluate(
        r"""async () => (await import("/console/js/editor.js")).hidden("a\tb\n\u00a0x\u2003\ny\u0301 \u202e\n").map((each) => each.code)"""
    )
    assert found == ["U+00A0", "U+2003", "U+0301", "U+202E"]


WAITING = r"""async () => {
  const { Waiting } = await import("/console/js/waiting.js");
  const gets = [];
  const all = new Waiting({ get: () => new Promise((done) => gets.push(done)) });
  const { signal } = new AbortController();
  const one = (id, state = "pending") => ({ id, state, created: id });
  const later = () => new Promise((done) => setTimeout(done, 10));
  all.heard("hello", {}, signal);
  all.heard("hello", {}, signal);
  gets[0]({ approvals: [one("a")] });
  await later();
  all.heard("approval", one("b"), signal);
  all.heard("approval", one("a", "granted"), signal);
  gets[1]({ approvals: [one("a")] });
  await later();
  return [...all.items.keys()];
}"""


def test_of_two_lists_the_later_counts(desks: Desks) -> None:
    assert desks().sign_in("bob").page.evaluate(WAITING) == ["b"]


def test_what_a_scan_found_of_the_server_itself_is_said(desks: Desks) -> None:
    def scanned(**found: Any) -> None:
        desk.page.unroute_all()
        desk.page.route("**/v1/inventory/office/scan", lambda route: route.fulfill(json={"notes": [], "whole": False, **found}))
        desk.open("#/queue")
        desk.open("#/registry/office")
        desk.page.get_by_role("button", name="Scan the live server").click()

    def tool(status: str) -> dict[str, Any]:
        return {"name": f"t_{status}", "status": status, "changes": [], "pin": f"sha256:{'0' * 64}", "definition": None}

    desk = desks().sign_in("admin")
    live = desk.page.locator("[aria-labelledby=scan-title]")
    scanned(tools=[tool("same")])
    expect(live).to_contain_text("are what was reviewed")
    scanned(tools=[tool("same")], whole=True, notes=["it was reviewed as one, and is reached as another"])
    expect(live.get_by_role("alert")).to_contain_text("reached as another")
    expect(live).to_contain_text("wicketgate registry review office")
    expect(live).not_to_contain_text("are what was reviewed")
    expect(live.locator("input")).to_have_count(0)
    scanned(tools=[tool("same")], notes=["it called itself one, and calls itself another"])
    expect(live).to_contain_text("calls itself another")
    expect(live).not_to_contain_text("are what was reviewed")
    scanned(tools=[tool(each) for each in ("withheld", "retired", "unpinned", "gone", "new", "changed")])
    open_to_review = live.locator(".scan-row", has=desk.page.locator(".choose"))
    expect(open_to_review).to_have_count(3)
    for status in ("withheld", "new", "changed"):
        expect(open_to_review.filter(has_text=f"t_{status}")).to_have_count(1)
    assert desk.violations() == []
    desk.page.route("**/v1/inventory/office/review", lambda route: route.fulfill(json={"withheld": ["t_new: it imitates another"]}))
    new = live.locator(".scan-row", has_text="t_new")
    new.get_by_role("checkbox").first.check()
    new.get_by_role("checkbox").nth(1).check()
    desk.page.get_by_role("button", name="Review…").click()
    desk.page.locator("#ask-reason").fill("Looked at.")
    desk.page.get_by_role("button", name="Review", exact=True).click()
    expect(live).to_contain_text("still withheld")
    expect(live).to_contain_text("it imitates another")
    expect(desk.page.locator("#scan-title")).to_be_focused()
