// What a person must see before deciding on a request: what the gate verified, apart from what others claim; the exact
// arguments and where each value came from; the rules and their reasons; what came before.

import { badge, count, el, facts, head, labels, panel, table, verdict, when } from "./dom.js";
import { length, shown, shownJson } from "./shown.js";

/** The effects that a reviewer's mistake about cannot be taken back. */
export const DANGEROUS = new Set(["destructive", "egress", "spend", "execute"]);
const HARMLESS = new Set(["read", "memory_read"]);

/**
 * Whether the arguments that stand in a request are those that will be sent. After a restart of the gate the values that may
 * not be stored are gone: nobody can see what would be sent, so nobody can approve it.
 * @param {any} request
 */
export function isWhole(request) {
  return request.arguments.whole !== false;
}

/**
 * The request in one sentence.
 * @param {any} request
 * @param {Node[]} actions
 */
export function summary(request, actions) {
  const { caller, action, server } = request;
  const who = [shown(caller.agent, { max: 120 }), caller.user ? [" for ", shown(caller.user, { max: 120 })] : null];
  const what = action.effects.length > 0 ? [" It can: ", effects(action.effects)] : null;
  return head(el("span", {}, shown(action.name, { max: 200 }), el("span", { class: "soft" }, " on "), shown(server.name, { max: 120 })),
    { sub: [who, action.kind === "method" ? " asks for this method." : " asks to run this tool.", what], actions });
}

/** @param {string[]} list */
export function effects(list) {
  return list.map((effect) => [badge(shown(effect), DANGEROUS.has(effect) ? "bad" : HARMLESS.has(effect) ? "" : "warn"), " "]);
}

/** @param {any} request */
export function rules(request) {
  return panel("Why a person is asked", {},
    el("ul", { class: "rules" }, request.rules.map((/** @type {any} */ rule) => el("li", {},
      el("p", {}, shown(rule.reason || "The rule gives no reason.", { max: 2000 })), el("p", { class: "rule-id" }, shown(rule.id))))));
}

/**
 * Every argument whole, each with where it came from. What is folded says so; the list is compared with the canonical text
 * that the decision binds, and where the two differ the text itself is shown.
 * @param {any} request
 */
export function argumentsOf(request) {
  const { text, fields } = request.arguments;
  const whole = covers(fields, text);
  const lone = fields.length === 0;
  const canonical = shownJson(text, { what: "the canonical arguments" });
  const kept = isWhole(request);
  return panel(kept ? "Arguments, exactly as they will be sent" : "Arguments, not all of them", { id: "arguments", note: lone ? null : `${count(fields.length, "argument")}, ${count(length(text), "character")} of JSON` },
    kept ? null : el("p", { class: "alarm", role: "alert" }, "Not all of this is what will be sent: values that may not be stored were lost when the gate restarted. Only their size and digest stand here."),
    whole ? null : el("p", { class: "alarm", role: "alert" }, "The list below is not the whole of what will be sent. Read the JSON under it."),
    lone && text === "{}" ? el("p", { class: "none" }, "No arguments are sent.") : null,
    el("ol", { class: "arguments" }, fields.map(argument)),
    whole && (lone ? text === "{}" : true)
      ? el("details", {}, el("summary", {}, "As one JSON text"), el("div", { class: "value", dataset: { twice: "yes" } }, canonical))
      : el("div", { class: "value" }, canonical),
    el("p", { class: "digest" }, "A decision binds ", el("code", {}, shown(request.digest))));
}

/** @param {any} field */
function argument({ name, value, origin, sink, sensitive }) {
  const from = !origin || origin.length === 0
    ? el("span", { class: "none" }, "found in nothing that this task read")
    : origin.map((/** @type {string} */ each) => each === "user"
      ? el("span", { class: "chip user" }, "the user gave it")
      : el("span", { class: `chip ${each === "untrusted" ? "untrusted" : ""}` }, "from ", shown(each, { max: 80 })));
  return el("li", { class: "argument" },
    el("div", { class: "argument-head" },
      el("h3", { class: "argument-name" }, shown(name, { max: 400 })),
      sink ? badge("says where it goes", "warn") : null,
      sensitive ? badge("sensitive", "info") : null,
      el("span", { class: "argument-from" }, el("span", { class: "sr" }, "Origin: "), from)),
    el("div", { class: "value" }, shownJson(value, { what: name })));
}

/**
 * Whether the fields are the whole of the text: each stands in it, and together they are as long as it.
 * @param {any[]} fields
 * @param {string} text
 */
export function covers(fields, text) {
  const members = fields.map(({ name, value }) => `${JSON.stringify(name)}:${value}`);
  const length = members.reduce((sum, member) => sum + member.length, 2 + Math.max(0, members.length - 1));
  return length === text.length && members.every((member) => text.includes(member));
}

/** @param {any} request */
export function verified(request) {
  const { caller, task, server, action } = request;
  return panel("Verified by the gate", { class: "verified" }, facts([
    ["Agent", [shown(caller.agent), el("span", { class: "soft" }, ", signed in by "), shown(caller.method)]],
    ["Acts for", caller.user ? [shown(caller.user), caller.teams?.length ? [el("span", { class: "soft" }, " of "), caller.teams.map((/** @type {string} */ team, /** @type {number} */ n) => [n > 0 ? ", " : "", shown(team)])] : null] : el("span", { class: "none" }, "nobody named")],
    ["Task", [el("a", { href: `#/tasks/${encodeURIComponent(task.id)}` }, shown(task.id)), task.profile ? [el("span", { class: "soft" }, ", profile "), shown(task.profile)] : null,
      el("span", { class: "soft" }, task.explicit ? ", opened explicitly" : ", not opened explicitly")]],
    ["The task has read", labels(task.labels, "nothing that carries labels")],
    ["May be read by", request.readers ? request.readers.map((/** @type {string} */ reader, /** @type {number} */ n) => [n > 0 ? ", " : "", shown(reader)]) : null],
    ["Server", [shown(server.name), el("span", { class: "soft" }, ", its results carry "), server.trust ? badge(shown(server.trust), "warn") : badge("no labels", "good")]],
    ["Reached at", el("span", { class: "mono" }, shown(server.transport))],
    ["Belongs to", [shown(server.owner || "nobody named"), server.system && server.system !== server.name ? [el("span", { class: "soft" }, ", system "), shown(server.system)] : null]],
    ["Definition", [action.reviewed_by ? [el("span", { class: "soft" }, "reviewed by "), shown(action.reviewed_by), el("span", { class: "soft" }, ", "), when(action.reviewed_at)] : badge("never reviewed", "warn"),
      action.pin ? el("span", { class: "mono pin" }, shown(action.pin)) : null]],
    ["Law in force", el("span", { class: "mono pin" }, shown(request.snapshot))],
  ]));
}

/** @param {any} request */
export function claimed(request) {
  const { caller, task, action } = request;
  const client = caller.claimed ?? {};
  const tool = action.claimed ?? {};
  const notes = tool.annotations && Object.keys(tool.annotations).length > 0 ? JSON.stringify(tool.annotations) : "";
  const none = (/** @type {string} */ words) => el("span", { class: "none" }, words);
  return panel("Claimed, not verified", { class: "claimed", note: "Others wrote this. It can be false." }, facts([
    ["The client says it is", client.client ? [shown(client.client), " ", shown(client.version ?? "")] : none("nothing")],
    ["The host says the goal is", task.goal ? shown(task.goal, { max: 1000, what: "the goal" }) : none("nothing")],
    ["The server calls it", tool.title ? shown(tool.title) : none("nothing")],
    ["The server says", tool.description ? shown(tool.description, { max: 500, what: "the description" }) : none("nothing")],
    ["The server hints", notes ? shownJson(notes) : none("nothing")],
  ]));
}

/** @param {any} request */
export function preview(request) {
  if (!request.impact) return null;
  return panel("What a preview found", { note: "The gate ran the tool's preview. Nothing has changed yet." },
    facts(Object.entries(request.impact).map(([name, value]) => [shown(name), typeof value === "number" ? value.toLocaleString("en") : shownJson(JSON.stringify(value))])));
}

/** @param {any} request */
export function before(request) {
  const rows = request.before;
  const trace = request.task.trace;
  return panel("Before this, in the same task", { note: trace ? el("a", { href: `#/traces/${encodeURIComponent(trace)}` }, "The whole trace") : null },
    !rows ? el("p", { class: "alarm" }, "What came before could not be read: see the gate's log.")
      : rows.length === 0 ? el("p", { class: "none" }, "Nothing: it is the first call of the task.")
      : table([
        { name: "When", cell: (row) => when(row.at) },
        { name: "Call", cell: (row) => [shown(row.action, { max: 120 }), el("span", { class: "soft" }, " on "), shown(row.server, { max: 80 })] },
        { name: "Decision", cell: (row) => [row.decision ? verdict(row.decision) : el("span", { class: "none" }, "refused before policy"), row.ending ? [" ", el("span", { class: "soft" }, shown(row.ending))] : null] },
        { name: "Labels after it", cell: (row) => labels(row.labels) },
      ], rows, { caption: "Calls of this task before the request" }));
}

/** @param {any} request */
export function decisions(request) {
  if (!request.decisions?.length) return null;
  return panel("Decided so far", {}, el("ul", { class: "rules" }, request.decisions.map((/** @type {any} */ each) => el("li", {},
    el("p", {}, verdict(each.what), " by ", shown(each.by), ", ", when(each.at),
      each.grants?.length ? [": ", each.grants.map((/** @type {string} */ grant, /** @type {number} */ n) => [n > 0 ? ", " : "", shown(grant)])] : null,
      each.uses > 1 ? `, for ${each.uses} calls` : null),
    each.reason ? el("p", { class: "soft" }, "“", shown(each.reason, { max: 2000 }), "”") : null))));
}

/** What of a request is compared when it changed, and what each is called. */
const PARTS = /** @type {[string, (request: any) => any][]} */ ([
  ["the caller", (r) => [r.caller.agent, r.caller.user, r.caller.teams, r.caller.method]], ["the task", (r) => [r.task.id, r.task.profile]],
  ["what the task has read", (r) => r.task.labels], ["the server", (r) => [r.server.name, r.server.transport, r.server.trust]],
  ["the tool's definition", (r) => r.action.pin], ["the tool's effects", (r) => r.action.effects],
  ["the preview", (r) => r.impact], ["the rules", (r) => r.rules.map((/** @type {any} */ rule) => rule.id)],
  ["the grants required", (r) => r.grants.map((/** @type {any} */ g) => [g.name, g.quorum])], ["the law in force", (r) => r.snapshot], ["the expiry", (r) => r.expires],
]);

/**
 * What is another in a request than it was, as a list of old and new.
 * @param {any} old
 * @param {any} fresh
 */
export function changes(old, fresh) {
  const text = (/** @type {any} */ value) => (value === undefined ? "nothing" : JSON.stringify(value));
  /** @type {[string, string, string][]} */
  const out = [];
  for (const [name, part] of PARTS) if (text(part(old)) !== text(part(fresh))) out.push([name, text(part(old)), text(part(fresh))]);
  const names = new Set([...old.arguments.fields, ...fresh.arguments.fields].map((field) => field.name));
  for (const name of names) {
    const find = (/** @type {any} */ request) => request.arguments.fields.find((/** @type {any} */ field) => field.name === name);
    const [was, is] = [find(old), find(fresh)];
    if (was?.value !== is?.value) out.push([`the argument ${name}`, was?.value ?? "nothing", is?.value ?? "nothing"]);
    else if (text(was?.origin) !== text(is?.origin)) out.push([`the origin of ${name}`, text(was?.origin), text(is?.origin)]);
  }
  return el("ul", { class: "changes" }, out.length === 0 ? el("li", {}, "Nothing that this page shows.")
    : out.map(([name, was, is]) => el("li", {}, el("p", { class: "change-name" }, shown(name)),
      el("p", {}, el("span", { class: "soft" }, "was "), shownJson(was)), el("p", {}, el("span", { class: "soft" }, "is now "), shownJson(is)))));
}
