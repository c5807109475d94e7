// One task or trace: who acted for whom, under which law, and everything that happened, in time.

import { ask } from "../dialog.js";
import { choices } from "../choice.js";
import { brief, digestOf, effectWord } from "../call.js";
import { button, count, el, empty, facts, failed, head, labels, loading, put, say, verdict, when } from "../dom.js";
import { restNote, story } from "../entries.js";
import { walk } from "../keys.js";
import { lines } from "../laws.js";
import { places } from "../places.js";
import { shown } from "../shown.js";
import { duration } from "../story.js";
import { Timeline, placed } from "../timeline.js";

/** @typedef {import("../story.js").Story} Story */
/** @typedef {import("../timeline.js").Placed} Placed */

/** How many tasks of one trace are asked about. */
const TASKS_MAX = 8;

/** @param {number} us */
const at = (us) => when(new Date(us / 1000).toISOString());

/**
 * @param {HTMLElement} root
 * @param {any} params
 * @param {import("../api.js").Api} api
 * @param {import("../main.js").Page} page
 */
export async function render(root, params, api, page) {
  const id = params.id ?? params.trace;
  const title = el("span", {}, params.id ? "Task " : "Trace ", shown(id));
  const sub = el("span", {});
  const acts = el("span", { class: "actions" });
  root.append(head(title, { sub, actions: [acts] }));
  const body = el("div", { class: "stack" });
  root.append(put(body, loading("Reading the record")));
  try {
    const [told, sinksOf] = await Promise.all([story(api, id, page.signal), places(api, page.signal)]);
    const rest = restNote(told, id);
    if (rest) body.before(rest);
    const tasks = await known(api, told.tasks, page.signal);
    page.title(`${params.id ? "Task" : "Trace"} ${id.slice(0, 12)}`);
    draw({ told, sinksOf, tasks, id, params, api, page, title, sub, acts, body });
  } catch (error) {
    if (page.signal.aborted) return;
    if (/** @type {any} */ (error).code === "no_trace") {
      put(body, el("div", { class: "panel" }, lines(/** @type {any} */ (error).message, "What the gate says"), el("p", {}, el("a", { href: "#/tasks" }, "All tasks"))));
    } else put(body, failed(error, () => page.again()));
  }
}

/**
 * What the gate still knows of tasks. One that is gone is none of them: its record stays.
 * @param {import("../api.js").Api} api
 * @param {string[]} ids
 * @param {AbortSignal} signal
 */
async function known(api, ids, signal) {
  const { tasks } = await api.get("/v1/tasks", { signal });
  const there = ids.filter((id) => tasks.some((/** @type {any} */ task) => task.id === id)).slice(0, TASKS_MAX);
  return Promise.all(there.map((id) => api.get(`/v1/tasks/${encodeURIComponent(id)}`, { signal })));
}

/** @param {{ told: Story, sinksOf: import("../places.js").Places, tasks: any[], id: string, params: any, api: import("../api.js").Api, page: import("../main.js").Page, title: HTMLElement, sub: HTMLElement, acts: HTMLElement, body: HTMLElement }} all */
function draw({ told, sinksOf, tasks, id, params, api, page, title, sub, acts, body }) {
  if (told.rows.length === 0) {
    put(body, empty("Nothing is recorded", "The ledger has no entry of it. A call that only reads is on disk some milliseconds after its answer.", button("Look again", () => page.again())));
    return;
  }
  const main = tasks.find((task) => task.id === id) ?? tasks.find((task) => !task.parent) ?? tasks[0];
  if (main?.goal) put(title, shown(main.goal, { max: 160 }));
  put(sub, subLine(told, main));
  const trace = told.traces[0] ?? id;
  put(acts,
    params.id && told.traces.length > 0 ? el("a", { class: "button", href: `#/traces/${encodeURIComponent(trace)}` }, "Whole trace") : null,
    el("a", { class: "button", href: `#/flow/${encodeURIComponent(id)}` }, "Flow of data"),
    main && !main.over ? button("Look again", () => page.again()) : null,
    main && !main.over && api.can("member") ? button("Stop the task", () => stop(main, api, page), { kind: "danger" }) : null);
  const line = new Timeline(told, sinksOf);
  const rows = placed(told.rows);
  const summary = el("p", { class: "fine", role: "status" });
  put(body, overview(told, tasks), filtersOf({ told, rows, line, summary, params, page }), summary, line.element);
  page.keys([...walk(() => [...line.list.querySelectorAll("button.tl-head")]),
    { keys: "[", words: "Earlier rows", act: () => line.go(line.page - 1) }, { keys: "]", words: "Later rows", act: () => line.go(line.page + 1) },
    { keys: "r", words: "Look again", act: () => page.again() },
    { keys: "/", words: "Find", act: () => document.getElementById("choice-find")?.focus() },
    { keys: "o", words: "Flow of data", act: () => { location.hash = `#/flow/${encodeURIComponent(id)}`; } }]);
  const record = Number(params.query?.get("record"));
  if (record > 0) line.reveal(record);
}

/**
 * @param {Story} told
 * @param {any} main
 */
function subLine(told, main) {
  const goal = main?.goal ? [el("span", { class: "said-by" }, "its goal, as the host gave it"), " · "] : [];
  const over = main?.over ? [" · ", el("span", { class: "over" }, shown(main.over.words ?? main.over.cause))] : main ? " · open" : "";
  return [...goal, el("code", {}, shown(told.tasks[0] ?? "", { max: 80 })), told.tasks.length > 1 ? ` and ${count(told.tasks.length - 1, "more task")}` : "", over];
}

/**
 * @param {any} task
 * @param {import("../api.js").Api} api
 * @param {import("../main.js").Page} page
 */
function stop(task, api, page) {
  stopTask(task, api, () => page.again());
}

/**
 * Asks for a reason and stops a task.
 * @param {any} task
 * @param {import("../api.js").Api} api
 * @param {() => void} done
 */
export function stopTask(task, api, done) {
  ask({
    title: "Stop this task?", kind: "danger", action: "Stop the task", reason: "Reason, which the agent and the record are told",
    words: [el("p", {}, el("code", {}, shown(task.id)), " of ", shown(task.agent), task.goal ? [": ", shown(task.goal)] : ""),
      el("p", {}, "Its calls are refused from now on, also calls that are under way and have not acted yet. Tasks handed on from it end too. It cannot be opened again.")],
    act: async (reason) => {
      const ended = await api.post(`/v1/tasks/${encodeURIComponent(task.id)}/stop`, { reason });
      const others = (ended.ended ?? []).length - 1;
      say(others > 0 ? `The task is stopped, and ${others} handed on from it` : "The task is stopped");
      done();
    },
  });
}

/**
 * What there is to know before the rows.
 * @param {Story} told
 * @param {any[]} tasks
 */
function overview(told, tasks) {
  /** @type {Map<string, number>} */
  const ends = new Map();
  for (const frame of told.frames) ends.set(frame.ending, (ends.get(frame.ending) ?? 0) + 1);
  const calls = told.frames.filter((frame) => frame.call);
  const stopped = calls.filter((frame) => frame.ending === "refused").length;
  const off = calls.filter((frame) => frame.record?.plan && !frame.record.plan.step).length;
  const tiles = el("ul", { class: "tiles" },
    tile(count(calls.length, "call"), stopped > 0 ? `${stopped.toLocaleString("en")} refused` : "none refused", stopped > 0 ? "bad" : ""),
    tile(told.frames.length > 0 ? duration(told.to - told.from) : "no time", "from first to last"),
    tile(told.lanes.length > 0 ? labels(told.lanes) : "no labels", told.lanes.length > 0 ? "carried in the end" : "were raised"),
    off > 0 ? tile(count(off, "call"), "off plan", "warn") : null,
    told.claims > 0 ? tile(count(told.claims, "claim"), "self-reported: the gate saw nothing of it") : null);
  const snapshots = [...told.snapshots];
  /** @type {[import("../dom.js").Child, any][]} */
  const rows = [
    ["Trace", told.traces.map((trace) => el("code", { class: "whole" }, shown(trace)))],
    ["Caller", told.callers.length > 0 ? told.callers.map((caller) => el("div", {}, shown(caller))) : "nobody known"],
    ["Began", told.from > 0 ? at(told.from) : null],
    ["Law", snapshots.map(([digest, numbers]) => el("div", {}, digestOf(digest), snapshots.length > 1 ? ` for ${count(numbers.length, "frame")}, from #${numbers[0]}` : ""))],
    ["Frames", [...ends].map(([end, n], i) => [i > 0 ? ", " : "", `${n} `, effectWord(end)])],
  ];
  return el("div", { class: "overview" }, tiles, el("div", { class: "pair" },
    el("details", { class: "panel more" }, el("summary", {}, "Who, when, by which law"), facts(rows)),
    tasks.map((task) => taskPanel(task, tasks.length > 1))));
}

/**
 * @param {any} large
 * @param {string} small
 * @param {string} [tone]
 */
function tile(large, small, tone = "") {
  return el("li", { class: `tile ${tone}`.trim() }, el("span", { class: "tile-large" }, large), el("span", { class: "fine" }, small));
}

/** What the gate knows of a task that it still holds. @param {any} task @param {boolean} named */
function taskPanel(task, named) {
  const used = task.used ?? {};
  const limits = Object.entries(task.limits ?? {}).filter(([, limit]) => limit !== null);
  const scope = Object.entries(task.scope ?? {}).filter(([, list]) => Array.isArray(list) && list.length > 0);
  const patterns = (/** @type {any[]} */ list) => list.map((each, n) => [n > 0 ? " and " : "", el("code", {}, shown([each].flat().join(", ")))]);
  return el("details", { class: "panel more" },
    el("summary", {}, named ? ["Task ", el("code", {}, shown(task.id, { max: 80 })), ": limits and scope"] : "Limits and scope"),
    facts([
      ["Agent", [shown(task.agent), task.user ? [" for ", shown(task.user)] : ""]],
      ["Opened", task.opened ? [when(task.opened), task.opened_by ? [" by ", shown(task.opened_by)] : ""] : "by its first call"],
      ["Profile", task.profile ? shown(task.profile) : el("span", { class: "none" }, "none")],
      ["Handed on from", task.parent ? el("a", { href: `#/tasks/${encodeURIComponent(task.parent)}` }, shown(task.parent, { max: 80 })) : null],
      ["Handed on to", task.children?.length > 0 ? task.children.map((/** @type {string} */ child) => el("div", {}, el("a", { href: `#/tasks/${encodeURIComponent(child)}` }, shown(child, { max: 80 })))) : null],
      ["Limits", limits.length > 0 ? el("ul", { class: "plain limits" }, limits.map(([name, limit]) => meter(name, Number(used[name] ?? 0), Number(limit)))) : el("span", { class: "none" }, "none")],
      ["Used", Object.entries(used).filter(([, n]) => Number(n) > 0).map(([name, n], i) => `${i > 0 ? ", " : ""}${effectWord(name)} ${n}`).join("") || "nothing yet"],
      ["Scope", scope.length > 0 ? scope.map(([name, list]) => el("div", {}, el("span", { class: "fine" }, `${name}: `), patterns(/** @type {any[]} */ (list)))) : el("span", { class: "none" }, "whatever policies permit")],
      ["Tried beyond it", task.expansions > 0 ? count(task.expansions, "time") : null],
      ["Over", task.over ? [verdict(task.over.cause), " ", when(task.over.at), task.over.by ? [" by ", shown(task.over.by)] : "", ": ", shown(task.over.words)] : null],
    ]));
}

/**
 * @param {string} name
 * @param {number} used
 * @param {number} limit
 */
function meter(name, used, limit) {
  const id = `meter-${name}-${Math.random().toString(36).slice(2)}`;
  return el("li", {}, el("span", { id }, `${effectWord(name)}: ${used.toLocaleString("en")} of ${limit.toLocaleString("en")}`),
    el("meter", { min: 0, max: limit, value: Math.min(used, limit), "aria-labelledby": id }));
}

/** @param {{ told: Story, rows: Placed[], line: Timeline, summary: HTMLElement, params: any, page: import("../main.js").Page }} all */
function filtersOf({ told, rows, line, summary, params }) {
  const distinct = (/** @type {(frame: import("../story.js").Frame) => string} */ of) => [...new Set(told.frames.map(of).filter((one) => one !== ""))].sort();
  const protocol = told.frames.filter((frame) => !frame.call).length;
  const [tools, servers, systems, principals] = [distinct((f) => (f.call ? f.target : "")), distinct((f) => f.server), distinct((f) => f.system), distinct((f) => f.principal)];
  const own = el("input", { type: "checkbox", checked: params.query?.get("all") === "1" || (protocol > 0 && protocol === told.frames.length) });
  const folds = el("input", { type: "checkbox", checked: true });
  const wanted = Number(params.query?.get("record"));
  const target = told.frames.find((frame) => frame.number === wanted);
  if (target && !target.call) own.checked = true;
  const change = (/** @type {Record<string, string>} */ now) => {
    const narrow = Object.entries(now).some(([, value]) => value !== "");
    const find = (now.find ?? "").toLowerCase();
    const kept = rows.filter(({ row, labels: carried }) => {
      if (row.what !== "frame") return !narrow || (!!find && Object.keys(now).every((name) => name === "find" || !now[name]) && textOf(row).includes(find));
      if (!row.call && !own.checked) return false;
      return (!now.decision || (row.decision || "none") === now.decision) && (!now.tool || row.target === now.tool) && (!now.server || row.server === now.server) && (!now.system || row.system === now.system)
        && (!now.principal || row.principal === now.principal) && (!now.label || carried.has(now.label)) && (!now.task || row.task === now.task) && (!find || textOf(row).includes(find));
    });
    const hidden = own.checked ? 0 : protocol;
    put(summary, `${kept.length.toLocaleString("en")} of ${count(rows.length, "entry", "entries")}`, hidden > 0 ? `, ${count(hidden, "protocol frame")} left out` : "", ".",
      told.lanes.length > 0 && told.frames.some((f) => f.before.length > 0 && f === told.frames[0]) ? " It began with labels that its caller, or its host, brought." : "");
    line.show(kept, { fold: folds.checked });
    if (kept.length === 0) put(line.list, el("li", { class: "tl-none" }, empty("No entry fits", "Clear a filter to see more.")));
  };
  const bar = choices({
    path: params.path, query: params.query ?? new URLSearchParams(), changed: change,
    choices: [
      { name: "find", words: "Find", wide: true },
      { name: "decision", words: "Decision", options: ["allow", "escalate", "deny", "none"] },
      ...(told.lanes.length > 0 ? [{ name: "label", words: "Label", options: told.lanes }] : []),
      ...(tools.length > 1 ? [{ name: "tool", words: "Tool", options: tools }] : []),
      ...(servers.length > 1 ? [{ name: "server", words: "Server", options: servers }] : []),
      ...(systems.length > 1 ? [{ name: "system", words: "Downstream system", options: systems }] : []),
      ...(principals.length > 1 ? [{ name: "principal", words: "Principal", options: principals }] : []),
      ...(told.tasks.length > 1 ? [{ name: "task", words: "Task", options: told.tasks }] : []),
    ],
    more: [el("div", { class: "checks" },
      protocol > 0 ? el("label", { class: "check" }, own, `Protocol frames (${protocol.toLocaleString("en")})`) : null,
      el("label", { class: "check" }, folds, "Fold idle time"))],
  });
  own.addEventListener("change", () => change(bar.values()));
  folds.addEventListener("change", () => change(bar.values()));
  change(bar.values());
  return bar.element;
}

/**
 * What a row is found by.
 * @param {import("../story.js").Row} row
 */
function textOf(row) {
  if (row.what === "event") return `${row.event.what} ${row.event.by ?? ""} ${row.event.detail}`.toLowerCase();
  if (row.what === "said") return JSON.stringify(row.said).toLowerCase();
  const rules = (row.record?.decision?.rules ?? []).map((/** @type {any} */ rule) => rule.id).join(" ");
  const refusal = row.record?.refusal;
  const written = row.record?.arguments ? JSON.stringify(row.record.arguments) : "";
  return `#${row.number} ${row.server} ${row.target} ${row.method} ${row.principal} ${row.ending} ${row.effect} ${rules} ${refusal?.code ?? ""} ${refusal?.message ?? ""} ${written}`.toLowerCase();
}
