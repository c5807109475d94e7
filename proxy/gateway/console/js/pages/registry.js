// What exists: servers, their tools as they were reviewed, what is withheld and why; and how a live server differs.

import { brief, cell, digestOf, effectWord } from "../call.js";
import { ask } from "../dialog.js";
import { badge, button, count, el, empty, facts, failed, head, labels, loading, put, say, table } from "../dom.js";
import { DANGEROUS } from "../evidence.js";
import { walk } from "../keys.js";
import { escaped, shown, shownJson } from "../shown.js";

/** @typedef {import("../api.js").Api} Api */
/** @typedef {import("../main.js").Page} Page */

/** The effects a reviewer may name, with what each means. */
const EFFECTS = [
  ["read", "nothing changes and nothing leaves"], ["write", "something changes that can be changed back"],
  ["destructive", "something changes that cannot be changed back"], ["egress", "data leaves to a place the caller chose"],
  ["spend", "money or another counted good is spent"], ["memory_read", "read from an agent’s memory"],
  ["memory_write", "written to an agent’s memory"], ["execute", "code runs"],
];
/** How long a scan may take. */
const LONG = { timeout: 180_000 };

/**
 * @param {HTMLElement} root
 * @param {any} params
 * @param {Api} api
 * @param {Page} page
 */
export async function render(root, params, api, page) {
  root.classList.add("wide");
  root.append(head("Registry", { sub: "Servers and tools as they were reviewed. What is not here does not exist: it is neither listed nor callable." }));
  const body = el("div", { class: "stack" });
  root.append(put(body, loading()));
  try {
    const { servers } = await api.get("/v1/inventory", { signal: page.signal });
    if (servers.length === 0) {
      put(body, empty("No server yet", ["Add one with ", el("code", {}, "wicketgate registry scan NAME"), ", then review its tools."]));
      return;
    }
    draw({ servers, params, api, page, body });
  } catch (error) {
    if (!page.signal.aborted) put(body, failed(error, () => page.again()));
  }
}

/** @param {{ servers: any[], params: any, api: Api, page: Page, body: HTMLElement }} all */
function draw({ servers, params, api, page, body }) {
  const withheld = servers.flatMap((server) => server.tools.filter((/** @type {any} */ tool) => tool.withheld).map((/** @type {any} */ tool) => ({ server, tool })));
  const tools = servers.reduce((sum, server) => sum + server.tools.length, 0);
  const known = servers.find((server) => server.name === params.server);
  let chosen = known ?? withheld[0]?.server ?? servers[0];
  const place = el("div", {});
  const list = el("nav", { class: "files servers", "aria-label": "Servers" });
  const open = (/** @type {any} */ server, focus = false) => {
    chosen = server;
    // The visitor may be on the way to another page already.
    if (location.hash.startsWith("#/registry")) history.replaceState(null, "", `#/registry/${encodeURIComponent(server.name)}`);
    for (const one of list.querySelectorAll("button")) {
      if (one.dataset.server === server.name) one.setAttribute("aria-current", "true");
      else one.removeAttribute("aria-current");
    }
    put(place, serverView(server, api, page));
    if (focus) /** @type {HTMLElement | null} */ (place.querySelector("h2"))?.focus();
  };
  put(list, el("ul", { class: "plain" }, servers.map((server) => {
    const n = server.tools.filter((/** @type {any} */ tool) => tool.withheld).length;
    return el("li", {}, el("button", { type: "button", class: "file", dataset: { server: server.name }, "aria-current": server === chosen ? "true" : null, on: { click: () => open(server, true) } },
      el("span", { class: "file-name" }, shown(server.name)), n > 0 ? el("span", { class: "file-wrong" }, `${n} withheld`) : el("span", { class: "fine" }, String(server.tools.length))));
  })));
  put(body,
    params.server && !known ? el("p", { class: "law-stale", role: "alert" }, "There is no server ", el("code", {}, shown(params.server)), ".") : null,
    el("p", { class: "fine" }, `${count(servers.length, "server")}, ${count(tools, "tool")}, ${withheld.length > 0 ? `${withheld.length} withheld` : "none withheld"}.`),
    withheld.length > 0 ? el("section", { class: "panel attention", "aria-labelledby": "attention" }, el("h2", { id: "attention" }, "Withheld until reviewed"),
      el("ul", { class: "plain" }, withheld.map(({ server, tool }) => el("li", {}, button([escaped(server.name), "/", escaped(tool.name)], () => open(server, true), { kind: "link" }), ": ", shown(tool.withheld))))) : null,
    el("div", { class: "registry-desk" }, list, place));
  open(chosen);
  page.keys(walk(() => [...list.querySelectorAll("button")]));
}

/** @param {any} server @param {Api} api @param {Page} page */
function serverView(server, api, page) {
  const found = el("div", {});
  const scan = api.can("operator") ? button("Scan the live server", () => look(server, api, page, found)) : null;
  return el("div", { class: "stack" },
    el("section", { class: "panel", "aria-labelledby": "server-name" },
      el("div", { class: "panel-head" }, el("h2", { id: "server-name", tabindex: "-1" }, shown(server.name)), scan),
      facts([
        ["System", server.system ? shown(server.system) : el("span", { class: "none" }, "not named")],
        ["Owner", server.owner ? shown(server.owner) : el("span", { class: "none" }, "nobody")],
        ["Reached by", el("code", {}, shown(server.transport))],
        ["Its output is", server.trust ? badge(shown(server.trust), server.trust === "untrusted" ? "warn" : "") : null],
        ["Credential", server.credential ? el("code", {}, shown(server.credential)) : el("span", { class: "none" }, "none lent")],
        ["Identity", server.identity ? el("code", {}, shown(server.identity)) : el("span", { class: "none" }, "not pinned")],
        ["Out of use", server.retired ? el("span", {}, badge("retired", "bad"), " ", shown(server.retired, { max: 1000 })) : null],
        ["Left open", server.warning ? el("span", {}, badge("not pinned", "warn"), " ", shown(server.warning, { max: 1000 })) : null],
      ])),
    found,
    el("section", { class: "panel list tool-list", "aria-label": `Tools of ${escaped(server.name)}` }, toolTable(server)));
}

/** @param {string[]} effects */
function effectBadges(effects) {
  return el("span", { class: "chips" }, effects.map((effect) => badge(effectWord(effect), DANGEROUS.has(effect) ? "warn" : "")));
}

/** @param {any} server */
function toolTable(server) {
  if (server.tools.length === 0) return empty("No tool", "Scan the server and review what it offers.");
  return table([
    { name: "Tool", cell: (tool) => cell(el("strong", {}, shown(tool.name)), tool.description ? el("div", { class: "fine" }, el("span", { class: "claim-mark" }, "claimed: "), shown(tool.description, { max: 140, what: `the description of ${tool.name}` })) : null) },
    { name: "Effect", cell: (tool) => effectBadges(tool.effects ?? []) },
    { name: "Labels", cell: (tool) => labels(tool.labels, "none") },
    { name: "Names a place", cell: (tool) => (tool.sinks?.length > 0 ? cell(tool.sinks.map((/** @type {string} */ sink, /** @type {number} */ n) => [n > 0 ? ", " : "", el("code", {}, shown(sink))])) : el("span", { class: "none" }, "–")) },
    { name: "Reviewed", cell: (tool) => cell(tool.reviewed_by ? [shown(tool.reviewed_by), el("div", { class: "fine" }, shown(tool.reviewed_at ?? ""), tool.signed ? ", signed" : null)] : el("span", { class: "none" }, "never")) },
    { name: "Pin", cell: (tool) => digestOf(tool.pin) },
    { name: "State", cell: (tool) => (tool.withheld ? cell(badge("withheld", "bad"), el("div", { class: "fine" }, shown(tool.withheld))) : badge("in use", "good")) },
  ], server.tools, { caption: `Tools of ${escaped(server.name)}`, row: (tool) => (tool.withheld ? { class: "withheld" } : {}) });
}

/** @typedef {{ notes: string[], whole: boolean, tools: any[] }} Scan `whole`: whether the server itself is under review */

/** What a tool's status is called, and in which tone. */
const STATUS = new Map([
  ["same", ["as reviewed", "good"]], ["changed", ["changed", "warn"]], ["new", ["new", "info"]], ["gone", ["gone", "bad"]],
  ["withheld", ["withheld", "bad"]], ["retired", ["out of use", "bad"]], ["unpinned", ["has no canonical form", "bad"]],
]);
/** Those of which nothing can be reviewed. */
const CLOSED = new Set(["same", "gone", "retired", "unpinned"]);

/**
 * @param {any} server
 * @param {Api} api
 * @param {Page} page
 * @param {HTMLElement} found
 */
async function look(server, api, page, found) {
  put(found, loading("Asking the live server what it offers"));
  try {
    /** @type {Scan} */
    const { notes = [], whole = false, tools } = await api.post(`/v1/inventory/${encodeURIComponent(server.name)}/scan`, {}, { signal: page.signal, ...LONG });
    const differ = tools.filter((tool) => tool.status !== "same");
    say(differ.length > 0 ? `${count(differ.length, "tool")} differ` : isAsReviewed({ notes, whole, tools }) ? "It offers what was reviewed" : "The server itself is not as it was reviewed");
    put(found, scanView(server, { notes, whole, tools }, api, page, found));
  } catch (error) {
    if (!page.signal.aborted) put(found, failed(error, () => look(server, api, page, found)));
  }
}

/** @param {Scan} scan */
function isAsReviewed({ notes, whole, tools }) {
  return notes.length === 0 && !whole && tools.every((tool) => tool.status === "same");
}

/**
 * What was found of the server itself.
 * @param {any} server @param {Scan} scan @param {Api} api
 */
function serverNotes(server, { notes, whole }, api) {
  return [
    notes.length > 0 ? el("div", { class: "alarm", role: "alert" }, el("p", {}, "Of the server itself:"), el("ul", { class: "plain" }, notes.map((note) => el("li", {}, shown(note, { max: 2000 }))))) : null,
    whole ? el("p", { class: notes.length > 0 ? "" : "alarm" }, "The server itself is under review, not only its tools", api.can("admin") ? [". That is done in a terminal: ", el("code", {}, "wicketgate registry review ", shown(server.name))] : null, ".") : null,
  ];
}

/** @param {any} server @param {Scan} scan @param {Api} api @param {Page} page @param {HTMLElement} found */
function scanView(server, scan, api, page, found) {
  const { whole, tools } = scan;
  const differ = tools.filter((tool) => tool.status !== "same");
  const same = tools.length - differ.length;
  if (isAsReviewed(scan)) {
    return el("section", { class: "panel", "aria-labelledby": "scan-title" }, el("h2", { id: "scan-title" }, "The live server"), el("p", {}, badge("as reviewed", "good"), ` All ${count(tools.length, "tool")} are what was reviewed.`));
  }
  /** @type {Map<string, { chosen: HTMLInputElement, effects: Map<string, HTMLInputElement>, box: HTMLElement, pin: string | undefined }>} */
  const reviewed = new Map();
  const review = button("Review…", () => reviewChosen(server, reviewed, api, page, found), { kind: "primary", disabled: true });
  const refresh = () => { review.disabled = ![...reviewed.values()].some((each) => each.chosen.checked); };
  const rows = differ.map((tool) => {
    const [words, tone] = STATUS.get(tool.status) ?? [tool.status, ""];
    const may = !whole && !CLOSED.has(tool.status) && api.can("admin");
    return el("li", { class: "scan-row" },
      el("div", { class: "scan-head" }, el("strong", {}, shown(tool.name)), badge(shown(words), tone)),
      tool.changes?.length > 0 ? el("ul", { class: "scan-changes" }, tool.changes.map((/** @type {string} */ change) => el("li", {}, shown(change, { max: 800 })))) : null,
      tool.definition ? el("details", {}, el("summary", {}, "Its definition, as the server claims it"), shownJson(typeof tool.definition === "string" ? tool.definition : JSON.stringify(tool.definition), { what: `the definition of ${tool.name}` })) : null,
      tool.status === "gone" ? el("p", { class: "fine" }, "The live server no longer offers it. Its entry stays, and calls of it fail.") : null,
      may ? choose(server, tool, reviewed, refresh) : null);
  });
  return el("section", { class: "panel", "aria-labelledby": "scan-title" },
    el("div", { class: "panel-head" }, el("h2", { id: "scan-title" }, "The live server differs"), el("p", { class: "note" }, `Tools: ${same} as reviewed, ${differ.length} not`)),
    serverNotes(server, scan, api),
    el("ul", { class: "plain scan" }, rows),
    !api.can("admin") ? el("p", { class: "fine" }, "Reviewing needs an admin.")
      : reviewed.size > 0 ? el("div", { class: "actions" }, review, el("span", { class: "fine" }, [...reviewed.values()].every((each) => each.pin) ? "Approves exactly the definitions that were scanned." : "Approves what the server offers at that moment."))
        : null);
}

/**
 * @param {any} server
 * @param {any} tool
 * @param {Map<string, { chosen: HTMLInputElement, effects: Map<string, HTMLInputElement>, box: HTMLElement, pin: string | undefined }>} reviewed
 * @param {() => void} refresh
 */
function choose(server, tool, reviewed, refresh) {
  const before = server.tools.find((/** @type {any} */ one) => one.name === tool.name)?.effects ?? [];
  const chosen = /** @type {HTMLInputElement} */ (/** @type {unknown} */ (el("input", { type: "checkbox" })));
  /** @type {Map<string, HTMLInputElement>} */
  const effects = new Map();
  const box = el("fieldset", { class: "effects", hidden: true }, el("legend", {}, "Its effect, as you judge it"), EFFECTS.map(([effect = "", words = ""]) => {
    const one = /** @type {HTMLInputElement} */ (/** @type {unknown} */ (el("input", { type: "checkbox", checked: before.includes(effect) })));
    effects.set(effect, one);
    return el("label", { class: "check" }, one, el("span", {}, el("strong", {}, effectWord(effect)), el("span", { class: "fine" }, ` ${words}`)));
  }));
  chosen.addEventListener("change", () => {
    box.hidden = !chosen.checked;
    refresh();
  });
  reviewed.set(tool.name, { chosen, effects, box, pin: tool.pin ?? undefined });
  return el("div", { class: "choose" }, el("label", { class: "check" }, chosen, el("span", {}, "I have read this, and review ", brief(tool.name, 60))), box);
}

/**
 * @param {any} server
 * @param {Map<string, { chosen: HTMLInputElement, effects: Map<string, HTMLInputElement>, box: HTMLElement, pin: string | undefined }>} reviewed
 * @param {Api} api
 * @param {Page} page
 * @param {HTMLElement} found where what was found of the live server stands
 */
function reviewChosen(server, reviewed, api, page, found) {
  const tools = [...reviewed].filter(([, each]) => each.chosen.checked).map(([name, each]) => ({ name, pin: each.pin, effects: [...each.effects].filter(([, box]) => box.checked).map(([effect]) => effect) }));
  const bare = tools.find((tool) => tool.effects.length === 0);
  if (bare) {
    say(`Name an effect of ${bare.name}`);
    const box = reviewed.get(bare.name)?.box;
    if (box && !box.querySelector(".field-error")) box.append(el("p", { class: "field-error" }, "Name at least one effect."));
    box?.querySelector("input")?.focus();
    return;
  }
  ask({
    title: count(tools.length, "review"), action: "Review", reason: "Why",
    words: [el("p", {}, "Staged and put in force at once. From then on calls of these are judged by the effects you named:"),
      el("ul", { class: "plain" }, tools.map((tool) => el("li", {}, el("strong", {}, shown(tool.name)), ": ", effectBadges(tool.effects))))],
    act: async (reason) => {
      const { withheld = [] } = await api.post(`/v1/inventory/${encodeURIComponent(server.name)}/review`, { tools, reason });
      if (withheld.length === 0) {
        say("Reviewed, and in force");
        page.again();
        return;
      }
      say(`Reviewed; ${count(withheld.length, "tool")} still withheld`);
      put(found, el("section", { class: "panel attention", "aria-labelledby": "scan-title" }, el("h2", { id: "scan-title", tabindex: "-1" }, "Reviewed, and still withheld"),
        el("ul", { class: "plain" }, withheld.map((/** @type {string} */ why) => el("li", {}, shown(why, { max: 2000 })))),
        el("div", { class: "actions" }, button("Look at the registry as it now stands", () => page.again()))));
      // The dialog closes first, and the button that opened it is gone.
      setTimeout(() => /** @type {HTMLElement | null} */ (found.querySelector("h2"))?.focus());
    },
    refused: (error) => (error.code === "signed" ? el("div", { class: "failed", role: "alert" }, el("p", { class: "failed-title" }, "Reviews are signed here"),
      el("p", {}, shown(error.message, { max: 1000 })), el("p", {}, "A reviewer’s key stays with the reviewer, so it is done in a terminal.")) : null),
  });
}
