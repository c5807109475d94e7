// Tasks: those that are open, those that were, and the calls in which somebody or something took part.

import { brief, cell, effectWord } from "../call.js";
import { choices } from "../choice.js";
import { badge, button, count, el, empty, failed, head, labels, loading, put, table, verdict, when } from "../dom.js";
import { walk } from "../keys.js";
import { shown } from "../shown.js";
import { stopTask } from "./trace.js";

/** @typedef {Record<string, string>} Asked */
/** @typedef {{ id: string, trace: string, live: any, agent: string, user: string, labels: string[], last: string | null, calls: number | null, matches: any[] }} Line */

/** How many records are looked through at a time. */
const PAGE = 200;
/** How many of the latest traces are named. */
const TRACES = 100;

const FILTERS = ["principal", "tool", "server", "decision", "label", "system"];

/**
 * @param {HTMLElement} root
 * @param {any} params
 * @param {import("../api.js").Api} api
 * @param {import("../main.js").Page} page
 */
export async function render(root, params, api, page) {
  root.append(head("Tasks", { sub: "What agents were asked to do, and every call they made for it" }));
  const query = params.query ?? new URLSearchParams();
  const body = el("div", { class: "stack" });
  let view = query.get("view") === "calls" ? "calls" : "tasks";
  const asked = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""]));
  let now = asked;
  let turn = new AbortController();
  const show = () => {
    turn.abort();
    turn = new AbortController();
    const signal = AbortSignal.any([page.signal, turn.signal]);
    put(body, loading());
    const list = view === "calls" ? calls : tasks;
    list({ asked: now, api, page, body, signal, again: show, learn }).catch((error) => {
      if (!signal.aborted) put(body, failed(error, show));
    });
  };
  const bar = choices({
    path: "/tasks", query, late: true,
    changed: (values) => { now = values; keepView(view); show(); },
    choices: [
      { name: "principal", words: "Principal" }, { name: "tool", words: "Tool" }, { name: "server", words: "Server" },
      { name: "decision", words: "Decision", options: ["allow", "escalate", "deny"] }, { name: "label", words: "Label" }, { name: "system", words: "Downstream system" },
    ],
  });
  const learn = (/** @type {Record<string, Set<string>>} */ seen) => {
    for (const [name, values] of Object.entries(seen)) bar.suggest(name, [...values].filter(Boolean).sort());
  };
  const tabs = el("div", { class: "switch", role: "group", "aria-label": "What is listed" }, ["tasks", "calls"].map((name) => {
    const one = button(name === "tasks" ? "Tasks" : "Calls", () => {
      view = name;
      for (const each of tabs.children) each.setAttribute("aria-pressed", String(each === one));
      keepView(view);
      show();
    }, { "aria-pressed": String(name === view) });
    return one;
  }));
  root.append(tabs, bar.element, body);
  page.keys([...walk(() => [...body.querySelectorAll("a.row")]),
    { keys: "/", words: "Filter", act: () => document.getElementById("choice-principal")?.focus() },
    { keys: "r", words: "Look again", act: show }]);
  show();
  return () => turn.abort();
}

/** @param {string} view */
function keepView(view) {
  const [path, search = ""] = location.hash.slice(1).split("?", 2);
  const query = new URLSearchParams(search);
  if (view === "calls") query.set("view", "calls");
  else query.delete("view");
  history.replaceState(null, "", `#${path}${query.size > 0 ? `?${query}` : ""}`);
}

/** @typedef {{ asked: Asked, api: import("../api.js").Api, page: import("../main.js").Page, body: HTMLElement, signal: AbortSignal, again: () => void, learn: (seen: Record<string, Set<string>>) => void }} Look */

/** @param {any[]} records */
function seen(records) {
  const of = (/** @type {(record: any) => string[]} */ each) => new Set(records.flatMap(each));
  return {
    principal: of((r) => [r.principal ?? ""]), tool: of((r) => [r.action ?? ""]), server: of((r) => [r.server]),
    label: of((r) => r.labels ?? []), system: of((r) => [r.system ?? ""]),
  };
}

/**
 * Tasks: with filters, those in which at least one call fits.
 * @param {Look} look
 */
async function tasks(look) {
  const { asked, api, body, signal, learn } = look;
  const narrow = Object.values(asked).some((value) => value);
  const { tasks: open } = await api.get("/v1/tasks", { signal });
  /** @type {Map<string, any>} */
  const live = new Map(open.map((/** @type {any} */ task) => [task.id, task]));
  /** @type {Map<string, Line>} */
  const lines = new Map();
  /** @type {string | null} */
  let cursor = null;
  if (narrow) {
    const more = el("div", {});
    const list = el("div", {});
    const further = async () => {
      put(more, loading("Looking through the record"));
      const page = await api.get("/v1/records", { signal, query: { ...asked, limit: PAGE, before: cursor } });
      cursor = page.next;
      learn(seen(page.records));
      for (const record of page.records) {
        const line = lines.get(record.task) ?? lineOf(record.task, record.trace, live.get(record.task), record.principal, record.at);
        lines.set(record.task, line);
        line.matches.push(record);
      }
      put(list, listOf([...lines.values()], look, true));
      const n = [...lines.values()].reduce((sum, line) => sum + line.matches.length, 0);
      put(more, el("p", { class: "fine", role: "status" }, `${count(lines.size, "task")} with ${count(n, "call")} that fit${cursor ? ", of the latest" : "; the record holds no more"}.`),
        cursor ? button("Look further back", () => further().catch((error) => put(more, failed(error, further)))) : null);
    };
    put(body, list, more);
    await further();
    return;
  }
  const [{ traces }, { records }] = await Promise.all([
    api.get("/v1/traces", { signal, query: { limit: TRACES } }), api.get("/v1/records", { signal, query: { limit: PAGE } })]);
  learn(seen(records));
  for (const task of open) lines.set(task.id, lineOf(task.id, task.trace, task, task.agent, task.opened));
  for (const { trace, task, at, principal } of traces) {
    const line = lines.get(task) ?? lineOf(task, trace, undefined, principal, at);
    lines.set(task, line);
    line.last = at;
  }
  const all = [...lines.values()];
  const running = all.filter((line) => line.live && !line.live.over);
  const past = all.filter((line) => !running.includes(line)).sort((a, b) => String(b.last).localeCompare(String(a.last)));
  if (all.length === 0) {
    put(body, empty("No task yet", "A task begins when a host opens one, or with an agent’s first call through the gate."));
    return;
  }
  put(body,
    el("section", { "aria-labelledby": "open-tasks", class: "stack tight" }, el("h2", { id: "open-tasks" }, `Open `, el("span", { class: "fine" }, String(running.length))),
      running.length > 0 ? listOf(running, look, false) : el("p", { class: "none" }, "No task is open.")),
    past.length > 0 ? el("section", { "aria-labelledby": "past-tasks", class: "stack tight" }, el("h2", { id: "past-tasks" }, "Over ", el("span", { class: "fine" }, String(past.length))), listOf(past, look, false),
      traces.length >= TRACES ? el("p", { class: "fine" }, `The latest ${TRACES} traces. Filter to look further back.`) : null) : null);
}

/**
 * @param {string} id
 * @param {string} trace
 * @param {any} live
 * @param {string} agent
 * @param {string | null} at
 * @returns {Line}
 */
function lineOf(id, trace, live, agent, at) {
  return { id, trace, live, agent: live?.agent ?? agent ?? "", user: live?.user ?? "", labels: live?.labels ?? [], last: at, calls: live?.calls ?? null, matches: [] };
}

/**
 * @param {Line[]} lines
 * @param {Look} look
 * @param {boolean} narrow
 */
function listOf(lines, { asked, api, again }, narrow) {
  if (lines.length === 0) return empty("No task fits", "No call on record fits all of these filters. Clear one to see more.");
  const state = (/** @type {Line} */ line) => {
    if (!line.live) return el("span", { class: "fine" }, "on record");
    if (!line.live.over) return badge("open", "info");
    return el("span", {}, verdict(line.live.over.cause), " ", el("span", { class: "fine" }, brief(line.live.over.words ?? "", 90)));
  };
  const keep = new URLSearchParams(Object.entries(asked).filter(([name, value]) => value && ["tool", "decision", "label", "server", "system"].includes(name)));
  const href = (/** @type {Line} */ line) => `#/tasks/${encodeURIComponent(line.id)}${keep.size > 0 ? `?${keep}` : ""}`;
  return el("div", { class: `panel list task-list ${narrow ? "narrow" : ""}`.trim() }, table([
    { name: "Task", cell: (line) => cell(el("a", { class: "row", href: href(line) }, line.live?.goal ? brief(line.live.goal, 90) : shown(line.id, { max: 80 })),
      line.live?.goal || line.live?.profile ? el("div", { class: "fine" }, line.live.goal ? ["goal as the host gave it · ", shown(line.id, { max: 80 })] : shown(line.live.profile)) : null) },
    { name: "For whom", cell: (line) => cell(shown(line.agent), line.user ? el("div", { class: "fine" }, "for ", shown(line.user)) : null) },
    ...(narrow ? [{ name: "Fits", cell: (/** @type {Line} */ line) => cell(count(line.matches.length, "call"), matchWords(line.matches)) }]
      : [{ name: "Carried out", class: "number", cell: (/** @type {Line} */ line) => line.calls ?? el("span", { class: "none" }, "–") }]),
    { name: "Labels", cell: (line) => (line.live ? labels(line.labels, "none") : labels([...new Set(line.matches.flatMap((record) => record.labels ?? []))], "–")) },
    { name: "Last seen", cell: (line) => (line.last ? when(line.last) : el("span", { class: "none" }, "–")) },
    { name: "State", cell: (line) => cell(state(line), line.live && !line.live.over && api.can("member") ? button("Stop", () => stopTask(line.live, api, again), { kind: "danger small", "aria-label": `Stop ${line.id}` }) : null) },
  ], lines, { caption: narrow ? "Tasks in which a call fits" : "Tasks" }));
}

/** Which actions fit, and how they were decided. @param {any[]} records */
function matchWords(records) {
  /** @type {Map<string, number>} */
  const actions = new Map();
  for (const record of records) actions.set(`${record.server}/${record.action}`, (actions.get(`${record.server}/${record.action}`) ?? 0) + 1);
  const first = [...actions].slice(0, 3);
  return el("div", { class: "fine" }, first.map(([action, n], i) => [i > 0 ? ", " : "", brief(action, 40), n > 1 ? ` ×${n}` : ""]), actions.size > 3 ? ` and ${actions.size - 3} more` : "");
}

/**
 * Calls on record, the latest first.
 * @param {Look} look
 */
async function calls({ asked, api, body, signal, learn }) {
  /** @type {string | null} */
  let cursor = null;
  let n = 0;
  const list = el("div", { class: "stack tight" });
  const more = el("div", {});
  const further = async () => {
    put(more, loading());
    const { records, next } = await api.get("/v1/records", { signal, query: { ...asked, limit: PAGE, before: cursor } });
    cursor = next;
    n += records.length;
    learn(seen(records));
    if (n === 0) {
      put(more);
      put(list, empty("No call fits", "No call on record fits all of these filters. Clear one to see more."));
      return;
    }
    if (records.length > 0) list.append(callTable(records));
    put(more, el("p", { class: "fine", role: "status" }, `${count(n, "call")} listed${next ? "" : "; the record holds no more that fit"}.`),
      next ? button("Further back", () => further().catch((error) => put(more, failed(error, further)))) : null);
  };
  put(body, list, more);
  await further();
}

/** @param {any[]} records */
function callTable(records) {
  return el("div", { class: "panel list call-list" }, table([
    { name: "Record", cell: (record) => el("a", { class: "row", href: `#/tasks/${encodeURIComponent(record.task)}?record=${record.number}` }, `#${record.number}`) },
    { name: "When", cell: (record) => when(record.at) },
    { name: "Call", cell: (record) => cell(shown(record.server, { max: 60 }), "/", el("strong", {}, shown(record.action, { max: 120 }))) },
    { name: "Principal", cell: (record) => (record.principal ? shown(record.principal) : el("span", { class: "none" }, "nobody known")) },
    { name: "Decision", cell: (record) => cell(record.decision ? verdict(record.decision) : el("span", { class: "none" }, "none"), record.rules?.length > 0 ? el("div", { class: "rule-ids" }, record.rules.slice(0, 3).map((/** @type {string} */ id, /** @type {number} */ i) => [i > 0 ? ", " : "", brief(id, 40)]), record.rules.length > 3 ? ` +${record.rules.length - 3}` : "") : null) },
    { name: "Ending", cell: (record) => effectWord(record.effect && record.ending === "served" ? record.effect : record.ending) },
    { name: "Labels", cell: (record) => labels(record.labels, "none") },
    { name: "Took", class: "number", cell: (record) => `${record.took_ms < 10 ? record.took_ms.toFixed(1) : Math.round(record.took_ms)} ms` },
  ], records, { caption: "Calls on record, the latest first" }));
}
