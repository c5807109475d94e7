// Which arguments of a tool name a place, as its registry entry says.

/** @typedef {(server: string, tool: string) => string[]} Places */

/**
 * Where the registry cannot be asked, nothing is known of any tool.
 * @param {import("./api.js").Api} api
 * @param {AbortSignal} signal
 * @returns {Promise<Places>}
 */
export async function places(api, signal) {
  /** @type {Map<string, string[]>} */
  const known = new Map();
  try {
    const { servers } = await api.get("/v1/inventory", { signal });
    for (const server of servers) for (const tool of server.tools) known.set(`${server.name}\n${tool.name}`, tool.sinks ?? []);
  } catch (error) {
    if (signal.aborted) throw error;
  }
  return (server, tool) => known.get(`${server}\n${tool}`) ?? [];
}
