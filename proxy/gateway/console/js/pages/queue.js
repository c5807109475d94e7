// The queue: what waits for a decision, for whom, how long.
//
// Nothing that is read or aimed at may move: new requests are put at the end (oldest stand first) or, in another order,
// held back until they are asked for; what others decide stays where it is and says so, until the list is tidied.

import { badge, button, count, el, empty, failed, head, labels, loading, put, say, span, verdict, when } from "../dom.js";
import { effects } from "../evidence.js";
import { walk } from "../keys.js";
import { escaped, shown } from "../shown.js";

/** Below so much time left, the expiry is shown as a warning. */
const SOON_MS = 5 * 60_000;
/** Arrivals within this time are announced together. */
const GATHER_MS = 1500;

const ORDERS = { oldest: "Oldest first", expires: "Expires first", newest: "Newest first" };

/**
 * @param {HTMLElement} root
 * @param {any} params
 * @param {import("../api.js").Api} api
 * @param {import("../main.js").Page} page
 */
export function render(root, params, api, page) {
  new Queue(root, params.query, api, page).open();
}

class Queue {
  /**
   * @param {HTMLElement} root
   * @param {URLSearchParams} query
   * @param {import("../api.js").Api} api
   * @param {import("../main.js").Page} page
   */
  constructor(root, query, api, page) {
    this.root = root;
    this.api = api;
    this.page = page;
    this.state = query.get("state") === "decided" ? "decided" : "pending";
    this.find = query.get("find") ?? "";
    this.mine = query.get("mine") === "1";
    this.order = query.get("order") ?? this.usual();
    /** @type {Map<string, { item: HTMLElement, approval: any }>} what stands in the list */
    this.rows = new Map();
    /** @type {Map<string, any>} what came and is not in the list yet */
    this.held = new Map();
    /** @type {any[]} */
    this.decided = [];
    this.news = 0;
    this.timer = 0;
    this.list = el("ol", { class: "queue", "aria-label": "Requests" });
    this.body = el("div", {});
    this.tally = el("p", { class: "tally" });
    this.liveness = el("span", { class: "liveness" });
  }

  /** What waits longest comes first; what was decided last does. */
  usual() {
    return this.state === "decided" ? "newest" : "oldest";
  }

  open() {
    const { page } = this;
    this.root.append(
      head("Queue", { sub: "Calls of agents that run only if a person says so.", actions: [this.liveness] }),
      this.filters(),
      el("div", { class: "queue-bar" }, this.tally),
      this.body);
    page.keys([
      ...walk(() => [...this.list.querySelectorAll("a.item-link")]),
      { keys: "/", words: "Find", act: () => this.root.querySelector("input")?.focus() },
    ]);
    page.waiting.subscribe((change) => this.changed(change), page.signal);
    const clock = setInterval(() => this.tick(), 1000);
    page.signal.addEventListener("abort", () => {
      clearInterval(clock);
      clearTimeout(this.timer);
    });
    this.drawLiveness();
    this.redraw();
  }

  filters() {
    const find = el("input", { id: "find", type: "search", value: this.find, placeholder: "Agent, tool, server, task", autocomplete: "off", spellcheck: "false" });
    find.addEventListener("input", () => { this.find = find.value; this.redraw(); });
    const order = el("select", { id: "order" }, Object.entries(ORDERS).map(([value, words]) => el("option", { value, selected: value === this.order }, words)));
    order.addEventListener("change", () => { this.order = order.value; this.redraw(); });
    const mine = el("input", { type: "checkbox", checked: this.mine });
    mine.addEventListener("change", () => { this.mine = mine.checked; this.redraw(); });
    const choice = (/** @type {"pending" | "decided"} */ state, /** @type {string} */ words) => {
      const each = el("button", { type: "button", class: "segment", "aria-pressed": String(this.state === state) }, words);
      each.addEventListener("click", () => {
        this.state = state;
        this.order = order.value = this.usual();
        for (const other of each.parentElement?.children ?? []) other.setAttribute("aria-pressed", String(other === each));
        this.redraw();
      });
      return each;
    };
    return el("search", { class: "filters queue-filters", "aria-label": "Requests" },
      el("div", { class: "segments", role: "group", "aria-label": "State" }, choice("pending", "Waiting"), choice("decided", "Decided")),
      el("div", { class: "field grow" }, el("label", { for: "find" }, "Find"), find),
      el("div", { class: "field" }, el("label", { for: "order" }, "Order"), order),
      el("label", { class: "check" }, mine, "Only what I may decide"));
  }

  /** Draws the whole list anew: on arrival, and whenever the visitor asks for another. */
  redraw() {
    const { waiting } = this.page;
    this.keepAddress();
    this.rows.clear();
    this.held.clear();
    if (this.state === "decided") this.loadDecided();
    else if (waiting.error) put(this.body, failed(waiting.error, () => waiting.again()));
    else if (!waiting.loaded) put(this.body, loading());
    else this.drawList([...waiting.items.values()]);
    this.drawTally();
  }

  /** The choices stay in the address, so that they can be kept and handed on. */
  keepAddress() {
    // The visitor may be on the way to another page already.
    if (!location.hash.startsWith("#/queue") && location.hash !== "" && location.hash !== "#/") return;
    const query = new URLSearchParams();
    if (this.state !== "pending") query.set("state", this.state);
    if (this.find) query.set("find", this.find);
    if (this.mine) query.set("mine", "1");
    if (this.order !== this.usual()) query.set("order", this.order);
    history.replaceState(null, "", query.size > 0 ? `#/queue?${query}` : "#/queue");
  }

  async loadDecided() {
    put(this.body, loading());
    try {
      const { approvals } = await this.api.get("/v1/approvals", { query: { state: "decided", limit: 200 }, signal: this.page.signal });
      if (this.state !== "decided") return;
      this.decided = approvals;
      this.drawList(approvals);
      this.drawTally();
    } catch (error) {
      if (!this.page.signal.aborted) put(this.body, failed(error, () => this.redraw()));
    }
  }

  /** @param {any[]} approvals */
  drawList(approvals) {
    const chosen = approvals.filter((each) => this.wants(each)).sort((a, b) => this.compare(a, b));
    this.list.replaceChildren();
    for (const each of chosen) this.append(each);
    if (chosen.length > 0) put(this.body, this.list);
    else put(this.body, this.nothing(approvals.length));
  }

  /** @param {number} all how many there are without the filters */
  nothing(all) {
    if (all > 0) {
      return empty("None of these is shown", `${count(all, "request")} left out by the filters.`,
        button("Clear the filters", () => {
          this.find = "";
          this.mine = false;
          /** @type {any} */ (this.root.querySelector("#find")).value = "";
          /** @type {any} */ (this.root.querySelector(".queue-filters input[type=checkbox]")).checked = false;
          this.redraw();
        }));
    }
    if (this.state === "decided") return empty("Nothing was decided yet", "Requests that were granted, refused, expired or closed stand here.");
    return empty("Nothing waits", "A request appears here by itself when a policy asks for a person.");
  }

  /** @param {any} approval */
  wants(approval) {
    if (this.mine && !approval.grants?.some((/** @type {any} */ grant) => grant.you_may)) return false;
    const words = this.find.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const { caller, task, server, action } = approval;
    const text = [approval.id, caller.agent, caller.user, task.id, task.goal, task.profile, server.name, server.system, action.name,
      ...approval.rules.map((/** @type {any} */ rule) => rule.id)].join("\n").toLowerCase();
    return words.every((word) => text.includes(word));
  }

  /**
   * @param {any} a
   * @param {any} b
   */
  compare(a, b) {
    const by = this.order === "expires" ? "expires" : "created";
    const forward = this.order === "newest" ? -1 : 1;
    return forward * (String(a[by]).localeCompare(String(b[by])) || String(a.id).localeCompare(String(b.id)));
  }

  /** @param {any} approval */
  append(approval) {
    const item = el("li", { class: "item" });
    this.rows.set(approval.id, { item, approval });
    this.draw(approval);
    this.list.append(item);
  }

  /**
   * Draws one request in its place.
   * @param {any} approval
   */
  draw(approval) {
    const row = this.rows.get(approval.id);
    if (!row) return;
    row.approval = approval;
    const { caller, server, action, task } = approval;
    const focused = row.item.contains(document.activeElement);
    const done = approval.state !== "pending";
    row.item.classList.toggle("done", done);
    put(row.item,
      el("div", { class: "item-main" },
        el("p", { class: "item-name" },
          el("a", { class: "item-link", href: `#/approvals/${encodeURIComponent(approval.id)}` }, shown(action.name, { max: 120 })),
          el("span", { class: "soft" }, " on "), shown(server.name, { max: 80 }),
          " ", effects(action.effects),
          approval.waiting > 1 ? [badge(`${approval.waiting} wait`, "warn")] : null),
        approval.rules[0] ? el("p", { class: "item-why" }, shown(approval.rules[0].reason || approval.rules[0].id, { max: 200 }),
          approval.rules.length > 1 ? el("span", { class: "soft" }, ` and ${count(approval.rules.length - 1, "rule")} more`) : null) : null,
        el("p", { class: "item-who" },
          shown(caller.agent, { max: 80 }), caller.user ? [el("span", { class: "soft" }, " for "), shown(caller.user, { max: 80 })] : null,
          el("span", { class: "soft" }, " in "), shown(task.profile || task.id, { max: 80 }), " ", labels(task.labels, ""))),
      el("div", { class: "item-side" },
        done ? verdict(approval.state) : el("span", { class: "age" }),
        done ? when(approval.created) : el("span", { class: "left" }),
        el("ul", { class: "grants-short", "aria-label": "Grants" }, approval.grants.map((/** @type {any} */ grant) => el("li", {},
          shown(grant.name, { max: 60 }), ` ${grant.given_by.length} of ${grant.quorum}`, grant.you_may && !done ? el("span", { class: "yours" }, " yours to give") : null)))));
    if (focused) /** @type {HTMLElement | null} */ (row.item.querySelector("a.item-link"))?.focus({ preventScroll: true });
    this.tickRow(row);
  }

  tick() {
    for (const row of this.rows.values()) this.tickRow(row);
    this.drawLiveness();
  }

  /** @param {{ item: HTMLElement, approval: any }} row */
  tickRow({ item, approval }) {
    if (approval.state !== "pending") return;
    const now = this.api.now();
    const left = Date.parse(approval.expires) - now;
    write(item.querySelector(".age"), `waits ${span(now - Date.parse(approval.created))}`);
    const expiry = item.querySelector(".left");
    write(expiry, left > 0 ? `expires in ${span(left)}` : "expired");
    expiry?.classList.toggle("soon", left < SOON_MS);
  }

  /** @param {import("../waiting.js").Change} change */
  changed(change) {
    if (change.kind === "live") {
      this.drawLiveness();
      return;
    }
    if (this.state !== "pending") {
      this.drawTally();
      return;
    }
    if (change.kind === "failed") {
      if (this.rows.size === 0) this.redraw();
    } else if (change.kind === "all") {
      if (this.rows.size === 0) this.redraw();
      else this.catchUp();
    } else this.take(change.approval);
    this.drawTally();
  }

  /** After the connection was lost: what is gone is marked, what is new comes as if it had just arrived. */
  catchUp() {
    const { items } = this.page.waiting;
    for (const [id, row] of this.rows) {
      if (!items.has(id) && row.approval.state === "pending") this.draw({ ...row.approval, state: "no longer waits" });
    }
    for (const approval of items.values()) this.take(approval);
  }

  /** @param {any} approval */
  take(approval) {
    if (this.rows.has(approval.id)) {
      this.draw(approval);
      return;
    }
    this.held.delete(approval.id);
    if (approval.state !== "pending" || !this.wants(approval)) return;
    if (this.order === "oldest" || this.rows.size === 0) {
      if (this.rows.size === 0) put(this.body, this.list);
      this.append(approval);
    } else this.held.set(approval.id, approval);
    this.announce(approval);
  }

  /** @param {any} approval */
  announce(approval) {
    this.news += 1;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      say(this.news === 1 ? `New request: ${approval.action.name} on ${approval.server.name}` : `${this.news} new requests`);
      this.news = 0;
    }, GATHER_MS);
  }

  drawTally() {
    const rows = [...this.rows.values()];
    const done = rows.filter((row) => row.approval.state !== "pending").length;
    const words = this.state === "decided" ? `${count(rows.length, "request")}, the latest 200 at most`
      : `${rows.length - done} shown of ${count(this.page.waiting.items.size, "request")} that wait${this.page.waiting.items.size === 1 ? "s" : ""}`;
    const none = rows.length === 0 && (this.state === "decided" || this.page.waiting.items.size === 0);
    put(this.tally, none || !(this.page.waiting.loaded || this.state === "decided") ? "" : words,
      this.held.size > 0 ? [" ", button(`Show ${this.held.size} new`, () => this.redraw(), { kind: "quiet" })] : null,
      done > 0 && this.state === "pending" ? [" ", button(`Put away ${done} decided`, () => this.redraw(), { kind: "quiet" })] : null);
  }

  drawLiveness() {
    drawLiveness(this.liveness, this.page.waiting.live);
  }
}

/**
 * Says whether a list is current.
 * @param {HTMLElement} element
 * @param {import("../api.js").Liveness} live
 */
export function drawLiveness(element, live) {
  const words = live.state === "live" ? "Live" : live.state === "connecting" ? "Connecting"
    : `Not live${live.retry ? `, connecting again in ${span(live.retry - Date.now() + 999)}` : ""}`;
  element.className = `liveness ${live.state}`;
  write(element, escaped(words));
}

/**
 * @param {Element | null} element
 * @param {string} words
 */
function write(element, words) {
  if (element && element.textContent !== words) element.textContent = words;
}
