"""Fixtures of the black-box tests: real servers, real clients, and the gate as an operator runs it.

`pytest --direct` plays the stories without the gate only, to prove that the stories, clients and servers are
themselves right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from desk import Desk, chromium
from gate import Gate
from house import House, opened
from sessions import CLIENTS, Session, direct
from upstreams import SERVERS, serve_http
from watched import register

collect_ignore_glob = ["node_modules/*", ".venv/*"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--direct`."""
    parser.addoption("--direct", action="store_true", help="run the tests that need no gate, and only those")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--direct`, leaves the tests that need the gate out of the run and says so in its summary."""
    if config.getoption("--direct"):
        gated = [item for item in items if "gate" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=gated)
        items[:] = [item for item in items if item not in gated]


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one folder servers work in. Direct and gated runs share its path, since paths are in what they answer."""
    return tmp_path_factory.mktemp("work") / "folder"


@pytest.fixture(scope="session")
def played_directly(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Session]:
    """Gives the direct session of a client with a server, played once and kept."""
    kept: dict[tuple[str, str], Session] = {}

    def session(client: str, server: str) -> Session:
        if (client, server) not in kept:
            scratch = tmp_path_factory.mktemp(f"direct-{client}-{server}")
            kept[client, server] = direct(CLIENTS[client], SERVERS[server], work, scratch)
        return kept[client, server]

    return session


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A gate of the module's own, not started: a module registers its servers first. It is stopped at the end."""
    made = Gate(tmp_path_factory.mktemp("gate"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def ports(request: pytest.FixtureRequest, work: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The servers a module names in `USED`, without the gate: their ports."""
    scratch = tmp_path_factory.mktemp("direct")
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(serve_http(SERVERS[name], work, scratch / f"{name}.log"))
            for name in request.module.USED
        }


@pytest.fixture(scope="module")
def registered(
    request: pytest.FixtureRequest, gate: Gate, work: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gate]:
    """A gate that permits everything, with the same servers behind it."""
    scratch = tmp_path_factory.mktemp("registered")
    with ExitStack() as stack:
        for name in request.module.USED:
            register(gate, SERVERS[name], work, scratch, stack)
        gate.start()
        yield gate


@pytest.fixture(scope="module")
def house(request: pytest.FixtureRequest, gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gate with people, its approvals as the module's `APPROVALS` says."""
    with opened(gate, tmp_path_factory.mktemp("house"), request.module.APPROVALS) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for as long as the module lasts."""
    with chromium() as launched:
        yield launched


@pytest.fixture
def desks(browser: Browser, house: House) -> Iterator[Callable[..., Desk]]:
    """Gives browsers, each of its own; they are closed, and what was wrong with them fails the test."""
    made: list[Desk] = []

    def desk(**options: object) -> Desk:
        made.append(Desk(browser, house, **options))
        return made[-1]

    yield desk
    with ExitStack() as stack:
        for each in made:
            stack.callback(each.close)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Adds the end of the gate's log to the report of a test that failed."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    gate = getattr(item, "funcargs", {}).get("gate")
    if report.failed and isinstance(gate, Gate) and gate.log.exists():
        report.sections.append(("the gate's log, its end", gate.log.read_text(errors="replace")[-8000:]))
