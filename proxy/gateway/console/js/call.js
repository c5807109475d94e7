// All that is recorded of one call: exact arguments, what the decision rests on, where its time went, what came of it.

import { count, el, facts, labels, put, svg, verdict, when } from "./dom.js";
import { member } from "./exact.js";
import { shown, shownJson } from "./shown.js";
import { duration } from "./story.js";

/** @typedef {import("./story.js").Frame} Frame */
/** @typedef {import("./dom.js").Child} Child */
/** @typedef {[Child, Child | Child[]]} Fact */

/** What a reader should know about an ending that its word does not say. */
const MEANINGS = new Map([
  ["abandoned", "its sender went away before anything was done"],
  ["panicked", "the gate itself failed before anything was done"],
  ["indeterminate", "it may have had its effect; look before you repeat it"],
  ["no outcome", "none is recorded: it is still under way, or the gate stopped first; it may have had its effect"],
]);

/** What a stage does, in a few words. */
const DOES = new Map([
  ["intake", "read and admitted"], ["classify", "looked up in the registry"], ["policy", "judged"],
  ["guardrail", "scope, limits, halts"], ["approval", "previewed, people asked"], ["credential", "secret lent"],
  ["action", "the server at work"], ["outcome", "answer checked and labelled"], ["audit", "record closed"],
]);

/** @param {string} stage */
export function stageTone(stage) {
  if (stage === "approval") return "wait";
  return stage === "action" ? "act" : "own";
}

/**
 * A text of others in a line where no button may stand: its head, and how much is left out.
 * @param {unknown} text
 * @param {number} [max]
 */
export function brief(text, max = 80) {
  const all = String(text ?? "");
  if (all.length <= max) return shown(all, { max: all.length });
  const cut = [...all.slice(0, max + 1)].slice(0, max).join("");
  return el("span", {}, shown(cut, { max: cut.length }), el("span", { class: "cut" }, ` … ${count(all.length - cut.length, "more character")}`));
}

/**
 * What stands in one cell of a table, as one piece, so that it stays one where cells are laid out otherwise.
 * @param {...(Child | Child[])} children
 */
export function cell(...children) {
  return el("div", { class: "cell" }, children);
}

/** @param {string[]} list */
function names(list) {
  return list.flatMap((name, n) => [n > 0 ? ", " : "", shown(name)]);
}

/**
 * A digest: its beginning, and the whole of it at a press.
 * @param {string | null | undefined} digest
 */
export function digestOf(digest) {
  if (!digest) return el("span", { class: "none" }, "none");
  const hex = digest.replace(/^sha256:/, "");
  if (hex.length <= 12) return el("code", {}, shown(hex));
  const short = `${hex.slice(0, 12)}…`;
  const one = el("button", { type: "button", class: "hash", "aria-expanded": "false", title: "Show the whole digest" }, short);
  one.addEventListener("click", () => {
    const whole = one.getAttribute("aria-expanded") === "false";
    one.setAttribute("aria-expanded", String(whole));
    put(one, whole ? digest : short);
  });
  return one;
}

/**
 * The beginning of a digest, where no button may stand.
 * @param {string} digest
 */
export function short(digest) {
  return digest.replace(/^sha256:/, "").slice(0, 12);
}

/**
 * What a decision says beyond its word.
 * @param {any} decision
 * @returns {Child[]}
 */
export function decisionWords(decision) {
  if (decision.allow) {
    const duties = decision.allow.map((/** @type {any} */ duty) => (duty === "quote" ? ["hand text over as quoted evidence"]
      : ["take ", labels([duty.declassify.label]), " off the result (", shown(duty.declassify.by), ")"]));
    return duties.length === 0 ? [] : ["and ", ...duties.flatMap((/** @type {Child[]} */ duty, /** @type {number} */ n) => (n > 0 ? [", ", ...duty] : duty))];
  }
  if (decision.escalate) return ["it needs ", ...names(decision.escalate)];
  const why = decision.deny;
  if (why === "no_permit") return ["no policy permits it"];
  if (why === "forbidden") return ["a policy forbids it"];
  if (why?.unjudgeable !== undefined) return ["an argument has no form that policies could judge: ", shown(why.unjudgeable)];
  if (why?.fault !== undefined) return ["a policy could not be evaluated: ", shown(why.fault)];
  return [shown(JSON.stringify(decision))];
}

/** @param {any} note @returns {Fact[]} */
function decisionFacts(note) {
  if (!note) return [["Decision", el("span", { class: "none" }, "none was come to: it was refused before, or is not a thing to decide on")]];
  /** @type {Fact[]} */
  const out = [["Decision", [verdict(Object.keys(note.decision)[0] ?? ""), " ", ...decisionWords(note.decision)]]];
  if (note.rules?.length > 0) {
    out.push([note.rules.length === 1 ? "Rule" : "Rules", el("ul", { class: "plain" }, note.rules.map((/** @type {any} */ rule) =>
      el("li", {}, el("code", {}, shown(rule.id)), rule.reason ? [": ", shown(rule.reason)] : "")))]);
  }
  if (note.grants?.length > 0) out.push(["Grants held", names(note.grants)]);
  out.push(["Task’s labels then", labels(note.labels)]);
  const origin = Object.entries(note.origin ?? {});
  if (origin.length > 0) {
    out.push(["Where values came from", el("ul", { class: "plain" }, origin.map(([argument, found]) => el("li", {},
      el("code", {}, shown(argument)), ": ", originWords(/** @type {string[]} */ (found)))))]);
  }
  if (note.unvouched?.length > 0) out.push(["Goes to", ["a place the user did not give: ", labels(note.unvouched)]]);
  if (Array.isArray(note.readers)) out.push(["May be read by", note.readers.length > 0 ? names(note.readers) : "nobody"]);
  const impact = Object.entries(note.impact ?? {});
  if (impact.length > 0) {
    out.push(["Preview found", impact.flatMap(([name, value], n) => [n > 0 ? ", " : "", el("code", {}, shown(name)), " ",
      shown(String(Object.values(/** @type {any} */ (value))[0]))])]);
  }
  for (const along of note.along ?? []) out.push(["Rode along", [shown(along.method), " ", shown(along.target)]]);
  if (note.calls > 0) out.push(["Calls before", String(note.calls)]);
  return out;
}

/** @param {string[]} found */
function originWords(found) {
  if (found.length === 0) return "found nowhere, or in what carries no label";
  const rest = found.filter((label) => label !== "user");
  const user = found.includes("user");
  return [user ? "given by the user" : "", user && rest.length > 0 ? ", and " : "", rest.length > 0 ? ["found in what carries ", labels(rest)] : ""];
}

/** @param {any} plan */
export function planWords(plan) {
  const times = plan.revision === 0 ? "" : plan.revision === 1 ? ", revised once" : `, revised ${plan.revision} times`;
  const of = `the ${plan.by}’s plan${times}`;
  if (!plan.step) return `off plan: no open step of ${of} names it`;
  return `step ${plan.step} of ${plan.steps} of ${of}${plan.out_of_order ? ", before steps that stand before it" : ""}`;
}

/** @param {any} effect @returns {Fact[]} */
function effectFacts(effect) {
  if (!effect) return [];
  /** @type {Fact[]} */
  const out = [];
  if (effect.preview) {
    const { tool, fault, result } = effect.preview;
    out.push(["Preview", [el("code", {}, shown(tool)), fault ? [" found nothing: ", shown(fault)] : result ? [" answered ", digestOf(result)] : " found nothing"]]);
  }
  if (effect.fault) out.push(["Withheld", shown(effect.fault)]);
  if (effect.rollback) out.push(["Rollback", [el("code", {}, shown(effect.rollback.tool)), effect.rollback.fault ? [" unknown: ", shown(effect.rollback.fault)] : " done"]]);
  out.push(["Effect", [effectWord(effect.state), effect.key ? [" under the key ", el("code", {}, shown(effect.key))] : ""]]);
  return out;
}

/** @param {string} state */
export function effectWord(state) {
  return state.replaceAll("_", " ");
}

/** @param {any} flow @param {string[]} carried @returns {Fact[]} */
function flowFacts(flow, carried) {
  /** @type {Fact[]} */
  const out = [["Answer carries", labels(carried)]];
  if (!flow) return out;
  if (Array.isArray(flow.readers)) out.push(["Answer is for", flow.readers.length > 0 ? names(flow.readers) : "nobody"]);
  if (flow.sent?.length > 0) out.push(["Client’s answer carried", labels(flow.sent)]);
  for (const { by, grants, label } of flow.declassified ?? []) {
    out.push(["Taken off", [labels([label]), " by ", el("code", {}, shown(by)), grants?.length > 0 ? [", granted by ", ...names(grants)] : ""]]);
  }
  const memory = flow.memory;
  if (memory) {
    const did = { read: "read", write: "wrote", append: "added to", delete: "deleted" }[/** @type {"read"} */ (memory.role)] ?? memory.role;
    out.push(["Memory", [did, " ", memory.keys?.length > 0 ? names(memory.keys) : "the whole scope", memory.scope ? [" of ", shown(memory.scope)] : "",
      memory.written_in?.length > 0 ? `, written in record ${memory.written_in.join(", ")}` : "",
      memory.expires_us ? [", delivered until ", when(new Date(memory.expires_us / 1000).toISOString())] : "",
      memory.withheld > 0 ? `, ${memory.withheld} withheld` : ""]]);
  }
  return out;
}

/** @param {Frame} frame @returns {Fact[]} */
function resultFacts(frame) {
  const record = frame.record ?? {};
  /** @type {Fact[]} */
  const out = [];
  const result = record.result;
  if (result) {
    out.push(["Result", [count(result.bytes, "byte"), result.is_error ? ", a tool error" : "",
      result.error_code !== undefined && result.error_code !== null ? `, JSON-RPC error ${result.error_code}` : "",
      result.error_message ? [": ", shown(result.error_message)] : ""]]);
  }
  if (record.refusal) out.push(["Refusal", [el("code", {}, shown(record.refusal.code)), ": ", shown(record.refusal.message, { max: 2000 })]]);
  const meaning = MEANINGS.get(frame.ending);
  const took = frame.record ? ` after ${duration(record.took_us)}` : "";
  out.push(["Ending", [verdict(frame.ending), took, meaning ? `: ${meaning}` : ""]]);
  return out;
}

/** @param {Frame} frame @returns {Fact[]} */
function wireFacts(frame) {
  const record = frame.record ?? {};
  const entry = frame.record ?? frame.intent ?? {};
  const principal = entry.principal;
  return [
    ["Record", [`#${frame.number}, `, when(new Date(frame.startedUs / 1000).toISOString())]],
    ["Caller", principal ? [shown(frame.principal), principal.user ? [" for ", shown(principal.user)] : "", `, by ${principal.method}`] : "nobody known"],
    ["Task", el("code", {}, shown(frame.task))],
    ["Law", digestOf(frame.snapshot)],
    ["Tool’s pin", record.pin ? digestOf(record.pin) : null],
    ["Credential", record.credential ? el("code", {}, shown(record.credential)) : null],
    ["System", record.system ? shown(record.system) : null],
    ["Session", record.session ? el("code", {}, shown(record.session)) : null],
    ["Protocol", record.protocol ? shown(record.protocol) : null],
    ["From", record.client ? shown(record.client) : null],
    ["Errand", record.errand ? `the gate’s own ${effectWord(record.errand.what)}, for record #${record.errand.of}` : null],
    ["Span", record.span ? el("code", {}, shown(record.span)) : null],
  ];
}

/** @param {Frame} frame */
function argumentsOf(frame) {
  const record = frame.record ?? frame.intent ?? {};
  const raw = frame.raw ? member(frame.raw, "arguments") : null;
  const text = raw && raw !== "null" ? raw : record.arguments ? JSON.stringify(record.arguments) : null;
  if (text) {
    return el("div", { class: "detail-block" }, el("h3", {}, "Arguments"), shownJson(text, { what: `the arguments of record ${frame.number}` }),
      record.arguments_digest ? el("p", { class: "fine" }, "Their digest: ", digestOf(record.arguments_digest), ". What the registry calls sensitive is withheld before it is recorded.") : null);
  }
  if (!record.arguments_digest) return null;
  return el("div", { class: "detail-block" }, el("h3", {}, "Arguments"), el("p", {}, "Not recorded. Their digest: ", digestOf(record.arguments_digest)));
}

/** Where the time of one call went: a bar on its own scale, and the same as a table. @param {Frame} frame */
function timesOf(frame) {
  const record = frame.record;
  if (!record || frame.stages.length === 0) return null;
  const all = Math.max(record.took_us, 1);
  const bar = svg("svg", { class: "own-bar", role: "img", "aria-label": `Stages of record ${frame.number}, as in the table below`, width: "100%", height: 14 },
    frame.stages.map((stage) => svg("rect", {
      x: `${(stage.from / all) * 100}%`, width: `${Math.max((stage.to - stage.from) / all, 0) * 100}%`, y: 0, height: 14,
      class: `stage ${stageTone(stage.name)}${stage.ended ? " ended" : ""}`,
    })));
  const rows = frame.stages.map((stage) => el("tr", {},
    el("th", { scope: "row" }, el("span", { class: `dot ${stageTone(stage.name)}` }), stage.name, stage.ended ? el("span", { class: "fine" }, " ended here") : null),
    el("td", { class: "num" }, duration(stage.to - stage.from)),
    el("td", { class: "num" }, `at ${duration(stage.to)}`),
    el("td", { class: "fine wide" }, DOES.get(stage.name) ?? "")));
  const intent = frame.intent ? Math.max(0, frame.intent.at_us - frame.startedUs) : null;
  return el("div", { class: "detail-block" }, el("h3", {}, "Where the time went"), bar,
    el("table", { class: "times" }, el("caption", { class: "sr" }, `Stages of record ${frame.number}: how long each took, when it was done`), el("tbody", {}, rows)),
    intent === null ? null : el("p", { class: "fine" }, `The intent was on disk ${duration(intent)} after arrival, before anything was sent.`),
    attempts(record.attempts ?? []), notes(record.notes ?? []));
}

/** @param {any[]} list */
function attempts(list) {
  if (list.length === 0) return null;
  return el("ul", { class: "plain attempts" }, list.map((attempt, n) => el("li", {}, list.length > 1 ? `Attempt ${n + 1}: ` : "Sent to ",
    el("code", {}, shown(attempt.address)), `, ${duration(Math.max(0, attempt.ended_us - attempt.started_us))}, ${duration(attempt.started_us)} after arrival`,
    attempt.status ? `, HTTP ${attempt.status}` : "", attempt.fault ? [", failed: ", shown(attempt.fault)] : "")));
}

/**
 * Links to the approval requests that a text of the gate names.
 * @param {string} text
 * @returns {Child}
 */
export function requests(text) {
  const ids = new Set(text.match(/\bap_[a-z2-7]{26}\b/g) ?? []);
  return ids.size === 0 ? null : el("span", {}, [...ids].slice(0, 5).map((id) => [" ", el("a", { href: `#/approvals/${id}` }, "Open the request")]));
}

/** @param {any[]} list */
function notes(list) {
  if (list.length === 0) return null;
  return el("ul", { class: "plain notes" }, list.map((note) => el("li", {}, el("span", { class: "fine" }, `After ${duration(note.at_us)}: `), shown(note.text, { max: 1000 }), requests(note.text))));
}

/**
 * @param {Frame} frame
 * @returns {HTMLElement}
 */
export function callDetail(frame) {
  const record = frame.record ?? {};
  const more = frame.record
    ? [...(record.effects?.length > 0 ? [/** @type {Fact} */ (["Effect class", record.effects.map(effectWord).join(", ")])] : []),
      ...decisionFacts(record.decision), ...(record.plan ? [/** @type {Fact} */ (["Plan", planWords(record.plan)])] : [])]
    : [/** @type {Fact} */ (["Intent", ["on disk, to send ", digestOf(frame.intent?.body)]])];
  return el("div", { class: "detail" },
    el("div", { class: "detail-main" }, argumentsOf(frame),
      el("div", { class: "detail-block" }, el("h3", {}, "What the decision rests on"), facts(more)),
      el("div", { class: "detail-block" }, el("h3", {}, "What came of it"),
        facts([...(frame.record ? flowFacts(record.flow, record.labels ?? []) : []), ...effectFacts(record.effect), ...resultFacts(frame)]))),
    el("div", { class: "detail-side" }, timesOf(frame),
      el("div", { class: "detail-block" }, el("h3", {}, "On record"), facts(wireFacts(frame)))));
}
