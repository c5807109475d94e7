// A task's story out of its entries: frames in time, each under the call it belongs to, and what was said and happened
// between them. The same facts that `wicketgate trace` tells. Pure: entries in, a story out; nothing is drawn here.

/** The stages of a call, in order. */
export const STAGES = ["intake", "classify", "policy", "guardrail", "approval", "credential", "action", "outcome", "audit"];

/**
 * @typedef {{ name: string, from: number, to: number, ended: boolean }} Stage microseconds since the frame arrived; `ended`:
 *   the stage in which it was refused or lost, with the closing of its record
 * @typedef {Record<string, any>} Entry
 * @typedef {{ what: "frame", number: number, record: Entry | null, intent: Entry | null, raw: string | null, startedUs: number,
 *   endedUs: number, server: string, system: string, method: string, target: string, kind: string, toClient: boolean,
 *   call: boolean, decision: string, ending: string, mood: "good" | "bad" | "warn", before: string[], gained: string[],
 *   stages: Stage[], principal: string, task: string, snapshot: string, depth: number, effect: string }} Frame
 * @typedef {{ what: "event", at: number, event: Entry, task: string }} EventRow
 * @typedef {{ what: "said", at: number, said: Entry, task: string, taken: Map<number, number[]> }} SaidRow
 * @typedef {Frame | EventRow | SaidRow} Row
 * @typedef {{ frames: Frame[], rows: Row[], lanes: string[], traces: string[], tasks: string[], callers: string[],
 *   snapshots: Map<string, number[]>, from: number, to: number, claims: number }} Story
 */

/** @param {Entry | null | undefined} principal */
export function who(principal) {
  if (!principal) return "";
  return `${principal.tenant}/${principal.agent}`;
}

/** @param {Entry | undefined} note */
function decisionWord(note) {
  if (!note) return "";
  return Object.keys(note.decision)[0] ?? "";
}

/** @param {Entry} record */
function stagesOf(record) {
  /** @type {Stage[]} */
  const out = [];
  let before = 0;
  let expected = 0;
  for (const { stage, at_us: at } of record.stages ?? []) {
    const index = STAGES.indexOf(stage);
    // Only the end of a stage is recorded. Where the record was closed early, the time before it went into the stage that
    // never ended.
    const ended = stage === "audit" && index > expected && expected >= 0;
    out.push({ name: ended ? STAGES[expected] ?? stage : stage, from: before, to: at, ended });
    before = at;
    expected = index + 1;
  }
  return out;
}

const MOODS = new Map([["served", "good"], ["refused", "bad"]]);

/**
 * @param {Entry} record
 * @param {Entry | null} intent
 * @param {string | null} raw
 * @returns {Frame}
 */
function recorded(record, intent, raw) {
  const before = record.decision?.labels ?? [];
  return {
    what: "frame", number: record.number, record, intent, raw,
    startedUs: record.started_us, endedUs: record.started_us + record.took_us,
    server: record.server, system: record.system ?? "", method: record.method ?? "", target: record.target ?? "",
    kind: record.kind, toClient: record.direction === "to_client",
    call: record.method === "tools/call" && record.kind === "request",
    decision: decisionWord(record.decision), ending: record.ending,
    mood: /** @type {any} */ (MOODS.get(record.ending) ?? "warn"),
    before, gained: (record.labels ?? []).filter((/** @type {string} */ label) => !before.includes(label)),
    stages: stagesOf(record), principal: who(record.principal), task: record.task, snapshot: record.snapshot, depth: 0,
    effect: record.effect?.state ?? "",
  };
}

/**
 * @param {Entry} intent
 * @param {string | null} raw
 * @returns {Frame}
 */
function open(intent, raw) {
  return {
    what: "frame", number: intent.number, record: null, intent, raw, startedUs: intent.at_us, endedUs: intent.at_us,
    server: intent.server, system: "", method: intent.method, target: intent.target ?? "", kind: "request", toClient: false,
    call: intent.method === "tools/call", decision: "", ending: "no outcome", mood: "warn", before: [], gained: [],
    stages: [], principal: who(intent.principal), task: intent.task, snapshot: intent.snapshot, depth: 0, effect: "",
  };
}

/**
 * The number of the frame a frame belongs under: the one an errand was made for, or the call during which it passed.
 * @param {Frame} frame
 * @param {Frame[]} calls in the order they began
 */
function parentOf(frame, calls) {
  const record = frame.record;
  if (!record) return null;
  if (record.errand) return record.errand.of;
  if (!frame.toClient && frame.kind !== "response") return null;
  for (let i = calls.length - 1; i >= 0; i -= 1) {
    const call = calls[i];
    if (!call || call.startedUs > frame.startedUs) continue;
    const session = call.record?.session;
    const same = session && record.session ? session === record.session : !record.session;
    if (call.server === frame.server && same && call.endedUs >= frame.startedUs) return call.number;
  }
  return null;
}

/**
 * @param {Entry[]} entries
 * @param {string[]} [raws] the text of each entry
 * @returns {Story}
 */
export function storyOf(entries, raws = []) {
  /** @type {Map<number, Entry>} */
  const intents = new Map();
  /** @type {Map<number, string | null>} */
  const intentRaws = new Map();
  /** @type {Frame[]} */
  const frames = [];
  /** @type {(EventRow | SaidRow)[]} */
  const asides = [];
  entries.forEach((entry, n) => {
    if (entry.entry !== "intent" || intents.has(entry.number)) return;
    intents.set(entry.number, entry);
    intentRaws.set(entry.number, raws[n] ?? null);
  });
  /** @type {Set<number>} */
  const numbers = new Set();
  entries.forEach((entry, n) => {
    if (entry.entry === "record") {
      numbers.add(entry.number);
      frames.push(recorded(entry, intents.get(entry.number) ?? null, raws[n] ?? null));
    } else if (entry.entry === "event") asides.push({ what: "event", at: entry.at_us, event: entry, task: entry.task ?? "" });
    else if (entry.entry === "said") {
      asides.push({ what: "said", at: entry.at_us, said: entry, task: entry.task, taken: new Map() });
    }
  });
  for (const [number, intent] of intents) {
    if (!numbers.has(number)) frames.push(open(intent, intentRaws.get(number) ?? null));
  }
  frames.sort((a, b) => a.startedUs - b.startedUs || a.number - b.number);
  asides.sort((a, b) => a.at - b.at);
  return { frames, rows: rowsOf(frames, asides), ...headOf(frames, asides) };
}

/**
 * @param {Frame[]} frames
 * @param {(EventRow | SaidRow)[]} asides
 */
function rowsOf(frames, asides) {
  const calls = frames.filter((frame) => frame.record && !frame.toClient && frame.kind === "request" && !frame.record.errand);
  const known = new Set(frames.map((frame) => frame.number));
  /** @type {Map<number, Frame[]>} */
  const nested = new Map();
  /** @type {Frame[]} */
  const top = [];
  for (const frame of frames) {
    const parent = parentOf(frame, calls);
    if (parent === null || parent === frame.number || !known.has(parent)) top.push(frame);
    else {
      const list = nested.get(parent) ?? [];
      nested.set(parent, list);
      list.push(frame);
    }
  }
  /** @type {Row[]} */
  const rows = [];
  const place = (/** @type {Frame} */ frame, /** @type {number} */ depth) => {
    frame.depth = depth;
    rows.push(frame);
    const below = nested.get(frame.number) ?? [];
    nested.delete(frame.number);
    for (const child of below) place(child, Math.min(depth + 1, 4));
  };
  let next = 0;
  /** @type {Map<string, SaidRow>} */
  const plans = new Map();
  const aside = (/** @type {EventRow | SaidRow} */ row) => {
    rows.push(row);
    if (row.what === "said" && ["plan", "revision"].includes(row.said.said.kind)) {
      plans.set(`${row.task} ${row.said.voice}`, row);
    }
  };
  const takes = (/** @type {Frame} */ frame) => {
    const plan = frame.record?.plan;
    const row = plan?.step ? plans.get(`${frame.task} ${plan.by}`) : undefined;
    if (!row) return;
    row.taken.set(plan.step, [...row.taken.get(plan.step) ?? [], frame.number]);
  };
  for (const frame of top) {
    // A task opens before its first frame; what is said in a frame stands behind it.
    for (let one = asides[next]; one && (one.what === "event" ? one.at <= frame.startedUs : one.at < frame.startedUs);) {
      aside(one);
      next += 1;
      one = asides[next];
    }
    const from = rows.length;
    place(frame, 0);
    for (const row of rows.slice(from)) if (row.what === "frame") takes(row);
  }
  asides.slice(next).forEach(aside);
  return rows;
}

/**
 * @param {Frame[]} frames
 * @param {(EventRow | SaidRow)[]} asides
 */
function headOf(frames, asides) {
  /** @type {Set<string>} */
  const lanes = new Set();
  /** @type {Set<string>} */
  const traces = new Set();
  /** @type {Set<string>} */
  const tasks = new Set();
  /** @type {Set<string>} */
  const callers = new Set();
  /** @type {Map<string, number[]>} */
  const snapshots = new Map();
  let [from, to] = [Infinity, -Infinity];
  for (const frame of frames) {
    const entry = frame.record ?? frame.intent;
    for (const label of [...frame.before, ...frame.gained]) lanes.add(label);
    traces.add(entry?.trace);
    tasks.add(frame.task);
    const principal = entry?.principal;
    if (principal) callers.add(`${who(principal)}${principal.user ? ` for ${principal.user}` : ""}, by ${principal.method}`);
    const list = snapshots.get(frame.snapshot) ?? [];
    snapshots.set(frame.snapshot, list);
    list.push(frame.number);
    from = Math.min(from, frame.startedUs);
    to = Math.max(to, frame.endedUs);
  }
  for (const aside of asides) {
    const entry = aside.what === "event" ? aside.event : aside.said;
    if (entry.trace) traces.add(entry.trace);
    if (aside.task) tasks.add(aside.task);
    if (frames.length === 0) [from, to] = [Math.min(from, aside.at), Math.max(to, aside.at)];
  }
  return {
    lanes: [...lanes], traces: [...traces], tasks: [...tasks], callers: [...callers], snapshots,
    from: Number.isFinite(from) ? from : 0, to: Number.isFinite(to) ? to : 0,
    claims: asides.filter((aside) => aside.what === "said").length,
  };
}

/**
 * The labels a task had when a row of it was reached, by task: labels only rise.
 * @param {Row[]} rows
 * @param {string} task
 * @param {number} until the place of the row, which is counted
 */
export function labelsAt(rows, task, until) {
  /** @type {Set<string>} */
  const out = new Set();
  for (let i = 0; i <= until; i += 1) {
    const row = rows[i];
    if (row?.what === "frame" && row.task === task) for (const label of [...row.before, ...row.gained]) out.add(label);
  }
  return out;
}

/**
 * A span of time, in the unit that fits, as the terminal writes it.
 * @param {number} us
 */
export function duration(us) {
  if (us < 1000) return `${us} µs`;
  if (us < 1_000_000) return `${(us / 1000).toFixed(us < 100_000 ? 1 : 0)} ms`;
  if (us < 60_000_000) return `${(us / 1_000_000).toFixed(2)} s`;
  const s = Math.round(us / 1_000_000);
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
}

/**
 * How long after the first frame: in the unit that fits, and from a minute on as a clock.
 * @param {number} us
 */
export function offset(us) {
  if (us < 60_000_000) return duration(us);
  const s = Math.floor(us / 1_000_000);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}
