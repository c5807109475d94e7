// Keys: one list of what each does, which `?` shows. Single keys never decide anything.

import { button, el, put } from "./dom.js";

/** @typedef {{ keys: string, words: string, act: (event: KeyboardEvent) => void }} Key */

/** @type {{ name: string, keys: Key[] }[]} */
const groups = [];
const SETTING = "wicketgate.keys";
let first = "";
let forget = 0;

/** Whether single keys act; some people's voice or switch software types letters. */
export function on() {
  try {
    return localStorage.getItem(SETTING) !== "off";
  } catch {
    return true;
  }
}

/**
 * Binds keys until the signal ends. `keys` is one key (`j`) or two after each other (`g q`).
 * @param {string} name what they are for, as the help heads them
 * @param {Key[]} keys
 * @param {AbortSignal} [signal]
 */
export function bind(name, keys, signal) {
  const group = { name, keys };
  groups.push(group);
  signal?.addEventListener("abort", () => {
    const at = groups.indexOf(group);
    if (at >= 0) groups.splice(at, 1);
  });
}

/** @param {KeyboardEvent} event */
function writes(event) {
  const target = /** @type {HTMLElement | null} */ (event.target instanceof HTMLElement ? event.target : null);
  return !!target?.closest("input, textarea, select, [contenteditable]");
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (writes(event) || document.querySelector("dialog[open]")) return;
  if (event.key !== "?" && !on()) return;
  const whole = first ? `${first} ${event.key}` : event.key;
  const find = (/** @type {string} */ keys) => groups.flatMap((group) => group.keys).findLast((key) => key.keys === keys);
  const key = find(whole) ?? find(event.key);
  clearTimeout(forget);
  first = "";
  if (key) {
    event.preventDefault();
    key.act(event);
  } else if (groups.some((group) => group.keys.some((each) => each.keys.startsWith(`${event.key} `)))) {
    first = event.key;
    forget = setTimeout(() => { first = ""; }, 1500);
  }
}

/** Listens, once for the whole console. */
export function listen() {
  document.addEventListener("keydown", pressed);
  bind("Everywhere", [{ keys: "?", words: "Show these keys", act: help }]);
}

/** Shows what each key does here. */
export function help() {
  const opener = /** @type {HTMLElement | null} */ (document.activeElement);
  const dialog = /** @type {HTMLDialogElement} */ (/** @type {unknown} */ (el("dialog", { class: "dialog", "aria-labelledby": "keys-title" })));
  const box = /** @type {HTMLInputElement} */ (/** @type {unknown} */ (el("input", { type: "checkbox", checked: on() })));
  box.addEventListener("change", () => {
    try {
      localStorage.setItem(SETTING, box.checked ? "on" : "off");
    } catch {
      // Storage is closed to us: the setting holds until the page is left.
    }
  });
  put(dialog,
    el("div", { class: "dialog-head" }, el("h2", { id: "keys-title" }, "Keys"), button("Close", () => dialog.close(), { kind: "quiet" })),
    el("div", { class: "keys" }, groups.map((group) => el("section", {}, el("h3", {}, group.name),
      el("dl", {}, group.keys.map((key) => el("div", {},
        el("dt", {}, key.keys.split(" ").map((each) => el("kbd", {}, each))), el("dd", {}, key.words))))))),
    el("label", { class: "check" }, box, "Single keys act"));
  dialog.addEventListener("close", () => {
    dialog.remove();
    opener?.focus?.();
  });
  document.body.append(dialog);
  dialog.showModal();
}

/**
 * j and k walk the elements that `items` gives, by their focus. Enter on a link is the browser's own.
 * @param {() => Element[]} items
 * @returns {Key[]}
 */
export function walk(items) {
  const step = (/** @type {number} */ by) => {
    const all = items();
    const at = all.findIndex((each) => each === document.activeElement || each.contains(document.activeElement));
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
    if (next instanceof HTMLElement) {
      next.focus();
      next.scrollIntoView({ block: "nearest" });
    }
  };
  return [
    { keys: "j", words: "Next in the list", act: () => step(1) },
    { keys: "k", words: "Previous in the list", act: () => step(-1) },
  ];
}
