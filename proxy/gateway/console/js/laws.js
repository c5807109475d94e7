// What the gate says of a bundle, drawn: tests, the replay of recorded traffic, the shadow, the summary, what changed.

import { brief, digestOf, short } from "./call.js";
import { badge, button, count, el, when } from "./dom.js";
import { lineDiff } from "./linediff.js";
import { shown } from "./shown.js";

/** @typedef {import("./dom.js").Child} Child */

/** How many unchanged lines stand around a change. */
const AROUND = 3;
/** How many lines of one file's changes are drawn. */
const LINES_MAX = 2000;

/**
 * A text of several lines, each made safe. Sentences wrap; a table keeps its columns and scrolls.
 * @param {string} text
 * @param {string} [name]
 */
export function lines(text, name = "Text") {
  /** @type {HTMLElement[]} */
  const out = [];
  /** @type {HTMLElement | null} */
  let block = null;
  for (const line of text.replace(/\n+$/, "").split("\n")) {
    const indent = /^ */.exec(line)?.[0].length ?? 0;
    const told = line.trim() === "" ? " " : shown(line.slice(indent), { max: 4000 });
    if (/\S {2,}\S/.test(line)) {
      block ??= el("div", { class: "rows", role: "region", tabindex: "0", "aria-label": `${name}, as a table` });
      if (block.parentNode === null && !out.includes(block)) out.push(block);
      block.append(el("div", {}, told));
    } else {
      block = null;
      out.push(el("p", { class: indent > 0 ? "sentence in" : "sentence" }, told));
    }
  }
  return el("div", { class: "words" }, out);
}

/**
 * What came of tests.
 * @param {any} told
 * @param {(file: string) => boolean} has whether a file is among those that are edited
 * @param {(file: string, line: number) => void} go
 */
export function testsView(told, has, go) {
  const failed = told.failed ?? [];
  const uncovered = Math.max(0, (told.policies ?? 0) - (told.covered ?? 0));
  return [
    el("p", { class: "result-line" }, badge(failed.length > 0 ? `${failed.length} failed` : "all passed", failed.length > 0 ? "bad" : "good"), el("span", {}, `${count(told.passed, "case")} passed`,
      told.policies > 0 ? `, ${told.covered} of ${count(told.policies, "policy", "policies")} decided a case` : "", ".")),
    uncovered > 0 ? el("p", { class: "fine" }, `${count(uncovered, "policy", "policies")} no case tests: what ${uncovered === 1 ? "it does" : "they do"} is shown by nothing.`) : null,
    told.passed + failed.length === 0 ? el("p", { class: "fine" }, "There is no case: write them in a file `policies/NAME.test.toml`.") : null,
    el("ul", { class: "plain failures" }, failed.map((/** @type {any} */ one) => el("li", {},
      el("strong", {}, shown(one.name)), " ", one.file ? (has(one.file) ? button(`${one.file}:${one.line}`, () => go(one.file, one.line), { kind: "link" }) : el("code", { class: "fine" }, shown(`${one.file}:${one.line}`))) : null,
      el("ul", { class: "plain" }, (one.differences ?? []).map((/** @type {any} */ d) => el("li", { class: "fine" }, `${d.field}: expected `, el("code", {}, shown(d.expected)), ", got ", el("code", {}, shown(d.got)))),
        one.message ? el("li", { class: "fine" }, shown(one.message)) : null)))),
  ];
}

/** The groups of a comparison, widenings first. @param {any} told @returns {any[]} */
export function differences(told) {
  return told.differences ?? told.differ ?? [];
}

/** How many calls turn which way. @param {any} told */
export function turns(told) {
  const of = (/** @type {string} */ turn) => told[turn] ?? differences(told).filter((each) => each.turn === turn).reduce((sum, each) => sum + each.count, 0);
  return { wider: of("wider"), narrower: of("narrower") };
}

/**
 * What recorded or live traffic would have come to.
 * @param {any} told
 * @param {{ past?: string }} [how]
 */
export function comparison(told, { past = "would have been decided" } = {}) {
  const { wider, narrower } = turns(told);
  const set = Object.entries(told.not_comparable ?? {});
  const list = differences(told);
  return [
    el("p", { class: "result-line" },
      told.compared === 0 ? "No recorded call could be compared, so this shows nothing." : [`${count(told.compared, "call")} compared. `,
        wider + narrower === 0 ? [badge("no difference", "good"), ` Each ${past} as it was.`]
          : [wider > 0 ? badge(`${wider} wider`, "warn") : null, " ", narrower > 0 ? badge(`${narrower} narrower`, "info") : null]]),
    wider > 0 ? el("p", { class: "fine" }, "Wider: more may happen than did. Read these first.") : null,
    el("ul", { class: "plain turns" }, list.map((each) => el("li", { class: `turn ${each.turn}` },
      el("div", { class: "turn-head" }, badge(each.turn, each.turn === "wider" ? "warn" : "info"), el("span", {}, el("strong", {}, count(each.count, "call")), ": ", shown(each.from), " → ", shown(each.to))),
      el("div", { class: "fine" }, shown(each.cause), each.rules?.length > 0 ? [" ", each.rules.map((/** @type {string} */ rule, /** @type {number} */ n) => [n > 0 ? ", " : "", el("code", {}, brief(rule, 60))])] : ""),
      each.examples?.length > 0 ? el("ul", { class: "plain examples" }, each.examples.map((/** @type {any} */ one) => el("li", { class: "fine" },
        el("a", { href: `#/traces/${one.number}` }, `#${one.number}`), " ", when(one.at), " ", shown(one.principal), " ", shown(one.server), "/", el("span", { class: "told" }, brief(one.what, 60))))) : null))),
    told.not_listed > 0 ? el("p", { class: "fine" }, `${count(told.not_listed, "more difference")} in groups that are not listed.`) : null,
    set.length > 0 ? el("details", { class: "apart" }, el("summary", {}, `${count(set.reduce((sum, [, n]) => sum + Number(n), 0), "call")} could not be compared`),
      el("ul", { class: "plain fine" }, set.map(([why, n]) => el("li", {}, `${n}: `, shown(why))))) : null,
  ];
}

/**
 * What is different in a file, line by line.
 * @param {string} path
 * @param {string} before
 * @param {string} after
 * @param {string} how
 */
export function fileDiff(path, before, after, how) {
  const all = lineDiff(before, after);
  const near = new Uint8Array(all.length);
  all.forEach((line, n) => {
    if (line.kind !== "same") for (let i = Math.max(0, n - AROUND); i <= Math.min(all.length - 1, n + AROUND); i += 1) near[i] = 1;
  });
  /** @type {HTMLElement[]} */
  const rows = [];
  let skipped = 0;
  all.forEach((line, n) => {
    if (!near[n]) {
      skipped += 1;
      return;
    }
    if (skipped > 0 && rows.length > 0) rows.push(el("div", { class: "diff-gap" }, count(skipped, "line")));
    skipped = 0;
    if (rows.length < LINES_MAX) rows.push(el("div", { class: `diff-line ${line.kind}` }, el("span", { class: "diff-no" }, String(line.after || line.before)),
      el("span", { class: "diff-sign" }, line.kind === "new" ? "+" : line.kind === "gone" ? "−" : " "), el("span", { class: "diff-text" }, line.text === "" ? " " : shown(line.text, { max: 2000 }))));
  });
  const [added, gone] = [all.filter((line) => line.kind === "new").length, all.filter((line) => line.kind === "gone").length];
  return el("section", { class: "file-diff" }, el("h3", {}, el("code", {}, shown(path)), " ", el("span", { class: "fine" }, how === "changed" ? `${added} added, ${gone} removed` : how)),
    el("div", { class: "diff", role: "region", tabindex: "0", "aria-label": `Changes of ${path}` }, rows,
      rows.length >= LINES_MAX ? el("div", { class: "diff-gap" }, `The first ${LINES_MAX} lines of the changes.`) : null));
}

/** One snapshot that is or was in force, in a line. @param {any} turn */
export function turnLine(turn) {
  return [el("strong", {}, short(turn.digest ?? "")), " by ", shown(turn.author), ", ", when(turn.at), turn.reason ? [": ", shown(turn.reason)] : ""];
}

/** What changed by names. @param {any} change */
export function changeWords(change) {
  /** @type {Child[]} */
  const out = [];
  for (const [what, names] of Object.entries(change ?? {})) {
    for (const how of ["added", "removed", "changed"]) {
      const list = /** @type {any} */ (names)?.[how];
      if (Array.isArray(list) && list.length > 0) out.push(el("li", {}, el("span", { class: "fine" }, `${what} ${how}: `), list.slice(0, 12).map((name, n) => [n > 0 ? ", " : "", el("code", {}, brief(name, 80))]), list.length > 12 ? ` and ${list.length - 12} more` : ""));
    }
  }
  return out.length > 0 ? el("ul", { class: "plain" }, out) : null;
}

/** Somebody was faster: what is in force now, and what can be done. @param {any} error @param {() => void} take */
export function notTheBase(error, take) {
  const turn = error.body?.in_force;
  return el("div", { class: "failed", role: "alert" },
    el("p", { class: "failed-title" }, "Something else came into force since this was made. Nothing was changed."),
    turn ? el("p", {}, "In force now: ", turnLine(turn)) : el("p", {}, shown(error.message)),
    turn ? changeWords(turn.change) : null,
    button("Put my edits on top of it", take));
}

/** @param {any} candidate */
export function candidateLine(candidate) {
  return [digestOf(candidate.digest), " by ", shown(candidate.author), ", ", when(candidate.at), candidate.reason ? [": ", shown(candidate.reason)] : ""];
}
