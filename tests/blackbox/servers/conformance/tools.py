"""What each tool does. None knows the era or the transport it is called over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import feed
import tasks
from call import Call
from catalogue import PNG, WAV
from wire import INVALID_PARAMS, TASKS, Fault, Message, text

Behaviour = Callable[[Call], Awaitable[Message]]
BEHAVIOURS: dict[str, Behaviour] = {}

# Between two messages of one stream: long enough that they are two.
PAUSE_SECONDS = 0.05


def _tool(name: str) -> Callable[[Behaviour], Behaviour]:
    def keep(behaviour: Behaviour) -> Behaviour:
        BEHAVIOURS[name] = behaviour
        return behaviour

    return keep


async def run(call: Call) -> Message:
    """`tools/call`."""
    behaviour = BEHAVIOURS.get(str(call.params.get("name")))
    if behaviour is None:
        raise Fault(INVALID_PARAMS, f"Unknown tool: {call.params.get('name')}")
    return await behaviour(call)


# ---- Content ---------------------------------------------------------------------------------------------------------

IMAGE = {"type": "image", "data": PNG, "mimeType": "image/png"}


def _embedded(uri: str, mime: str, held: str) -> Message:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime, "text": held}}


@_tool("test_simple_text")
async def simple_text(_call: Call) -> Message:
    return text("A simple text.")


@_tool("json_schema_2020_12_tool")
async def elaborate(call: Call) -> Message:
    return text(json.dumps(call.arguments))


@_tool("test_image_content")
async def image(_call: Call) -> Message:
    return {"content": [IMAGE]}


@_tool("test_audio_content")
async def audio(_call: Call) -> Message:
    return {"content": [{"type": "audio", "data": WAV, "mimeType": "audio/wav"}]}


@_tool("test_embedded_resource")
async def embedded(_call: Call) -> Message:
    return {"content": [_embedded("test://embedded-resource", "text/plain", "An embedded text.")]}


@_tool("test_multiple_content_types")
async def several(_call: Call) -> Message:
    held = _embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')
    return {"content": [{"type": "text", "text": "Three kinds:"}, IMAGE, held]}


@_tool("test_error_handling")
async def failing(_call: Call) -> Message:
    return text("This tool always fails.", failed=True)


@_tool("test_custom_headers")
async def mirrored(call: Call) -> Message:
    return text(f"region {call.arguments.get('region')}, priority {call.arguments.get('priority')}")


# ---- What is told meanwhile ------------------------------------------------------------------------------------------


@_tool("test_tool_with_logging")
async def logging(call: Call) -> Message:
    for said in ("begun", "under way", "done"):
        await call.log(said)
        await asyncio.sleep(PAUSE_SECONDS)
    return text("Logged three times.")


@_tool("test_logging_tool")
async def logging_once(call: Call) -> Message:
    await call.log("once")
    return text("Logged once.")


@_tool("test_tool_with_progress")
async def progressing(call: Call) -> Message:
    for done in (0, 50, 100):
        await call.progress(done, 100)
        await asyncio.sleep(PAUSE_SECONDS)
    return text("Progressed.")


@_tool("test_reconnection")
async def reconnection(call: Call) -> Message:
    if call.hang_up is not None:
        await call.hang_up()
        await asyncio.sleep(PAUSE_SECONDS)
    return text("Told after the client came back.")


@_tool("test_trigger_tool_change")
async def tools_changed(_call: Call) -> Message:
    await feed.announce("tools")
    return text("Announced.")


@_tool("test_trigger_prompt_change")
async def prompts_changed(_call: Call) -> Message:
    await feed.announce("prompts")
    return text("Announced.")


# ---- What is asked of the client -------------------------------------------------------------------------------------


def form(message: str, required: bool = True, **fields: Message) -> Message:
    """A request for the user's input."""
    schema: Message = {"type": "object", "properties": fields, **({"required": list(fields)} if required else {})}
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def sentence(prompt: str) -> Message:
    """A request for the model's words."""
    said = [{"role": "user", "content": {"type": "text", "text": prompt}}]
    return {"method": "sampling/createMessage", "params": {"messages": said, "maxTokens": 100}}


ROOTS: Message = {"method": "roots/list", "params": {}}
STRING: Message = {"type": "string"}
BOOLEAN: Message = {"type": "boolean"}


def _filled(answer: Any) -> Message:
    return (answer.get("content") if answer.get("action") == "accept" else None) or {}


def _said(answer: Any) -> str:
    content = answer.get("content") or {}
    return str((content[0] if isinstance(content, list) else content).get("text"))


@_tool("test_sampling")
async def sampling(call: Call) -> Message:
    answer = await call.ask("answer", sentence(str(call.arguments.get("prompt"))))
    return text(f"The model says: {_said(answer)}")


@_tool("test_elicitation")
async def elicitation(call: Call) -> Message:
    wanted = form(str(call.arguments.get("message")), username=STRING, email=STRING)
    return text(f"The user says: {json.dumps(await call.ask('user', wanted))}")


@_tool("test_elicitation_sep1034_defaults")
async def defaults(call: Call) -> Message:
    wanted = form(
        "Every field has a default",
        required=False,
        name={"type": "string", "default": "John Doe"},
        age={"type": "integer", "default": 30},
        score={"type": "number", "default": 95.5},
        status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        verified={"type": "boolean", "default": True},
    )
    return text(f"The user says: {json.dumps(await call.ask('user', wanted))}")


@_tool("test_elicitation_sep1330_enums")
async def enums(call: Call) -> Message:
    plain = ["option1", "option2", "option3"]
    titled = [{"const": f"value{number}", "title": f"Choice {number}"} for number in (1, 2, 3)]
    wanted = form(
        "Choose in five ways",
        required=False,
        untitledSingle={"type": "string", "enum": plain},
        titledSingle={"type": "string", "oneOf": titled},
        legacyEnum={"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option 1", "Option 2"]},
        untitledMulti={"type": "array", "items": {"type": "string", "enum": plain}},
        titledMulti={"type": "array", "items": {"anyOf": titled}},
    )
    return text(f"The user says: {json.dumps(await call.ask('user', wanted))}")


@_tool("test_streaming_elicitation")
async def streaming_elicitation(call: Call) -> Message:
    await call.progress(1, 2)
    return await elicitation(call)


@_tool("test_missing_capability")
async def missing_capability(call: Call) -> Message:
    call.need("sampling")
    return text("The client has a model.")


@_tool("test_input_required_result_elicitation")
async def rounds_elicitation(call: Call) -> Message:
    name = _filled(await call.ask("user_name", form("What is your name?", name=STRING))).get("name")
    return text(f"Hello, {name}!")


@_tool("test_input_required_result_sampling")
async def rounds_sampling(call: Call) -> Message:
    return text(_said(await call.ask("capital_question", sentence("What is the capital of France?"))))


@_tool("test_input_required_result_list_roots")
async def rounds_roots(call: Call) -> Message:
    found = (await call.ask("client_roots", ROOTS)).get("roots") or []
    return text(", ".join(str(root.get("uri")) for root in found))


@_tool("test_input_required_result_request_state")
@_tool("test_input_required_result_tampered_state")
async def rounds_state(call: Call) -> Message:
    held = call.state
    answer = _filled(await call.ask("confirm", form("Please confirm", ok=BOOLEAN), {"round": 1}))
    return text(f"state-ok: {held}, {answer.get('ok')}")


@_tool("test_input_required_result_multiple_inputs")
async def rounds_several(call: Call) -> Message:
    wanted = {
        "user_name": form("What is your name?", name=STRING),
        "greeting": sentence("Say a greeting"),
        "client_roots": ROOTS,
    }
    given = await call.ask_all(wanted, {"round": 1})
    return text(f"{_said(given['greeting'])}, {_filled(given['user_name']).get('name')}")


@_tool("test_input_required_result_multi_round")
async def rounds_two(call: Call) -> Message:
    name = call.state.get("name")
    if name is None:
        name = _filled(await call.ask("step1", form("What is your name?", name=STRING), {})).get("name")
    colour = _filled(await call.ask("step2", form("Which colour?", color=STRING), {"name": name})).get("color")
    return text(f"{name} likes {colour}.")


@_tool("test_input_required_result_capabilities")
async def rounds_capabilities(call: Call) -> Message:
    wanted = {"user_name": form("What is your name?", name=STRING), "greeting": sentence("Say a greeting")}
    if not call.declares("elicitation"):
        del wanted["user_name"]
    if not call.declares("sampling"):
        del wanted["greeting"]
    return text(json.dumps(await call.ask_all(wanted)))


# ---- Tasks -----------------------------------------------------------------------------------------------------------


@_tool("greet")
async def greet(call: Call) -> Message:
    return text(f"Hello, {call.arguments.get('name')}!")


@_tool("slow_compute")
async def slow_compute(call: Call) -> Message:
    async def work(inner: Call) -> Message:
        await asyncio.sleep(float(inner.arguments.get("seconds") or 0))
        return text(f"computed {inner.arguments.get('label')}")

    return await tasks.begin(call, work)


@_tool("failing_job")
async def failing_job(call: Call) -> Message:
    async def work(_inner: Call) -> Message:
        await asyncio.sleep(PAUSE_SECONDS)
        return text("The job failed.", failed=True)

    call.need(TASKS)
    return await tasks.begin(call, work)


@_tool("protocol_error_job")
async def protocol_error_job(call: Call) -> Message:
    async def work(_inner: Call) -> Message:
        raise Fault(-32603, "The job broke.")

    return await tasks.begin(call, work)


@_tool("confirm_delete")
async def confirm_delete(call: Call) -> Message:
    async def work(inner: Call) -> Message:
        answer = await inner.ask("confirm", form(f"Delete {inner.arguments.get('filename')}?", confirm=BOOLEAN))
        return text("Deleted." if _filled(answer).get("confirm") else "Kept.")

    return await tasks.begin(call, work)


@_tool("multi_input")
async def multi_input(call: Call) -> Message:
    async def work(inner: Call) -> Message:
        wanted = {"name": form("What is your name?", name=STRING), "confirm": form("Go on?", confirm=BOOLEAN)}
        return text(json.dumps(await inner.ask_all(wanted)))

    return await tasks.begin(call, work)


@_tool("test_tool_with_task")
async def asked_then_task(call: Call) -> Message:
    async def work(_inner: Call) -> Message:
        await asyncio.sleep(PAUSE_SECONDS)
        return text(f"Done for {name}.")

    call.need(TASKS)
    name = _filled(await call.ask("user_name", form("What is your name?", name=STRING), {"round": 1})).get("name")
    return await tasks.begin(call, work)
