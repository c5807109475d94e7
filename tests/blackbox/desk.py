"""A person's browser: real Chromium on the gate's console, watched for everything that a page must not do.

A `Desk` is one browser context, so that several people can be signed in at once. When it closes it fails the test if the page
threw, spoke to anybody but the gate, opened a dialog, or broke the policy that the gate sends with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, ConsoleMessage, Dialog, Locator, Page, Request, expect, sync_playwright

import house
import programs
from house import House

WIDE = {"width": 1280, "height": 860}
NARROW = {"width": 375, "height": 780}
# What the browser writes into its console by itself: that a request was refused or lost, of which the test judges whether it
# was right; and which features that the gate closes it does not have, which is each browser's own list.
EXPECTED = ("Failed to load resource", "Error with Permissions-Policy header: Unrecognized feature")
TELLS_VIOLATIONS = (
    "addEventListener('securitypolicyviolation', e => console.error('policy: ' + e.violatedDirective + ' ' + e.blockedURI))"
)
# Where pictures are put; nowhere unless said.
PICTURES = os.environ.get("WICKETGATE_PICTURES")
# A picture that is larger is not of a page but of a mistake.
PICTURE_BYTES_MAX = 200_000
# How long a page may take until it shows something. Only ends what hangs.
PATIENCE_MS = 20_000

expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=programs.chromium(), args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


class Desk:
    """One person's browser."""

    def __init__(self, browser: Browser, home: House, **options: Any) -> None:
        self.house = home
        self.origin = f"http://localhost:{home.gate.control_port}"
        self.context = browser.new_context(**{"viewport": WIDE, "reduced_motion": "reduce", **options})
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.add_init_script(TELLS_VIOLATIONS)
        self.faults: list[str] = []
        self.sent: list[Request] = []
        self.page = self.context.new_page()
        self._watch(self.page)

    def _watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.faults.append(f"thrown: {error}"))
        page.on("console", self._said)
        page.on("dialog", self._dialog)
        page.on("request", self._asks)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(EXPECTED):
            self.faults.append(f"{message.type}: {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _asks(self, request: Request) -> None:
        if not request.url.startswith(self.origin + "/"):
            self.faults.append(f"asks elsewhere: {request.url[:200]}")
        if request.method != "GET":
            self.sent.append(request)

    # Where the person is.

    def open(self, place: str) -> None:
        """Opens a place of the console, such as `#/queue`."""
        self.page.goto(f"{self.origin}/console/{place}")

    def sign_in(self, who: str, place: str = "#/queue") -> Desk:
        """Opens a place, types the token, and is there."""
        self.open(place)
        self.page.get_by_label("Token", exact=True).fill(house.token(who))
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("heading", name="Sign in")).to_have_count(0)
        expect(self.page.get_by_role("heading", level=1)).to_be_visible()
        return self

    def look(self, identity: str) -> Desk:
        """Opens a request, and waits until it is drawn."""
        self.open(f"#/approvals/{identity}")
        expect(self.page.locator(".desk")).to_be_visible()
        return self

    # What the person sees and does.

    @property
    def main(self) -> Locator:
        """What the page is about."""
        return self.page.locator("main")

    @property
    def decision(self) -> Locator:
        """Where a decision is made, and what came of it."""
        return self.page.locator(".desk")

    @property
    def notice(self) -> Locator:
        """What the page says of the person's act."""
        return self.page.locator(".notice")

    def approve(self) -> None:
        """Presses the button that approves once."""
        button = self.page.locator("#approve")
        expect(button).to_be_enabled()
        button.click()

    def deny(self, reason: str) -> None:
        """Says why, and presses the button that denies."""
        self.page.locator("#reason").fill(reason)
        button = self.page.locator("#deny")
        expect(button).to_be_enabled()
        button.click()

    def decisions(self) -> list[Request]:
        """The decisions that the page has sent."""
        return [request for request in self.sent if request.url.endswith(("/approve", "/deny"))]

    def cut_off(self) -> None:
        """From now on the page hears nothing of what others do; a stream that is open stays."""
        self.page.route("**/v1/approvals/stream", lambda route: route.abort())

    def csrf(self) -> str:
        """The text that goes along with each request of the session; told at the sign-in and never again."""
        kept: str = self.page.evaluate("localStorage['wicketgate.csrf']")
        return kept

    def authenticator(self) -> CDPSession:
        """Gives the browser a passkey reader that says yes by itself."""
        session = self.context.new_cdp_session(self.page)
        session.send("WebAuthn.enable")
        session.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasUserVerification": True,
                    "hasResidentKey": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )
        return session

    def violations(self) -> list[str]:
        """What axe finds wrong with the page as it stands (WCAG 2.2 AA and best practices), and what hangs over its edge."""
        session = self.context.new_cdp_session(self.page)
        # Past the page's own policy, which lets nothing in.
        session.send("Runtime.evaluate", {"expression": programs.axe()})
        rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        found = self.page.evaluate("rules => axe.run(document, { runOnly: rules })", rules)["violations"]
        over = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        told = [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"][:3]]
        return told + ([f"the page is {over} px wider than the window"] if over > 0 else [])

    def picture(self, name: str) -> None:
        """Takes a picture of the page, where pictures are wanted."""
        if PICTURES is None:
            return
        path = Path(PICTURES) / f"{name}.png"
        self.page.screenshot(path=path)
        assert path.stat().st_size < PICTURE_BYTES_MAX, f"{path} is too large"

    def close(self) -> None:
        """Closes the browser; whatever was wrong fails the test."""
        self.context.close()
        assert not self.faults, "\n".join(self.faults)
