// Text of others, made safe to look at: nothing in it can hide, reorder, imitate or run.
//
// The same rules as the terminal's (`story/visible.rs`): control, format (bidirectional, zero-width), unassigned and
// combining characters, and characters that look like nothing, are written as escapes; letters of every script stay.
// Beyond that, words that mix scripts or are drawn like Latin ones are marked. Nothing is cut in silence: what is
// folded says exactly how much it holds.

import { el } from "./dom.js";
import { stringEnd } from "./exact.js";

/** A character that hides, reorders or looks like nothing. */
export const HIDES = /[\p{C}\p{Zl}\p{Zp}\p{Grapheme_Extend}\u115f\u1160\u3164\uffa0\u2800]|(?! )\p{Zs}/u;
const HIDES_ALL = new RegExp(HIDES.source, "gu");
const HIDES_OR_BACKSLASH = new RegExp(`\\\\|${HIDES.source}`, "gu");
/** In a JSON text that is laid out: what JSON escaped already, and what hides; its line ends are ours. */
const HIDES_IN_JSON = new RegExp(`\\\\(?:u[0-9a-fA-F]{4}|.)|(?!\n)(?:${HIDES.source})`, "gsu");
const SHORT = new Map([["\n", "\\n"], ["\r", "\\r"], ["\t", "\\t"], ["\0", "\\0"]]);

/** More marks than this in one text are written without colour, so that a hostile text cannot fill the page's memory. */
const MARKS_MAX = 2000;
/** Of so many different reasons why words are odd it is said which; of the others, how many. */
const REASONS_MAX = 3;
/** Letters that are written from right to left. */
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** @param {string} character */
function escape(character) {
  return SHORT.get(character) ?? `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

/**
 * A text with everything escaped that hides, backslashes as they are: for words of our own, where one of others slipped in.
 * @param {string} text
 */
export function plain(text) {
  return HIDES.test(text) ? text.replace(HIDES_ALL, escape) : text;
}

/**
 * A text of others as a string: backslashes doubled, so that no escape can be forged. For attributes and announcements.
 * @param {unknown} text
 */
export function escaped(text) {
  return String(text ?? "").replace(HIDES_OR_BACKSLASH, (c) => (c === "\\" ? "\\\\" : escape(c)));
}

/**
 * How many characters (code points) a text has.
 * @param {string} text
 */
export function length(text) {
  let n = 0;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) i += 1;
    n += 1;
  }
  return n;
}

/**
 * `1 character`, `12,345 characters`.
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export function count(n, one, many = `${one}s`) {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

/** @type {[string, RegExp][]} */
const SCRIPTS = ["Latin", "Cyrillic", "Greek", "Armenian", "Cherokee", "Coptic", "Georgian", "Hebrew", "Arabic", "Lisu"].map(
  (name) => [name, new RegExp(`\\p{Script=${name}}`, "u")],
);
const LOOKS_LATIN = /^[асеорхуіјѕһԁԛԝӏьАВЕКМНОРСТУХІЈЅԌҮοναγρυιΑΒΕΖΗΙΚΜΝΟΡΤΥΧ]{2,}$/u;
const WORD = /[\p{L}\p{N}\p{M}]+/gu;

/**
 * What is odd about one word, in plain words, or null.
 * @param {string} word
 */
function odd(word) {
  const scripts = SCRIPTS.filter(([, letters]) => letters.test(word)).map(([name]) => name);
  if (scripts.length > 1) return `mixes ${scripts.join(" and ")} letters`;
  if (LOOKS_LATIN.test(word)) return `${scripts[0]} letters that look Latin`;
  const folded = word.normalize("NFKC");
  if (folded !== word && [...word].some((c) => c > "\x7f" && /[\p{L}\p{Nd}]/u.test(c) && /^[A-Za-z0-9]+$/.test(c.normalize("NFKC")))) {
    return `letters in disguise, reads as ${folded}`;
  }
  return null;
}

/** @typedef {{ kind: "plain" | "escape" | "odd", text: string, why?: string }} Piece */

/**
 * A run without anything that hides, cut at its odd words.
 * @param {string} run
 * @param {Piece[]} out
 */
function words(run, out) {
  let at = 0;
  if (/[^\x00-\x7f]/.test(run)) {
    for (const match of run.matchAll(WORD)) {
      const why = /[^\x00-\x7f]/.test(match[0]) ? odd(match[0]) : null;
      if (!why) continue;
      if (match.index > at) out.push({ kind: "plain", text: run.slice(at, match.index) });
      out.push({ kind: "odd", text: match[0], why });
      at = match.index + match[0].length;
    }
  }
  if (at < run.length) out.push({ kind: "plain", text: run.slice(at) });
}

/**
 * A text's pieces: as it is, escaped, or odd.
 * @param {string} text
 * @param {boolean} json whether it is JSON laid out, or a text whose backslashes are doubled
 */
function pieces(text, json) {
  /** @type {Piece[]} */
  const out = [];
  let at = 0;
  for (const match of text.matchAll(json ? HIDES_IN_JSON : HIDES_OR_BACKSLASH)) {
    words(text.slice(at, match.index), out);
    const [found] = match;
    const written = found === "\\" ? "\\\\" : found.startsWith("\\") ? [...found].map((c) => plain(c)).join("") : escape(found);
    const last = out.at(-1);
    if (last?.kind === "escape" && match.index === at) last.text += written;
    else out.push({ kind: "escape", text: written });
    at = match.index + found.length;
  }
  words(text.slice(at), out);
  return out;
}

/**
 * Nodes of pieces. Odd words are marked; a text with very many marks is one node without colour.
 * @param {Piece[]} parts
 * @param {boolean} marked
 * @returns {Node[]}
 */
function drawn(parts, marked) {
  if (!marked) return [document.createTextNode(parts.map((part) => part.text).join(""))];
  return parts.map((part) => part.kind === "plain" ? document.createTextNode(part.text)
    : el("span", { class: part.kind === "odd" ? "odd" : "esc" }, part.text));
}

/**
 * Tags that say why words are odd, once for each reason. However many marks a text has, and whether they are coloured or
 * not, they are there.
 * @param {Piece[]} parts
 * @returns {Node[]}
 */
function tags(parts) {
  const reasons = [...new Set(parts.flatMap((part) => part.why ?? []))];
  const out = reasons.slice(0, REASONS_MAX).map((why) => el("span", { class: "odd-why" }, why));
  const more = reasons.length - out.length;
  if (more > 0) out.push(el("span", { class: "odd-why" }, `and ${count(more, "more such reason")}`));
  return out;
}

/**
 * A text's nodes, and after it why words of it are odd.
 * @param {string} text
 */
function nodes(text) {
  const parts = pieces(text, false);
  return [...drawn(parts, parts.length <= MARKS_MAX), ...tags(parts)];
}

/**
 * The nodes of a JSON text that is laid out. What holds letters that are written from right to left stands by itself, so
 * that it cannot take the structure around it along.
 * @param {string} text
 */
function jsonNodes(text) {
  /** @type {{ parts: Piece[], alone: boolean }[]} */
  const runs = [];
  const take = (/** @type {number} */ from, /** @type {number} */ to) => {
    if (from < to) runs.push({ parts: pieces(text.slice(from, to), true), alone: RIGHT_TO_LEFT.test(text.slice(from, to)) });
  };
  let at = 0;
  if (RIGHT_TO_LEFT.test(text)) {
    let to = 0;
    for (let from = text.indexOf('"'); from >= 0; from = text.indexOf('"', to)) {
      to = stringEnd(text, from);
      if (!RIGHT_TO_LEFT.test(text.slice(from, to))) continue;
      take(at, from);
      take(from, to);
      at = to;
    }
  }
  take(at, text.length);
  const all = runs.flatMap((run) => run.parts);
  const marked = all.length + runs.length <= MARKS_MAX;
  /** @type {Node[]} */
  const out = [];
  for (const { parts, alone } of runs) {
    if (!alone) out.push(...drawn(parts, marked));
    else if (marked) out.push(el("bdi", {}, drawn(parts, true)));
    // As `bdi` does, without an element for each: U+2068 and U+2069, which no text of others can hold, as they are escaped.
    else out.push(document.createTextNode(`\u2068${parts.map((part) => part.text).join("")}\u2069`));
  }
  return [...out, ...tags(all)];
}

/**
 * The first so many characters of a text, never half a pair.
 * @param {string} text
 * @param {number} max
 */
function head(text, max) {
  const cut = text.charCodeAt(max - 1);
  return text.slice(0, cut >= 0xd800 && cut < 0xdc00 ? max - 1 : max);
}

/**
 * A node that shows a whole text, or its head and a button that says how much there is. While it is folded it carries
 * `data-folded` with that number; opening it sends the event `unfold` up the page, and the event `unfold-now` opens it.
 * @param {string} text
 * @param {number} max
 * @param {(part: string) => Node[]} draw
 * @param {string} what
 * @param {string} tag
 * @param {number} total how many characters the whole is said to have
 */
function foldable(text, max, draw, what, tag, total) {
  const box = el(tag, { class: "other", dir: "auto" });
  if (text.length <= max) {
    box.append(...draw(text));
    return box;
  }
  const name = what ? ` of ${what}` : "";
  const fold = () => {
    box.dataset.folded = String(total);
    const button = el("button", { class: "fold", type: "button", "aria-label": `Show all ${count(total, "character")}${name}` },
      `Show all ${count(total, "character")}`);
    button.addEventListener("click", () => unfold(true));
    box.replaceChildren(...draw(head(text, Math.min(max, 2000))), el("span", { class: "cut" }, " … "), button);
  };
  const unfold = (/** @type {boolean} */ focus) => {
    delete box.dataset.folded;
    const button = el("button", { class: "fold", type: "button", "aria-label": `Fold the text${name}` }, "Fold");
    button.addEventListener("click", () => {
      fold();
      /** @type {HTMLElement | null} */ (box.querySelector("button.fold"))?.focus();
      box.dispatchEvent(new CustomEvent("unfold", { bubbles: true }));
    });
    box.replaceChildren(...draw(text), " ", button);
    if (focus) button.focus({ preventScroll: true });
    box.dispatchEvent(new CustomEvent("unfold", { bubbles: true }));
  };
  box.addEventListener("unfold-now", () => {
    if (box.dataset.folded) unfold(false);
  });
  fold();
  return box;
}

/**
 * A text of others, as a node: a name, a reason, a goal, a description.
 * @param {unknown} text
 * @param {{ max?: number, what?: string, tag?: string }} [how] `max`: folded above so many characters; `what`: its name for
 *   people who cannot see it; `tag`: the element, `span` by default
 * @returns {HTMLElement}
 */
export function shown(text, { max = 400, what = "", tag = "span" } = {}) {
  const all = String(text ?? "");
  return foldable(all, max, nodes, what, tag, length(all));
}

/**
 * A JSON text of others, laid out in lines. It is read token by token and never parsed: numbers, order and repeated
 * members stay exactly as they were sent. What stands outside quotation marks is structure and cannot be forged.
 * @param {string} text
 * @param {{ max?: number, what?: string }} [how]
 * @returns {HTMLElement}
 */
export function shownJson(text, { max = 4000, what = "" } = {}) {
  const laid = layOut(text);
  const box = foldable(laid, max, jsonNodes, what, "div", length(text));
  box.classList.add("json");
  box.dir = "ltr";
  return box;
}

const INLINE_MAX = 64;
const INDENT_MAX = 12;

/**
 * A JSON text in lines. A lone string is broken after each line end it writes, so that a letter reads as a letter.
 * @param {string} text
 * @returns {string}
 */
export function layOut(text) {
  const lone = text.trim();
  if (lone.startsWith('"')) return inString(lone).replace(/\\(?:n|.)/gsu, (pair) => (pair === "\\n" ? "\\n\n" : pair));
  let out = "";
  let depth = 0;
  let at = 0;
  const line = () => {
    out += `\n${"  ".repeat(Math.min(depth, INDENT_MAX))}`;
    if (depth > INDENT_MAX) out += `⟨${depth} deep⟩ `;
  };
  while (at < text.length) {
    const character = text[at];
    if (character === '"') {
      const end = stringEnd(text, at);
      out += inString(text.slice(at, end));
      at = end;
    } else if (character === "{" || character === "[") {
      const short = inline(text, at);
      if (short) {
        out += short.text;
        at = short.end;
      } else {
        depth += 1;
        out += character;
        line();
        at += 1;
      }
    } else {
      if (character === "}" || character === "]") {
        depth = Math.max(0, depth - 1);
        line();
        out += character;
      } else if (character === ",") {
        out += ",";
        line();
      } else if (character === ":") out += ": ";
      else if (!/\s/.test(character ?? "")) out += character;
      at += 1;
    }
  }
  return out;
}

/**
 * A string of a JSON text. JSON lets none hold a line end; should one, it must not look like ours.
 * @param {string} text
 */
function inString(text) {
  return text.replaceAll("\n", "\\u{a}");
}

/**
 * A short list or object in one line, if it is one.
 * @param {string} text
 * @param {number} at
 */
function inline(text, at) {
  let depth = 0;
  let out = "";
  let i = at;
  while (i < text.length && i - at <= INLINE_MAX) {
    const character = text[i] ?? "";
    if (character === '"') {
      const end = stringEnd(text, i);
      if (end - at > INLINE_MAX) return null;
      out += inString(text.slice(i, end));
      i = end;
      continue;
    }
    if (character === "{" || character === "[") depth += 1;
    if (character === "}" || character === "]") depth -= 1;
    if (!/\s/.test(character)) out += character === "," ? ", " : character === ":" ? ": " : character;
    i += 1;
    if (depth === 0) return { text: out, end: i };
  }
  return null;
}
