"""What the server offers, as data: tools, prompts, resources. What they do is in `tools.py` and `offers.py`.

The names and shapes are those the conformance suite asks for. The first tool must take no arguments, and the list is
the same for both eras.
"""

from __future__ import annotations

from typing import Any

import skills
from wire import Message

# One red pixel, and a second's thousandth of silence.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
WAV = "UklGRiwAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQgAAACAgICAgICAgA=="


def _tool(name: str, description: str, required: Message | None = None, optional: Message | None = None) -> Message:
    schema: Message = {"type": "object", "properties": {**(required or {}), **(optional or {})}}
    if required:
        schema["required"] = list(required)
    return {"name": name, "description": description, "inputSchema": schema}


def _string(description: str, **more: Any) -> Message:
    return {"type": "string", "description": description, **more}


# The keywords a careless intermediary drops.
ELABORATE: Message = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "where",
            "type": "object",
            "properties": {"town": {"type": "string"}, "box": {"type": "integer", "minimum": 1}},
        }
    },
    "properties": {
        "parcel": {"type": "string"},
        "to": {"$ref": "#/$defs/address"},
        "back": {"$ref": "#where"},
        "insured": {"type": "boolean"},
        "value": {"type": "number"},
        "weight": {"type": "number"},
    },
    "allOf": [{"anyOf": [{"required": ["parcel"]}, {"required": ["weight"]}]}],
    "if": {"properties": {"insured": {"const": True}}, "required": ["insured"]},
    "then": {"required": ["value"]},
    "else": {"not": {"required": ["value"]}},
    "additionalProperties": False,
}

TOOLS: list[Message] = [
    _tool("test_simple_text", "Answers with one text"),
    _tool("test_image_content", "Answers with an image"),
    _tool("test_audio_content", "Answers with a sound"),
    _tool("test_embedded_resource", "Answers with a resource"),
    _tool("test_multiple_content_types", "Answers with a text, an image and a resource"),
    _tool("test_error_handling", "Fails, as a tool may"),
    _tool("test_tool_with_logging", "Logs three times while it works"),
    _tool("test_logging_tool", "Logs once"),
    _tool("test_tool_with_progress", "Reports its progress"),
    _tool("test_sampling", "Asks the client's model", {"prompt": _string("What to ask")}),
    _tool("test_elicitation", "Asks the user", {"message": _string("What to ask")}),
    _tool("test_elicitation_sep1034_defaults", "Asks the user with a default for every kind of field"),
    _tool("test_elicitation_sep1330_enums", "Asks the user to choose, in five ways"),
    _tool("test_streaming_elicitation", "Reports progress, then asks the user"),
    _tool("test_missing_capability", "Works only for clients that have a model"),
    _tool("test_reconnection", "Ends its stream before its answer"),
    _tool("test_trigger_tool_change", "Says that the tools changed"),
    _tool("test_trigger_prompt_change", "Says that the prompts changed"),
    _tool(
        "test_custom_headers",
        "Takes parameters that clients of 2026-07-28 mirror in headers",
        {"region": _string("Where", **{"x-mcp-header": "Region"})},
        {"priority": {"type": "integer", "x-mcp-header": "Priority"}, "query": _string("What")},
    ),
    {"name": "json_schema_2020_12_tool", "description": "Has an elaborate schema", "inputSchema": ELABORATE},
    _tool("test_input_required_result_elicitation", "Needs the user's name"),
    _tool("test_input_required_result_sampling", "Needs a sentence from the client's model"),
    _tool("test_input_required_result_list_roots", "Needs the client's roots"),
    _tool("test_input_required_result_request_state", "Needs a confirmation, and its own state back"),
    _tool("test_input_required_result_multiple_inputs", "Needs three things at once"),
    _tool("test_input_required_result_multi_round", "Needs one thing after another"),
    _tool("test_input_required_result_tampered_state", "Refuses a state that is not its own"),
    _tool("test_input_required_result_capabilities", "Asks only for what the client can give"),
    _tool("greet", "Greets, at once", {"name": _string("Whom")}),
    _tool(
        "slow_compute",
        "Takes its time; a task where the client can",
        {"seconds": {"type": "number", "minimum": 0}},
        {"label": _string("What to call it")},
    ),
    _tool("failing_job", "A task that fails as a tool does"),
    _tool("protocol_error_job", "A task that fails as the protocol does"),
    _tool("confirm_delete", "A task that asks first", {"filename": _string("What to delete")}),
    _tool("multi_input", "A task that asks two things at once"),
    _tool("test_tool_with_task", "Asks first, then becomes a task"),
]


def _prompt(name: str, description: str, **arguments: str) -> Message:
    needed = [{"name": key, "description": value, "required": True} for key, value in arguments.items()]
    return {"name": name, "description": description, **({"arguments": needed} if needed else {})}


PROMPTS: list[Message] = [
    _prompt("test_simple_prompt", "Takes nothing"),
    _prompt("test_prompt_with_arguments", "Takes two arguments", arg1="The first", arg2="The second"),
    _prompt("test_prompt_with_embedded_resource", "Holds a resource", resourceUri="The resource"),
    _prompt("test_prompt_with_image", "Holds an image"),
    _prompt("test_input_required_result_prompt", "Needs something of the user first"),
]


def _resource(uri: str, name: str, mime: str, description: str) -> Message:
    return {"uri": uri, "name": name, "description": description, "mimeType": mime}


RESOURCES: list[Message] = [
    _resource("test://static-text", "static-text", "text/plain", "A text that never changes"),
    _resource("test://static-binary", "static-binary", "image/png", "An image that never changes"),
    _resource("test://watched-resource", "watched-resource", "text/plain", "A text to watch"),
    _resource("test://example-resource", "example-resource", "text/plain", "A text for prompts"),
    *skills.resources(),
]

TEMPLATES: list[Message] = [
    {
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "A text made of its id",
        "mimeType": "application/json",
    }
]
