"""Plays a story with the FastMCP client and prints what came of each step.

Usage: fastmcp_client.py STORY. FastMCP has a client of its own on top of the Python SDK's sessions: it negotiates, waits and
cancels in its own way. What its interface lacks (subscriptions) is asked of the session below it.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import anyio
import mcp_types as types
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from mcp.client.subscriptions import listen
from python_sdk import Player, main


class FastMcpPlayer(Player):
    """One session of FastMCP's and what it has seen."""

    async def connect(self, stack: AsyncExitStack) -> Client[Any]:
        """A client that answers what servers ask, connected to the story's target."""
        return await stack.enter_async_context(
            Client(
                await self.transport(stack),
                mode=self.story["era"],
                roots=self.roots,
                sampling_handler=self.sample,
                elicitation_handler=self.elicit,
                message_handler=self.on_message,
                client_info=types.Implementation(name="story-fastmcp", version="1"),
            )
        )

    async def transport(self, _stack: AsyncExitStack) -> Any:
        """The transport the story's target asks for; a process ends with its session."""
        target = self.story["target"]
        if "command" in target:
            return StdioTransport(target["command"], target["args"], env=target["env"], keep_alive=False)
        return StreamableHttpTransport(target["url"], headers=target["headers"])

    async def roots(self, context: Any) -> list[types.Root]:
        """Names the story's roots."""
        return (await self.on_roots(context)).roots

    async def sample(self, _messages: Any, params: types.CreateMessageRequestParams, context: Any) -> Any:
        """Answers as the story's model would."""
        return await self.on_sampling(context, params)

    async def elicit(self, _message: str, _kind: Any, params: types.ElicitRequestParams, context: Any) -> Any:
        """Answers as the story's user would."""
        answer = await self.on_elicitation(context, params)
        return ElicitResult(action=answer.action, content=answer.content)

    async def list_tools(self, client: Any, _step: Any, _outcome: Any) -> Any:
        return await client.list_tools_mcp()

    async def list_resources(self, client: Any, _step: Any, _outcome: Any) -> Any:
        return await client.list_resources_mcp()

    async def list_resource_templates(self, client: Any, _step: Any, _outcome: Any) -> Any:
        return await client.list_resource_templates_mcp()

    async def list_prompts(self, client: Any, _step: Any, _outcome: Any) -> Any:
        return await client.list_prompts_mcp()

    async def read(self, client: Any, step: Any, _outcome: Any) -> Any:
        return await client.read_resource_mcp(step["uri"])

    async def get_prompt(self, client: Any, step: Any, _outcome: Any) -> Any:
        return await client.get_prompt_mcp(step["name"], step["arguments"])

    async def complete(self, client: Any, step: Any, _outcome: Any) -> Any:
        ref = types.PromptReference(type="ref/prompt", name=step["prompt"])
        return await client.complete_mcp(ref, step["argument"])

    async def ping(self, client: Any, _step: Any, _outcome: Any) -> None:
        await client.ping()

    async def set_level(self, client: Any, step: Any, _outcome: Any) -> None:
        await client.set_logging_level(step["level"])

    async def subscribe(self, client: Any, step: Any, _outcome: Any) -> Any:
        return await client.session.subscribe_resource(step["uri"])

    async def unsubscribe(self, client: Any, step: Any, _outcome: Any) -> Any:
        return await client.session.unsubscribe_resource(step["uri"])

    async def ask(self, client: Any, name: str, arguments: Any, progress: Any = None, meta: Any = None) -> Any:
        """Calls a tool; the whole result, also where the tool failed."""
        return await client.call_tool_mcp(name, arguments, progress_handler=progress, meta=meta)

    def subscription(self, client: Any) -> Any:
        """The stream of what changes."""
        return listen(client.session, tools_list_changed=True)


if __name__ == "__main__":
    anyio.run(main, FastMcpPlayer)
