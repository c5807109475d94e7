// Elements by calls: every text becomes a text node, so nothing that others wrote can be markup.
//
// A page builds itself with `el` and the pieces below, and shows words of others through `shown` (shown.js). As a second
// line of defence `el` itself escapes what hides in any string it is given.

import { count, escaped, plain, shown } from "./shown.js";

/** @typedef {Node | string | number | null | undefined | false | any[]} Child */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `on` holds listeners, `dataset` data, `signal` ends the listeners; `true` sets an empty attribute; `null`,
 * `undefined` and `false` set none. A link leads only to a page of the console or a path of the gate.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...Child} children
 * @returns {HTMLElement & Record<string, any>}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  dress(element, attributes);
  fill(element, children);
  return /** @type {any} */ (element);
}

/**
 * An element of SVG, as `el` makes one of HTML.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  dress(element, attributes);
  fill(element, children);
  return element;
}

/**
 * @param {Element} element
 * @param {Record<string, any>} attributes
 */
function dress(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "dataset") {
      for (const [key, text] of Object.entries(value)) /** @type {any} */ (element).dataset[key] = String(text);
    } else if (name === "value" || name === "checked" || name === "disabled" || name === "selected") {
      /** @type {any} */ (element)[name] = value;
    } else if (name === "style" || name.startsWith("on") || name === "srcdoc" || name === "src") {
      throw new Error(`el: the attribute \`${name}\` is not set from a script here`);
    } else if (name === "href" && !/^(#|\/(?!\/))/.test(String(value))) {
      throw new Error("el: a link leads only to a page of the console or a path of the gate");
    } else {
      element.setAttribute(name, value === true ? "" : plain(String(value)));
    }
  }
}

/**
 * @param {Element} element
 * @param {any[]} children
 */
function fill(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === true) continue;
    element.append(child instanceof Node ? child : document.createTextNode(plain(String(child))));
  }
}

/**
 * Replaces what an element holds.
 * @param {Element} element
 * @param {...Child} children
 */
export function put(element, ...children) {
  element.replaceChildren();
  fill(element, children);
  return element;
}

/**
 * A page's head: its name, a line under it, and what can be done.
 * @param {string | Node} title
 * @param {{ sub?: Child, actions?: Child[] }} [more]
 */
export function head(title, { sub, actions = [] } = {}) {
  return el("div", { class: "head" },
    el("div", { class: "head-words" }, el("h1", { tabindex: "-1" }, title), sub ? el("p", { class: "sub" }, sub) : null),
    actions.length > 0 ? el("div", { class: "actions" }, actions) : null);
}

/**
 * A button. `kind`: `primary`, `danger`, `quiet`, or nothing.
 * @param {Child} words
 * @param {(event: MouseEvent) => void} act
 * @param {Record<string, any> & { kind?: string }} [more]
 */
export function button(words, act, { kind = "", ...more } = {}) {
  return el("button", { type: "button", class: `button ${kind}`.trim(), ...more, on: { click: act } }, words);
}

/**
 * A panel with a heading of its own.
 * @param {string} title
 * @param {{ note?: Child, id?: string, class?: string, level?: number }} how
 * @param {...Child} children
 */
export function panel(title, { note, id = `p-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`, class: more = "", level = 2 }, ...children) {
  return el("section", { class: `panel ${more}`.trim(), "aria-labelledby": id },
    el("div", { class: "panel-head" }, el(`h${level}`, { id }, title), note ? el("div", { class: "note" }, note) : null),
    children);
}

/**
 * Names and what they are, as a definition list. Rows whose value is null are left out.
 * @param {[Child, Child][]} rows
 */
export function facts(rows) {
  return el("dl", { class: "facts" },
    rows.filter(([, value]) => value !== null && value !== undefined)
      .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

/**
 * A table that becomes a list of cards on a narrow screen. `columns`: `{ name, cell(row), class? }`; `link(row)` gives a
 * row's page, which j, k and Enter walk.
 * @template Row
 * @param {{ name: string, cell: (row: Row) => Child, class?: string }[]} columns
 * @param {Row[]} rows
 * @param {{ caption: string, row?: (row: Row) => Record<string, any> }} how
 */
export function table(columns, rows, { caption, row = () => ({}) }) {
  return el("div", { class: "table-box" },
    el("table", { class: "table" },
      el("caption", { class: "sr" }, caption),
      el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col", class: column.class }, column.name)))),
      el("tbody", {}, rows.map((each) => el("tr", row(each),
        columns.map((column) => el("td", { class: column.class, dataset: { name: column.name } }, el("div", {}, column.cell(each)))))))));
}

/**
 * Nothing is here, and why that is fine or what to do.
 * @param {string} title
 * @param {Child} [words]
 * @param {Child} [action]
 */
export function empty(title, words, action) {
  return el("div", { class: "empty" }, el("p", { class: "empty-title" }, title), words ? el("p", {}, words) : null, action);
}

/** @param {string} [words] */
export function loading(words = "Loading") {
  return el("p", { class: "loading", role: "status" }, words);
}

/**
 * What went wrong, in the gate's words, and a way to try again.
 * @param {any} error
 * @param {() => void} [again]
 */
export function failed(error, again) {
  const code = error?.code ? `${error.code}${error.status ? `, ${error.status}` : ""}` : "";
  return el("div", { class: "failed", role: "alert" },
    el("p", { class: "failed-title" }, shown(error?.title ?? "This could not be loaded")),
    el("p", {}, shown(error?.message ?? String(error), { max: 2000 }), code ? el("span", { class: "code" }, ` (${code})`) : null),
    again ? button("Try again", again) : null);
}

/**
 * A small word with a tone: `good`, `bad`, `warn`, `info`, or none.
 * @param {Child} words
 * @param {string} [tone]
 */
export function badge(words, tone = "") {
  return el("span", { class: `badge ${tone}`.trim() }, words);
}

const TONES = new Map([
  ["allow", "good"], ["granted", "good"], ["spent", "good"], ["served", "good"], ["ok", "good"],
  ["escalate", "warn"], ["pending", "warn"], ["degraded", "warn"], ["expired", ""], ["closed", ""],
  ["deny", "bad"], ["refused", "bad"], ["failed", "bad"],
]);

/**
 * A decision, state or ending as a badge in its colour.
 * @param {string} word
 */
export function verdict(word) {
  return badge(shown(word), TONES.get(word) ?? "");
}

/**
 * Labels as chips; `none` says what stands where there are none.
 * @param {string[] | null | undefined} list
 * @param {string} [none]
 */
export function labels(list, none = "no labels") {
  if (!list || list.length === 0) return el("span", { class: "none" }, none);
  return el("span", { class: "chips" }, list.map((each) =>
    el("span", { class: `chip ${each === "untrusted" ? "untrusted" : ""}`.trim() }, shown(each, { max: 80 }))));
}

/**
 * A point in time: the clock on its face, the date where it is not today, and the whole on hover.
 * @param {string | null | undefined} at
 */
export function when(at) {
  const date = new Date(at ?? "");
  if (Number.isNaN(date.getTime())) return el("span", { class: "none" }, at ? shown(at) : "never");
  const today = new Date().toDateString() === date.toDateString();
  const clock = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const day = date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
  return el("time", { datetime: date.toISOString(), title: date.toString() }, today ? clock : `${day}, ${clock}`);
}

/**
 * A span of time in short: `4 s`, `3 min`, `2 h 5 min`, `3 d`.
 * @param {number} ms
 */
export function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  const min = Math.floor(s / 60);
  if (min < 60) return min < 10 && s % 60 ? `${min} min ${s % 60} s` : `${min} min`;
  const h = Math.floor(min / 60);
  return h < 48 ? (min % 60 ? `${h} h ${min % 60} min` : `${h} h`) : `${Math.floor(h / 24)} d`;
}

/**
 * Says something to people who listen to the page, once, without moving the focus.
 * @param {string} words
 */
export function say(words) {
  const said = document.getElementById("said");
  if (!said) return;
  said.textContent = "";
  setTimeout(() => { said.textContent = escaped(words); }, 50);
}

export { count };
