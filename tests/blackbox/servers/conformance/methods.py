"""The methods both eras have, and the capabilities that go with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import offers
import skills
import tools
from call import Call
from catalogue import PROMPTS, RESOURCES, TEMPLATES, TOOLS
from wire import SKILLS, TASKS, Message

Method = Callable[[Call], Awaitable[Message]]
NAME = {"name": "conformance-fixture", "version": "1"}


def _always(value: Message) -> Method:
    async def method(_call: Call) -> Message:
        return dict(value)

    return method


async def _skill(call: Call) -> Message:
    return skills.entry(str(call.params.get("uri")))


async def _directory(call: Call) -> Message:
    return skills.directory(str(call.params.get("uri")))


SHARED: dict[str, Method] = {
    "tools/list": _always({"tools": TOOLS}),
    "tools/call": tools.run,
    "prompts/list": _always({"prompts": PROMPTS}),
    "prompts/get": offers.prompt,
    "resources/list": _always({"resources": RESOURCES}),
    "resources/templates/list": _always({"resourceTemplates": TEMPLATES}),
    "resources/read": offers.resource,
    "resources/directory/read": _directory,
    "completion/complete": offers.completion,
    "skills/list": _always(skills.listing()),
    "skills/get": _skill,
}


def capabilities(modern: bool) -> Message:
    """What the server can do."""
    return {
        "tools": {"listChanged": True},
        "prompts": {"listChanged": True},
        "resources": {"subscribe": True},
        "completions": {},
        "logging": {},
        "extensions": {SKILLS: {"directoryRead": True}, **({TASKS: {}} if modern else {})},
    }
