"""Plays a story with the Python MCP SDK and prints what came of each step.

Usage: python_sdk.py STORY. The story (see `stories.py`) names a target, an era and steps; the outcome is one JSON
object on standard output. It must not know whether it talks to a server or to the gate.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import anyio
import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

# A step that takes longer than this is a failure of the server, the gate or the story, never of a slow machine.
STEP_SECONDS = 60


class Player:
    """One session and what it has seen."""

    def __init__(self, story: dict[str, Any]) -> None:
        self.story = story
        self.seen: Counter[str] = Counter()
        self.asked: list[str] = []
        self.changed = anyio.Event()

    async def on_message(self, message: Any) -> None:
        """Counts every notification, so that a step can wait for one."""
        if isinstance(message, Exception):
            raise message
        self.seen[message.method] += 1
        self.changed.set()
        self.changed = anyio.Event()

    async def on_sampling(self, _context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        """Answers as the story's model would."""
        self.asked.append("sampling/createMessage")
        text = types.TextContent(type="text", text=self.story["sampling"])
        return types.CreateMessageResult(role="assistant", content=text, model="story", stop_reason="endTurn")

    async def on_elicitation(self, _context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        """Answers as the story's user would; a URL is acknowledged without a form."""
        self.asked.append("elicitation/create")
        content = None if params.mode == "url" else self.story["elicitation"]
        return types.ElicitResult(action="accept", content=content)

    async def on_roots(self, _context: Any) -> types.ListRootsResult:
        """Names the story's roots."""
        self.asked.append("roots/list")
        return types.ListRootsResult(roots=[types.Root(**root) for root in self.story["roots"]])

    async def play(self) -> dict[str, Any]:
        """Connects, plays every step, and closes the session."""
        async with AsyncExitStack() as stack:
            client = await self.connect(stack)
            steps = [await self.step(client, step) for step in self.story["steps"]]
            return {"steps": steps, "asked": self.asked, "seen": dict(self.seen)}

    async def connect(self, stack: AsyncExitStack) -> Any:
        """A client that answers what servers ask, connected to the story's target."""
        return await stack.enter_async_context(
            Client(
                await self.transport(stack),
                mode=self.story["era"],
                sampling_callback=self.on_sampling,
                elicitation_callback=self.on_elicitation,
                list_roots_callback=self.on_roots,
                message_handler=self.on_message,
                log_level="debug",
                client_info=types.Implementation(name="story-python", version="1"),
                cache=None,
            )
        )

    async def transport(self, stack: AsyncExitStack) -> Any:
        """The transport the story's target asks for."""
        target = self.story["target"]
        if "command" in target:
            return StdioServerParameters(command=target["command"], args=target["args"], env=target["env"])
        if target["url"].endswith("/sse"):
            return sse_client(target["url"], headers=target["headers"])
        http = httpx2.AsyncClient(headers=target["headers"], timeout=httpx2.Timeout(30, read=300))
        return streamable_http_client(target["url"], http_client=await stack.enter_async_context(http))

    async def step(self, client: Client, step: dict[str, Any]) -> dict[str, Any]:
        """Plays one step; an error the server or the gate answers is an outcome, not a failure."""
        outcome: dict[str, Any] = {"do": step["do"]}
        try:
            with anyio.fail_after(STEP_SECONDS):
                result = await getattr(self, step["do"])(client, step, outcome)
            if result is not None:
                outcome["ok"] = result.model_dump(mode="json", by_alias=True, exclude_unset=True)
        except MCPError as error:
            outcome["error"] = {"code": error.error.code, "message": error.error.message}
        except TimeoutError:
            outcome["timeout"] = True
        return outcome

    async def list_tools(self, client: Client, _step: Any, _outcome: Any) -> Any:
        return await client.list_tools()

    async def list_resources(self, client: Client, _step: Any, _outcome: Any) -> Any:
        return await client.list_resources()

    async def list_resource_templates(self, client: Client, _step: Any, _outcome: Any) -> Any:
        return await client.list_resource_templates()

    async def list_prompts(self, client: Client, _step: Any, _outcome: Any) -> Any:
        return await client.list_prompts()

    async def read(self, client: Client, step: Any, _outcome: Any) -> Any:
        return await client.read_resource(step["uri"])

    async def get_prompt(self, client: Client, step: Any, _outcome: Any) -> Any:
        return await client.get_prompt(step["name"], step["arguments"])

    async def complete(self, client: Client, step: Any, _outcome: Any) -> Any:
        ref = types.PromptReference(type="ref/prompt", name=step["prompt"])
        return await client.complete(ref, step["argument"])

    async def ping(self, client: Client, _step: Any, _outcome: Any) -> Any:
        return await client.send_ping()

    async def set_level(self, client: Client, step: Any, _outcome: Any) -> Any:
        return await client.set_logging_level(step["level"])

    async def subscribe(self, client: Client, step: Any, _outcome: Any) -> Any:
        return await client.subscribe_resource(step["uri"])

    async def unsubscribe(self, client: Client, step: Any, _outcome: Any) -> Any:
        return await client.unsubscribe_resource(step["uri"])

    async def roots_changed(self, client: Client, _step: Any, _outcome: Any) -> None:
        await client.send_roots_list_changed()

    async def ask(self, client: Client, name: str, arguments: Any, progress: Any = None, meta: Any = None) -> Any:
        """Calls a tool; the whole result, also where the tool failed."""
        return await client.call_tool(name, arguments, progress_callback=progress, meta=meta)

    async def call(self, client: Client, step: Any, outcome: dict[str, Any]) -> Any:
        """Calls a tool, keeping the progress it reported when the step asks for it."""
        progress: list[list[float | None]] = []

        async def on_progress(done: float, total: float | None, _message: str | None) -> None:
            progress.append([done, total])

        told = on_progress if step.get("progress") else None
        result = await self.ask(client, step["name"], step["arguments"], told, step.get("meta"))
        if step.get("progress"):
            # The SDK runs callbacks beside the session, so the answer can overtake the last of them here, not on the
            # wire.
            while len(progress) < len(step["progress"]):
                await anyio.sleep(0.01)
            outcome["progress"] = progress
        return result

    async def cancel(self, client: Client, step: Any, outcome: dict[str, Any]) -> None:
        """Begins a call and gives it up after its first progress."""
        begun = anyio.Event()

        async def on_progress(_done: float, _total: float | None, _message: str | None) -> None:
            begun.set()

        async with anyio.create_task_group() as tasks:

            async def begin() -> None:
                await self.ask(client, step["name"], step["arguments"], on_progress)
                outcome["answered"] = True

            tasks.start_soon(begin)
            await begun.wait()
            tasks.cancel_scope.cancel()
        outcome["cancelled"] = True

    async def wait(self, _client: Client, step: Any, _outcome: Any) -> None:
        """Waits until so many notifications of a method have come since the session began."""
        while self.seen[step["method"]] < step["count"]:
            await self.changed.wait()

    async def listen(self, client: Client, step: Any, outcome: dict[str, Any]) -> None:
        """Opens a subscription stream, makes a call that changes the list, and waits for the news (2026-07-28)."""
        async with self.subscription(client) as subscription:
            call = step["call"]
            await self.ask(client, call["name"], call["arguments"])
            async for event in subscription:
                outcome["event"] = type(event).__name__
                break

    def subscription(self, client: Client) -> Any:
        """The stream of what changes."""
        return client.listen(tools_list_changed=True)


async def main(player: type[Player]) -> None:
    """Plays the story named on the command line."""
    with open(sys.argv[1]) as file:
        story = json.load(file)
    print(json.dumps(await player(story).play()))


if __name__ == "__main__":
    anyio.run(main, Player)
