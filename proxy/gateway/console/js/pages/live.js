// What goes through the gate now: rates, decisions, latencies, what was stopped, and the gate's own health.

import { badge, button, count, el, empty, facts, failed, head, loading, panel, put, svg, table, verdict, when } from "../dom.js";
import { shown } from "../shown.js";
import { drawLiveness } from "./queue.js";

/**
 * @param {HTMLElement} root
 * @param {any} _params
 * @param {import("../api.js").Api} api
 * @param {import("../main.js").Page} page
 */
export function render(root, _params, api, page) {
  const liveness = el("span", { class: "liveness" });
  const body = el("div", { class: "board" }, loading());
  /** @type {import("../api.js").Liveness} */
  let live = { state: "connecting", since: Date.now(), retry: null, error: null };
  /** @type {any} */
  let latest = null;
  /** @type {ReturnType<typeof board> | null} */
  let shownBoard = null;
  let paused = false;
  const draw = () => {
    if (paused || !latest) return;
    if (!shownBoard) {
      shownBoard = board();
      put(body, shownBoard.parts);
    }
    shownBoard.draw(latest);
  };
  const pause = button("Pause", () => {
    paused = !paused;
    put(pause, paused ? "Go on" : "Pause");
    draw();
  });
  root.append(head("Live", { sub: "What goes through the gate now.", actions: [liveness, pause] }), body);
  api.stream("/v1/live/stream", {
    signal: page.signal,
    heard: (event, data) => {
      if (event !== "live" || !data) return;
      latest = data;
      draw();
    },
    state: (now) => {
      live = now;
      drawLiveness(liveness, live);
      if (now.state === "lost" && now.error && now.error.status >= 400 && !latest) put(body, failed(now.error));
    },
  });
  const clock = setInterval(() => drawLiveness(liveness, live), 1000);
  page.signal.addEventListener("abort", () => clearInterval(clock));
}

/** The board's parts, drawn once, and the function that brings them up to date. Only what changed is touched. */
function board() {
  const figures = el("dl", { class: "figures" });
  const chart = el("div", { class: "chart" });
  const seconds = el("div", {});
  const split = el("div", {});
  const stops = el("div", {});
  const health = el("div", {});
  const state = el("span", {});
  const seen = new Map();
  const fresh = (/** @type {string} */ key, /** @type {any} */ value) => {
    const text = JSON.stringify(value);
    if (seen.get(key) === text) return false;
    seen.set(key, text);
    return true;
  };
  const details = el("details", {}, el("summary", {}, "As a table"), seconds);
  const parts = [
    panel("Now", { class: "now" }, figures),
    panel("Calls in each of the last 60 seconds", { id: "p-calls", note: el("span", { class: "legend" }, el("span", { class: "key calls" }, "calls"), el("span", { class: "key denied" }, "of them denied")) }, chart, details),
    el("div", { class: "columns" },
      panel("Decisions in the last minute", { id: "p-decisions" }, split),
      panel("Health", { note: state }, health)),
    panel("What was stopped", {}, stops),
  ];
  /** @param {any} data */
  const draw = (data) => {
    put(figures, figure("Calls per second", number(data.calls_per_s)), figure("Waiting for a person", number(data.pending), "#/queue"),
      figure("Latency, median", ms(data.latency_ms?.p50)), figure("95 of 100 within", ms(data.latency_ms?.p95)), figure("99 of 100 within", ms(data.latency_ms?.p99)));
    if (fresh("series", data.series)) {
      put(chart, bars(data.series ?? []));
      if (details.open || !seconds.hasChildNodes()) put(seconds, seriesTable(data.series ?? []));
    }
    if (fresh("decisions", data.decisions)) put(split, decisions(data.decisions ?? {}));
    if (fresh("stops", data.stops)) put(stops, stopList(data.stops ?? []));
    if (fresh("health", data.health)) {
      put(state, verdict(data.health?.status ?? "unknown"));
      put(health, healthFacts(data.health ?? {}));
    }
  };
  return { parts, draw };
}

/** @param {any} value */
function number(value) {
  return typeof value === "number" ? value.toLocaleString("en", { maximumFractionDigits: 1 }) : "–";
}

/** @param {any} value */
function ms(value) {
  return typeof value === "number" ? `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString("en")} ms` : "–";
}

/**
 * @param {string} name
 * @param {string} value
 * @param {string} [href]
 */
function figure(name, value, href) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, href ? el("a", { href }, value) : value));
}

/** The drawing's size; it is nearly the size on the screen, so that its words are as large as others. */
const NARROW = matchMedia("(max-width: 46rem)");
const HIGH = 160;
const LEFT = 32;
const BOTTOM = 20;
const TOP = 12;

/** @param {any[]} series */
function bars(series) {
  const WIDE = NARROW.matches ? 320 : 1040;
  const most = nice(Math.max(1, ...series.map((each) => each.calls)));
  const total = series.reduce((sum, each) => sum + each.calls, 0);
  const denied = series.reduce((sum, each) => sum + each.denied, 0);
  const step = (WIDE - LEFT) / Math.max(1, series.length);
  const height = (/** @type {number} */ n) => (n / most) * (HIGH - BOTTOM - TOP);
  const lines = [0, most / 2, most].map((n) => {
    const y = HIGH - BOTTOM - height(n);
    return [svg("line", { x1: LEFT, x2: WIDE, y1: y, y2: y, class: "grid" }), svg("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, number(n))];
  });
  return svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `${count(total, "call")} in the last minute, ${number(denied)} of them denied` },
    lines,
    series.map((each, n) => {
      const x = LEFT + n * step + step * 0.15;
      return [
        svg("rect", { x, y: HIGH - BOTTOM - height(each.calls), width: step * 0.7, height: height(each.calls), class: "calls" }),
        each.denied > 0 ? svg("rect", { x, y: HIGH - BOTTOM - height(each.denied), width: step * 0.7, height: height(each.denied), class: "denied" }) : null,
      ];
    }),
    svg("text", { x: LEFT, y: HIGH - 3 }, "60 s ago"), svg("text", { x: WIDE, y: HIGH - 3, "text-anchor": "end" }, "now"));
}

/**
 * The next round number above.
 * @param {number} n
 */
function nice(n) {
  const power = 10 ** Math.floor(Math.log10(n));
  return ([1, 2, 4, 5, 10].find((each) => each * power >= n) ?? 10) * power;
}

/** @param {any[]} series */
function seriesTable(series) {
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Calls in each second" }, table([
    { name: "Second", cell: (each) => when(each.at) },
    { name: "Calls", class: "number", cell: (each) => number(each.calls) },
    { name: "Denied", class: "number", cell: (each) => number(each.denied) },
  ], [...series].reverse(), { caption: "Calls in each of the last 60 seconds, the latest first" }));
}

/** @param {Record<string, number>} each */
function decisions(each) {
  const all = Object.values(each).reduce((sum, n) => sum + n, 0);
  if (all === 0) return empty("No call in the last minute");
  return el("div", { class: "split" }, ["allow", "escalate", "deny"].map((word) => {
    const n = each[word] ?? 0;
    return el("div", { class: "split-row" }, verdict(word),
      svg("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
        svg("rect", { width: 100, height: 8, class: "track" }), svg("rect", { width: (n / all) * 100, height: 8, class: word })),
      el("span", { class: "split-n" }, `${number(n)}`, el("span", { class: "soft" }, ` ${((n / all) * 100).toFixed(n / all < 0.1 ? 1 : 0)} %`)));
  }));
}

/** @param {any[]} stops */
function stopList(stops) {
  if (stops.length === 0) return empty("Nothing was stopped", "Tasks that ended at a limit and halts by people stand here.");
  return table([
    { name: "When", cell: (each) => when(each.at) },
    { name: "What", cell: (each) => shown(each.what, { max: 200 }) },
    { name: "Why", cell: (each) => shown(each.detail, { max: 400 }) },
  ], stops, { caption: "What was stopped" });
}

/** @param {any} health */
function healthFacts(health) {
  const well = (/** @type {any} */ fault) => (fault ? shown(fault, { max: 1000 }) : badge("ok", "good"));
  const faults = health.last_reload?.faults ?? [];
  return facts([
    ["Law in force", el("span", { class: "mono pin" }, shown(health.snapshot ?? ""))],
    ["Last reload", faults.length === 0 ? badge("ok", "good") : el("ul", { class: "rules" }, faults.map((/** @type {any} */ fault) => el("li", {}, shown(typeof fault === "string" ? fault : JSON.stringify(fault), { max: 1000 }))))],
    ["Ledger", well(health.ledger?.fault)], ["History", well(health.history?.fault)],
    ["In shadow", health.shadow ? shown(typeof health.shadow === "string" ? health.shadow : JSON.stringify(health.shadow)) : el("span", { class: "none" }, "no candidate")],
    ["Open", [count(health.tasks ?? 0, "task"), ", ", count(health.channels ?? 0, "channel"), ", ", count(health.children ?? 0, "child process", "child processes")]],
    ["Halts", health.halts > 0 ? badge(count(health.halts, "halt"), "bad") : el("span", { class: "none" }, "none")],
    ["Room for", count(health.calls_free ?? 0, "more call at once", "more calls at once")],
  ]);
}
