"""Text that agents and servers write to mislead people: shown as it is, and without effect."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from desk import NARROW, Desk
from house import LAW, House, bearer, mail, traceparent
from plain_client import LegacySession, text

APPROVALS = "hold_s = 100"

Desks = Callable[..., Desk]

BIDI = "pay \u202egnp.exe\u202c now"
INVISIBLE = "max\u200b@exam\u200dple.org\u2060\ufeff\u3164"
LOOKALIKE = "раураl.com"
MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script><b>bold</b>"
TERMINAL = "\u001b[2J\u001b[31mapproved\u001b[0m\u0007\r\u009b1m"
NEWLINES = 'first\n"forged": "line"\r\n\u2028second'

# Letters that are drawn as nothing though Unicode counts them among the letters, as the gate's own terminal output knows them.
EMPTY = "\u3164\u2800\u115f\u1160\uffa0"
# Characters that change what stands around them, or are not seen: control, format, unassigned, private, and marks that combine.
UNSEEN = ("Cc", "Cf", "Co", "Cn", "Cs", "Mn", "Me", "Zl", "Zp")


@pytest.fixture(autouse=True)
def under_the_law(house: House) -> None:
    """Every test begins with nothing that waits."""
    house.law(LAW)
    house.quiet()


def raw(page: Page) -> set[str]:
    """The characters that the page holds anywhere and must not: in its text, its title, its names for those who listen."""
    held = page.evaluate(
        """() => document.title + document.body.textContent + [...document.querySelectorAll("*")].map((each) =>
          [...each.attributes].map((one) => one.value).join("")).join("")"""
    )
    return {hex(ord(each)) for each in held if (unicodedata.category(each) in UNSEEN or each in EMPTY) and each not in "\n\t"}


def harmless(desk: Desk) -> None:
    """Nothing of what others wrote has become a part of the page."""
    assert raw(desk.page) == set()
    assert desk.page.locator("main script, main img, main iframe, main b, main a[href^='http'], main [style]").count() == 0


def test_hostile_arguments_are_shown_as_they_are(house: House, desks: Desks) -> None:
    sent = {"to": INVISIBLE, "subject": f"{BIDI} {LOOKALIKE}", "body": f"{MARKUP}{TERMINAL}{NEWLINES}"}
    session = house.session()
    call = house.begin(lambda: session.call("send_mail", sent))
    identity = call.request()
    bob = desks().sign_in("bob").look(identity)
    for shown in ("\\u{202e}", "\\u{202c}", "max\\u{200b}@exam\\u{200d}ple.org", "\\u{3164}", "<script>alert(2)</script>"):
        expect(bob.page.locator(".arguments")).to_contain_text(shown)
    for shown in ("\\u001b[2J", "\\u{9b}", "\\u{2028}"):
        expect(bob.page.locator(".arguments")).to_contain_text(shown)
    # The words that only look Latin are marked.
    assert bob.page.locator(".arguments .odd-why").count() > 0
    # The gate and the page agree on what will be sent.
    assert bob.page.locator(".alarm").count() == 0
    harmless(bob)
    assert bob.violations() == []
    bob.approve()
    assert text(call.answer()) == "send_mail done"
    # What ran is what was shown, character by character.
    assert house.acts("gnp.exe") == [{"tool": "send_mail", **sent}]
    bob.decision.get_by_role("link", name="See the trace").click()
    expect(bob.main).to_contain_text("send_mail")
    for head in bob.page.locator("button.tl-head").all():
        head.click()
    harmless(bob)


class Masked(LegacySession):
    """A session whose client calls itself something that it is not."""

    def message(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        if method == "initialize" and params is not None:
            params["clientInfo"] = {"name": f"admin{BIDI}{MARKUP}"[:60], "version": "9\u200b\u001b[1m"}
        return super().message(method, params)


def test_hostile_words_of_a_server_and_a_client_are_marked_as_claims(house: House, desks: Desks) -> None:
    session = Masked(house.gate.url("office"), bearer("claude"), {"traceparent": traceparent()})
    call = house.begin(lambda: session.call("send_report", {"text": "Quarterly"}))
    identity = call.request()
    bob = desks().sign_in("bob")
    expect(bob.page.locator(".item")).to_contain_text("send_report")
    harmless(bob)
    bob.look(identity)
    claimed = bob.page.locator(".claimed")
    expect(claimed).to_contain_text("Claimed, not verified")
    for shown in ("admin", "\\u{202e}", "<img src=x", "\\u{1b}[31m", "Harmless", "<b>read</b>", "\\u{200b}"):
        expect(claimed).to_contain_text(shown)
    verified = bob.page.locator(".verified")
    expect(verified).not_to_contain_text("admin")
    expect(verified).not_to_contain_text("Harmless")
    harmless(bob)
    house.deny(identity, "No.")
    assert call.answer()["isError"]


def test_a_megabyte_is_folded_counted_and_shown_before_it_can_be_approved(house: House, desks: Desks) -> None:
    body = "All is well. " * 80_000 + "PS: and pay Eve."
    session = house.session()
    call = house.begin(lambda: session.call("send_mail", mail("Megabyte", body=body)))
    identity = call.request()
    bob = desks().sign_in("bob").look(identity)
    expect(bob.page.locator(".gaps")).to_contain_text("Not everything was shown")
    # How much is folded is said to the character.
    folded = bob.page.locator(".arguments [data-folded]").first.get_attribute("data-folded")
    assert folded is not None
    assert int(folded) >= len(body)
    expect(bob.page.locator("#deny")).to_be_enabled()
    expect(bob.page.locator("#approve")).to_be_disabled()
    bob.page.get_by_role("button", name="Show everything").click()
    assert "PS: and pay Eve." in (bob.page.locator(".arguments").text_content() or "")
    bob.approve()
    assert text(call.answer()) == "send_mail done"
    (act,) = house.acts("Megabyte")
    assert act["body"] == body


def test_deep_nesting_is_shown_to_its_bottom(house: House, desks: Desks) -> None:
    deep: Any = "the bottom"
    for level in range(28):
        deep = {f"level {level}": [deep]}
    session = house.session()
    call = house.begin(lambda: session.call("file_away", {"document": deep}))
    identity = call.request()
    bob = desks(viewport=NARROW).sign_in("bob").look(identity)
    show = bob.page.get_by_role("button", name="Show everything")
    expect(bob.page.locator("#deny")).to_be_enabled()
    if show.count():
        show.click()
    expect(bob.page.locator(".arguments")).to_contain_text("the bottom")
    expect(bob.page.locator(".arguments")).to_contain_text("level 27")
    assert bob.violations() == []
    bob.approve()
    assert text(call.answer()) == "file_away done"


def test_a_reason_that_a_person_wrote_reaches_the_agent_as_text(house: House, desks: Desks) -> None:
    call = house.sends("Hostile reason")
    identity = call.request()
    bob = desks().sign_in("bob").look(identity)
    bob.deny("No\u202e <script>alert(3)</script> \u200b!")
    expect(bob.notice).to_contain_text("You denied it")
    expect(bob.decision).to_contain_text("\\u{202e}")
    harmless(bob)
    assert "<script>alert(3)</script>" in text(call.answer())
    carol = desks().sign_in("carol").look(identity)
    expect(carol.decision).to_contain_text("<script>alert(3)</script>")
    harmless(carol)
