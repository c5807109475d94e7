// A timeline of one task: a row for each frame, with its stages as a bar on an axis that the page's rows share, its labels
// as lanes that only rise, and between the rows what happened to the task and what was said of it.

import { axisOf } from "./axis.js";
import { brief, callDetail, effectWord, requests, stageTone } from "./call.js";
import { badge, button, count, el, put, svg, verdict } from "./dom.js";
import { telling } from "./paths.js";
import { shown } from "./shown.js";
import { duration, offset } from "./story.js";

/** @typedef {import("./story.js").Row} Row */
/** @typedef {import("./story.js").Frame} Frame */
/** @typedef {import("./story.js").Story} Story */
/** @typedef {{ row: Row, labels: Set<string>, rose: string[] }} Placed a row, the labels of its task there, and which rose at it */

/** How many rows a page has. */
const PAGE = 200;
/** How many labels have a lane of their own. */
const LANES_MAX = 6;
/** How many characters of a target a row shows. */
const TARGET_MAX = 80;

/** From which time on people were waited for, and not only looked for, in microseconds. */
const WAIT_US = 200_000;

/** What a frame is, where its method does not say it. */
const KINDS = new Map([
  ["notification", "notification"], ["response", "response"], ["stream", "stream opened"], ["end_session", "session ended"], ["unreadable", "unreadable"],
]);

/**
 * Rows with the labels that stand at each of them.
 * @param {Row[]} rows
 * @returns {Placed[]}
 */
export function placed(rows) {
  /** @type {Map<string, Set<string>>} */
  const known = new Map();
  return rows.map((row) => {
    const before = known.get(row.task) ?? new Set();
    const after = new Set(before);
    if (row.what === "frame") for (const label of [...row.before, ...row.gained]) after.add(label);
    known.set(row.task, after);
    return { row, labels: after, rose: [...after].filter((label) => !before.has(label)) };
  });
}

/**
 * What a frame came to, in one word for its row.
 * @param {Frame} frame
 */
function end(frame) {
  const refusal = frame.record?.refusal?.code;
  if (frame.ending === "served") return frame.effect ? effectWord(frame.effect) : "served";
  return refusal && refusal !== "denied" ? effectWord(refusal) : frame.ending;
}

/** How long a frame waited for people, in microseconds. @param {Frame} frame */
function waited(frame) {
  const asked = frame.record?.approvals ?? [];
  const whole = asked.reduce((/** @type {number} */ sum, /** @type {any} */ each) => sum + each.took_us, 0);
  return whole >= WAIT_US ? whole : 0;
}

/** What a row says beside its name. @param {Placed} placed */
function flags({ row, rose }) {
  const frame = /** @type {Frame} */ (row);
  const record = frame.record;
  const wait = waited(frame);
  const asked = record?.approvals?.length > 0;
  const effects = (record?.effects ?? []).filter((/** @type {string} */ effect) => effect !== "read");
  return el("span", { class: "tl-flags" },
    effects.map((/** @type {string} */ effect) => el("span", { class: `effect ${effect}` }, effectWord(effect))),
    record?.errand ? el("span", { class: "fine" }, `the gate’s own ${effectWord(record.errand.what)}`) : null,
    record?.plan ? (record.plan.step ? el("span", { class: "fine" }, `step ${record.plan.step}`) : badge("off plan", "warn")) : null,
    wait > 0 ? badge(`waited ${duration(wait)} for approval`, "warn") : asked ? badge("approval asked", "warn") : null,
    record?.flow?.declassified?.length > 0 ? badge("label taken off", "info") : null,
    rose.length > 0 ? el("span", { class: "rise" }, rose.map((label) => el("span", { class: "rise-label" }, el("span", { "aria-hidden": "true" }, "+ "), el("span", { class: "sr" }, "now carries "), brief(label, 40)))) : null);
}

/**
 * The lanes at one row: which labels the task has there.
 * @param {string[]} lanes
 * @param {Placed} at
 */
function laneCells(lanes, { labels, rose }) {
  return el("span", { class: `lanes lanes-${lanes.length}`, "aria-hidden": "true" },
    lanes.map((label, n) => el("span", { class: `lane lane-${n} ${rose.includes(label) ? "start" : labels.has(label) ? "on" : ""}`.trim() })));
}

/**
 * @param {Frame} frame
 * @param {import("./axis.js").Axis} axis
 */
function bar(frame, axis) {
  const start = axis.at(frame.startedUs);
  const parts = frame.stages.map((stage) => {
    const [x, to] = [axis.at(frame.startedUs + stage.from), axis.at(frame.startedUs + stage.to)];
    return svg("rect", { x: `${x}%`, width: `${Math.max(0, to - x)}%`, y: 3, height: 12, class: `stage ${stageTone(stage.name)}` });
  });
  // Two pixels at least, so that a short call in a long task does not vanish.
  return svg("svg", { class: "bar-line", width: "100%", height: 18, "aria-hidden": "true" },
    svg("rect", { x: `${Math.min(start, 99.4)}%`, width: 2, y: 3, height: 12, class: `stage least ${frame.mood}` }), parts);
}

/** A whole timeline: filtered rows in, pages of them drawn. */
export class Timeline {
  /**
   * @param {Story} story
   * @param {import("./places.js").Places} sinksOf
   */
  constructor(story, sinksOf) {
    this.story = story;
    this.sinksOf = sinksOf;
    this.lanes = story.lanes.slice(0, LANES_MAX);
    /** @type {Placed[]} */
    this.all = [];
    this.page = 0;
    this.fold = true;
    /** @type {Set<number>} */
    this.opened = new Set();
    this.list = el("ol", { class: "tl" });
    this.axisBox = el("div", { class: "tl-axis" });
    this.pager = el("nav", { class: "pager", "aria-label": "Pages of the timeline" });
    this.element = el("section", { class: "tl-box", "aria-labelledby": "tl-title" }, el("h2", { class: "sr", id: "tl-title" }, "Timeline"), this.axisBox, this.list, this.pager);
  }

  /**
   * @param {Placed[]} rows
   * @param {{ page?: number, fold?: boolean }} [how]
   */
  show(rows, { page = 0, fold = this.fold } = {}) {
    this.all = rows;
    this.fold = fold;
    this.go(page, false);
  }

  /**
   * @param {number} page
   * @param {boolean} focus whether the first row takes the focus
   */
  go(page, focus = true) {
    const pages = Math.max(1, Math.ceil(this.all.length / PAGE));
    this.page = Math.min(Math.max(0, page), pages - 1);
    const rows = this.all.slice(this.page * PAGE, (this.page + 1) * PAGE);
    const frames = rows.flatMap(({ row }) => (row.what === "frame" ? [row] : []));
    const axis = axisOf(frames, this.fold);
    this.drawAxis(axis, frames);
    const base = this.story.from;
    let before = 0;
    /** @type {HTMLElement[]} */
    const items = [];
    for (const at of rows) {
      const us = at.row.what === "frame" ? at.row.startedUs : at.row.at;
      if (before > 0 && us - before > 5_000_000) items.push(el("li", { class: "tl-gap" }, `${duration(us - before)} later`));
      before = at.row.what === "frame" ? Math.max(before, at.row.endedUs) : us;
      items.push(at.row.what === "frame" ? this.frame(at.row, at, axis, base) : this.aside(at, base));
    }
    put(this.list, items);
    this.drawPager(pages);
    if (focus) /** @type {HTMLElement | null} */ (this.list.querySelector("button"))?.focus();
  }

  /**
   * @param {import("./axis.js").Axis} axis
   * @param {Frame[]} frames
   */
  drawAxis(axis, frames) {
    if (frames.length === 0) {
      put(this.axisBox);
      return;
    }
    const legend = this.lanes.map((label, n) => el("span", { class: "legend-lane" }, el("span", { class: `swatch lane-${n}`, "aria-hidden": "true" }), brief(label, 30)));
    const more = this.story.lanes.length - this.lanes.length;
    put(this.axisBox,
      el("div", { class: "tl-legend" },
        el("span", {}, el("span", { class: "dot own" }), "the gate"), el("span", {}, el("span", { class: "dot act" }), "the server"),
        el("span", {}, el("span", { class: "dot wait" }), "approval"),
        legend.length > 0 ? el("span", { class: "legend-labels" }, el("span", { class: "fine" }, "Labels of the task:"), legend, more > 0 ? ` and ${more} more` : "") : null),
      el("div", { class: "tl-grid axis-row", "aria-hidden": "true" }, el("span", { class: `lanes lanes-${this.lanes.length}` }), el("span", { class: "tl-no" }), el("span", { class: "tl-what" }),
        el("span", { class: "tl-bar" }, svg("svg", { class: "axis", width: "100%", height: 18 },
          axis.ticks.map((tick) => [svg("line", { x1: `${tick.x}%`, x2: `${tick.x}%`, y1: 13, y2: 18, class: "tick" }), svg("text", { x: `${tick.x}%`, dx: tick.x === 0 ? 0 : 3, y: 11 }, tick.words)]),
          axis.folds.map((fold) => svg("line", { x1: `${fold.x}%`, x2: `${fold.x}%`, y1: 12, y2: 18, class: "fold-mark" })))),
        el("span", { class: "tl-decision" }), el("span", { class: "tl-end" })),
      axis.folds.length > 0 ? el("p", { class: "fine axis-note" }, `${count(axis.folds.length, "idle stretch", "idle stretches")} folded on the axis.`) : null);
  }

  /** @param {number} pages */
  drawPager(pages) {
    const [from, to, of] = [this.page * PAGE + 1, Math.min((this.page + 1) * PAGE, this.all.length), this.all.length];
    const words = of === 0 ? "" : pages === 1 ? count(of, "row") : `Rows ${from.toLocaleString("en")} to ${to.toLocaleString("en")} of ${of.toLocaleString("en")}`;
    const go = (/** @type {string} */ name, /** @type {number} */ page) => button(name, () => this.go(page), { kind: "quiet", disabled: page < 0 || page >= pages || page === this.page });
    put(this.pager, el("span", { role: "status" }, words), pages > 1 ? [go("First", 0), go("Earlier", this.page - 1), go("Later", this.page + 1), go("Last", pages - 1)] : null);
  }

  /**
   * Opens the row of a record, on whichever page it stands.
   * @param {number} number
   */
  reveal(number) {
    const at = this.all.findIndex(({ row }) => row.what === "frame" && row.number === number);
    if (at < 0) return false;
    this.opened.add(number);
    this.go(Math.floor(at / PAGE), false);
    const head = /** @type {HTMLElement | null} */ (this.list.querySelector(`[data-number="${number}"]`));
    head?.focus();
    head?.scrollIntoView({ block: "center" });
    return true;
  }

  /**
   * @param {Frame} frame
   * @param {Placed} at
   * @param {import("./axis.js").Axis} axis
   * @param {number} base
   */
  frame(frame, at, axis, base) {
    const id = `d-${frame.number}`;
    const detail = el("div", { class: "tl-detail", id, hidden: true });
    const toggle = (/** @type {boolean} */ open) => {
      head.setAttribute("aria-expanded", String(open));
      detail.hidden = !open;
      if (open && !detail.firstChild) detail.append(callDetail(frame));
      if (open) this.opened.add(frame.number);
      else this.opened.delete(frame.number);
    };
    const rules = frame.record?.decision?.rules ?? [];
    const name = frame.target || frame.method || (KINDS.get(frame.kind) ?? frame.kind);
    const method = frame.call ? "" : frame.target ? frame.method : "";
    const head = el("button", {
      type: "button", class: "tl-head tl-grid", "aria-expanded": "false", "aria-controls": id, dataset: { number: frame.number },
      on: { click: () => toggle(detail.hidden === true) },
    },
    laneCells(this.lanes, at),
    el("span", { class: "tl-no" }, el("span", { class: "no" }, `#${frame.number}`), el("span", { class: "fine num" }, `+${offset(frame.startedUs - base)}`)),
    el("span", { class: `tl-what depth-${frame.depth}` },
      el("span", { class: "tl-name" }, frame.toClient ? el("span", { class: "fine" }, "from ") : null, brief(frame.server, 40), el("span", { class: "sep" }, frame.call && frame.target ? "/" : " "), el("strong", {}, brief(name, TARGET_MAX)),
        method ? el("span", { class: "fine" }, " ", brief(method, 60)) : null, KINDS.has(frame.kind) && frame.method ? el("span", { class: "fine" }, ` ${KINDS.get(frame.kind)}`) : null,
        telling(frame, this.sinksOf(frame.server, frame.target)).map((one) => el("span", { class: "fine" }, "  ", brief(one.name, 24), " ", el("span", { class: "told" }, brief(one.value, 48))))),
      flags(at)),
    el("span", { class: "tl-bar" }, bar(frame, axis), el("span", { class: "took num" }, frame.record ? duration(frame.record.took_us) : "open")),
    el("span", { class: "tl-decision" }, frame.decision ? verdict(frame.decision) : null,
      rules.length > 0 ? el("span", { class: "rule-ids" }, brief(rules[0].id, 40), rules.length > 1 ? ` +${rules.length - 1}` : "") : null),
    el("span", { class: `tl-end ${frame.mood}` }, end(frame)));
    if (this.opened.has(frame.number)) toggle(true);
    return el("li", { class: `tl-row ${frame.mood} ${frame.call ? "call" : "other-frame"}` }, head, detail);
  }

  /**
   * What happened to the task, or was said of it.
   * @param {Placed} at
   * @param {number} base
   */
  aside(at, base) {
    const row = /** @type {import("./story.js").EventRow | import("./story.js").SaidRow} */ (at.row);
    const since = row.at - base;
    const time = el("span", { class: "tl-no" }, el("span", { class: "no", "aria-hidden": "true" }, row.what === "event" ? "◆" : "“"),
      el("span", { class: "fine num" }, `${since < 0 ? "−" : "+"}${offset(Math.abs(since))}`));
    const body = row.what === "event" ? eventWords(row.event) : saidWords(row);
    return el("li", { class: `tl-row aside ${row.what}` }, el("div", { class: "tl-grid" }, laneCells(this.lanes, at), time, el("div", { class: "tl-aside" }, body)));
  }
}

/** @param {any} event */
function eventWords(event) {
  return el("p", {}, el("strong", {}, effectWord(event.what)), event.by ? [" by ", shown(event.by)] : "", ": ", shown(event.detail, { max: 300 }), requests(event.detail ?? ""));
}

/** @param {import("./story.js").SaidRow} row */
function saidWords({ said: entry, taken }) {
  const { said, voice, by, number } = entry;
  const kind = { abandoned_branch: "abandoned branch", revision: "revision of the plan" }[/** @type {"revision"} */ (said.kind)] ?? said.kind;
  return [
    el("p", { class: "said-head" }, badge("self-reported", "info"), ` the ${voice} `, shown(by), ` says${number ? ` in #${number}` : ""}: `, el("strong", {}, kind)),
    said.origin !== undefined ? el("p", { class: "said-text" }, el("span", { class: "fine" }, "origin "), shown(said.origin)) : null,
    said.text !== undefined ? el("p", { class: "said-text" }, shown(said.text, { max: 600 })) : null,
    ["plan", "revision"].includes(said.kind) ? el("ol", { class: "steps" }, said.steps.map((/** @type {any} */ step, /** @type {number} */ n) => stepLine(step, taken.get(n + 1) ?? []))) : null,
    said.kind === "abandoned_branch" && said.steps?.length > 0 ? el("p", { class: "fine" }, `gives up step ${said.steps.join(", ")}`) : null,
  ];
}

/**
 * @param {any} step
 * @param {number[]} taken
 */
function stepLine(step, taken) {
  const more = taken.length > 6 ? ` and ${taken.length - 6} more` : "";
  return el("li", {}, el("code", {}, shown(step.tool)), step.many ? el("span", { class: "fine" }, " any number of times") : null, step.note ? [": ", shown(step.note)] : "",
    el("span", { class: taken.length > 0 ? "fine taken" : "fine" }, taken.length > 0 ? ` taken by ${taken.slice(0, 6).map((number) => `#${number}`).join(", ")}${more}` : " not taken"));
}
