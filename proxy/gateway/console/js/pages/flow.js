// Which source's data reached which sink in one task: drawn, and the same as a table.

import { brief, cell, effectWord } from "../call.js";
import { badge, button, count, el, empty, failed, head, labels, loading, panel, put, table, verdict } from "../dom.js";
import { restNote, story } from "../entries.js";
import { graph } from "../graph.js";
import { lines } from "../laws.js";
import { pathsOf, reached, telling } from "../paths.js";
import { places } from "../places.js";
import { shown } from "../shown.js";

/** @typedef {import("../paths.js").Paths} Paths */
/** @typedef {import("../paths.js").Way} Way */

/** How many calls a row of the table names. */
const NAMED_MAX = 8;

/**
 * @param {HTMLElement} root
 * @param {any} params
 * @param {import("../api.js").Api} api
 * @param {import("../main.js").Page} page
 */
export async function render(root, params, api, page) {
  const timeline = `#/${params.id.startsWith("task") ? "tasks" : "traces"}/${encodeURIComponent(params.id)}`;
  root.append(head("Flow of data", {
    sub: ["In ", el("code", {}, brief(params.id, 60)), ": what was read, the labels it brought, and the calls that acted after it"],
    actions: [el("a", { class: "button", href: timeline }, "Timeline")],
  }));
  const body = el("div", { class: "stack" });
  root.append(put(body, loading("Reading the record")));
  page.keys([{ keys: "t", words: "Timeline", act: () => { location.hash = timeline; } }]);
  try {
    const [told, sinks] = await Promise.all([story(api, params.id, page.signal), places(api, page.signal)]);
    const rest = restNote(told, params.id);
    if (rest) body.before(rest);
    const paths = pathsOf(told.frames);
    if (paths.sinks.length === 0 && paths.carried.length === 0) {
      put(body, empty("No data flowed that is marked", "Nothing that was read in it carried a label, and no call of it acted on anything."));
      return;
    }
    draw(body, paths, sinks, timeline, page.signal);
  } catch (error) {
    if (page.signal.aborted) return;
    if (/** @type {any} */ (error).code === "no_trace") put(body, el("div", { class: "panel" }, lines(/** @type {any} */ (error).message, "What the gate says")));
    else put(body, failed(error, () => page.again()));
  }
}

/**
 * @param {HTMLElement} body
 * @param {Paths} paths
 * @param {(server: string, tool: string) => string[]} sinksOf
 * @param {string} timeline
 * @param {AbortSignal} signal
 */
function draw(body, paths, sinksOf, timeline, signal) {
  const box = el("div", {});
  const chosen = (/** @type {string | null} */ id) => put(box, tableOf(paths, id, sinksOf, timeline, () => {
    chosen(null);
    /** @type {HTMLElement | null} */ (body.querySelector(".node[aria-pressed=true]"))?.click();
  }));
  const legend = el("ul", { class: "flow-legend" },
    key("found reached", "a value with that label was found in the arguments"),
    key("could reached", "the task carried the label: it could be there in other words"),
    key("found stopped", "the same, and the call was stopped"));
  put(body,
    el("p", { class: "lead" }, verdictOf(paths)),
    el("section", { class: "panel graph-panel", "aria-labelledby": "graph-title" },
      el("div", { class: "panel-head" }, el("h2", { id: "graph-title" }, "Drawn"), el("p", { class: "note" }, "Point at a box, or press it, to see what hangs together with it.")),
      legend, graph(paths, { sinksOf, signal, chosen })),
    panel("As a table", { note: "Says all that the drawing says." }, box,
      el("p", { class: "fine foot" }, "What is found is a lower bound: a value that was put in other words is not found. What could be there is the upper bound: the labels of the whole task.")));
  chosen(null);
}

/** @param {string} kind @param {string} words */
function key(kind, words) {
  return el("li", {}, el("span", { class: `line-key ${kind}`, "aria-hidden": "true" }), words);
}

/** One sentence of what matters most. @param {Paths} paths */
function verdictOf(paths) {
  const out = paths.ways.filter((way) => way.label !== "user");
  const found = out.filter((way) => way.found && way.reached.length > 0);
  const could = out.filter((way) => !way.found && way.reached.length > 0 && !found.some((each) => each.label === way.label));
  const stopped = out.some((way) => way.stopped.length > 0);
  const names = (/** @type {Way[]} */ ways) => labels([...new Set(ways.map((way) => way.label))]);
  if (found.length > 0) return ["Data with ", names(found), " was found in calls that were carried out", could.length > 0 ? [", and data with ", names(could), " could have been in them."] : "."];
  if (could.length > 0) return ["No labelled data was found in calls that were carried out. Data with ", names(could), " could have been in them, in other words."];
  return stopped ? "Every call that could have taken labelled data along was stopped." : "No labelled data reached a call that acts.";
}

/** @typedef {{ ways: Way[], sink: import("../paths.js").Sink, frames: import("../story.js").Frame[] }} Group ways to one sink by the same calls */

/**
 * Ways that differ in their label alone, as one row.
 * @param {Paths} paths
 * @param {(way: Way) => boolean} wanted
 * @returns {Group[]}
 */
function groups(paths, wanted) {
  /** @type {Map<string, Group>} */
  const out = new Map();
  for (const way of paths.ways.filter(wanted)) {
    const sink = paths.sinks.find((each) => each.id === way.sink);
    if (!sink) continue;
    const frames = [...way.reached, ...way.stopped];
    const key = [way.sink, way.found, way.arguments.join("\n"), frames.map((frame) => frame.number).join()].join("\n");
    const group = out.get(key) ?? { ways: [], sink, frames };
    out.set(key, group);
    group.ways.push(way);
  }
  return [...out.values()];
}

/**
 * @param {Paths} paths
 * @param {string | null} chosen
 * @param {(server: string, tool: string) => string[]} sinksOf
 * @param {string} timeline
 * @param {() => void} clear
 */
function tableOf(paths, chosen, sinksOf, timeline, clear) {
  const label = chosen?.startsWith("label ") ? chosen.slice(6) : null;
  const rows = groups(paths, (way) => !chosen || way.sink === chosen || way.label === label || way.sources.has(chosen));
  for (const sink of paths.sinks) {
    if ((!chosen || sink.id === chosen) && !paths.ways.some((way) => way.sink === sink.id)) rows.push({ ways: [], sink, frames: sink.frames });
  }
  const link = (/** @type {import("../story.js").Frame} */ frame) => el("a", { href: `${timeline}?record=${frame.number}` }, `#${frame.number}`);
  const found = (/** @type {Way} */ way) => ["found in ", way.arguments.map((name, n) => [n > 0 ? ", " : "", el("code", {}, shown(name))])];
  return [
    chosen ? el("p", { class: "fine" }, "Only what hangs together with the pressed box. ", button("Show all", clear, { kind: "quiet" })) : null,
    el("div", { class: "flow-table" }, table([
      { name: "From", cell: (row) => (row.ways.length > 0 ? sourceList(paths, row.ways, link) : el("span", { class: "none" }, "nothing labelled")) },
      { name: "Label", cell: (row) => (row.ways.length > 0 ? labels(row.ways.map((way) => way.label)) : "") },
      { name: "How sure", cell: (row) => (!row.ways[0] ? "" : row.ways[0].found ? cell(found(row.ways[0])) : "could have") },
      { name: "To", cell: (row) => cell(shown(row.sink.server), "/", el("strong", {}, shown(row.sink.name)), el("div", { class: "fine" }, row.sink.effects.map(effectWord).join(", "))) },
      { name: "Calls", cell: (row) => callList(row.frames, sinksOf, link) },
    ], rows, { caption: "Ways of data: from which source, under which label, to which call" })),
    rows.length === 0 ? el("p", { class: "none" }, "No call acted on anything after it.") : null];
}

/**
 * @param {import("../story.js").Frame[]} frames
 * @param {(server: string, tool: string) => string[]} sinksOf
 * @param {(frame: import("../story.js").Frame) => HTMLElement} link
 */
function callList(frames, sinksOf, link) {
  return el("ul", { class: "plain" }, frames.slice(0, NAMED_MAX).map((frame) => el("li", {}, link(frame), " ",
    telling(frame, sinksOf(frame.server, frame.target)).map(({ name, value }, n) => [n > 0 ? ", " : "", brief(name, 30), " ", el("code", {}, brief(value, 80))]), " ",
    reached(frame) ? badge(frame.effect ? effectWord(frame.effect) : frame.ending, "warn") : verdict("refused"))),
  frames.length > NAMED_MAX ? el("li", { class: "fine" }, `and ${count(frames.length - NAMED_MAX, "more call")}`) : null);
}

/**
 * The sources that had brought these labels by then.
 * @param {Paths} paths
 * @param {Way[]} ways
 * @param {(frame: import("../story.js").Frame) => HTMLElement} link
 */
function sourceList(paths, ways, link) {
  /** @type {Map<string, number>} */
  const all = new Map();
  for (const way of ways) for (const [id, n] of way.sources) all.set(id, Math.max(n, all.get(id) ?? 0));
  if (all.size === 0) return el("span", { class: "none" }, "not recorded here");
  return el("ul", { class: "plain" }, [...all].map(([id, n]) => {
    const source = paths.sources.find((each) => each.id === id);
    if (!source) return null;
    if (source.kind !== "tool") return el("li", {}, source.kind === "user" ? "the user, as the host said it" : "carried in from before");
    const frames = source.frames.slice(0, n);
    return el("li", {}, shown(source.server), "/", el("strong", {}, shown(source.name)), " ", frames.slice(0, NAMED_MAX).map((frame, i) => [i > 0 ? ", " : "", link(frame)]),
      frames.length > NAMED_MAX ? ` and ${frames.length - NAMED_MAX} more` : "");
  }));
}
