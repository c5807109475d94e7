// One request, whole, and the decision on it. A decision is bound to what stood here: it carries the digest that was shown,
// is sent once, and is never sent again by itself.

import { button, count, el, facts, failed, loading, panel, put, say, span, verdict, when } from "../dom.js";
import * as evidence from "../evidence.js";
import { proved } from "../passkeys.js";
import { shown } from "../shown.js";

/** So long after a button could first be pressed, a press counts: one that was meant for something else does not. */
const SETTLE_MS = 600;

/**
 * @param {HTMLElement} root
 * @param {any} params
 * @param {import("../api.js").Api} api
 * @param {import("../main.js").Page} page
 */
export async function render(root, params, api, page) {
  page.title("Request");
  const request = new Request(root, params.id, api, page);
  await request.open();
}

class Request {
  /**
   * @param {HTMLElement} root
   * @param {string} id
   * @param {import("../api.js").Api} api
   * @param {import("../main.js").Page} page
   */
  constructor(root, id, api, page) {
    this.root = root;
    this.id = id;
    this.path = `/v1/approvals/${encodeURIComponent(id)}`;
    this.api = api;
    this.page = page;
    /** @type {any} the request that is shown */
    this.request = null;
    this.ready = 0;
    this.busy = false;
    this.fresh = /** @type {any} */ (null);
    this.state = el("span", { class: "request-state" });
    this.expiry = el("span", { class: "left", role: "timer" });
    this.desk = el("aside", { class: "desk", "aria-label": "Decision" });
    this.gaps = el("div", { class: "gaps" });
    this.outcome = el("div", { class: "outcome-box" });
    this.reason = el("textarea", { id: "reason", rows: "2", "aria-describedby": "reason-hint reason-error", required: true });
    this.reasonError = el("p", { class: "field-error", id: "reason-error", role: "alert" });
    this.note = el("input", { id: "note", autocomplete: "off" });
    /** @type {HTMLButtonElement[]} */
    this.approvers = [];
    /** @type {{ button: HTMLButtonElement, note: HTMLElement, ready: number } | null} what says how many calls wait */
    this.all = null;
    /** @type {Set<string>} grants that the visitor leaves out */
    this.without = new Set();
    this.warned = false;
  }

  async open() {
    const { page } = this;
    const heading = el("h1", { tabindex: "-1" }, "Request");
    put(this.root, heading, loading("Loading the request"));
    page.keys([
      { keys: "a", words: "Go to the approve button", act: () => this.approvers[0]?.focus() },
      { keys: "d", words: "Go to the reason for denying", act: () => this.reason.focus() },
      { keys: "n", words: "Next that waits", act: () => this.next() },
      { keys: "u", words: "Back to the queue", act: () => { location.hash = "#/queue"; } },
    ]);
    try {
      this.request = await this.api.get(this.path, { signal: page.signal });
    } catch (thrown) {
      if (page.signal.aborted) return;
      const error = /** @type {any} */ (thrown);
      if (error.status === 404) error.title = "No such request";
      put(this.root, heading, failed(error, error.status === 404 ? undefined : page.again), el("p", {}, el("a", { href: "#/queue" }, "Back to the queue")));
      return;
    }
    const held = document.activeElement === heading;
    this.draw();
    if (held) /** @type {HTMLElement | null} */ (this.root.querySelector("h1"))?.focus({ preventScroll: true });
    page.waiting.subscribe((change) => this.heard(change), page.signal);
    const clock = setInterval(() => this.tick(), 1000);
    page.signal.addEventListener("abort", () => clearInterval(clock));
  }

  /** Draws the whole request. Only on arrival, or when the visitor asks to see it as it now stands. */
  draw() {
    const { request } = this;
    this.page.title(`${clipped(request.action.name, 60)} on ${clipped(request.server.name, 40)}`);
    const shownWhole = el("div", { class: "evidence" },
      evidence.rules(request), evidence.argumentsOf(request), evidence.preview(request),
      el("div", { class: "columns" }, evidence.verified(request), evidence.claimed(request)),
      evidence.before(request));
    put(this.root,
      el("p", { class: "crumb" }, el("a", { href: "#/queue" }, "Queue"), el("span", { class: "soft" }, " / "), el("code", {}, shown(request.id))),
      evidence.summary(request, [this.state, this.expiry]),
      el("div", { class: "request" }, shownWhole, this.desk));
    this.evidence = shownWhole;
    shownWhole.addEventListener("unfold", () => this.drawGaps());
    // Only now is the whole request on the page.
    this.settle();
    this.drawDesk();
  }

  /** What was drawn may have moved: a press that was meant for what stood there before does not count. */
  settle() {
    this.ready = performance.now() + SETTLE_MS;
    setTimeout(() => this.drawGaps(), SETTLE_MS + 20);
  }

  /** What may be done about it, or what came of it. */
  drawDesk() {
    const { request } = this;
    const mine = request.grants.filter((/** @type {any} */ grant) => grant.you_may);
    put(this.state, verdict(request.state));
    this.approvers = [];
    this.all = null;
    put(this.desk, panel(request.state === "pending" ? "Your decision" : "What came of it", { id: "desk-title" },
      this.outcome,
      request.state === "pending" ? [this.grants(mine), this.approval(mine), this.denial()] : this.ending()),
      evidence.decisions(request));
    this.drawGaps();
    this.tick();
  }

  /** @param {any[]} mine */
  grants(mine) {
    return el("div", { class: "grants" }, el("h3", {}, "Needed"), el("ul", {}, this.request.grants.map((/** @type {any} */ grant) => {
      const left = grant.quorum - grant.given_by.length;
      const words = [shown(grant.name), el("span", { class: "soft" }, `: ${grant.given_by.length} of ${count(grant.quorum, "person", "persons")}`)];
      const box = grant.you_may && mine.length > 1 ? el("input", { type: "checkbox", checked: !this.without.has(grant.name) }) : null;
      box?.addEventListener("change", () => {
        if (box.checked) this.without.delete(grant.name);
        else this.without.add(grant.name);
        this.drawGaps();
      });
      return el("li", { class: left <= 0 ? "given" : "" },
        box ? el("label", { class: "check" }, box, el("span", {}, words)) : el("p", {}, words),
        grant.given_by.length > 0 ? el("p", { class: "note" }, "Given by ", grant.given_by.map((/** @type {string} */ by, /** @type {number} */ n) => [n > 0 ? ", " : "", shown(by)])) : null,
        el("p", { class: "note" }, grant.you_may ? `You may give it.${grant.step_up ? " A passkey is asked for." : ""}` : shown(grant.why_not ?? "It is not yours to give.")));
    })));
  }

  /** @param {any[]} mine */
  approval(mine) {
    if (!this.api.can("approver")) return el("p", { class: "note apart" }, `Your role is ${this.api.session?.role}. Deciding needs the role approver.`);
    if (mine.length === 0) {
      const gave = this.request.grants.some((/** @type {any} */ grant) => grant.given_by.includes(this.api.session?.principal));
      return el("p", { class: "note apart" }, gave ? "You have given all that you may give." : "None of these grants is yours to give, so you cannot approve it.");
    }
    if (!evidence.isWhole(this.request)) return el("p", { class: "note apart" }, "It can be denied and not approved: nobody can see what would be sent. The agent can ask again.");
    const many = this.request.waiting > 1;
    const once = button("Approve once", () => this.approve(1), { kind: "primary", id: "approve", "aria-describedby": "gaps" });
    this.approvers = [/** @type {any} */ (once)];
    const note = el("p", { class: "note" }, many ? "" : "Only this call, with exactly these arguments, may then run once.");
    if (many) {
      const all = /** @type {any} */ (button("", () => this.approveAll(), { id: "approve-all", "aria-describedby": "gaps" }));
      this.approvers.push(all);
      this.all = { button: all, note, ready: 0 };
      this.tally();
    }
    return el("div", { class: "decide" },
      el("div", { class: "field" }, el("label", { for: "note" }, "Note ", el("span", { class: "soft" }, "(optional)")), this.note),
      this.gaps, el("div", { class: "decide-buttons" }, this.approvers), note);
  }

  /** How many calls wait, in the words that say so. A press of a button that just said another number does not count. */
  tally() {
    if (!this.all) return;
    const { waiting } = this.request;
    put(this.all.button, `Approve all ${waiting} that wait`);
    put(this.all.note, `${waiting} identical calls wait. “Once” lets one of them run.`);
    this.all.ready = performance.now() + SETTLE_MS;
    this.drawGaps();
    setTimeout(() => this.drawGaps(), SETTLE_MS + 20);
  }

  approveAll() {
    return this.all && performance.now() >= this.all.ready ? this.approve(this.request.waiting) : undefined;
  }

  denial() {
    if (!this.api.can("approver")) return null;
    this.denier = /** @type {any} */ (button("Deny", () => this.deny(), { kind: "danger", id: "deny" }));
    return el("div", { class: "decide" },
      el("div", { class: "field" }, el("label", { for: "reason" }, "Reason for denying"), this.reason,
        el("p", { class: "hint", id: "reason-hint" }, "The agent is told it."), this.reasonError),
      el("div", { class: "decide-buttons" }, this.denier));
  }

  /** What the page has not shown yet, and whether the buttons may be pressed. */
  drawGaps() {
    const boxes = [...(this.evidence?.querySelectorAll("[data-folded]") ?? [])].filter((each) => !each.closest("[data-twice], .claimed"));
    const characters = boxes.reduce((sum, each) => sum + Number(/** @type {HTMLElement} */ (each).dataset.folded), 0);
    const settled = performance.now() >= this.ready;
    const chosen = this.request.grants.some((/** @type {any} */ grant) => grant.you_may && !this.without.has(grant.name));
    const offline = this.fresh !== null;
    this.gaps.id = "gaps";
    if (boxes.length > 0) {
      put(this.gaps, el("p", {}, `Not everything was shown: ${count(boxes.length, "value")} folded, ${count(characters, "character")}.`),
        button("Show everything", () => {
          for (const each of boxes) each.dispatchEvent(new Event("unfold-now"));
          this.drawGaps();
          this.approvers[0]?.focus({ preventScroll: true });
        }, { kind: "quiet" }));
    } else put(this.gaps, chosen ? null : el("p", {}, "Choose at least one grant."));
    const counted = performance.now() >= (this.all?.ready ?? 0);
    for (const each of this.approvers) each.disabled = this.busy || !settled || boxes.length > 0 || !chosen || offline || this.expired() || (each === this.all?.button && !counted);
    if (this.denier) this.denier.disabled = this.busy || !settled || offline || this.expired();
  }

  expired() {
    return Date.parse(this.request.expires) <= this.api.now();
  }

  tick() {
    const { request } = this;
    const left = Date.parse(request.expires) - this.api.now();
    const words = request.state !== "pending" ? "" : left > 0 ? `expires in ${span(left)}` : "expired";
    if (this.expiry.textContent !== words) this.expiry.textContent = words;
    this.expiry.classList.toggle("soon", left < 300_000);
    if (request.state === "pending" && left < 60_000 && left > 0 && !this.warned) {
      this.warned = true;
      say("This request expires in one minute");
    }
    if (request.state === "pending" && left <= 0) this.drawGaps();
  }

  /** @param {number} uses */
  approve(uses) {
    const grants = this.request.grants.filter((/** @type {any} */ g) => g.you_may && !this.without.has(g.name)).map((/** @type {any} */ g) => g.name);
    return this.send("approve", { digest: this.request.digest, grants, uses, note: this.note.value.trim() });
  }

  deny() {
    const reason = this.reason.value.trim();
    put(this.reasonError, reason ? null : "Say why, in a few words: the agent is told it.");
    this.reason.toggleAttribute("aria-invalid", !reason);
    if (!reason) {
      this.reason.setAttribute("aria-invalid", "true");
      this.reason.focus();
      return undefined;
    }
    return this.send("deny", { digest: this.request.digest, reason });
  }

  /**
   * Sends one decision. A passkey that the gate asks for is given within the same act; nothing else is sent a second time.
   * @param {"approve" | "deny"} what
   * @param {any} body
   */
  async send(what, body) {
    if (this.busy || performance.now() < this.ready) return;
    this.busy = true;
    this.drawGaps();
    put(this.outcome, el("p", { class: "note", role: "status" }, "Sending your decision"));
    try {
      const answer = await proved((proof) => this.api.post(`${this.path}/${what}`, { ...body, ...proof }), this.page.signal,
        () => put(this.outcome, el("p", { class: "note", role: "status" }, "Give your passkey in the browser's dialog")));
      this.busy = false;
      this.request = answer;
      this.came(what);
    } catch (error) {
      this.busy = false;
      await this.refused(/** @type {any} */ (error));
    }
  }

  /** @param {"approve" | "deny"} what */
  came(what) {
    put(this.outcome);
    this.note.value = "";
    this.drawDesk();
    const { request } = this;
    const words = what === "deny" ? "You denied it." : request.state === "pending" ? "Your grant counts. More are needed." : "You approved it.";
    this.tell("good", words, []);
  }

  /** @param {any} error */
  async refused(error) {
    if (this.page.signal.aborted) return;
    put(this.outcome);
    if (error.code === "decided" || error.code === "changed") await this.overtaken(error);
    else if (error.status === 0 && error.code !== "passkey") {
      this.tell("bad", "It is not known whether your decision arrived.", [el("p", {}, shown(error.message), " Look at the request before you decide again."),
        button("Look at it as it now stands", () => this.page.again())]);
    } else this.tell("bad", "Nothing was decided.", [el("p", {}, shown(error.message, { max: 1000 }), /passkey/.test(error.code) ? [" ", el("a", { href: "#/account" }, "Your account")] : null)]);
    this.drawGaps();
  }

  /**
   * The request is not what it was. It is shown what changed; the decision is the visitor's to make anew.
   * @param {any} error
   */
  async overtaken(error) {
    const old = this.request;
    try {
      this.fresh = await this.api.get(this.path, { signal: this.page.signal });
    } catch (thrown) {
      this.tell("bad", "Your decision was not taken.", [el("p", {}, shown(error.message)), el("p", {}, shown(/** @type {any} */ (thrown).message)), button("Load it again", () => this.page.again())]);
      return;
    }
    if (this.fresh.state !== "pending") {
      this.request = { ...this.fresh, arguments: old.arguments };
      this.fresh = null;
      this.drawDesk();
      this.tell("warn", "Your decision was not taken: this request was decided before.", []);
      return;
    }
    // The digest is of all that is shown. Where it is the same, what stands here is what a decision binds.
    if (this.fresh.digest === old.digest) {
      this.request = this.fresh;
      this.fresh = null;
      this.settle();
      this.drawDesk();
      this.tell("warn", "Your decision was not taken.", [el("p", {}, shown(error.message, { max: 1000 }))]);
      return;
    }
    this.showChange("Your decision was not taken: the request is another than the one you saw.");
  }

  /** @param {string} words */
  showChange(words) {
    this.tell("warn", words, [el("p", {}, "What changed:"), evidence.changes(this.request, this.fresh),
      button("Look at it as it now stands", () => {
        this.request = this.fresh;
        this.fresh = null;
        this.draw();
        /** @type {HTMLElement | null} */ (this.root.querySelector("h1"))?.focus();
      }, { kind: "primary" })]);
    this.drawGaps();
  }

  /**
   * Something to know, at the head of the decision, with the focus on it: for people who look and people who listen.
   * @param {"good" | "warn" | "bad"} tone
   * @param {string} words
   * @param {any[]} more
   */
  tell(tone, words, more) {
    const box = el("div", { class: `notice ${tone}`, tabindex: "-1", role: tone === "good" ? "status" : "alert" }, el("p", { class: "notice-title" }, words), more);
    put(this.outcome, box);
    box.focus();
  }

  ending() {
    const { request } = this;
    const [last] = [...(request.decisions ?? [])].reverse();
    const lines = {
      granted: ["Approved. The agent's call runs when it comes, and only if the policies still allow it then.", `The approval can be used until ${new Date(request.expires).toLocaleTimeString("en-GB")}.`],
      spent: ["Approved, and used. What the call did stands in the trace."],
      refused: ["Denied. The agent is told, and the same call is refused for a while without asking again."],
      expired: ["Nobody decided in time. The call did not run; the agent may ask again."],
      closed: ["Closed without a decision."],
    };
    const words = /** @type {Record<string, string[]>} */ (lines)[request.state] ?? ["It no longer waits."];
    return [
      words.map((line) => el("p", {}, line)),
      request.why_closed ? el("p", {}, shown(request.why_closed, { max: 2000 })) : null,
      facts([["Last decision", last ? [shown(last.by), ", ", when(last.at)] : null], ["Record", request.record ? String(request.record) : null]]),
      el("div", { class: "decide-buttons" }, el("a", { class: "button", href: `#/traces/${encodeURIComponent(request.task.trace)}` }, "See the trace"), this.nextButton()),
    ];
  }

  nextButton() {
    const next = this.following();
    return next ? button("Next that waits", () => this.next(), { kind: "primary" }) : el("a", { class: "button", href: "#/queue" }, "Back to the queue");
  }

  following() {
    const all = [...this.page.waiting.items.values()].filter((each) => each.id !== this.id);
    const at = all.findIndex((each) => each.created > this.request.created);
    return all[at < 0 ? 0 : at] ?? null;
  }

  next() {
    const next = this.request ? this.following() : null;
    if (next) location.hash = `#/approvals/${encodeURIComponent(next.id)}`;
    else say("Nothing else waits");
  }

  /**
   * Others decide, labels rise, policies change while this is read: the evidence stays as it is until the visitor asks.
   * @param {import("../waiting.js").Change} change
   */
  async heard(change) {
    const mine = change.kind === "one" ? change.approval.id === this.id
      : change.kind === "all" && this.request.state === "pending" && !this.page.waiting.items.has(this.id);
    if (!mine || this.busy || this.fresh) return;
    if (change.kind === "one" && change.approval.state === this.request.state && same(change.approval, this.request)) return;
    let fresh;
    try {
      fresh = await this.api.get(this.path, { signal: this.page.signal });
    } catch {
      return;
    }
    if (this.busy || this.fresh) return;
    if (fresh.state === "pending" && fresh.digest !== this.request.digest) {
      this.fresh = fresh;
      this.showChange("The request is another than the one you see.");
      return;
    }
    const decided = this.request.state === "pending" && fresh.state !== "pending";
    const focus = document.activeElement?.id;
    const alike = buttons(fresh) === buttons(this.request);
    const counts = fresh.waiting !== this.request.waiting;
    this.request = fresh;
    // An agent that repeats its call changes a number, and must not keep the buttons from those who decide.
    if (alike) {
      if (counts) this.tally();
      this.tick();
      return;
    }
    this.settle();
    this.drawDesk();
    if (decided) this.tell("warn", `It is no longer yours to decide: it is ${fresh.state}.`, []);
    else if (focus) document.getElementById(focus)?.focus();
  }
}

/**
 * All that the desk is drawn from, but how many calls wait.
 * @param {any} request
 */
function buttons({ state, digest, waiting, grants, decisions, why_closed, arguments: { whole } }) {
  return JSON.stringify([state, digest, waiting > 1, grants, decisions, why_closed, whole]);
}

/**
 * A name for the window's title, where no button may stand: its head, with a mark where it is cut.
 * @param {string} name
 * @param {number} max
 */
function clipped(name, max) {
  const all = [...name.slice(0, max + 1)];
  return name.length <= max ? name : `${all.slice(0, max).join("")}…`;
}

/**
 * Whether what a stream told of a request is what is shown.
 * @param {any} a
 * @param {any} b
 */
function same(a, b) {
  return ["digest", "waiting", "expires", "caller", "task", "server", "action", "grants", "rules"].every((part) => a[part] === undefined || JSON.stringify(a[part]) === JSON.stringify(b[part]));
}
