"""Prompts, resources and completions."""

from __future__ import annotations

import json
import re

import skills
from call import Call
from catalogue import PNG, RESOURCES
from tools import IMAGE, STRING, form
from wire import INVALID_PARAMS, RESOURCE_NOT_FOUND, Fault, Message


def _message(content: Message) -> Message:
    return {"role": "user", "content": content}


def _words(said: str) -> Message:
    return _message({"type": "text", "text": said})


async def prompt(call: Call) -> Message:
    """`prompts/get`."""
    given = call.arguments
    match call.params.get("name"):
        case "test_simple_prompt":
            return {"messages": [_words("A simple prompt.")]}
        case "test_prompt_with_arguments":
            return {"messages": [_words(f"arg1 is {given.get('arg1')}, arg2 is {given.get('arg2')}.")]}
        case "test_prompt_with_embedded_resource":
            held = {"uri": str(given.get("resourceUri")), "mimeType": "text/plain", "text": "An embedded text."}
            return {"messages": [_message({"type": "resource", "resource": held}), _words("Look at it.")]}
        case "test_prompt_with_image":
            return {"messages": [_message(IMAGE), _words("Look at it.")]}
        case "test_input_required_result_prompt":
            answer = await call.ask("user_context", form("In which context?", context=STRING))
            return {"messages": [_words(f"The context is {(answer.get('content') or {}).get('context')}.")]}
        case name:
            raise Fault(INVALID_PARAMS, f"Unknown prompt: {name}")


async def resource(call: Call) -> Message:
    """`resources/read`."""
    uri = str(call.params.get("uri"))
    if uri in skills.FILES:
        held: Message = {"mimeType": "text/markdown", "text": skills.FILES[uri]}
    elif uri == "test://static-binary":
        held = {"mimeType": "image/png", "blob": PNG}
    elif uri in {known["uri"] for known in RESOURCES}:
        held = {"mimeType": "text/plain", "text": f"The text of {uri}."}
    elif found := re.fullmatch(r"test://template/([^/]+)/data", uri):
        held = {"mimeType": "application/json", "text": json.dumps({"id": found[1], "templateTest": True})}
    else:
        raise Fault(INVALID_PARAMS if call.modern else RESOURCE_NOT_FOUND, "Resource not found", {"uri": uri})
    return {"contents": [{"uri": uri, **held}]}


async def completion(call: Call) -> Message:
    """`completion/complete`."""
    begun = str((call.params.get("argument") or {}).get("value", ""))
    values = [word for word in ("paris", "park", "party", "testing") if word.startswith(begun)]
    return {"completion": {"values": values, "total": len(values), "hasMore": False}}
