// What stands beside the source: the law in words, the changes, tests, replay, shadow, history.

import { digestOf } from "./call.js";
import { badge, button, count, el, empty, failed, loading, put, say, when } from "./dom.js";
import { ask } from "./dialog.js";
import { candidateLine, changeWords, comparison, fileDiff, lines } from "./laws.js";
import { shown } from "./shown.js";

/** @typedef {import("./pages/policies.js").Desk} Desk */

/** @type {[string, string][]} */
const TABS = [["words", "In words"], ["changes", "Changes"], ["tests", "Tests"], ["replay", "Replay"], ["shadow", "Shadow"], ["history", "History"]];
/** How often a shadow is looked at. */
const LOOK_MS = 4000;
/** How long the summary waits for typing to rest. */
const REST_MS = 900;

/** What is shown before something was run. @type {Record<string, [string, string]>} */
const NOT_YET = {
  tests: ["Not run yet", "The cases beside the policies are judged by the text as it stands."],
  replay: ["Not replayed yet", "Recorded calls are put to the text as it stands. It has to be shown before anything can be promoted."],
};

export class Views {
  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
    this.now = "words";
    this.timer = 0;
    this.leaving = new AbortController();
    /** @type {Map<string, HTMLElement>} what was run last */
    this.results = new Map();
    this.panel = el("div", { class: "view", id: "view", role: "tabpanel", tabindex: "0" });
    this.tabs = el("div", { class: "tabs", role: "tablist", "aria-label": "Beside the source", on: { keydown: (/** @type {KeyboardEvent} */ event) => this.step(event) } },
      TABS.map(([name, words]) => el("button", {
        type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "view", "aria-selected": String(name === this.now), tabindex: name === this.now ? "0" : "-1", on: { click: () => this.open(name) },
      }, words)));
    this.element = el("section", { class: "panel views", "aria-label": "Beside the source" }, this.tabs, this.panel);
  }

  /** @param {KeyboardEvent} event */
  step(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const at = TABS.findIndex(([name]) => name === this.now);
    this.open(TABS[(at + by + TABS.length) % TABS.length]?.[0] ?? "words");
    document.getElementById(`tab-${this.now}`)?.focus();
  }

  /** @param {string} name */
  open(name) {
    this.now = name;
    for (const tab of this.tabs.querySelectorAll("button")) {
      const chosen = tab.id === `tab-${name}`;
      tab.setAttribute("aria-selected", String(chosen));
      tab.setAttribute("tabindex", chosen ? "0" : "-1");
    }
    this.draw();
  }

  draw() {
    this.leave();
    this.leaving = new AbortController();
    const { desk, panel, now } = this;
    panel.setAttribute("aria-labelledby", `tab-${now}`);
    panel.classList.toggle("old", this.old());
    const signal = AbortSignal.any([this.leaving.signal, desk.page.signal]);
    if (now === "words") wordsView(desk, panel, signal);
    else if (now === "changes") changesView(desk, panel);
    else if (now === "shadow") shadowView(desk, panel, signal);
    else if (now === "history") historyView(desk, panel, signal);
    else put(panel, this.results.get(now) ?? empty(...NOT_YET[now] ?? ["", ""]));
  }

  /** Whether what is shown is of an earlier text. */
  old() {
    return (this.now === "tests" && !!this.desk.tested && !this.desk.fresh(this.desk.tested)) || (this.now === "replay" && !!this.desk.replayed && !this.desk.fresh(this.desk.replayed));
  }

  /** The text is another now. */
  changed() {
    if (!this.panel.firstChild || this.now === "changes") this.draw();
    else if (this.now === "words" && this.desk.checked) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.draw(), REST_MS);
    }
    this.panel.classList.toggle("old", this.old());
  }

  /**
   * Runs something that takes a while and shows what came of it.
   * @param {string} name
   * @param {string} words
   * @param {(signal: AbortSignal) => Promise<any>} work
   */
  async run(name, words, work) {
    this.open(name);
    put(this.panel, loading(words));
    this.panel.classList.remove("old");
    const { signal } = this.desk.page;
    try {
      const view = el("div", { class: "stack tight" });
      put(view, await work(signal));
      this.results.set(name, view);
      if (this.now === name) this.draw();
      say(view.querySelector(".result-line")?.textContent ?? "Done");
    } catch (error) {
      if (!signal.aborted && this.now === name) put(this.panel, failed(error, () => this.run(name, words, work)));
    }
  }

  leave() {
    clearTimeout(this.timer);
    this.leaving.abort();
  }
}

/** @type {{ key: string, text: string } | null} the last summary, so that a tab that is opened again need not ask again */
let summary = null;

/**
 * @param {Desk} desk
 * @param {HTMLElement} panel
 * @param {AbortSignal} signal
 */
async function wordsView(desk, panel, signal) {
  const digest = desk.edited ? desk.checked?.told.digest : desk.history.in_force;
  const of = desk.edited ? "as it is edited here" : "in force";
  const draw = (/** @type {string} */ text) => put(panel, el("p", { class: "fine" }, `What agents may do by the law ${of}, worked out by judging calls of every tool.`), lines(text, "The law in words"));
  if (desk.edited && !digest) {
    put(panel, empty("No words for it yet", "A text with faults means nothing. Mend them, and what it means stands here."));
    return;
  }
  if (summary && summary.key === digest) {
    draw(summary.text);
    return;
  }
  if (!panel.querySelector(".words")) put(panel, loading("Working out what it means"));
  try {
    const { text } = await desk.api.post("/v1/law/summary", desk.edited ? { files: desk.draft.files() } : { digest }, { signal });
    summary = { key: digest, text };
    draw(text);
  } catch (error) {
    if (!signal.aborted) put(panel, failed(error, () => wordsView(desk, panel, signal)));
  }
}

/**
 * @param {Desk} desk
 * @param {HTMLElement} panel
 */
function changesView(desk, panel) {
  const changes = desk.draft.changes();
  if (changes.length === 0) put(panel, empty("No changes", "The text is what is in force."));
  else put(panel, el("div", { class: "stack" }, changes.map(({ path, how }) => fileDiff(path, desk.draft.original[path] ?? "", desk.draft.text(path) ?? "", how))));
}

/**
 * @param {Desk} desk
 * @param {HTMLElement} panel
 * @param {AbortSignal} signal
 */
async function shadowView(desk, panel, signal) {
  put(panel, loading());
  const may = desk.api.can("operator");
  const begin = (/** @type {any} */ body, /** @type {string} */ what) => ask({
    title: "Judge live traffic by it?", action: "Begin", words: [el("p", {}, what, " Its decisions are counted and have no effect.")],
    act: async () => { await desk.api.post("/v1/shadow", body); shadowView(desk, panel, signal); },
  });
  const look = async () => {
    if (signal.aborted) return;
    try {
      const sight = await desk.api.get("/v1/shadow", { signal });
      const end = may ? button("End the shadow", () => ask({ title: "End the shadow?", action: "End", words: [el("p", {}, "What it has seen is recorded, and it judges no more calls.")], act: async () => { await desk.api.delete("/v1/shadow"); shadowView(desk, panel, signal); } }), { kind: "small" }) : null;
      const held = document.activeElement === panel.querySelector("button");
      put(panel, el("div", { class: "stack tight" },
        el("p", {}, badge("in shadow", "info"), " ", digestOf(sight.candidate), " since ", when(sight.since), " by ", shown(sight.by)),
        el("p", { class: "fine" }, `${count(sight.offered, "record")} offered, ${sight.waiting} waiting${sight.dropped > 0 ? `, ${sight.dropped} dropped because it could not keep up` : ""}.`),
        comparison(sight, { past: "was decided" }), end ? el("div", { class: "actions" }, end) : null));
      if (held) end?.focus();
      setTimeout(look, LOOK_MS);
    } catch (error) {
      if (signal.aborted) return;
      if (/** @type {any} */ (error).code !== "no_shadow") {
        put(panel, failed(error, look));
        return;
      }
      const candidate = desk.stagedNow() ?? desk.history.candidates[0];
      put(panel, empty("Nothing is in shadow", "A candidate can judge live traffic without effect, so that its differences are seen before it is promoted."),
        el("div", { class: "actions centred" },
          may && desk.edited && desk.checked?.told.digest ? button("Put what is edited here in shadow", () => begin({ files: desk.draft.files() }, "The text as it is edited here judges every call as well."), {}) : null,
          may && candidate ? button(["Put ", el("code", {}, candidate.digest.slice(7, 19)), " in shadow"], () => begin({ digest: candidate.digest }, "The candidate judges every call as well."), {}) : null));
    }
  };
  await look();
}

/**
 * @param {Desk} desk
 * @param {HTMLElement} panel
 * @param {AbortSignal} signal
 */
async function historyView(desk, panel, signal) {
  if (!panel.querySelector(".turns-list")) put(panel, loading());
  try {
    desk.history = await desk.api.get("/v1/snapshots", { signal });
    desk.drawState();
  } catch (error) {
    if (!signal.aborted) put(panel, failed(error, () => historyView(desk, panel, signal)));
    return;
  }
  const may = desk.api.can("operator");
  const promote = async (/** @type {string} */ digest, /** @type {HTMLElement} */ at) => {
    try {
      const { files } = await desk.api.get(`/v1/snapshots/${digest}`, { signal });
      desk.promote(digest, files, null);
    } catch (error) {
      if (!signal.aborted) at.append(failed(error));
    }
  };
  const load = async (/** @type {string} */ digest, /** @type {HTMLElement} */ at) => {
    try {
      const { files } = await desk.api.get(`/v1/snapshots/${digest}`, { signal });
      for (const path of new Set([...Object.keys(files), ...desk.draft.paths()])) desk.draft.set(path, files[path] ?? null);
      desk.open(desk.editor.path);
      desk.changed();
      say("Loaded into the editor");
    } catch (error) {
      if (!signal.aborted) at.append(failed(error));
    }
  };
  const acts = (/** @type {string} */ digest, /** @type {string} */ words) => {
    const box = el("div", { class: "actions" });
    put(box, may ? button(words, () => promote(digest, box), { kind: "small" }) : null, !desk.edited && desk.api.can("member") ? button("Open in the editor", () => load(digest, box), { kind: "quiet small" }) : null);
    return box;
  };
  const candidates = desk.history.candidates.filter((/** @type {any} */ each) => each.digest !== desk.history.in_force);
  put(panel, el("div", { class: "stack turns-list" },
    candidates.length > 0 ? el("section", { class: "stack tight" }, el("h3", {}, "Candidates"), el("ul", { class: "plain turn-items" }, candidates.map((/** @type {any} */ one) => el("li", {},
      el("p", {}, candidateLine(one)), el("p", { class: "fine" }, shown(one.summary)), changeWords(one.change), acts(one.digest, "Promote…"))))) : null,
    el("section", { class: "stack tight" }, el("h3", {}, "What was in force"), el("ul", { class: "plain turn-items" }, desk.history.snapshots.map((/** @type {any} */ turn, /** @type {number} */ n) => {
      const current = turn.digest === desk.history.in_force && desk.history.snapshots.findIndex((/** @type {any} */ each) => each.digest === turn.digest) === n;
      return el("li", {}, el("p", {}, current ? [badge("in force", "good"), " "] : "", candidateLine(turn)), el("p", { class: "fine" }, `${turn.how}: `, shown(turn.summary)), changeWords(turn.change),
        turn.digest === desk.history.in_force ? null : acts(turn.digest, "Put in force again…"));
    })))));
}
