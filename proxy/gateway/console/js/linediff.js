// Which lines of a text came and went. Pure.

/** @typedef {{ kind: "same" | "gone" | "new", text: string, before: number, after: number }} Line numbers count from one */

/** Beyond this many lines on either side, what lies between the first and the last difference is told as a whole. */
const LINES_MAX = 1500;

/**
 * @param {string} before
 * @param {string} after
 * @returns {Line[]}
 */
export function lineDiff(before, after) {
  const [a, b] = [before.split("\n"), after.split("\n")];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const [middleA, middleB] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)];
  /** @type {Line[]} */
  const out = a.slice(0, head).map((text, n) => ({ kind: "same", text, before: n + 1, after: n + 1 }));
  const small = middleA.length <= LINES_MAX && middleB.length <= LINES_MAX;
  out.push(...(small ? common(middleA, middleB, head) : whole(middleA, middleB, head)));
  for (let n = tail; n > 0; n -= 1) out.push({ kind: "same", text: a[a.length - n] ?? "", before: a.length - n + 1, after: b.length - n + 1 });
  return out;
}

/**
 * @param {string[]} a
 * @param {string[]} b
 * @param {number} from
 * @returns {Line[]}
 */
function whole(a, b, from) {
  return [...a.map((text, n) => ({ kind: /** @type {const} */ ("gone"), text, before: from + n + 1, after: 0 })),
    ...b.map((text, n) => ({ kind: /** @type {const} */ ("new"), text, before: 0, after: from + n + 1 }))];
}

/**
 * By the longest common subsequence.
 * @param {string[]} a
 * @param {string[]} b
 * @param {number} from
 * @returns {Line[]}
 */
function common(a, b, from) {
  const width = b.length + 1;
  const length = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      length[i * width + j] = a[i] === b[j] ? (length[(i + 1) * width + j + 1] ?? 0) + 1 : Math.max(length[(i + 1) * width + j] ?? 0, length[i * width + j + 1] ?? 0);
    }
  }
  /** @type {Line[]} */
  const out = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push({ kind: "same", text: a[i] ?? "", before: from + i + 1, after: from + j + 1 });
      i += 1;
      j += 1;
    } else if (i < a.length && (j >= b.length || (length[(i + 1) * width + j] ?? 0) >= (length[i * width + j + 1] ?? 0))) {
      out.push({ kind: "gone", text: a[i] ?? "", before: from + i + 1, after: 0 });
      i += 1;
    } else {
      out.push({ kind: "new", text: b[j] ?? "", before: 0, after: from + j + 1 });
      j += 1;
    }
  }
  return out;
}

/**
 * What a text changed of another: ranges of its lines, and what stands there instead.
 * @param {string} before
 * @param {string} after
 */
function hunks(before, after) {
  /** @type {{ from: number, to: number, lines: string[] }[]} */
  const out = [];
  let at = 0;
  let open = false;
  for (const line of lineDiff(before, after)) {
    if (line.kind === "same") {
      at += 1;
      open = false;
      continue;
    }
    if (!open) out.push({ from: at, to: at, lines: [] });
    open = true;
    const hunk = out[out.length - 1];
    if (!hunk) continue;
    if (line.kind === "new") hunk.lines.push(line.text);
    else {
      at += 1;
      hunk.to = at;
    }
  }
  return out;
}

/**
 * Two texts that were both made from one, as one; or null where both changed the same place in different ways.
 * @param {string} before
 * @param {string} one
 * @param {string} other
 * @returns {string | null}
 */
export function merged(before, one, other) {
  const [mine, theirs] = [hunks(before, one), hunks(before, other)];
  for (const a of mine) {
    for (const b of theirs) {
      const apart = a.to < b.from || b.to < a.from;
      const alike = a.from === b.from && a.to === b.to && a.lines.join("\n") === b.lines.join("\n");
      if (!apart && !alike) return null;
    }
  }
  const fresh = theirs.filter((b) => !mine.some((a) => a.from === b.from && a.to === b.to));
  const lines = before.split("\n");
  for (const hunk of [...mine, ...fresh].sort((a, b) => b.from - a.from)) lines.splice(hunk.from, hunk.to - hunk.from, ...hunk.lines);
  return lines.join("\n");
}
