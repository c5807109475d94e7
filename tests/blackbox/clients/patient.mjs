// A client that waits for people as a known one does, driven line by line.
//
// Usage: patient.mjs claude|gemini|plain, with a first line {"url", "headers", "settings"}, and then a line {"name", "arguments"}
// for each call. Every call is answered by lines {"progress": message} and one last line {"ok": result} or {"gave_up": message}
// or {"error": message}. The session stays open over all of them, as it does in an agent.
//
// What each does, read from its program (Claude Code 2.1.329, Gemini CLI 0.61.0, @modelcontextprotocol/sdk 1.32):
//   claude  asks for progress; gives up after `timeout` (MCP_TOOL_TIMEOUT, about 28 hours unless set) whatever is heard, and
//           after `idle` (CLAUDE_CODE_MCP_TOOL_IDLE_TIMEOUT) in which neither an answer nor progress came
//   gemini  puts a progress token of its own into `_meta`, listens to nothing, and gives up after `timeout` (600 s unless set)
//   plain   calls as the SDK's documentation shows, and gives up after the SDK's own 60 s

import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ErrorCode } from "@modelcontextprotocol/sdk/types.js";

const NAMES = { claude: "claude-code", gemini: "gemini-cli-mcp-client", plain: "plain" };

const manner = process.argv[2];
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => {
  const { value, done } = await lines.next();
  return done ? null : JSON.parse(value);
};

const { url, headers, settings } = await next();
const client = new Client({ name: NAMES[manner], version: "1" }, { capabilities: {} });
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
say({ ok: "connected" });

/** The call as Claude Code makes it: a watchdog stands beside it, which only an answer or progress quiets. */
async function asClaude(call) {
  const given = new AbortController();
  let heard = Date.now();
  const watch = setInterval(() => {
    if (Date.now() - heard > settings.idle) given.abort(new Error("no response or progress"));
  }, 500);
  const onprogress = (at) => {
    heard = Date.now();
    say({ progress: at.message });
  };
  try {
    return await client.callTool(call, undefined, { signal: given.signal, timeout: settings.timeout, onprogress });
  } finally {
    clearInterval(watch);
  }
}

const calls = {
  claude: asClaude,
  gemini: (call) => client.callTool({ ...call, _meta: { progressToken: randomUUID() } }, undefined, { timeout: settings.timeout }),
  plain: (call) => client.callTool(call),
};

for (let call = await next(); call; call = await next()) {
  try {
    say({ ok: await calls[manner](call) });
  } catch (error) {
    const gaveUp = error.code === ErrorCode.RequestTimeout || /no response or progress/.test(error.message);
    say(gaveUp ? { gave_up: error.message } : { error: error.message });
  }
}
await client.close();
