// The law: what is in force, what was staged, what is edited here; and the way from one to the other, with what it would
// change shown before it can be put in force.

import { ask } from "../dialog.js";
import { Draft } from "../draft.js";
import { Editor, hidden } from "../editor.js";
import { badge, button, count, el, failed, head, loading, put, say, when } from "../dom.js";
import { comparison, notTheBase, testsView, turns } from "../laws.js";
import { digestOf } from "../call.js";
import { escaped, shown } from "../shown.js";
import { Views } from "../views.js";

/** How long typing must rest before the gate is asked. */
const REST_MS = 400;
/** How long tests, replays and scans may take. */
const LONG = { timeout: 180_000 };
/** Over how many hours recorded traffic is replayed. */
const HOURS = [1, 24, 168];

/**
 * @param {HTMLElement} root
 * @param {any} _params
 * @param {import("../api.js").Api} api
 * @param {import("../main.js").Page} page
 */
export async function render(root, _params, api, page) {
  root.classList.add("wide");
  const sub = el("span", {}, "What is allowed, and what exists");
  root.append(head("Policies", { sub }));
  const body = el("div", { class: "stack" });
  root.append(put(body, loading()));
  try {
    const history = await api.get("/v1/snapshots", { signal: page.signal });
    const { files } = await api.get(`/v1/snapshots/${history.in_force}`, { signal: page.signal });
    const desk = new Desk(api, page, history, files);
    await desk.rebase();
    put(body, desk.element);
    desk.start();
    return () => desk.leave();
  } catch (error) {
    if (!page.signal.aborted) put(body, failed(error, () => page.again()));
  }
}

/** @typedef {{ version: number, told: any, hours?: number } | null} Result of which text it is */

export class Desk {
  /**
   * @param {import("../api.js").Api} api
   * @param {import("../main.js").Page} page
   * @param {any} history
   * @param {Record<string, string>} files
   */
  constructor(api, page, history, files) {
    this.api = api;
    this.page = page;
    this.history = history;
    this.draft = new Draft(history.in_force, files, api.session?.principal ?? "");
    /** @type {{ base: string, both: string[], clashes: string[] } | null} an earlier base of the edits, and what became of them */
    this.stale = null;
    this.earlier = "";
    const kept = this.draft.stored();
    if (kept) {
      this.draft.take(kept);
      if (kept.base !== history.in_force && this.draft.edits.size > 0) this.earlier = kept.base;
    }
    /** @type {Result} */
    this.checked = null;
    /** @type {Result} */
    this.tested = null;
    /** @type {Result} */
    this.replayed = null;
    /** @type {{ version: number, candidate: any } | null} */
    this.staged = null;
    this.hours = 24;
    this.timer = 0;
    this.asking = new AbortController();
    this.editor = new Editor({ changed: (text) => this.typed(text) });
    this.state = el("div", { class: "law-state" });
    this.list = el("nav", { class: "files", "aria-label": "Files" });
    this.title = el("div", { class: "ed-head" });
    this.faults = el("div", { class: "faults" });
    this.steps = el("section", { class: "panel steps-panel", "aria-labelledby": "steps-title" });
    this.views = new Views(this);
    this.element = el("div", { class: "stack" }, this.state,
      el("div", { class: "law" }, this.list,
        el("section", { class: "ed-panel", "aria-label": "Editor" }, this.title, this.editor.element, el("div", { class: "ed-foot" }, this.editor.position), this.faults),
        el("div", { class: "law-side" }, this.steps, this.views.element)));
  }

  start() {
    const first = this.draft.paths().find((path) => path.endsWith(".cedar")) ?? this.draft.paths()[0] ?? "";
    this.page.keys([{ keys: "e", words: "Edit the text", act: () => this.editor.area.focus() }, { keys: "n", words: "Next fault", act: () => this.nextFault() }]);
    this.open(this.draft.paths().includes(this.draft.open) ? this.draft.open : first);
    this.check();
    this.refresh();
  }

  /** Edits that were kept from before something else came into force are put on top of it. */
  async rebase() {
    if (!this.earlier) return;
    let files = null;
    try {
      ({ files } = await this.api.get(`/v1/snapshots/${this.earlier}`, { signal: this.page.signal }));
    } catch (error) {
      if (this.page.signal.aborted) throw error;
    }
    this.stale = { base: this.earlier, ...this.draft.rebase(files) };
    this.draft.keep();
  }

  leave() {
    clearTimeout(this.timer);
    this.asking.abort();
    this.views.leave();
  }

  get edited() {
    return this.draft.edits.size > 0;
  }

  /** @param {string} path */
  open(path) {
    this.draft.open = path;
    this.draft.keep();
    const text = this.draft.text(path);
    this.editor.set(path, text ?? "", text === null || !this.api.can("member"));
    this.showFaults();
    this.drawTitle();
    this.drawFiles();
  }

  /** @param {string} file @param {number} line @param {number} [column] */
  go(file, line, column = 1) {
    if (file && this.draft.text(file) === null) return;
    if (file && file !== this.editor.path) this.open(file);
    this.editor.go(Math.max(line, 1), Math.max(column, 1));
  }

  nextFault() {
    const faults = (this.checked?.told.faults ?? []).filter((/** @type {any} */ fault) => fault.line > 0);
    const at = this.editor.area.value.slice(0, this.editor.area.selectionStart).split("\n").length;
    const next = faults.find((/** @type {any} */ fault) => fault.file === this.editor.path && fault.line > at) ?? faults[0];
    if (next) this.go(next.file, next.line, next.column);
    else say("No fault");
  }

  /** @param {string} text */
  typed(text) {
    this.draft.set(this.editor.path, text);
    this.changed();
  }

  /** Something was edited: what was found of the text before no longer counts. */
  changed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), REST_MS);
    this.refresh();
  }

  refresh() {
    this.drawState();
    this.drawFiles();
    this.drawTitle();
    this.drawSteps();
    this.views.changed();
  }

  async check() {
    this.asking.abort();
    this.asking = new AbortController();
    const signal = AbortSignal.any([this.asking.signal, this.page.signal]);
    const version = this.draft.version;
    try {
      const told = await this.api.post("/v1/law/check", { files: this.draft.files() }, { signal });
      if (version !== this.draft.version) return;
      this.checked = { version, told };
    } catch (error) {
      if (signal.aborted) return;
      this.checked = { version, told: { failed: error, faults: [], notes: [], digest: null } };
    }
    this.showFaults();
    this.refresh();
  }

  /** Whether a result is of the text as it stands. @param {Result} result */
  fresh(result) {
    return result?.version === this.draft.version;
  }

  showFaults() {
    const told = this.checked?.told;
    const faults = told?.faults ?? [];
    const notes = (told?.notes ?? []).map((/** @type {any} */ note) => (typeof note === "string" ? { message: note } : note));
    const unseen = hidden(this.editor.area.value).map((one) => ({ file: this.editor.path, line: one.line, column: one.column, length: 1, message: `a character that is not seen: ${one.code}`, remedy: "write it as an escape, or remove it" }));
    const here = (/** @type {any} */ each) => each.file === this.editor.path;
    this.editor.mark([...faults.filter(here).map((/** @type {any} */ each) => ({ ...each, kind: "fault" })), ...[...notes, ...unseen].filter(here).map((/** @type {any} */ each) => ({ ...each, kind: "remark" }))]);
    const line = (/** @type {any} */ each, /** @type {string} */ kind) => el("li", { class: `fault-line ${kind}` },
      each.file ? button([escaped(each.file), each.line > 0 ? `:${each.line}` : "", each.line > 0 && each.column > 0 ? `:${each.column}` : ""], () => this.go(each.file, each.line ?? 1, each.column ?? 1), { kind: "link" }) : null,
      " ", shown(each.message, { max: 600 }), each.remedy ? [" ", el("span", { class: "remedy" }, shown(each.remedy))] : "");
    put(this.faults,
      told?.failed ? failed(told.failed, () => this.check()) : null,
      faults.length + notes.length + unseen.length > 0 ? el("ul", { class: "plain", "aria-label": "Faults and notes" }, faults.map((/** @type {any} */ each) => line(each, "fault")), unseen.map((each) => line(each, "remark")), notes.map((/** @type {any} */ each) => line(each, "remark"))) : null);
  }

  drawTitle() {
    const path = this.editor.path;
    const edit = this.draft.changes().find((each) => each.path === path);
    const gone = this.draft.text(path) === null;
    put(this.title, el("h2", {}, el("code", {}, shown(path))), edit ? badge(edit.how, "info") : null,
      el("div", { class: "actions" },
        edit ? button("Undo its edits", () => { this.draft.revert(path); this.open(this.draft.paths().includes(path) ? path : this.draft.paths()[0] ?? ""); this.changed(); }, { kind: "quiet small" }) : null,
        !gone && this.api.can("member") ? button("Remove the file", () => { this.draft.set(path, path in this.draft.original ? null : this.draft.original[path] ?? null); this.open(this.draft.paths().includes(path) ? path : this.draft.paths()[0] ?? ""); this.changed(); }, { kind: "quiet small" }) : null));
  }

  drawFiles() {
    const active = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.path;
    const faults = new Map();
    for (const fault of this.checked?.told.faults ?? []) faults.set(fault.file, (faults.get(fault.file) ?? 0) + 1);
    const how = new Map(this.draft.changes().map((each) => [each.path, each.how]));
    /** @type {Map<string, string[]>} */
    const folders = new Map();
    for (const path of this.draft.paths()) {
      const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
      folders.set(folder, [...folders.get(folder) ?? [], path]);
    }
    put(this.list, [...folders].map(([folder, paths]) => el("div", { class: "folder" }, el("h2", {}, escaped(folder || "files")), el("ul", { class: "plain" }, paths.map((path) => {
      const edit = how.get(path);
      const wrong = faults.get(path);
      return el("li", {}, el("button", { type: "button", class: `file ${edit ?? ""}`.trim(), dataset: { path }, "aria-current": path === this.editor.path ? "true" : null, on: { click: () => this.open(path) } },
        el("span", { class: "file-name" }, shown(path.slice(path.lastIndexOf("/") + 1), { max: 200 })),
        edit ? el("span", { class: "file-mark" }, edit === "changed" ? "edited" : edit) : null, wrong ? el("span", { class: "file-wrong" }, count(wrong, "fault")) : null));
    })))), this.api.can("member") ? this.newFile() : null);
    if (active) /** @type {HTMLElement | null} */ (this.list.querySelector(`[data-path="${CSS.escape(active)}"]`))?.focus();
  }

  newFile() {
    return button("New file", () => {
      const field = el("input", { id: "new-path", placeholder: "policies/NAME.cedar", autocomplete: "off", spellcheck: "false" });
      ask({ title: "New file", action: "Create", words: [el("div", { class: "field" }, el("label", { for: "new-path" }, "Its path"), field)], act: async () => {
        const path = field.value.trim();
        if (!/^[\w.-]+(\/[\w.-]+)+$/.test(path)) throw new Error("Write a path such as `policies/mail.cedar`, of letters, digits, `.`, `-` and `_`.");
        if (this.draft.text(path) !== null) throw new Error("There is a file of that name.");
        this.draft.set(path, "");
        this.open(path);
        this.changed();
      } });
      field.focus();
    }, { kind: "quiet" });
  }

  /** Where things stand: in force, staged, edited here. */
  drawState() {
    const turn = this.history.snapshots.find((/** @type {any} */ each) => each.digest === this.history.in_force);
    const n = this.draft.edits.size;
    const staged = this.history.candidates.filter((/** @type {any} */ each) => each.digest !== this.history.in_force).length;
    put(this.state,
      el("div", { class: "law-tile in-force" }, el("span", { class: "law-name" }, "In force"), el("span", {}, digestOf(this.history.in_force)), turn ? el("span", { class: "fine" }, "since ", when(turn.at), " by ", shown(turn.author)) : null),
      el("div", { class: `law-tile ${staged > 0 ? "candidate" : ""}` }, el("span", { class: "law-name" }, "Candidates"), el("span", {}, staged > 0 ? button(`${staged} staged`, () => this.views.open("history"), { kind: "link" }) : "none staged"), el("span", { class: "fine" }, "built and kept, in force nowhere")),
      el("div", { class: `law-tile ${n > 0 ? "edited" : ""}`, role: "status" }, el("span", { class: "law-name" }, "Edited here"),
        el("span", {}, n > 0 ? `${count(n, "file")}, ${this.stagedNow() ? "staged" : "not staged"}` : "nothing"),
        n > 0 ? el("span", { class: "fine" }, this.draft.kept ? "kept in this tab " : "could not be kept: leaving this tab loses it ", button("Undo all", () => this.undoAll(), { kind: "link" })) : el("span", { class: "fine" }, "the text below is what is in force")),
      this.history.in_force !== this.draft.base ? el("div", { class: "law-stale", role: "alert" }, el("p", {}, "Something else came into force since this page was opened. The text below stands on what was."),
        button(n > 0 ? "Put my edits on top of it" : "Show what is in force", () => { this.draft.keep(); this.page.again(); })) : null,
      this.stale ? staleView(this.stale, () => { this.stale = null; this.refresh(); }) : null);
  }

  undoAll() {
    ask({ title: "Undo every edit?", kind: "danger", action: "Undo all", words: [el("p", {}, `${count(this.draft.edits.size, "file")} edited here go back to what is in force. This cannot be taken back.`)], act: async () => {
      this.draft.clear();
      this.stale = null;
      this.open(this.draft.paths().includes(this.editor.path) ? this.editor.path : this.draft.paths()[0] ?? "");
      this.changed();
    } });
  }

  stagedNow() {
    return this.staged && this.staged.version === this.draft.version ? this.staged.candidate : null;
  }

  /** The way into force: each step says what it found, and what stands in its way. */
  drawSteps() {
    const active = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.step;
    const told = this.checked?.told;
    const checked = this.fresh(this.checked);
    const good = checked && !told.failed && told.faults.length === 0;
    const candidate = this.stagedNow();
    const step = (/** @type {string} */ name, /** @type {any} */ words, /** @type {any} */ act, done = false) => el("li", { class: done ? "step step-done" : "step" }, el("div", { class: "step-words" }, el("strong", {}, name), el("span", { class: "fine" }, words)), act);
    const go = (/** @type {string} */ words, /** @type {() => void} */ act, /** @type {boolean} */ open, kind = "small") => button(words, act, { kind, disabled: !open, dataset: { step: words } });
    const checkWords = !checked ? "the gate reads along as you type" : told.failed ? "could not be asked" : told.faults.length > 0 ? el("span", { class: "wrong" }, count(told.faults.length, "fault")) : "good";
    const testWords = this.fresh(this.tested) ? testLine(this.tested?.told) : this.tested ? "of an earlier text" : "the cases beside the policies";
    const replayWords = this.fresh(this.replayed) ? replayLine(this.replayed?.told) : this.replayed ? "of an earlier text" : "what recorded calls would have come to";
    const hours = el("select", { "aria-label": "How far back", class: "hours" }, HOURS.map((n) => el("option", { value: String(n), selected: n === this.hours }, n < 48 ? `${n} h` : `${n / 24} days`)));
    hours.addEventListener("change", () => { this.hours = Number(hours.value); this.replayed = null; this.drawSteps(); });
    const why = !this.edited ? "nothing is edited here" : !good ? "once it is good" : !this.fresh(this.replayed) ? "once its replay was shown" : !candidate ? "once it is staged" : !this.api.can("operator") ? "needs an operator" : `puts ${candidate.digest.slice(7, 19)} in force`;
    put(this.steps, el("h2", { id: "steps-title" }, "Into force"), el("ol", { class: "law-steps" },
      step("Check", checkWords, null, good),
      step("Test", testWords, go("Run", () => this.test(), good), this.fresh(this.tested) && (this.tested?.told.failed ?? []).length === 0),
      step("Replay", replayWords, el("span", { class: "with-hours" }, hours, go("Replay", () => this.replay(), good && this.edited)), this.fresh(this.replayed)),
      step("Stage", candidate ? ["as ", digestOf(candidate.digest)] : "builds it at the gate and keeps it", go("Stage…", () => this.stage(), !!good && this.edited && !candidate && this.api.can("member")), !!candidate),
      step("Promote", why, go("Promote…", () => this.promote(candidate.digest, this.draft.files(), this.replayed?.told), !!candidate && this.fresh(this.replayed) && this.api.can("operator"), "small primary"))));
    if (active) /** @type {HTMLElement | null} */ (this.steps.querySelector(`[data-step="${CSS.escape(active)}"]:not(:disabled)`))?.focus();
  }

  async test() {
    const version = this.draft.version;
    await this.views.run("tests", "Judging the cases", async (signal) => {
      const told = await this.api.post("/v1/law/test", { files: this.draft.files() }, { signal, ...LONG });
      this.tested = { version, told };
      this.drawSteps();
      return testsView(told, (file) => this.draft.text(file) !== null, (file, line) => this.go(file, line));
    });
  }

  async replay() {
    const version = this.draft.version;
    await this.views.run("replay", `Putting the calls of the last ${this.hours < 48 ? count(this.hours, "hour") : `${this.hours / 24} days`} to it`, async (signal) => {
      const told = await this.api.post("/v1/law/replay", { files: this.draft.files(), hours: this.hours }, { signal, ...LONG });
      this.replayed = { version, told, hours: this.hours };
      this.drawSteps();
      return comparison(told);
    });
  }

  stage() {
    const version = this.draft.version;
    ask({
      title: "Stage this as a candidate?", action: "Stage", reason: "Why", kept: this.draft.reason,
      typed: (reason) => { this.draft.reason = reason; this.draft.keep(); },
      words: [el("p", {}, `${count(this.draft.edits.size, "file")} edited. The gate builds the candidate and keeps it; nothing changes for traffic.`)],
      act: async (reason) => {
        const candidate = await this.api.post("/v1/snapshots", { files: this.draft.files(), reason, base: this.draft.base });
        this.staged = { version, candidate };
        this.history.candidates = [candidate, ...this.history.candidates.filter((/** @type {any} */ each) => each.digest !== candidate.digest)];
        say("Staged");
        this.refresh();
      },
      refused: (error, close) => this.refusal(error, close),
    });
  }

  /** @param {any} error @param {() => void} close */
  refusal(error, close) {
    if (error.code === "not_the_base") {
      return notTheBase(error, () => {
        close();
        this.draft.keep();
        this.page.again();
      });
    }
    const faults = error.body?.faults;
    if (!faults) return null;
    return el("div", { class: "failed", role: "alert" }, el("p", { class: "failed-title" }, "It does not build. Nothing was changed."),
      el("ul", { class: "plain" }, faults.map((/** @type {any} */ each) => el("li", {}, shown(`${each.file}:${each.line}`), " ", shown(each.message)))));
  }

  /**
   * Puts a snapshot in force, after what it would change was shown.
   * @param {string} digest
   * @param {Record<string, string>} files
   * @param {any} told its replay, if it was made
   */
  promote(digest, files, told) {
    const impact = el("div", { class: "impact" });
    const failedTests = this.fresh(this.tested) && digest === this.stagedNow()?.digest ? (this.tested?.told.failed ?? []).length : 0;
    let known = told;
    const show = () => put(impact, comparison(known), failedTests > 0 ? el("p", { class: "wrong" }, `${count(failedTests, "test")} failed.`) : null);
    const load = async () => {
      put(impact, loading(`Putting the calls of the last ${count(this.hours, "hour")} to it`));
      try {
        known = await this.api.post("/v1/law/replay", { files, hours: this.hours }, { signal: this.page.signal, ...LONG });
        show();
      } catch (error) {
        put(impact, failed(error, load));
      }
    };
    ask({
      title: "Put this in force?", kind: "primary", action: "Promote", reason: "Why", kept: digest === this.stagedNow()?.digest ? this.draft.reason : "",
      words: [el("p", {}, digestOf(digest), " takes the place of ", digestOf(this.history.in_force), ". Every call from then on is judged by it."), el("h3", {}, "What recorded calls would have come to"), impact],
      act: async (reason) => {
        if (!known) throw new Error("What it would change is not known yet. Wait for the replay, or try it again.");
        await this.api.post(`/v1/snapshots/${digest}/promote`, { base: this.history.in_force, reason });
        if (digest === this.stagedNow()?.digest) this.draft.clear();
        say("It is in force");
        this.page.again();
      },
      refused: (error, close) => this.refusal(error, close),
    });
    if (known) show();
    else load();
  }
}

/** @param {{ base: string, both: string[], clashes: string[] }} stale @param {() => void} seen */
function staleView({ base, both, clashes }, seen) {
  const names = (/** @type {string[]} */ list) => list.map((path, n) => [n > 0 ? ", " : "", el("code", {}, shown(path))]);
  return el("div", { class: "law-stale", role: "alert" }, el("p", {}, "Your edits were made on ", digestOf(base), ", which is no longer in force. They now stand on what is."),
    both.length > 0 ? el("p", {}, "Both changed ", names(both), ", in different places: both changes are in it now.") : null,
    clashes.length > 0 ? el("p", {}, el("strong", {}, "Both changed the same place of ", names(clashes), "."), " Your text stands there; what came into force would be lost. Read its changes before you stage it.") : null,
    button("I have read the changes", seen, { kind: "quiet" }));
}

/** @param {any} told */
function testLine(told) {
  const failedOnes = told.failed.length;
  return failedOnes > 0 ? el("span", { class: "wrong" }, `${failedOnes} failed, ${told.passed} passed`) : `${told.passed} passed`;
}

/** @param {any} told */
function replayLine(told) {
  const { wider, narrower } = turns(told);
  if (told.compared === 0) return "no call could be compared";
  return wider + narrower === 0 ? `${told.compared} compared, no difference` : `${told.compared} compared: ${wider} wider, ${narrower} narrower`;
}
