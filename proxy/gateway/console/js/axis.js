// The time axis that a page of a timeline shares: idle stretches are folded so that what happened stays visible, and said
// to be. Pure.

import { offset } from "./story.js";

/** @typedef {{ at: (us: number) => number, ticks: { x: number, words: string }[], folds: { x: number, us: number }[] }} Axis */

/** How many folds are drawn; more would be a pattern and no information. */
const FOLDS_MAX = 40;

/**
 * @param {{ startedUs: number, endedUs: number }[]} spans in the order they began
 * @param {boolean} fold whether idle stretches are folded
 * @returns {Axis} places from 0 to 100
 */
export function axisOf(spans, fold) {
  const busy = merged(spans);
  const first = busy[0];
  const last = busy.at(-1);
  if (!first || !last) return { at: () => 0, ticks: [], folds: [] };
  const worked = busy.reduce((sum, one) => sum + one.to - one.from, 0);
  const cap = fold ? Math.max(worked / (busy.length + 4), 50) : Infinity;
  /** @type {{ from: number, to: number, x: number, width: number, folded: boolean }[]} */
  const parts = [];
  let length = 0;
  busy.forEach((one, n) => {
    const before = busy[n - 1];
    if (before) {
      const gap = one.from - before.to;
      parts.push({ from: before.to, to: one.from, x: length, width: Math.min(gap, cap), folded: gap > cap * 2 });
      length += Math.min(gap, cap);
    }
    parts.push({ from: one.from, to: one.to, x: length, width: one.to - one.from, folded: false });
    length += one.to - one.from;
  });
  const scale = 100 / Math.max(length, 1);
  const at = (/** @type {number} */ us) => {
    let [low, high] = [0, parts.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((parts[middle]?.to ?? 0) < us) low = middle + 1;
      else high = middle;
    }
    const part = parts[low];
    if (!part) return 0;
    const share = part.to > part.from ? (us - part.from) / (part.to - part.from) : 0;
    return Math.min(100, Math.max(0, (part.x + Math.min(1, Math.max(0, share)) * part.width) * scale));
  };
  const folds = parts.filter((part) => part.folded);
  return {
    at,
    ticks: ticksOf(parts, length, first.from),
    folds: folds.length > FOLDS_MAX ? [] : folds.map((part) => ({ x: (part.x + part.width / 2) * scale, us: part.to - part.from })),
  };
}

/** @param {{ startedUs: number, endedUs: number }[]} spans */
function merged(spans) {
  /** @type {{ from: number, to: number }[]} */
  const out = [];
  for (const { startedUs: from, endedUs: to } of [...spans].sort((a, b) => a.startedUs - b.startedUs)) {
    const last = out.at(-1);
    if (last && from <= last.to) last.to = Math.max(last.to, to);
    else out.push({ from, to: Math.max(to, from + 1) });
  }
  return out;
}

/**
 * @param {{ from: number, to: number, x: number, width: number }[]} parts
 * @param {number} length
 * @param {number} zero
 */
function ticksOf(parts, length, zero) {
  const out = [];
  for (let n = 0; n < 4; n += 1) {
    const place = (length * n) / 4;
    const part = parts.find((each) => each.x + each.width >= place);
    if (!part) continue;
    const us = part.from + (part.width > 0 ? (place - part.x) / part.width : 0) * (part.to - part.from);
    out.push({ x: n * 25, words: n === 0 ? "0" : `+${offset(Math.round(us - zero))}` });
  }
  return out;
}
