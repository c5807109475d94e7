"""People who decide on the command line: what they are shown, and what comes of what they say."""

from __future__ import annotations

import unicodedata

import pytest

from house import LAW, House, mail, token
from plain_client import text
from test_console_hostile import BIDI, EMPTY, INVISIBLE, LOOKALIKE, MARKUP, TERMINAL, UNSEEN

APPROVALS = "hold_s = 50"


@pytest.fixture(autouse=True)
def under_the_law(house: House) -> None:
    """Every test begins under the same law, with nothing that waits."""
    house.law(LAW)
    house.quiet()


def says(house: House, who: str, *words: str) -> tuple[int, str]:
    """What `wicketgate approvals` answers a person: its exit code and its words, in which nothing moves the terminal."""
    code, said = house.gate.run("approvals", *words, "--config", str(house.gate.config), "--token", token(who))
    odd = {hex(ord(each)) for each in said if unicodedata.category(each) in UNSEEN or each in EMPTY} - {"0xa"}
    assert odd == set(), said
    return code, said


def test_what_waits_is_listed_shown_and_approved(house: House) -> None:
    call = house.sends("By the command line")
    identity = call.request()
    code, listed = says(house, "bob", "list")
    assert code == 0
    assert identity in listed
    code, shown = says(house, "bob", "show", identity)
    assert code == 0
    for told in ("max@example.org", "By the command line", "As asked.", "default/claude", "mail-leaves", "security"):
        assert told in shown, shown
    digest = house.request(identity)["digest"]
    assert digest in "".join(shown.split())
    assert call.waits()
    # Without a terminal nobody can be asked, so nothing is decided; nor is what has another digest.
    assert says(house, "bob", "approve", identity)[0] != 0
    assert says(house, "bob", "approve", identity, "--yes", "--digest", f"sha256:{'0' * 64}")[0] != 0
    # Nor by the person the agent acts for, or by one who only looks.
    assert says(house, "alice", "approve", identity, "--yes")[0] != 0
    assert says(house, "vera", "approve", identity, "--yes")[0] != 0
    assert house.state(identity) == "pending"
    code, said = says(house, "bob", "approve", identity, "--yes", "--digest", digest)
    assert code == 0, said
    assert text(call.answer()) == "send_mail done"
    assert len(house.acts("By the command line")) == 1
    # Once more: it is decided.
    assert says(house, "bob", "approve", identity, "--yes")[0] != 0


def test_a_denial_and_its_reason(house: House) -> None:
    call = house.sends("Denied there")
    code, said = says(house, "bob", "deny", call.request(), "--yes", "--reason", "Max left the firm in May.")
    assert code == 0, said
    assert "Max left the firm in May" in text(call.answer())
    assert house.acts("Denied there") == []


def test_hostile_arguments_are_shown_as_they_are(house: House) -> None:
    session = house.session()
    sent = mail(f"{BIDI} {LOOKALIKE}", to=INVISIBLE, body=f"{MARKUP}{TERMINAL}")
    call = house.begin(lambda: session.call("send_mail", sent))
    identity = call.request()
    _, listed = says(house, "bob", "list")
    assert identity in listed
    _, shown = says(house, "bob", "show", identity)
    for told in ("\\u{202e}", "\\u{200b}", "<script>alert(2)</script>"):
        assert told in shown, shown
    assert says(house, "bob", "deny", identity, "--yes", "--reason", "No.")[0] == 0
    assert call.answer()["isError"]
