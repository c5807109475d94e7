// Fields to narrow a list by, kept in the address, so that a narrowed list can be sent to somebody.

import { button, el, put } from "./dom.js";
import { escaped } from "./shown.js";

/** @typedef {{ name: string, words: string, options?: string[], any?: string, list?: string[], wide?: boolean }} Choice
 *   `options`: a fixed choice; else a text, with `list` as suggestions */

/**
 * @param {{ choices: Choice[], path: string, query: URLSearchParams, changed: (values: Record<string, string>) => void, late?: boolean, more?: import("./dom.js").Child[] }} how
 *   `late`: texts count when they are finished, not letter by letter
 */
export function choices({ choices: all, path, query, changed, late = false, more = [] }) {
  /** @type {Map<string, any>} */
  const fields = new Map();
  const clear = button("Clear", () => {
    for (const field of fields.values()) field.value = "";
    tell();
    fields.values().next().value?.focus();
  }, { kind: "quiet" });
  const values = () => Object.fromEntries([...fields].map(([name, field]) => [name, field.value.trim()]));
  const tell = () => {
    const now = values();
    const kept = new URLSearchParams(Object.entries(now).filter(([, value]) => value));
    history.replaceState(null, "", `#${path}${kept.size > 0 ? `?${kept}` : ""}`);
    clear.hidden = kept.size === 0;
    changed(now);
  };
  let timer = 0;
  const make = (/** @type {Choice} */ choice) => {
    const id = `choice-${choice.name}`;
    const value = query.get(choice.name) ?? "";
    const listId = choice.list?.length ? `${id}-list` : null;
    const known = choice.options && value && !choice.options.includes(value) ? [...choice.options, value] : choice.options;
    const field = known
      ? el("select", { id }, el("option", { value: "" }, choice.any ?? "any"), known.map((option) => el("option", { value: option, selected: option === value }, escaped(option))))
      : el("input", { id, type: "search", value, autocomplete: "off", spellcheck: "false", list: listId });
    field.addEventListener(known || late ? "change" : "input", () => {
      clearTimeout(timer);
      timer = setTimeout(tell, known || late ? 0 : 150);
    });
    if (late && !known) field.addEventListener("search", () => tell());
    fields.set(choice.name, field);
    return el("div", { class: choice.wide ? "field wide" : "field" }, el("label", { for: id }, choice.words), field,
      listId ? el("datalist", { id: listId }, (choice.list ?? []).map((each) => el("option", { value: each }))) : null);
  };
  const element = el("div", { class: "filters", role: "search" }, all.map(make), more, clear);
  clear.hidden = Object.values(values()).every((value) => !value);
  return {
    element, values,
    /** New suggestions for a text, found meanwhile. @param {string} name @param {string[]} list */
    suggest(name, list) {
      const field = fields.get(name);
      if (!field || field.tagName !== "INPUT") return;
      const id = `choice-${name}-list`;
      field.setAttribute("list", id);
      const box = document.getElementById(id) ?? el("datalist", { id });
      put(box, list.map((each) => el("option", { value: each })));
      if (!box.isConnected) field.after(box);
    },
  };
}
