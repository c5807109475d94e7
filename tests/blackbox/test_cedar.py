"""The policy suite decided once more by Cedar's own command line: the gate's law is Cedar, and nobody need trust its judge."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import programs

POLICIES = programs.ROOT / "policies"
REGISTRY = programs.ROOT / "registry"


def cedar(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `cedar` in a folder."""
    return subprocess.run([programs.cedar(), *arguments], cwd=folder, capture_output=True, text=True, timeout=60)


def exported(tmp_path: Path) -> Path:
    """The law and the questions of the repository's own policy suite."""
    (tmp_path / "wicketgate.toml").write_text(f'policies = "{POLICIES}"\nregistry = "{REGISTRY}"\n')
    written = subprocess.run(
        [programs.gate(), "policy", "test", "--cedar", "asked"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert written.returncode == 0, written.stdout + written.stderr
    return tmp_path / "asked"


def test_cedars_own_command_line_decides_every_case_alike(tmp_path: Path) -> None:
    """The compiled law validates, and each question is answered as the gate answered it, without an error."""
    folder = exported(tmp_path)
    law = ["--policies", "gate.cedar", "--schema", "gate.cedarschema"]
    valid = cedar(folder, "validate", *law)
    assert valid.returncode == 0, valid.stdout + valid.stderr
    questions = json.loads((folder / "questions.json").read_text())
    assert {question["answer"] for question in questions} == {"ALLOW", "DENY"}
    wrong = []
    for question in questions:
        stem = question["question"]
        asked = ["--entities", f"{stem}.entities.json", "--request-json", f"{stem}.request.json"]
        answer = cedar(folder, "authorize", *law, *asked)
        # 0 is ALLOW, 2 is DENY; a policy that errs is told on either stream.
        said = {0: "ALLOW", 2: "DENY"}.get(answer.returncode, "nothing")
        if said != question["answer"] or "error" in (answer.stdout + answer.stderr).lower():
            wrong.append((question, said, answer.stdout, answer.stderr))
    assert not wrong, wrong
    assert len(questions) >= 60
