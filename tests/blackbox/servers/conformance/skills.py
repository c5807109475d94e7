"""The skills extension: one skill of three files, listed, fetched and read as directories."""

from __future__ import annotations

import hashlib

from wire import INVALID_PARAMS, Fault, Message

ROOT = "skill://tidy-desk"
FRONTMATTER = {"name": "tidy-desk", "description": "Puts a desk in order"}
FILES = {
    f"{ROOT}/SKILL.md": "---\nname: tidy-desk\ndescription: Puts a desk in order\n---\n\nPut away the rest.\n",
    f"{ROOT}/checklist.md": "- paper\n- cups\n",
    f"{ROOT}/plans/monday.md": "Begin on the left.\n",
}
ENTRY = {
    "uri": f"{ROOT}/SKILL.md",
    "frontmatter": FRONTMATTER,
    "resources": [
        {"uri": uri, "digest": f"sha256:{hashlib.sha256(held.encode()).hexdigest()}", "size": len(held.encode())}
        for uri, held in FILES.items()
    ],
}


def resources() -> list[Message]:
    """What `resources/list` shows of it."""
    return [{"uri": ENTRY["uri"], "mimeType": "text/markdown", **FRONTMATTER}]


def listing() -> Message:
    """`skills/list`."""
    return {"skills": [ENTRY]}


def entry(uri: str) -> Message:
    """`skills/get`."""
    if uri != ENTRY["uri"]:
        raise Fault(INVALID_PARAMS, "no such skill", {"uri": uri})
    return {"skill": ENTRY}


def directory(uri: str) -> Message:
    """`resources/directory/read`: the direct children."""
    prefix = uri.rstrip("/") + "/"
    children: dict[str, Message] = {}
    for file in FILES:
        if file.startswith(prefix):
            name, *deeper = file.removeprefix(prefix).split("/")
            mime = "inode/directory" if deeper else "text/markdown"
            children[prefix + name] = {"uri": prefix + name, "name": name, "mimeType": mime}
    if not children:
        raise Fault(INVALID_PARAMS, "not a directory", {"uri": uri})
    return {"resources": list(children.values())}
