"""The stories the clients play: which steps a whole session with each server takes, and what must come of them.

A story is plain data, so that the Python and the TypeScript clients play exactly the same one. It says nothing about
the gate: the same story is played directly against the server and through the gate, and what the client saw may
differ by the label only.

What a step expects stands beside it: `says` (texts that must be in the answer), `fails` (the tool reports an error),
`error` (words of the protocol error that answers), `structured` (the structured content), `names` (what a list must
hold), `progress` (the steps reported, in order).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

Step = dict[str, Any]

SAMPLING = "a word from the model"
ELICITATION = {"name": "Ana", "check": True}
CLARIFICATION = {"interpretation": "technical"}


def call(name: str, arguments: dict[str, Any] | None = None, *says: str, **more: Any) -> Step:
    """A call of a tool whose answer must say each of `says`."""
    return {"do": "call", "name": name, "arguments": arguments or {}, "says": list(says), **more}


def wait(method: str, count: int = 1) -> Step:
    """Waits for the `count`th notification of a method."""
    return {"do": "wait", "method": f"notifications/{method}", "count": count}


def everything() -> list[Step]:
    """Every feature of server-everything that a client of the legacy era can use."""
    text = "demo://resource/dynamic/text/7"
    weather = {"temperature": 36, "conditions": "Light rain / drizzle", "humidity": 82}
    consent = {"url": "https://example.org/consent", "elicitationId": "consent-1"}
    return [
        # The server asks for the roots by itself, and says so when it has them.
        wait("message"),
        {
            "do": "list_tools",
            "names": [
                *["echo", "get-env", "get-sum", "trigger-long-running-operation"],
                # Listed only to clients that declare roots, sampling and elicitation.
                *["get-roots-list", "trigger-sampling-request", "trigger-elicitation-request"],
                "trigger-url-elicitation",
            ],
        },
        {"do": "list_prompts", "names": ["args-prompt", "completable-prompt"]},
        {"do": "list_resources", "names": ["features.md"]},
        {"do": "list_resource_templates", "names": ["Dynamic Text Resource"]},
        call("echo", {"message": "h\u00e9llo \u2014 \u4e16\u754c"}, "Echo: h\u00e9llo \u2014 \u4e16\u754c"),
        call("get-sum", {"a": 2, "b": 40.5}, "The sum of 2 and 40.5 is 42.5."),
        call("get-structured-content", {"location": "Chicago"}, structured=weather),
        call("get-tiny-image", {}, "Here's the image you requested:"),
        call("get-annotated-message", {"messageType": "error", "includeImage": True}, "Error: Operation failed"),
        call("get-resource-links", {"count": 3}, "Here are 3 resource links"),
        call("get-resource-reference", {"resourceType": "Text", "resourceId": 7}, "Resource 7: This is a plaintext"),
        call("get-resource-reference", {"resourceType": "Text", "resourceId": 0}, "Invalid resourceId: 0", fails=True),
        call(
            "trigger-long-running-operation",
            {"duration": 0.4, "steps": 4},
            "Long running operation completed",
            progress=[1, 2, 3, 4],
        ),
        {"do": "set_level", "level": "info"},
        {"do": "subscribe", "uri": text},
        wait("message", 2),
        call("toggle-subscriber-updates", {}, "Started simulated resource updated notifications"),
        wait("resources/updated"),
        call("toggle-subscriber-updates", {}, "Stopped simulated resource updates"),
        {"do": "unsubscribe", "uri": text},
        wait("message", 3),
        call("trigger-sampling-request", {"prompt": "Say a word", "maxTokens": 16}, SAMPLING),
        call("trigger-elicitation-request", {}, "User provided the requested information", "Name: Ana"),
        call("trigger-url-elicitation", consent, "User completed the URL elicitation flow", "consent-1"),
        call("get-roots-list", {}, "Current MCP Roots (1 total)", "file://"),
        {
            "do": "complete",
            "prompt": "completable-prompt",
            "argument": {"name": "department", "value": "S"},
            "says": ["Sales", "Support"],
        },
        {"do": "get_prompt", "name": "args-prompt", "arguments": {"city": "Lisbon"}, "says": ["weather in Lisbon?"]},
        {"do": "read", "uri": text, "says": ["Resource 7: This is a plaintext"]},
        {"do": "ping"},
        {"do": "cancel", "name": "trigger-long-running-operation", "arguments": {"duration": 3, "steps": 30}},
        call("echo", {"message": "still here"}, "Echo: still here"),
    ]


def research() -> list[Step]:
    """A task of 2025-11-25: created, polled, asking the user in its midst, and its result fetched at the end."""
    query = {"topic": "wicket gates", "ambiguous": True}
    return [
        wait("message"),
        {"do": "list_tools", "names": ["simulate-research-query"]},
        {
            "do": "task",
            "name": "simulate-research-query",
            "arguments": query,
            "says": ["wicket gates", CLARIFICATION["interpretation"]],
        },
        call("echo", {"message": "still here"}, "Echo: still here"),
    ]


def filesystem(folder: Path) -> list[Step]:
    """Reading and writing below one folder."""
    note, missing = str(folder / "note.txt"), str(folder / "missing.txt")
    edit = {"path": note, "edits": [{"oldText": "two", "newText": "three"}], "dryRun": False}
    return [
        {"do": "list_tools", "names": ["read_text_file", "write_file", "edit_file", "list_allowed_directories"]},
        call("list_allowed_directories", {}, str(folder)),
        call("write_file", {"path": note, "content": "one\ntwo\n"}, "Successfully wrote"),
        call("read_text_file", {"path": note}, "one\ntwo\n", structured={"content": "one\ntwo\n"}),
        call("edit_file", edit, "-two", "+three"),
        call("read_multiple_files", {"paths": [note, missing]}, "one\nthree\n", "ENOENT"),
        call("list_directory", {"path": str(folder)}, "[FILE] note.txt", "[DIR] .git"),
        call("read_text_file", {"path": missing}, "ENOENT", fails=True),
        call("read_text_file", {"path": "/etc/hostname"}, "outside allowed directories", fails=True),
        call("search_files", {"path": str(folder), "pattern": "*.txt"}, note),
    ]


def git(folder: Path) -> list[Step]:
    """Reading a repository: a server of both eras over stdio."""
    repository = {"repo_path": str(folder)}
    return [
        {"do": "list_tools", "names": ["git_status", "git_log", "git_show", "git_diff_unstaged"]},
        call("git_status", repository, "readme.txt"),
        call("git_log", {**repository, "max_count": 2}, "Begin", "Ana"),
        call("git_diff_unstaged", repository, "+second"),
        call("git_show", {**repository, "revision": "HEAD"}, "+first"),
        call("git_show", {**repository, "revision": "no-such-revision"}, "no-such-revision", fails=True),
    ]


def memory() -> list[Step]:
    """A graph that is written and read, and a resource that says when it changed."""
    graph = "memory://knowledge-graph"
    ana = {"name": "Ana", "entityType": "person", "observations": ["keeps the gate"]}
    gate = {"name": "Gate", "entityType": "thing", "observations": []}
    keeps = {"from": "Ana", "to": "Gate", "relationType": "keeps"}
    seen = {"entityName": "Gate", "contents": ["stands open"]}
    nobody = {"entityName": "Nobody", "contents": ["is there"]}
    return [
        {"do": "list_tools", "names": ["create_entities", "create_relations", "read_graph", "search_nodes"]},
        {"do": "list_resources", "names": ["knowledge-graph"]},
        {"do": "subscribe", "uri": graph},
        call("create_entities", {"entities": [ana, gate]}, structured={"entities": [ana, gate]}),
        wait("resources/updated"),
        {"do": "unsubscribe", "uri": graph},
        call("create_relations", {"relations": [keeps]}, structured={"relations": [keeps]}),
        call("add_observations", {"observations": [seen]}, "stands open"),
        call("add_observations", {"observations": [nobody]}, "Entity with name Nobody not found", fails=True),
        call("search_nodes", {"query": "open"}, "stands open"),
        call("delete_entities", {"entityNames": ["Gate"]}, "deleted successfully"),
        call("read_graph", {}, structured={"entities": [ana], "relations": []}),
        {"do": "read", "uri": graph, "says": ["keeps the gate"]},
    ]


def fetch(page: str) -> list[Step]:
    """A page fetched, whole and in parts, by a tool and by a prompt."""
    missing = f"{page}missing"
    return [
        {"do": "list_tools", "names": ["fetch"]},
        {"do": "list_prompts", "names": ["fetch"]},
        call("fetch", {"url": page}, "Nobody passes unseen."),
        call("fetch", {"url": page, "raw": True, "max_length": 20}, "<!doctype html>"),
        call("fetch", {"url": missing}, "404", fails=True),
        {"do": "get_prompt", "name": "fetch", "arguments": {"url": page}, "says": ["Nobody passes unseen."]},
    ]


def time() -> list[Step]:
    """The time, which no two runs share, and conversions, which they do."""
    # Neither zone changes its clocks over the year.
    convert = {"source_timezone": "Asia/Kathmandu", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    return [
        {"do": "list_tools", "names": ["get_current_time", "convert_time"]},
        call("get_current_time", {"timezone": "Asia/Kathmandu"}, "Asia/Kathmandu", "+05:45"),
        call("convert_time", convert, "T15:15:00+09:00", "+3.25h"),
        call("convert_time", {**convert, "time": "noon"}, "Invalid time format", fails=True),
        call("get_current_time", {"timezone": "Nowhere/At_All"}, "Invalid timezone", fails=True),
    ]


def playwright() -> list[Step]:
    """The tools of a browser, and a page opened in it and read."""
    url = "data:text/html,<title>Gate</title><h1>A page</h1><button>Go</button>"
    return [
        {"do": "list_tools", "names": ["browser_navigate", "browser_snapshot", "browser_click", "browser_close"]},
        call("browser_navigate", {"url": url}, "Page Title: Gate"),
        call("browser_snapshot", {}, 'heading "A page"', 'button "Go"'),
        call("browser_evaluate", {"function": "() => document.title"}, '"Gate"'),
        call("browser_click", {"target": "e99", "element": "a button that is not there"}, "e99", fails=True),
        call("browser_close", {}, "No open tabs"),
        {"do": "ping"},
    ]


def github() -> list[Step]:
    """A server that knows 2024-11-05 only: no annotations, no structured content, and failures are protocol errors."""
    issue = {"owner": "ana", "repo": "wicket", "issue_number": 404}
    return [
        {"do": "list_tools", "names": ["search_code", "get_issue", "create_or_update_file"]},
        call("search_code", {"q": "gate"}, "ana/wicket", "gate.rs"),
        call("get_issue", issue, error="nothing at /repos/ana/wicket/issues/404"),
        {"do": "ping"},
        call("search_code", {"q": "gate"}, "ana/wicket"),
    ]


def dual_era(modern: bool) -> list[Step]:
    """Every feature of the dual-era server; what has changed is told on a subscription, or on the session's own stream."""
    told = [{"do": "ping"}, call("proclaim", {}, "proclaimed"), wait("tools/list_changed")]
    era: list[Step] = [{"do": "listen", "call": call("announce")}] if modern else told
    return [
        {"do": "list_tools", "names": ["echo", "add", "route", "count", "greet"]},
        {"do": "list_resources", "names": ["note"]},
        {"do": "list_prompts", "names": ["review"]},
        call("echo", {"message": "hello"}, "hello"),
        call("add", {"left": 2, "right": 40}, structured={"total": 42}),
        call("route", {"region": "eu-west", "query": "ping"}, "eu-west: ping"),
        call("route", {"region": "\u00e9 \u4e16", "query": "encoded in its header"}, "\u00e9 \u4e16: encoded"),
        call("fail", {"reason": "as asked"}, "as asked", fails=True),
        call("count", {"steps": 3}, "3 steps", progress=[1, 2, 3]),
        call("greet", {}, "Hello, Ana"),
        call("muse", {}, SAMPLING),
        call("roots", {}, "file://"),
        {"do": "read", "uri": "note://today", "says": ["Buy bread."]},
        {"do": "get_prompt", "name": "review", "arguments": {"subject": "the gate"}, "says": ["Review the gate."]},
        *era,
        {"do": "cancel", "name": "count", "arguments": {"steps": 40}},
        call("echo", {"message": "still here"}, "still here"),
    ]
