// Plays a story with the TypeScript MCP SDK and prints what came of each step.
//
// Usage: typescript.mjs v1|v2 STORY. The two SDK lines differ in their package and in a few signatures only, so one player
// serves both. The outcome is one JSON object on standard output. It must not know whether it talks to a server or to the gate.

import { readFile } from "node:fs/promises";

// A step that takes longer than this is a failure of the server, the gate or the story, never of a slow machine.
const STEP_MS = 60_000;

const [line, storyPath] = process.argv.slice(2);
const story = JSON.parse(await readFile(storyPath, "utf8"));
const sdk = line === "v1" ? await v1() : await v2();

const seen = {};
const asked = [];
let waiting = [];

/** What the player needs of the v1 line (`@modelcontextprotocol/sdk`). */
async function v1() {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const { SSEClientTransport } = await import("@modelcontextprotocol/sdk/client/sse.js");
  const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
  const types = await import("@modelcontextprotocol/sdk/types.js");
  return {
    Client,
    StreamableHTTPClientTransport,
    SSEClientTransport,
    StdioClientTransport,
    options: {},
    // v1 names a request by its schema and takes an options bag behind the (optional) result schema.
    handle: (client, method, answer) =>
      client.setRequestHandler(
        {
          "sampling/createMessage": types.CreateMessageRequestSchema,
          "elicitation/create": types.ElicitRequestSchema,
          "roots/list": types.ListRootsRequestSchema,
        }[method],
        answer,
      ),
    callTool: (client, params, options) => client.callTool(params, undefined, options),
  };
}

/** What the player needs of the v2 line (`@modelcontextprotocol/client`). */
async function v2() {
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
  return {
    Client,
    StreamableHTTPClientTransport,
    StdioClientTransport,
    options: { versionNegotiation: { mode: story.era } },
    handle: (client, method, answer) => client.setRequestHandler(method, answer),
    callTool: (client, params, options) => client.callTool(params, options),
  };
}

function transport() {
  const target = story.target;
  if (target.command) {
    return new sdk.StdioClientTransport({ command: target.command, args: target.args, env: target.env });
  }
  // The transport of 2024-11-05; the v2 line has none.
  const overSse = target.url.endsWith("/sse");
  const Transport = overSse ? sdk.SSEClientTransport : sdk.StreamableHTTPClientTransport;
  return new Transport(new URL(target.url), { requestInit: { headers: target.headers } });
}

function answers(client) {
  sdk.handle(client, "sampling/createMessage", async () => {
    asked.push("sampling/createMessage");
    return { role: "assistant", content: { type: "text", text: story.sampling }, model: "story", stopReason: "endTurn" };
  });
  sdk.handle(client, "elicitation/create", async (request) => {
    asked.push("elicitation/create");
    return request.params.mode === "url" ? { action: "accept" } : { action: "accept", content: story.elicitation };
  });
  sdk.handle(client, "roots/list", async () => {
    asked.push("roots/list");
    return { roots: story.roots };
  });
  client.fallbackNotificationHandler = async (notification) => {
    seen[notification.method] = (seen[notification.method] ?? 0) + 1;
    waiting = waiting.filter((check) => !check());
  };
}

const steps = {
  list_tools: (client) => client.listTools(),
  list_resources: (client) => client.listResources(),
  list_resource_templates: (client) => client.listResourceTemplates(),
  list_prompts: (client) => client.listPrompts(),
  read: (client, step) => client.readResource({ uri: step.uri }),
  get_prompt: (client, step) => client.getPrompt({ name: step.name, arguments: step.arguments }),
  complete: (client, step) =>
    client.complete({ ref: { type: "ref/prompt", name: step.prompt }, argument: step.argument }),
  ping: (client) => client.ping(),
  set_level: (client, step) => client.setLoggingLevel(step.level),
  subscribe: (client, step) => client.subscribeResource({ uri: step.uri }),
  unsubscribe: (client, step) => client.unsubscribeResource({ uri: step.uri }),
  roots_changed: async (client) => {
    await client.sendRootsListChanged();
  },

  // Calls a tool, keeping the progress it reported when the step asks for it.
  call: async (client, step, outcome) => {
    const progress = [];
    const params = { name: step.name, arguments: step.arguments };
    if (step.meta) params._meta = step.meta;
    const options = step.progress ? { onprogress: (at) => progress.push([at.progress, at.total]) } : {};
    const result = await sdk.callTool(client, params, options);
    if (step.progress) outcome.progress = progress;
    return result;
  },

  // Begins a call and gives it up after its first progress.
  cancel: async (client, step, outcome) => {
    const controller = new AbortController();
    const options = { signal: controller.signal, onprogress: () => controller.abort("given up") };
    try {
      await sdk.callTool(client, { name: step.name, arguments: step.arguments }, options);
      outcome.answered = true;
    } catch (error) {
      if (!controller.signal.aborted) throw error;
      outcome.cancelled = true;
    }
  },

  // Calls a tool as a task of 2025-11-25 (v1 only), keeping the statuses it went through, and takes its result when it is done.
  task: async (client, step, outcome) => {
    outcome.statuses = [];
    let result;
    for await (const message of client.experimental.tasks.callToolStream(
      { name: step.name, arguments: step.arguments },
      undefined,
      { task: { ttl: 60_000 } },
    )) {
      if (message.type === "taskStatus") outcome.statuses.push(message.task.status);
      else if (message.type === "result") result = message.result;
      else if (message.type === "error") throw message.error;
    }
    return result;
  },

  // Waits until so many notifications of a method have come since the session began.
  wait: (_client, step) =>
    new Promise((resolve) => {
      const check = () => {
        const enough = (seen[step.method] ?? 0) >= step.count;
        if (enough) resolve(undefined);
        return enough;
      };
      if (!check()) waiting.push(check);
    }),

  // Opens a subscription stream, makes a call that changes the list, and waits for the news (2026-07-28).
  listen: async (client, step, outcome) => {
    const method = "notifications/tools/list_changed";
    const before = seen[method] ?? 0;
    const subscription = await client.listen({ toolsListChanged: true });
    await sdk.callTool(client, { name: step.call.name, arguments: step.call.arguments }, {});
    await steps.wait(client, { method, count: before + 1 });
    outcome.event = "ToolsListChanged";
    await subscription.close();
  },
};

/** Plays one step; an error the server or the gate answers is an outcome, not a failure. */
async function play(client, step) {
  const outcome = { do: step.do };
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve("late"), STEP_MS);
  });
  try {
    const result = await Promise.race([steps[step.do](client, step, outcome), late]);
    if (result === "late") outcome.timeout = true;
    else if (result !== undefined) outcome.ok = result;
  } catch (error) {
    if (error.code === undefined) throw error;
    outcome.error = { code: error.code, message: error.message };
  } finally {
    clearTimeout(timer);
  }
  return outcome;
}

const client = new sdk.Client(
  { name: `story-typescript-${line}`, version: "1" },
  {
    ...sdk.options,
    capabilities: { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } },
  },
);
answers(client);
const connection = transport();
await client.connect(connection);
const outcomes = [];
for (const step of story.steps) outcomes.push(await play(client, step));
// An HTTP session is ended as the specification asks of a client that leaves.
await connection.terminateSession?.();
await client.close();
process.stdout.write(JSON.stringify({ steps: outcomes, asked, seen }) + "\n");
