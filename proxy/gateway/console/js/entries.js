// A trace's entries from the gate, with the text of each beside it.

import { Refused } from "./api.js";
import { items, member } from "./exact.js";
import { storyOf } from "./story.js";

/**
 * @param {import("./api.js").Api} api
 * @param {string} id a trace, the beginning of one, a task, or a record's number
 * @param {AbortSignal} signal
 */
export async function story(api, id, signal) {
  const path = `/v1/traces/${encodeURIComponent(id)}`;
  let text = "";
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, { headers: api.headers("application/json"), credentials: "same-origin", signal });
    text = await response.text();
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Refused(0, "unreachable", "The gate was not reached.");
  }
  let json = null;
  try {
    json = JSON.parse(text);
  } catch {
    // What is no JSON is told as the status it came with.
  }
  if (!response.ok || !json) throw api.refused(response, json);
  return storyOf(json.entries, items(member(text, "entries") ?? "[]"));
}
