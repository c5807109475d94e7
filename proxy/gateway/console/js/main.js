// The console's frame: who is signed in, which page is open, the bar. Each page is a module (see README.md).

import { Api, KEPT } from "./api.js";
import { el, failed, loading, put, say, svg } from "./dom.js";
import * as keys from "./keys.js";
import { plain } from "./shown.js";
import { Waiting } from "./waiting.js";

/** @typedef {{ signal: AbortSignal, waiting: Waiting, title: (words: string) => void, keys: (list: keys.Key[]) => void, again: () => void, signedIn: (session: any) => void, signOut: () => Promise<void> }} Page */
/** @typedef {{ render: (root: HTMLElement, params: any, api: Api, page: Page) => any }} Module */

/** @type {[RegExp, string[], string, () => Promise<Module>][]} path, names of its parts, the tab it belongs to, its module */
const ROUTES = [
  [/^\/queue$/, [], "queue", () => import("./pages/queue.js")],
  [/^\/approvals\/([^/]+)$/, ["id"], "queue", () => import("./pages/request.js")],
  [/^\/tasks$/, [], "tasks", () => import("./pages/tasks.js")],
  [/^\/tasks\/([^/]+)$/, ["id"], "tasks", () => import("./pages/trace.js")],
  [/^\/traces\/([^/]+)$/, ["trace"], "tasks", () => import("./pages/trace.js")],
  [/^\/flow\/([^/]+)$/, ["id"], "tasks", () => import("./pages/flow.js")],
  [/^\/policies$/, [], "policies", () => import("./pages/policies.js")],
  [/^\/registry$/, [], "registry", () => import("./pages/registry.js")],
  [/^\/registry\/([^/]+)$/, ["server"], "registry", () => import("./pages/registry.js")],
  [/^\/live$/, [], "live", () => import("./pages/live.js")],
  [/^\/account$/, [], "account", () => import("./pages/account.js")],
];

/** @type {[string, string, string][]} path, word, its key after `g` */
const TABS = [["queue", "Queue", "q"], ["tasks", "Tasks", "t"], ["live", "Live", "l"], ["policies", "Policies", "p"], ["registry", "Registry", "r"]];

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const nav = /** @type {HTMLElement} */ (document.getElementById("nav"));
const end = /** @type {HTMLElement} */ (document.getElementById("bar-end"));
const stale = /** @type {HTMLElement} */ (document.getElementById("stale"));

const api = new Api(() => {
  waiting.stop();
  bar("");
  open();
});
const waiting = new Waiting(api);
/** @type {AbortController | null} */
let shownPage = null;
/** @type {(() => void) | null} */
let cleanUp = null;
let opened = false;

/** The page that the address names. */
function route() {
  const [path = "", search = ""] = location.hash.replace(/^#/, "").split("?", 2);
  for (const [pattern, names, tab, load] of ROUTES) {
    const match = pattern.exec(path);
    if (!match) continue;
    /** @type {Record<string, any>} */
    const params = { path, query: new URLSearchParams(search) };
    names.forEach((name, n) => { params[name] = decode(match[n + 1] ?? ""); });
    return { tab, load, params };
  }
  return null;
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Leaves the page that is open and opens the one that the address names, or the sign-in. */
async function open() {
  shownPage?.abort();
  cleanUp?.();
  cleanUp = null;
  const leaving = new AbortController();
  shownPage = leaving;
  if (!location.hash || location.hash === "#/") history.replaceState(null, "", "#/queue");
  const found = api.session ? route() : { tab: "", load: () => import("./pages/signin.js"), params: {} };
  bar(found?.tab ?? "");
  const root = el("div", { class: "page" });
  title(found ? (TABS.find(([tab]) => tab === found.tab)?.[1] ?? "Sign in") : "No such page");
  if (!found) {
    put(root, el("h1", { tabindex: "-1" }, "No such page"), el("p", {}, "The address leads to none of the pages. ", el("a", { href: "#/queue" }, "Open the queue")));
    arrive(root);
    return;
  }
  put(root, loading());
  main.replaceChildren(root);
  /** @type {Page} */
  const page = {
    signal: leaving.signal, waiting, title, again: open, signedIn, signOut,
    keys: (list) => keys.bind("This page", list, leaving.signal),
  };
  try {
    const module = await found.load();
    if (leaving.signal.aborted) return;
    root.replaceChildren();
    const done = module.render(root, found.params, api, page);
    arrive(root);
    const after = await done;
    if (typeof after !== "function") return;
    if (leaving.signal.aborted) after();
    else cleanUp = after;
  } catch (error) {
    if (leaving.signal.aborted) return;
    console.error(error);
    put(root, failed(error, open));
  }
}

/**
 * A page is there: it is shown from its top, and the focus is on its heading, so that reading starts there.
 * @param {HTMLElement} root
 */
function arrive(root) {
  if (!main.contains(root)) main.replaceChildren(root);
  if (!opened) {
    opened = true;
    return;
  }
  scrollTo(0, 0);
  const target = root.querySelector("[autofocus]") ?? root.querySelector("h1") ?? main;
  /** @type {HTMLElement} */ (target).focus({ preventScroll: true });
}

/** @param {string} words */
function title(words) {
  const n = waiting.items.size;
  document.title = `${n > 0 ? `(${n}) ` : ""}${plain(words)} · Wicketgate`;
  titled = words;
}
let titled = "";

/** @param {string} tab the one that is open */
function bar(tab) {
  const session = api.session;
  nav.hidden = !session;
  put(nav, session ? TABS.map(([path, word]) =>
    el("a", { href: `#/${path}`, "aria-current": path === tab ? "page" : null },
      word, path === "queue" ? el("span", { class: "count", id: "count" }) : null)) : null);
  put(end, themeButton(), session
    ? el("a", { class: "who", href: "#/account", "aria-current": tab === "account" ? "page" : null },
      el("span", { class: "sr" }, "Account: "), el("span", { class: "who-name" }, session.user || session.principal), " ", el("span", { class: "who-role" }, session.role))
    : null);
  tally();
}

/** The number that waits, in the bar and in the title; and whether it can be believed. */
function tally() {
  const count = document.getElementById("count");
  if (count) {
    const n = waiting.items.size;
    put(count, waiting.loaded && n > 0 ? [String(n), el("span", { class: "sr" }, " waiting")] : null);
  }
  if (titled) title(titled);
  const lost = api.session && waiting.live.state === "lost" && waiting.live.error?.status !== 403;
  const words = lost ? "Not live: the connection to the gate is lost. What you see may be old." : "";
  if (stale.dataset.words === words) return;
  stale.dataset.words = words;
  put(stale, words ? [el("span", {}, words), " ", el("button", { type: "button", class: "button quiet", on: { click: () => waiting.again() } }, "Connect now")] : null);
}

/** @param {any} session */
function signedIn(session) {
  api.begin(session);
  waiting.start();
  open();
}

async function signOut() {
  await api.delete("/v1/session");
  waiting.stop();
  api.end();
  location.hash = "#/queue";
  bar("");
  open();
  say("Signed out");
}

const THEMES = ["system", "light", "dark"];

function theme() {
  return document.documentElement.dataset.theme ?? "system";
}

function themeButton() {
  const drawings = {
    system: ["M10 3a7 7 0 1 0 0 14z", "M10 3a7 7 0 1 1 0 14"],
    light: ["M10 6.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 1 0 0-7", "M10 1.5v2M10 16.5v2M1.5 10h2M16.5 10h2M4 4l1.4 1.4M14.6 14.6L16 16M4 16l1.4-1.4M14.6 5.4L16 4"],
    dark: ["M16.5 12.5A7 7 0 0 1 7.5 3.5a7 7 0 1 0 9 9z"],
  };
  const button = el("button", { type: "button", class: "icon-button" });
  const draw = () => {
    const now = /** @type {"system" | "light" | "dark"} */ (theme());
    button.setAttribute("aria-label", `Theme: ${now}. Change`);
    button.setAttribute("title", `Theme: ${now}`);
    put(button, svg("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" }, drawings[now].map((d, n) =>
      svg("path", { d, class: now === "system" && n === 0 ? "filled" : null }))));
  };
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length] ?? "system";
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("wicketgate.theme", next);
    } catch {
      // Storage is closed to us: the choice holds until the page is left.
    }
    draw();
    say(`Theme: ${next}`);
  });
  draw();
  return button;
}

async function start() {
  document.getElementById("skip")?.addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
    main.scrollIntoView();
  });
  keys.listen();
  keys.bind("Go to", TABS.map(([path, word, key]) => ({ keys: `g ${key}`, words: word, act: () => { location.hash = `#/${path}`; } })));
  waiting.subscribe(tally);
  addEventListener("hashchange", open);
  // Whoever signs in or out in another tab does so in this one: a browser has one session here.
  addEventListener("storage", (event) => { if (event.key === KEPT) location.reload(); });
  bar("");
  try {
    await api.resume();
  } catch (error) {
    main.replaceChildren(el("div", { class: "page" }, failed(error, () => location.reload())));
    return;
  }
  if (api.session) waiting.start();
  open();
}

start();
