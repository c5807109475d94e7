"""A gate with people, an agent, and a server whose tools act: where approvals are tested.

Each person and agent is a principal with a token. What a person decides here goes through the control API as a program's
would; `desk.py` does the same with a browser. A `Call` is an agent's call that may wait while the test goes on.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import programs
from gate import OPEN, PERMIT_ALL, REVIEWER, Gate
from plain_client import Answer, LegacySession
from upstreams import PATIENCE_SECONDS, Server, serve_http, wait_until

# Who there is: the agent's name, then roles, user, tenant and teams where they are not the standard.
PEOPLE: dict[str, dict[str, Any]] = {
    "claude": {"user": "alice", "teams": ["dev"]},
    "alice": {"user": "alice", "roles": ["approver"]},
    "bob": {"user": "bob", "roles": ["approver"], "teams": ["sec"]},
    "carol": {"user": "carol", "roles": ["approver"], "teams": ["sec"]},
    "vera": {"user": "vera", "roles": ["viewer"]},
    "mallory": {"user": "mallory", "roles": ["approver"], "tenant": "elsewhere"},
    "admin": {"user": "ada", "roles": ["admin"]},
}

EFFECTS = ("read", "send_mail=egress", "send_report=egress", "pay=spend", "file_away=write")

ASKS = (
    '@id("mail-leaves") @reason("Mail leaves the house only with a person\'s word") @approval("security") '
    'forbid (principal, action in [office::Action::"send_mail", office::Action::"send_report", '
    'office::Action::"file_away"], resource);\n'
)
ASKS_MONEY = (
    '@id("money-moves") @reason("Money moves only with a passkey") @approval("money") '
    'forbid (principal, action == office::Action::"pay", resource);\n'
)
# As long as no policy looks at origins, none are kept.
ASKS_WHERE = (
    '@id("read-recipient") @reason("The recipient was read, not given") @approval("security") '
    'forbid (principal, action == office::Action::"send_mail", resource) '
    'when { context.gate.origin.to.contains(Gate::Label::"untrusted") };\n'
)
# Beside the law, not in it: two agree on mail.
ASKS_TWO = (
    '@id("two-agree") @reason("Two must agree") @approval("audit") '
    'forbid (principal, action == office::Action::"send_mail", resource);\n'
)
LAW = PERMIT_ALL + ASKS + ASKS_MONEY + ASKS_WHERE
FORBIDS = '@id("no-mail") @reason("No mail today") forbid (principal, action == office::Action::"send_mail", resource);\n'


def token(name: str) -> str:
    """The token of a person or agent."""
    return f"token-of-no-worth-{name}"


def bearer(name: str) -> dict[str, str]:
    """The header that carries it."""
    return {"authorization": f"Bearer {token(name)}"}


def traceparent() -> str:
    """A trace context of a new trace (W3C Trace Context, version 00)."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def principals() -> str:
    """The people as they stand in the configuration."""
    tables = []
    for name, about in PEOPLE.items():
        rest = "".join(f"{key} = {json.dumps(value)}\n" for key, value in about.items())
        digest = hashlib.sha256(token(name).encode()).hexdigest()
        tables.append(f'[[principals]]\nagent = "{name}"\n{rest}token_sha256 = "{digest}"\n')
    return "\n".join(tables)


class Call:
    """A call of an agent, under way in a thread of its own."""

    def __init__(self, made: Callable[[], Any], known: set[str], house: House) -> None:
        self._known = known
        self._house = house
        self._answer: Any = None
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(made,), daemon=True)
        self._thread.start()

    def _run(self, made: Callable[[], Any]) -> None:
        try:
            self._answer = made()
        # It is raised where the answer is asked for.
        except BaseException as fault:
            self._fault = fault

    def waits(self) -> bool:
        """Whether there is no answer yet."""
        return self._thread.is_alive()

    def answer(self) -> Any:
        """Its answer, when it has come."""
        self._thread.join(PATIENCE_SECONDS * 2)
        assert not self._thread.is_alive(), "the call is not answered"
        if self._fault is not None:
            raise self._fault
        return self._answer

    def request(self) -> str:
        """The id of the request to people that this call has made."""
        found: set[str] = set()

        def asked() -> bool:
            nonlocal found
            found = self._house.ids() - self._known
            return bool(found) or not self.waits()

        wait_until(asked, "a request to people")
        if not found:
            raise AssertionError(f"nobody was asked; the call was answered: {self.answer()}")
        (one,) = found
        return one


class House:
    """A gate with people and the office behind it."""

    def __init__(self, gate: Gate, acts: Path) -> None:
        self.gate = gate
        self.port = 0
        self._acts = acts

    def register(self, port: int) -> None:
        """Puts the office behind the gate; before its start."""
        self.port = port
        entry = {"name": "office", "owner": REVIEWER, "system": "office", "labels": ["untrusted"], "open": OPEN}
        self.gate.write_registration("office", {**entry, "transport": {"kind": "http", "url": f"http://127.0.0.1:{port}/mcp"}})
        where = ["office", "--config", str(self.gate.config)]
        self.gate.command("registry", "scan", *where)
        effects = [word for of in EFFECTS for word in ("--effect", of)]
        # One tool has hidden characters in its title; whoever reviews it has to say that they saw them.
        review = ["registry", "review", *where, *effects, "--by", REVIEWER, "--accept-finding", "send_report"]
        _, shown = self.gate.run(*review)
        (digest,) = set(re.findall(r"sha256:[0-9a-f]{64}", shown.splitlines()[-1]))
        self.gate.command(*review, "--accept", "--digest", digest)
        registered = self.gate.registration("office")
        registered["tools"]["send_mail"]["sinks"] = ["to"]
        registered["tools"]["pay"]["sinks"] = ["payee"]
        self.gate.write_registration("office", registered)
        (self.gate.folder / "registry" / "vocabulary.toml").write_text('grants = ["money", "audit"]\n')
        self.gate.policy(LAW)

    def law(self, text: str) -> None:
        """Another law, in force when this returns."""
        self.gate.policy(text)
        self.gate.reload()

    # What was really done.

    def acts(self, word: str = "") -> list[dict[str, Any]]:
        """What the office did, of which the word is a part."""
        lines = self._acts.read_text().splitlines() if self._acts.exists() else []
        return [json.loads(line) for line in lines if word in line]

    # What agents do.

    def session(self, agent: str = "claude", trace: str | None = None) -> LegacySession:
        """A session of the legacy era, in a trace of its own."""
        return LegacySession(self.gate.url("office"), bearer(agent), {"traceparent": trace or traceparent()})

    def begin(self, made: Callable[[], Any]) -> Call:
        """Begins what makes a call, and goes on."""
        return Call(made, self.ids(), self)

    def sends(self, subject: str, session: LegacySession | None = None, **more: Any) -> Call:
        """An agent calls `send_mail`; goes on when the call waits or is answered."""
        opened = session or self.session()
        arguments = mail(subject, **more)
        return self.begin(lambda: opened.call("send_mail", arguments))

    # What people do.

    def ids(self, state: str = "all") -> set[str]:
        """The requests there are."""
        status, body = self.ask("vera", "GET", f"/v1/approvals?state={state}&limit=10000")
        assert status == 200, body
        return {request["id"] for request in body["approvals"]}

    def ask(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
        """One exchange with the control API, with a person's token."""
        answer = self.exchange(method, path, body, {**bearer(who), **headers})
        return answer.status, json.loads(answer.text) if answer.text else {}

    def exchange(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Answer:
        """One exchange with the control API, with these headers alone."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gate.control_port, timeout=PATIENCE_SECONDS)
        try:
            given = {"host": f"localhost:{self.gate.control_port}", **headers}
            if body is not None:
                given["content-type"] = "application/json"
            connection.request(method, path, None if body is None else json.dumps(body), given)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode())
        finally:
            connection.close()

    def request(self, identity: str, who: str = "vera") -> dict[str, Any]:
        """A request as a person sees it."""
        status, body = self.ask(who, "GET", f"/v1/approvals/{identity}")
        assert status == 200, body
        return body

    def invite(self, who: str) -> str:
        """A code for a person's first passkey, as the operator of the machine gives it."""
        said = self.gate.command("passkeys", "invite", f"default/{who}", "--config", str(self.gate.config))
        return said.splitlines()[0].strip()

    def quiet(self) -> None:
        """Ends whatever an earlier test left waiting, so that one failure is one."""
        for identity in self.ids("pending"):
            self.deny(identity, "Tidied up.")
        assert self.ids("pending") == set()

    def state(self, identity: str) -> str:
        """Where a request stands."""
        return str(self.request(identity)["state"])

    def until(self, identity: str, state: str) -> dict[str, Any]:
        """Waits until a request stands so."""
        wait_until(lambda: self.state(identity) == state, f"{identity} to be {state}")
        return self.request(identity)

    def approve(self, identity: str, who: str = "bob", **more: Any) -> tuple[int, dict[str, Any]]:
        """A person says yes to what stands there now."""
        digest = self.request(identity)["digest"]
        return self.ask(who, "POST", f"/v1/approvals/{identity}/approve", {"digest": digest, **more})

    def deny(self, identity: str, reason: str, who: str = "bob") -> tuple[int, dict[str, Any]]:
        """A person says no."""
        digest = self.request(identity)["digest"]
        return self.ask(who, "POST", f"/v1/approvals/{identity}/deny", {"digest": digest, "reason": reason})


def mail(subject: str, **more: Any) -> dict[str, Any]:
    """The arguments of a mail."""
    return {"to": "max@example.org", "subject": subject, "body": "As asked.", **more}


def refusal(result: dict[str, Any]) -> dict[str, Any]:
    """What the gate says of a call that it did not carry out."""
    assert result.get("isError"), result
    told: dict[str, Any] = result["_meta"]["dev.wicketgate/refusal"]
    return told


@contextmanager
def opened(gate: Gate, scratch: Path, approvals: str) -> Iterator[House]:
    """A house on this gate, started; `approvals` is what stands in the table of that name."""
    house = House(gate, scratch / "acts.jsonl")
    gate.people(approvals)
    gate.configure(principals())
    office = Server("office", "http", lambda _folder, port: programs.office(scratch / "acts.jsonl", port), lambda *_: [])
    with serve_http(office, scratch, scratch / "office.log") as port:
        house.register(port)
        gate.start()
        yield house
