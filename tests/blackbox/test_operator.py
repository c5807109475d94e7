"""What an operator types: `check`, `health` and `trace`, by their output and their exit codes."""

from __future__ import annotations

import programs
from gate import HEADERS, PERMIT_ALL, Gate
from plain_client import LegacySession


def test_check_health_and_trace(gate: Gate) -> None:
    command, *arguments = programs.dual_era()
    gate.register("dual", {"kind": "stdio", "command": command, "args": arguments, "env_from": ["PATH"]})
    config = ["--config", str(gate.config)]

    gate.command("check", *config)
    gate.policy(PERMIT_ALL + '@id("typo") forbid (principal, action == dual::Action::"ecko", resource);\n')
    code, said = gate.run("check", *config)
    assert code == 1
    assert "tests.cedar" in said
    assert "ecko" in said
    gate.policy(PERMIT_ALL)

    code, said = gate.run("health", *config)
    assert code == 1, said
    gate.start()
    gate.command("health", *config)

    status, body = gate.control("GET", "/v1/health")
    assert status == 200, body
    session = LegacySession(gate.url("dual"), HEADERS)
    label = session.call("echo", {"message": "for the record"})["_meta"]["dev.wicketgate/label"]
    session.close()

    gate.story(label["trace"], "initialize", "echo")
    status, body = gate.control("GET", f"/v1/traces/{label['trace']}")
    assert status == 200, body
    assert label["trace"] in str(body)

    code, said = gate.run("trace", "0" * 32, *config)
    assert code != 0, said
