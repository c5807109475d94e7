// JSON as it was sent. A parsed number may lose digits and a parsed object its order, so what is shown as exact is cut out
// of the text itself. The text was valid JSON when it was parsed; here it is only measured.

/**
 * The place after the value that begins at `at`.
 * @param {string} text
 * @param {number} at
 */
function valueEnd(text, at) {
  let depth = 0;
  for (let i = at; i < text.length; i += 1) {
    const character = text[i];
    if (character === '"') {
      i = stringEnd(text, i) - 1;
      if (depth === 0) return i + 1;
    } else if (character === "{" || character === "[") depth += 1;
    else if (character === "}" || character === "]") {
      if (depth === 0) return i;
      depth -= 1;
      if (depth === 0) return i + 1;
    } else if (depth === 0 && (character === "," || /\s/.test(character ?? ""))) return i;
  }
  return text.length;
}

/**
 * The place after the string that begins at `at`.
 * @param {string} text
 * @param {number} at
 */
export function stringEnd(text, at) {
  for (let i = at + 1; i < text.length; i += 1) {
    if (text[i] === "\\") i += 1;
    else if (text[i] === '"') return i + 1;
  }
  return text.length;
}

/**
 * The next place from `at` on that is neither a space nor one of `skip`.
 * @param {string} text
 * @param {number} at
 * @param {string} skip
 */
function next(text, at, skip) {
  while (at < text.length && (skip.includes(text[at] ?? "") || /\s/.test(text[at] ?? ""))) at += 1;
  return at;
}

/**
 * The text of one member of an object, as it stands there, or null.
 * @param {string} text
 * @param {string} name
 * @returns {string | null}
 */
export function member(text, name) {
  let at = next(text, 0, "{");
  while (at < text.length && text[at] === '"') {
    const nameEnd = stringEnd(text, at);
    const from = next(text, nameEnd, ":");
    const to = valueEnd(text, from);
    if (JSON.parse(text.slice(at, nameEnd)) === name) return text.slice(from, to);
    at = next(text, to, ",");
  }
  return null;
}

/**
 * The texts of a list's items.
 * @param {string} text
 * @returns {string[]}
 */
export function items(text) {
  const out = [];
  let at = next(text, 0, "[");
  while (at < text.length && text[at] !== "]") {
    const to = valueEnd(text, at);
    out.push(text.slice(at, to));
    at = next(text, to, ",");
  }
  return out;
}
