// A text to edit, with line numbers, colours for what its words are, and faults marked where they stand. The text lies in an
// ordinary textarea: what is drawn lies under it, and is left away where colours are forced or the text is long.

import { count, el, put } from "./dom.js";
import { HIDES } from "./shown.js";

/** @typedef {{ line?: number, column?: number, length?: number, kind: "fault" | "remark" }} Mark line and column count from one */

/** How long a text is coloured, in characters. */
const COLOUR_MAX = 120_000;

/** @type {Record<string, RegExp>} */
const WORDS = {
  cedar: /(?<comment>\/\/[^\n]*)|(?<string>"(?:\\.|[^"\\\n])*")|(?<note>@[A-Za-z_]\w*)|(?<key>\b(?:permit|forbid|when|unless|principal|action|resource|context|in|has|like|is|if|then|else|true|false)\b)|(?<number>\b\d+\b)/gu,
  toml: /(?<comment>#[^\n]*)|(?<string>"(?:\\.|[^"\\\n])*"|'[^'\n]*')|(?<note>^\s*\[\[?[^\]\n]*\]\]?)|(?<key>^\s*[\w.-]+(?=\s*=))|(?<number>\b(?:true|false|\d[\d._-]*)\b)/gmu,
};

/**
 * Characters of a text that hide or reorder it, by line: in the source they stand as they are and could mislead whoever
 * reads it. Tabs are none of them.
 * @param {string} text
 * @returns {{ line: number, column: number, code: string }[]}
 */
export function hidden(text) {
  const out = [];
  const lines = text.split("\n");
  for (let n = 0; n < lines.length && out.length < 50; n += 1) {
    const line = lines[n] ?? "";
    if (!HIDES.test(line.replaceAll("\t", " "))) continue;
    let column = 0;
    for (const character of line) {
      column += 1;
      if (character !== "\t" && HIDES.test(character)) out.push({ line: n + 1, column, code: `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}` });
    }
  }
  return out;
}

/** @param {string} path */
function languageOf(path) {
  return path.endsWith(".cedar") ? "cedar" : path.endsWith(".toml") ? "toml" : "";
}

export class Editor {
  /** @param {{ changed: (text: string) => void }} how */
  constructor({ changed }) {
    this.path = "";
    /** @type {Mark[]} */
    this.marked = [];
    this.lines = 0;
    this.gutter = el("div", { class: "ed-gutter", "aria-hidden": "true" });
    this.colours = el("pre", { class: "ed-layer", "aria-hidden": "true" });
    this.underlines = el("pre", { class: "ed-layer ed-marks", "aria-hidden": "true" });
    this.area = /** @type {HTMLTextAreaElement} */ (/** @type {unknown} */ (el("textarea", {
      class: "ed-text", wrap: "off", spellcheck: "false", autocomplete: "off", autocapitalize: "off", "aria-describedby": "ed-position",
    })));
    this.position = el("p", { class: "fine", id: "ed-position" });
    this.element = el("div", { class: "ed" }, this.gutter, el("div", { class: "ed-body" }, this.underlines, this.colours, this.area));
    let frame = 0;
    this.area.addEventListener("input", () => {
      this.marked = [];
      changed(this.area.value);
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => this.draw());
    });
    this.area.addEventListener("scroll", () => this.follow());
    for (const event of ["keyup", "click", "focus"]) this.area.addEventListener(event, () => this.place());
  }

  /**
   * @param {string} path
   * @param {string} text
   * @param {boolean} fixed whether it may only be read
   */
  set(path, text, fixed = false) {
    this.path = path;
    this.area.setAttribute("aria-label", `Text of ${path}`);
    this.area.readOnly = fixed;
    this.area.value = text;
    this.area.setSelectionRange(0, 0);
    this.marked = [];
    this.area.scrollTop = 0;
    this.area.scrollLeft = 0;
    this.draw();
    this.place();
  }

  /** @param {Mark[]} marks */
  mark(marks) {
    this.marked = marks;
    this.draw();
  }

  /**
   * @param {number} line
   * @param {number} column
   */
  go(line, column = 1) {
    const lines = this.area.value.split("\n");
    const at = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0) + Math.max(0, column - 1);
    this.area.focus();
    this.area.setSelectionRange(at, at);
    const height = this.area.scrollHeight / Math.max(lines.length, 1);
    this.area.scrollTop = Math.max(0, (line - 1) * height - this.area.clientHeight / 3);
    this.place();
  }

  place() {
    const before = this.area.value.slice(0, this.area.selectionStart).split("\n");
    put(this.position, `Line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1} of ${count(this.area.value.split("\n").length, "line")}`);
  }

  follow() {
    for (const layer of [this.colours, this.underlines]) {
      layer.scrollTop = this.area.scrollTop;
      layer.scrollLeft = this.area.scrollLeft;
    }
    this.gutter.scrollTop = this.area.scrollTop;
  }

  draw() {
    const text = this.area.value;
    this.number(text);
    // Text nodes of the page's own making, so that what is drawn is as wide as what is typed.
    const words = text.length <= COLOUR_MAX ? WORDS[languageOf(this.path)] : undefined;
    this.element.classList.toggle("coloured", !!words);
    this.colours.replaceChildren(...(words ? coloured(text, words) : []));
    this.underlines.replaceChildren(...underlined(text, this.marked));
    this.follow();
  }

  /** @param {string} text */
  number(text) {
    const lines = text.split("\n").length;
    const worst = new Map();
    for (const { line, kind } of this.marked) if (line && worst.get(line) !== "fault") worst.set(line, kind);
    const key = `${lines} ${[...worst].join()}`;
    if (this.gutter.dataset.key === key) return;
    this.gutter.dataset.key = key;
    const numbers = [];
    for (let n = 1; n <= lines; n += 1) numbers.push(el("span", { class: `ed-no ${worst.get(n) ?? ""}`.trim() }, String(n)));
    put(this.gutter, numbers);
  }
}

/**
 * @param {string} text
 * @param {RegExp} words
 */
function coloured(text, words) {
  /** @type {Node[]} */
  const out = [];
  let at = 0;
  for (const match of text.matchAll(words)) {
    if (match.index > at) out.push(document.createTextNode(text.slice(at, match.index)));
    const kind = Object.entries(match.groups ?? {}).find(([, found]) => found !== undefined)?.[0] ?? "";
    const one = document.createElement("span");
    one.className = `w-${kind}`;
    one.append(document.createTextNode(match[0]));
    out.push(one);
    at = match.index + match[0].length;
  }
  out.push(document.createTextNode(`${text.slice(at)}\n`));
  return out;
}

/**
 * @param {string} text
 * @param {Mark[]} marks
 */
function underlined(text, marks) {
  if (marks.length === 0) return [];
  const starts = [0];
  for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) starts.push(i + 1);
  const spans = marks.flatMap(({ line, column, length, kind }) => {
    const start = line ? starts[line - 1] : undefined;
    if (start === undefined) return [];
    const end = (starts[(line ?? 0)] ?? text.length + 1) - 1;
    const from = Math.min(start + Math.max(0, (column ?? 1) - 1), end);
    return [{ from, to: Math.min(text.length, length ? from + length : end), kind }];
  }).sort((a, b) => a.from - b.from);
  /** @type {Node[]} */
  const out = [];
  let at = 0;
  for (const { from, to, kind } of spans) {
    if (to <= at) continue;
    const begin = Math.max(at, from);
    out.push(document.createTextNode(text.slice(at, begin)));
    const one = document.createElement("span");
    one.className = `squiggle ${kind}`;
    one.append(document.createTextNode(text.slice(begin, to) || " "));
    out.push(one);
    at = Math.max(to, begin);
  }
  out.push(document.createTextNode(`${text.slice(at)}\n`));
  return out;
}
