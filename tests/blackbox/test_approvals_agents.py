"""Claude Code and Gemini CLI themselves, with a scripted model behind them: a call waits for a person longer than they do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from errands import AGENTS
from house import LAW, House, bearer, mail
from models import Model

APPROVALS = "hold_s = 150\nhold_progress_s = 150"

# Long enough for a request to be seen, short enough to be waited for.
GIVES_UP_MS = 5_000
# Longer than any test.
WAITS_MS = 600_000


@pytest.fixture(autouse=True)
def under_the_law(house: House) -> None:
    """Every test begins under the same law, with nothing that waits."""
    house.law(LAW)
    house.quiet()


def told(turn: dict[str, object]) -> str:
    """What the agent told its model last."""
    said = turn.get("messages") or turn.get("contents")
    assert isinstance(said, list)
    return json.dumps(said[-1])


@pytest.mark.parametrize("agent", AGENTS)
def test_the_agent_waits_and_the_call_runs_once(agent: str, house: House, tmp_path: Path) -> None:
    sent = mail(f"{agent} waits")
    with Model("send_mail") as model:
        call = house.begin(lambda: model.turn() and model.turn())
        with AGENTS[agent](tmp_path, house.gate.url("office"), bearer("claude"), model, WAITS_MS) as errand:
            model.calls(sent)
            identity = call.request()
            assert house.approve(identity)[0] == 200
            assert "send_mail done" in told(call.answer())
            model.says("All sent.")
            assert "All sent." in errand.end()
    assert house.acts(sent["subject"]) == [{"tool": "send_mail", **sent}]


@pytest.mark.parametrize("agent", AGENTS)
def test_a_decision_after_the_agent_gave_up_is_found_by_its_next_call(agent: str, house: House, tmp_path: Path) -> None:
    sent = mail(f"{agent} gave up")
    with Model("send_mail") as model:
        call = house.begin(lambda: model.turn() and model.turn())
        with AGENTS[agent](tmp_path, house.gate.url("office"), bearer("claude"), model, GIVES_UP_MS) as errand:
            model.calls(sent)
            identity = call.request()
            # Nobody decides, and the agent tells its model that the time is up.
            given_up = told(call.answer()).lower()
            assert "timed out" in given_up or "timeout" in given_up, given_up
            assert house.state(identity) == "pending"
            assert house.approve(identity)[0] == 200
            assert house.acts(sent["subject"]) == []
            # The model tries once more, with the same call.
            model.calls(sent)
            assert "send_mail done" in told(model.turn())
            model.says("All sent.")
            assert "All sent." in errand.end()
    assert house.acts(sent["subject"]) == [{"tool": "send_mail", **sent}]
    assert house.state(identity) == "spent"


@pytest.mark.parametrize("agent", AGENTS)
def test_a_refusal_and_its_reason_reach_the_model(agent: str, house: House, tmp_path: Path) -> None:
    sent = mail(f"{agent} is refused")
    with Model("send_mail") as model:
        call = house.begin(lambda: model.turn() and model.turn())
        with AGENTS[agent](tmp_path, house.gate.url("office"), bearer("claude"), model, WAITS_MS) as errand:
            model.calls(sent)
            assert house.deny(call.request(), "Max left the firm in May.")[0] == 200
            assert "Max left the firm in May" in told(call.answer())
            model.says("Not sent.")
            assert "Not sent." in errand.end()
    assert house.acts(sent["subject"]) == []
