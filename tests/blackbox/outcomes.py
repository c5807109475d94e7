"""Judges the outcome of a story against what its steps expect.

Each client reports its steps in the same form, so one judgement serves all. It must not know whether the gate was
there.
"""

from __future__ import annotations

from typing import Any


def faults(steps: list[dict[str, Any]], outcome: dict[str, Any]) -> list[str]:
    """Every step that did not end as the story expects, in words."""
    found = []
    if len(outcome["steps"]) != len(steps):
        found.append(f"{len(steps)} steps were to be played, {len(outcome['steps'])} were")
    for number, (step, played) in enumerate(zip(steps, outcome["steps"], strict=False), 1):
        found += [f"step {number} {step['do']} {step.get('name', '')}: {fault}" for fault in _faults(step, played)]
    return found


def none(found: list[str]) -> None:
    """Fails with every line found; pytest would shorten a list of long texts."""
    if found:
        rest = [f"... and {len(found) - 20} more"] if len(found) > 20 else []
        raise AssertionError("\n".join(found[:20] + rest))


def _faults(step: dict[str, Any], played: dict[str, Any]) -> list[str]:
    if played.get("timeout"):
        return ["timed out"]
    if "error" in step:
        said = played.get("error", {}).get("message", "no error at all")
        return [] if step["error"] in said else [f"{step['error']!r} is not in {said!r}"]
    if "error" in played:
        return [f"answered an error: {played['error']}"]
    found = []
    result = played.get("ok", {})
    failed = bool(result.get("isError"))
    if failed != step.get("fails", False):
        found.append(f"isError is {failed}: {text(result)[:400]}")
    for wanted in step.get("says", []):
        if wanted not in text(result):
            found.append(f"{wanted!r} is not in {text(result)[:400]!r}")
    if "structured" in step and result.get("structuredContent") != step["structured"]:
        found.append(f"structured content is {result.get('structuredContent')}")
    if "names" in step:
        missing = set(step["names"]) - names(result)
        if missing:
            found.append(f"not listed: {sorted(missing)}")
    if step.get("progress"):
        seen = [int(at) for at, _total in played["progress"]]
        # On a crowded machine an SDK may resolve a call before it has told of its last progress, also without the gate. What
        # crossed the wire is compared whole elsewhere.
        if seen not in (step["progress"], step["progress"][:-1]):
            found.append(f"progress was {seen}, not {step['progress']}")
    if step["do"] == "cancel" and not played.get("cancelled"):
        found.append("was answered and not cancelled")
    if step["do"] == "listen" and played.get("event") != "ToolsListChanged":
        found.append(f"the stream brought {played.get('event')}")
    return found


def text(result: dict[str, Any]) -> str:
    """Every text in a result: of content blocks, embedded resources, messages and completions."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key == "text" and isinstance(inner, str):
                    found.append(inner)
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(result)
    found += result.get("completion", {}).get("values", [])
    return "\n".join(found)


def names(result: dict[str, Any]) -> set[str]:
    """The names in a list result."""
    return {
        entry["name"]
        for member in ("tools", "prompts", "resources", "resourceTemplates")
        for entry in result.get(member, [])
    }
