"""Runs the MCP conformance suite against a URL, and reads what it found.

The suite is the pinned npm package, run as it stands at a revision's frozen requirements. This module knows nothing of
the gate but that it wants a token.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import programs

REVISIONS = ("2025-11-25", "2026-07-28")
# Of an extension, so no revision requires them; they run at this one.
EXTRA = {"2026-07-28": ("sep-2640-skills-directory", "sep-2640-skills-enumeration", "sep-2640-skills-manifest")}
# What the suite's runs take at most, with a wide margin for a busy machine.
PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class Check:
    """One thing the suite looked at."""

    scenario: str
    name: str
    status: str
    why: str

    def __str__(self) -> str:
        return f"{self.scenario}: {self.name} {self.status}{': ' + self.why if self.why else ''}"


@dataclass(frozen=True)
class Outcome:
    """What one run found."""

    checks: tuple[Check, ...]
    said: str

    def count(self, status: str) -> int:
        """How many checks ended so."""
        return sum(check.status == status for check in self.checks)

    @property
    def numbers(self) -> tuple[int, int, int]:
        """Passed, failed, warned of."""
        return self.count("SUCCESS"), self.count("FAILURE"), self.count("WARNING")

    def verdicts(self) -> Counter[tuple[str, str, str]]:
        """Every scenario's checks and how they ended, without words and times."""
        return Counter((check.scenario, check.name, check.status) for check in self.checks)

    def scenarios(self) -> dict[str, tuple[int, int]]:
        """Passed and failed, scenario by scenario."""
        names = sorted({check.scenario for check in self.checks})
        return {name: (self._count(name, "SUCCESS"), self._count(name, "FAILURE")) for name in names}

    def _count(self, scenario: str, status: str) -> int:
        return sum(check.scenario == scenario and check.status == status for check in self.checks)


def run(url: str, revision: str, scratch: Path, token: str | None = None) -> Outcome:
    """Runs what the revision requires of a server, and all that is run beside it."""
    found = scratch / "found"
    said = _suite(["--url", url, "--requirements", revision], found, scratch, token)
    required = _read(found)
    assert required, f"the suite wrote nothing:\n{said[-4000:]}"
    return Outcome(required, said)


def run_extra(url: str, revision: str, scratch: Path, token: str | None = None) -> Outcome:
    """Runs the scenarios of extensions that no revision requires."""
    found = scratch / "found-extra"
    said = ""
    for scenario in EXTRA[revision]:
        options = ["--url", url, "--scenario", scenario, "--spec-version", revision, "--force"]
        said += _suite(options, found, scratch, token)
    return Outcome(_read(found), said)


def _suite(options: list[str], found: Path, folder: Path, token: str | None) -> str:
    loaded = [] if token is None else ["--import", str(programs.HERE / "clients" / "bearer.mjs")]
    done = subprocess.run(
        [programs.node(), *loaded, *programs.conformance_suite(), "server", *options, "-o", str(found)],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", **({} if token is None else {"BEARER": token})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    # One for failed checks, which are told one by one from what was written; all else is a broken run.
    assert done.returncode in (0, 1), f"the suite ended with {done.returncode}:\n{done.stdout[-4000:]}"
    return done.stdout


def _read(found: Path) -> tuple[Check, ...]:
    checks = []
    for file in sorted(found.glob("server-*/checks.json")):
        named = re.fullmatch(r"server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z", file.parent.name)
        assert named, f"the suite wrote a folder that is not understood: {file.parent.name}"
        for check in json.loads(file.read_text()):
            name = f"{check['id']} ({check['name']})"
            checks.append(Check(named[1], name, check["status"], check.get("errorMessage") or ""))
    return tuple(checks)
