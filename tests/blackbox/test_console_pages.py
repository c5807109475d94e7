"""Every page of the console: what axe finds wrong with it, in both themes and both widths, and what it looks like."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from desk import NARROW, WIDE, Desk
from house import LAW, House, mail, traceparent

APPROVALS = "hold_s = 1\npending_s = 86400\n[approvals.grants.money]\nquorum = 2\nstep_up = true"

Desks = Callable[..., Desk]


@pytest.fixture(scope="module")
def busy(house: House) -> dict[str, str]:
    """A house in which things wait and things were done; what the places of the console need to know of it."""
    house.law(LAW)
    trace = traceparent()
    session = house.session(trace=trace)
    session.call("read_mail")
    known = {"trace": trace.split("-")[1]}
    for name, tool, arguments in (
        ("granted", "send_mail", mail("March figures", body="As you asked.")),
        ("plain", "send_mail", mail("April figures", body="The figures of April are attached.\nGreetings,\nAlice")),
        ("quorum", "pay", {"payee": "Supplier & Sons", "cents": 129900}),
        ("hostile", "send_report", {"text": "pay \u202egnp.exe\u202c <script>alert(1)</script> раураl\u200b\u001b[31m"}),
        ("long", "file_away", {"document": {"pages": ["All is well. " * 400] * 3}}),
    ):
        call = house.begin(lambda tool=tool, arguments=arguments: session.call(tool, arguments))
        known[name] = call.request()
        call.answer()
    assert house.approve(known["granted"])[0] == 200
    assert not session.call("send_mail", mail("March figures", body="As you asked.")).get("isError")
    denied = house.sends("May figures", session)
    known["denied"] = denied.request()
    denied.answer()
    assert house.deny(known["denied"], "Max left the firm in May.")[0] == 200
    known["task"] = house.request(known["plain"])["task"]["id"]
    return known


# Each page: its name, its place, and what tells that it is drawn.
PAGES = {
    "sign-in": ("#/queue", "main .signin"),
    "queue": ("#/queue", ".item"),
    "request": ("#/approvals/{plain}", "#approve"),
    "request-quorum": ("#/approvals/{quorum}", "#approve"),
    "request-hostile": ("#/approvals/{hostile}", "#approve"),
    "request-long": ("#/approvals/{long}", ".gaps button"),
    "request-spent": ("#/approvals/{granted}", ".desk"),
    "request-denied": ("#/approvals/{denied}", ".desk"),
    "tasks": ("#/tasks", "main a[href*='#/t']"),
    "task": ("#/tasks/{task}", ".tl-row"),
    "trace": ("#/traces/{trace}", ".tl-row"),
    # In a narrow window the table alone is shown, which says the same.
    "flow": ("#/flow/{trace}", "main table"),
    "policies": ("#/policies", "textarea.ed-text, main pre"),
    "registry": ("#/registry", ".servers button"),
    "registry-server": ("#/registry/office", "#server-name"),
    "live": ("#/live", ".chart svg"),
    "account": ("#/account", "#passkey-name"),
    "no-such-page": ("#/nowhere", "main h1"),
    "no-such-request": ("#/approvals/ap_none", ".failed"),
}


@pytest.mark.parametrize("width", ["wide", "narrow"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(name: str, theme: str, width: str, busy: dict[str, str], desks: Desks, house: House) -> None:
    place, drawn = PAGES[name]
    if name == "live":
        session = house.session()
        for _ in range(5):
            session.call("read_mail")
    desk = desks(viewport=WIDE if width == "wide" else NARROW, color_scheme=theme)
    if name == "sign-in":
        desk.open(place)
    else:
        desk.sign_in("admin", place.format(**busy))
    expect(desk.page.locator(drawn).first).to_be_visible()
    expect(desk.page.get_by_role("heading", level=1)).to_have_count(1)
    # What is still being loaded is no page.
    expect(desk.page.locator(".loading")).to_have_count(0)
    found = desk.violations()
    desk.picture(f"{name}-{theme}-{width}")
    assert found == [], "\n".join(found)


def test_every_page_is_reached_by_keyboard(busy: dict[str, str], desks: Desks) -> None:
    desk = desks().sign_in("bob")
    assert busy
    expect(desk.page.locator(".item").first).to_be_visible()
    desk.page.keyboard.press("?")
    expect(desk.page.get_by_role("dialog")).to_be_visible()
    assert desk.violations() == []
    desk.page.keyboard.press("Escape")
    for key, heading in {"t": "Tasks", "l": "Live", "p": "Policies", "r": "Registry", "q": "Queue"}.items():
        desk.page.keyboard.press("g")
        desk.page.keyboard.press(key)
        expect(desk.page.get_by_role("heading", level=1)).to_contain_text(heading)
        expect(desk.page.get_by_role("heading", level=1)).to_be_focused()
    expect(desk.page.locator(".item").first).to_be_visible()
    desk.page.keyboard.press("j")
    desk.page.keyboard.press("Enter")
    expect(desk.decision).to_be_visible()
    assert desk.decisions() == []


def test_the_queue_says_when_it_is_not_live(busy: dict[str, str], desks: Desks, house: House) -> None:
    desk = desks().sign_in("bob")
    assert busy
    expect(desk.page.locator(".liveness.live")).to_be_visible()
    house.gate.stop()
    expect(desk.page.locator("#stale")).to_contain_text("Not live")
    desk.picture("queue-not-live")
    assert desk.violations() == []
    house.gate.start()
    # Sessions end with the gate: whoever looks is asked for the token again, and comes back to where they were.
    connect = desk.page.get_by_role("button", name="Connect now")
    if connect.count():
        connect.click()
    desk.sign_in("bob")
    expect(desk.page.locator("#stale")).to_be_empty()
    expect(desk.page.locator(".item").first).to_be_visible()
