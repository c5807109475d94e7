"""Who gets in, who may decide, and what a forged request comes to."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from desk import Desk
from house import LAW, House, bearer, token
from plain_client import text

APPROVALS = "hold_s = 50\n[approvals.grants.money]\nquorum = 2\nstep_up = true"

Desks = Callable[..., Desk]


@pytest.fixture(autouse=True)
def under_the_law(house: House) -> None:
    """Every test begins with nothing that waits."""
    house.law(LAW)
    house.quiet()


def test_a_token_opens_the_door_once_and_stays_nowhere(house: House, desks: Desks) -> None:
    bob = desks()
    bob.open("#/queue")
    bob.page.get_by_label("Token", exact=True).fill("nonsense")
    bob.page.keyboard.press("Enter")
    expect(bob.page.get_by_role("alert")).to_contain_text("knows no such token")
    bob.sign_in("bob")
    (cookie,) = bob.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("wicketgate_session", True, "Strict")
    assert bob.page.evaluate("document.cookie") == ""
    kept = bob.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert token("bob") not in kept
    assert cookie["value"] not in kept
    carried = {"cookie": f"wicketgate_session={cookie['value']}", "x-wicketgate-csrf": bob.csrf()}
    assert house.exchange("GET", "/v1/approvals", None, carried).status == 200
    bob.open("#/account")
    bob.page.get_by_role("button", name="Sign out").click()
    expect(bob.page.get_by_role("heading", name="Sign in")).to_be_visible()
    # The session is over at the gate too, not only forgotten here.
    assert house.exchange("GET", "/v1/approvals", None, carried).status == 401


def test_every_file_of_the_console_carries_its_policy(house: House, desks: Desks) -> None:
    bob = desks()
    files: dict[str, dict[str, str]] = {}
    bob.page.on("response", lambda answer: files.update({answer.url: answer.headers}) if "/console/" in answer.url else None)
    bob.sign_in("bob")
    assert len(files) > 8
    for url, headers in files.items():
        policy = headers["content-security-policy"]
        for part in ("default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'", "frame-ancestors 'none'"):
            assert part in policy, url
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_a_cookie_alone_decides_nothing(house: House, desks: Desks) -> None:
    call = house.sends("Forged")
    identity = call.request()
    bob = desks().sign_in("bob")
    (cookie,) = bob.context.cookies()
    carried = {"cookie": f"wicketgate_session={cookie['value']}"}
    digest = house.request(identity)["digest"]
    good = {"x-wicketgate-csrf": bob.csrf(), "origin": bob.origin}
    # It reads nothing either, and whoever has both is not told the text again.
    for path in ("/v1/session", "/v1/approvals", f"/v1/approvals/{identity}", "/v1/approvals/stream"):
        for headers in ({}, {"x-wicketgate-csrf": "x" * len(bob.csrf())}):
            answer = house.exchange("GET", path, None, {**carried, **headers})
            assert (answer.status, json.loads(answer.text)["error"]["code"]) == (403, "csrf"), path
    told = house.exchange("GET", "/v1/session", None, {**carried, **good})
    assert (told.status, json.loads(told.text)["csrf"]) == (200, None)
    body = {"digest": digest}
    for name, headers in {
        "no header": {"origin": bob.origin},
        "a wrong header": {"origin": bob.origin, "x-wicketgate-csrf": "x" * len(bob.csrf())},
        "a foreign origin": {**good, "origin": "https://attacker.example"},
        "another port's origin": {**good, "origin": "http://localhost:1"},
        "an opaque origin": {**good, "origin": "null"},
        "no origin": {"x-wicketgate-csrf": bob.csrf()},
        "a foreign site": {"x-wicketgate-csrf": bob.csrf(), "sec-fetch-site": "cross-site"},
    }.items():
        for act in ("approve", "deny"):
            sent = {**body, "reason": "forged"} if act == "deny" else body
            answer = house.exchange("POST", f"/v1/approvals/{identity}/{act}", sent, {**carried, **headers})
            assert answer.status == 403, (name, answer.text)
            # What names another origin does not get as far as its session.
            codes = {"csrf"} if headers.get("origin") in {None, bob.origin} else {"csrf", "origin_refused"}
            assert json.loads(answer.text)["error"]["code"] in codes, name
    assert house.state(identity) == "pending"
    answer = house.exchange("POST", f"/v1/approvals/{identity}/approve", body, {**carried, **good})
    assert answer.status == 200, answer.text
    assert text(call.answer()) == "send_mail done"
    assert len(house.acts("Forged")) == 1


def test_a_foreign_page_reaches_nothing(house: House, desks: Desks, tmp_path: object) -> None:
    """A page of another origin, in the browser of somebody who is signed in, sends a form and a fetch."""
    call = house.sends("Foreign page")
    identity = call.request()
    bob = desks().sign_in("bob")
    digest = house.request(identity)["digest"]
    elsewhere = "http://attacker.localhost:1/"
    evil = bob.context.new_page()
    evil.route(elsewhere, lambda route: route.fulfill(content_type="text/html", body="<title>evil</title>"))
    evil.goto(elsewhere)
    evil.evaluate(
        """async ([url, digest]) => {
          const body = JSON.stringify({ digest });
          for (const mode of ["cors", "no-cors"]) {
            await fetch(url, { method: "POST", mode, credentials: "include", body }).catch(() => {});
          }
        }""",
        [f"{bob.origin}/v1/approvals/{identity}/approve", digest],
    )
    # Nor can it be framed and clicked upon.
    evil.evaluate(
        """url => new Promise(done => {
          const frame = document.createElement("iframe");
          frame.onload = frame.onerror = done;
          frame.src = url;
          document.body.append(frame);
        })""",
        f"{bob.origin}/console/",
    )
    assert not any("Wicketgate" in (frame.title() or "") for frame in evil.frames[1:])
    evil.close()
    assert house.state(identity) == "pending"
    assert call.waits()
    house.deny(identity, "Done.")
    assert call.answer()["isError"]


def test_to_look_decides_nothing(house: House, desks: Desks) -> None:
    """Whatever follows links, such as a chat's preview, a mail's scanner or a browser that fetches ahead, decides nothing."""
    call = house.sends("Only a look")
    identity = call.request()
    for path in (f"/console/#/approvals/{identity}", f"/v1/approvals/{identity}"):
        for method in ("GET", "HEAD"):
            assert house.exchange(method, path.split("#")[0], None, {}).status in {200, 401}
            assert house.exchange(method, path.split("#")[0], None, bearer("bob")).status == 200
    for act in ("approve", "deny"):
        answer = house.exchange("GET", f"/v1/approvals/{identity}/{act}", None, bearer("bob"))
        assert answer.status == 405, answer.text
    # The link of a notice leads through the sign-in to the request, and the decision is still to be made.
    bob = desks().sign_in("bob", f"#/approvals/{identity}")
    expect(bob.page.get_by_role("heading", level=1)).to_contain_text("send_mail")
    expect(bob.page.locator("#approve")).to_be_enabled()
    for key in "aA1yx":
        bob.page.keyboard.press(key)
    assert bob.decisions() == []
    assert house.state(identity) == "pending"
    assert call.waits()
    house.deny(identity, "Done.")
    assert call.answer()["isError"]


def test_nobody_approves_their_own_request(house: House, desks: Desks) -> None:
    call = house.sends("Own request")
    identity = call.request()
    # Alice is the person the agent acts for.
    alice = desks().sign_in("alice", f"#/approvals/{identity}")
    expect(alice.decision).to_contain_text("own request")
    expect(alice.page.locator("#approve")).to_have_count(0)
    status, body = house.approve(identity, "alice")
    assert (status, body["error"]["code"]) == (403, "own_request")
    # The agent's own token decides nothing at all.
    status, body = house.approve(identity, "claude")
    assert (status, body["error"]["code"]) == (403, "role")
    assert call.waits()
    assert house.approve(identity, "bob")[0] == 200
    assert text(call.answer()) == "send_mail done"


def test_a_viewer_looks_and_does_not_decide(house: House, desks: Desks) -> None:
    call = house.sends("Viewer")
    identity = call.request()
    vera = desks().sign_in("vera", f"#/approvals/{identity}")
    expect(vera.decision).to_contain_text("needs the role approver")
    expect(vera.decision.get_by_role("button")).to_have_count(0)
    for status, body in (house.approve(identity, "vera"), house.deny(identity, "No.", "vera")):
        assert (status, body["error"]["code"]) == (403, "role")
    assert call.waits()
    house.deny(identity, "Done.")
    assert call.answer()["isError"]


def test_another_tenant_sees_nothing(house: House, desks: Desks) -> None:
    call = house.sends("Another tenant")
    identity = call.request()
    digest = house.request(identity)["digest"]
    mallory = desks().sign_in("mallory")
    expect(mallory.page.locator(".empty")).to_be_visible()
    mallory.open(f"#/approvals/{identity}")
    expect(mallory.page.locator(".failed")).to_contain_text("No such request")
    assert house.ask("mallory", "GET", "/v1/approvals?state=all")[1] == {"approvals": []}
    for act, body in (("approve", {"digest": digest}), ("deny", {"digest": digest, "reason": "No."})):
        status, told = house.ask("mallory", "POST", f"/v1/approvals/{identity}/{act}", body)
        assert (status, told["error"]["code"]) == (404, "no_approval")
    _, unknown = house.ask("mallory", "GET", "/v1/approvals/ap_aaaaaaaaaaaaaaaaaaaaaaaaaa")
    _, hidden = house.ask("mallory", "GET", f"/v1/approvals/{identity}")
    told, said = unknown["error"], hidden["error"]
    assert told["code"] == said["code"]
    assert told["message"].replace("ap_aaaaaaaaaaaaaaaaaaaaaaaaaa", identity) == said["message"]
    expect(mallory.page.locator("#count")).to_be_empty()
    assert call.waits()
    house.deny(identity, "Done.")
    assert call.answer()["isError"]


def test_two_persons_and_their_passkeys(house: House, desks: Desks) -> None:
    session = house.session()
    call = house.begin(lambda: session.call("pay", {"payee": "Supplier & Sons", "cents": 129900}))
    identity = call.request()
    # A token is not enough, and neither is a made-up proof.
    status, body = house.approve(identity, "bob")
    assert (status, body["error"]["code"]) == (409, "no_passkey")
    status, body = house.approve(identity, "bob", step_up={"id": "x", "rawId": "eA", "type": "public-key", "response": {}})
    assert status >= 400, body
    assert house.state(identity) == "pending"

    for number, who in enumerate(("bob", "carol")):
        person = desks()
        person.sign_in(who, "#/account")
        person.authenticator()
        person.page.locator("#passkey-name").fill(f"key of {who}")
        # Whoever has a token alone cannot make themselves the holder of a passkey.
        person.page.locator("#passkey-code").fill("not the code")
        person.page.get_by_role("button", name="Add a passkey").click()
        expect(person.main.get_by_role("alert")).to_contain_text("code")
        assert house.ask(who, "GET", "/v1/passkeys")[1]["passkeys"] == []
        person.page.locator("#passkey-code").fill(house.invite(who))
        person.page.get_by_role("button", name="Add a passkey").click()
        expect(person.main).to_contain_text(f"key of {who}")
        person.look(identity)
        person.approve()
        expect(person.notice).to_contain_text("Your grant counts. More are needed." if number == 0 else "You approved it")
        if number == 0:
            assert call.waits()
            expect(person.decision).to_contain_text("You have given all that you may give")
            proved = person.decisions()[-1].post_data_json
            assert proved["step_up"]
            # The same proof, once more: it was for that moment.
            status, body = house.ask(who, "POST", f"/v1/approvals/{identity}/approve", proved)
            assert status >= 400, body
    assert text(call.answer()) == "pay done"
    assert house.acts("Supplier") == [{"tool": "pay", "payee": "Supplier & Sons", "cents": 129900}]


def test_without_the_passkey_nothing_is_granted(house: House, desks: Desks) -> None:
    session = house.session()
    call = house.begin(lambda: session.call("pay", {"payee": "Twice", "cents": 1}))
    identity = call.request()
    bob = desks().sign_in("bob", f"#/approvals/{identity}")
    # This browser's reader holds no passkey of his.
    bob.authenticator()
    bob.approve()
    expect(bob.notice).to_contain_text("Nothing was decided")
    assert house.request(identity)["grants"][0]["given_by"] == []
    assert house.deny(identity, "Not today.")[0] == 200
    assert "Not today" in text(call.answer())
    assert house.acts("Twice") == []
