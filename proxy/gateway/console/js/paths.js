// Which source's data reached which sink, out of a task's frames. Three steps, each of them on record: a source's answer
// carried a label; an argument of a call held a value that was found in data with that label, or the task carried the
// label and a value of it could be there in other words; the call was carried out, or stopped. Pure.

import { member } from "./exact.js";

/** @typedef {import("./story.js").Frame} Frame */
/** @typedef {{ id: string, kind: "tool" | "user" | "before", server: string, name: string, labels: string[], frames: Frame[], taken: string[] }} Source */
/** @typedef {{ id: string, server: string, name: string, effects: string[], frames: Frame[] }} Sink */
/** @typedef {{ from: string, to: string, frames: Frame[] }} Carried a source whose answers carried a label */
/** @typedef {{ label: string, sink: string, found: boolean, arguments: string[], reached: Frame[], stopped: Frame[],
 *   sources: Map<string, number> }} Way `sources`: which had brought the label by then, and with how many of their answers */
/** @typedef {{ sources: Source[], labels: string[], sinks: Sink[], carried: Carried[], ways: Way[] }} Paths */

/** What leaves something behind, or leaves. */
const ACTS = new Set(["write", "destructive", "egress", "spend", "memory_write", "execute"]);
/** The label that stands for the user's own words among origins. */
const USER = "user";

/** @param {Frame} frame */
export function acts(frame) {
  return frame.call && (frame.record?.effects ?? []).some((/** @type {string} */ effect) => ACTS.has(effect));
}

/**
 * Whether a call may have had its effect.
 * @param {Frame} frame
 */
export function reached(frame) {
  return !["refused", "abandoned", "panicked", "failed"].includes(frame.ending);
}

/**
 * @param {Frame[]} frames in the order they began
 * @returns {Paths}
 */
export function pathsOf(frames) {
  /** @type {Map<string, Source>} */
  const sources = new Map();
  /** @type {Map<string, Sink>} */
  const sinks = new Map();
  /** @type {Map<string, Carried>} */
  const carried = new Map();
  /** @type {Map<string, Way>} */
  const ways = new Map();
  /** @type {Set<string>} */
  const labels = new Set();
  /** @type {Map<string, Set<string>>} */
  const known = new Map();
  const carry = (/** @type {Source} */ source, /** @type {string[]} */ list, /** @type {Frame | null} */ frame) => {
    const kept = sources.get(source.id) ?? source;
    sources.set(source.id, kept);
    if (frame && !kept.frames.includes(frame)) kept.frames.push(frame);
    for (const label of list) {
      labels.add(label);
      if (!kept.labels.includes(label)) kept.labels.push(label);
      const key = `${kept.id}\n${label}`;
      const edge = carried.get(key) ?? { from: kept.id, to: label, frames: [] };
      carried.set(key, edge);
      if (frame) edge.frames.push(frame);
    }
  };
  for (const frame of frames) {
    const task = known.get(frame.task) ?? new Set();
    known.set(frame.task, task);
    const early = frame.before.filter((label) => !task.has(label) && ![...carried.values()].some((edge) => edge.to === label && edge.frames.length > 0));
    if (early.length > 0) carry(before(), early, null);
    if (acts(frame)) sink(frame, { sinks, ways, labels, carry, carried });
    const own = frame.record?.labels ?? [];
    const off = (frame.record?.flow?.declassified ?? []).map((/** @type {any} */ each) => each.label);
    if (own.length > 0 || off.length > 0) {
      const source = tool(frame);
      carry(source, own, frame);
      sources.get(source.id)?.taken.push(...off);
    }
    for (const label of [...frame.before, ...own]) task.add(label);
  }
  return { sources: [...sources.values()], labels: [...labels], sinks: [...sinks.values()], carried: [...carried.values()], ways: [...ways.values()] };
}

/** @returns {Source} */
function before() {
  return { id: "before", kind: "before", server: "", name: "carried in", labels: [], frames: [], taken: [] };
}

/** @returns {Source} */
function user() {
  return { id: "user", kind: "user", server: "", name: "the user", labels: [], frames: [], taken: [] };
}

/**
 * @param {Frame} frame
 * @returns {Source}
 */
function tool(frame) {
  const name = frame.target || frame.method || frame.kind;
  return { id: `source ${frame.server} ${name}`, kind: "tool", server: frame.server, name, labels: [], frames: [], taken: [] };
}

/**
 * A call that acts: which labels were found in its arguments, and which could be there.
 * @param {Frame} frame
 * @param {{ sinks: Map<string, Sink>, ways: Map<string, Way>, labels: Set<string>, carried: Map<string, Carried>,
 *   carry: (source: Source, list: string[], frame: Frame | null) => void }} into
 */
function sink(frame, { sinks, ways, labels, carry, carried }) {
  const id = `sink ${frame.server} ${frame.target}`;
  const one = sinks.get(id) ?? { id, server: frame.server, name: frame.target, effects: [], frames: [] };
  sinks.set(id, one);
  one.frames.push(frame);
  for (const effect of frame.record?.effects ?? []) if (!one.effects.includes(effect)) one.effects.push(effect);
  /** @type {Map<string, string[]>} */
  const found = new Map();
  for (const [argument, list] of Object.entries(frame.record?.decision?.origin ?? {})) {
    for (const label of /** @type {string[]} */ (list)) found.set(label, [...found.get(label) ?? [], argument]);
  }
  if (found.has(USER)) carry(user(), [USER], null);
  const add = (/** @type {string} */ label, /** @type {boolean} */ isFound, /** @type {string[]} */ names) => {
    labels.add(label);
    const key = `${label}\n${id}\n${isFound}`;
    /** @type {Way} */
    const way = ways.get(key) ?? { label, sink: id, found: isFound, arguments: [], reached: [], stopped: [], sources: new Map() };
    ways.set(key, way);
    for (const name of names) if (!way.arguments.includes(name)) way.arguments.push(name);
    // What was read after a call is not in it.
    for (const edge of carried.values()) if (edge.to === label) way.sources.set(edge.from, edge.frames.length);
    (reached(frame) ? way.reached : way.stopped).push(frame);
  };
  for (const [label, names] of found) add(label, true, names);
  for (const label of frame.before) if (!found.has(label)) add(label, false, []);
}

/**
 * The short arguments of a call in words: the named ones if it has them, else the first few.
 * @param {Frame} frame
 * @param {string[]} [names] which say the most, such as the ones that name a place
 * @returns {{ name: string, value: string }[]}
 */
export function telling(frame, names = []) {
  const all = frame.record?.arguments;
  if (!all || typeof all !== "object" || Array.isArray(all)) return [];
  const entries = Object.entries(all).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  const named = entries.filter(([name]) => names.includes(name));
  const picked = named.length > 0 ? named : entries.sort((a, b) => String(a[1]).length - String(b[1]).length).slice(0, 2);
  const raw = frame.raw ? member(frame.raw, "arguments") : null;
  return picked.map(([name, value]) => ({ name, value: typeof value === "number" && raw ? member(raw, name) ?? String(value) : String(value) }));
}
