// What was edited here and is nowhere else yet: kept in this tab's storage, so that nothing typed is lost on the way.

import { merged } from "./linediff.js";

const KEY = "wicketgate.draft";

/** @typedef {{ path: string, how: "changed" | "new" | "removed" }} Edit */

export class Draft {
  /**
   * @param {string} base the snapshot it is made from
   * @param {Record<string, string>} files its files
   * @param {string} by whose it is: another who signs in here does not find it
   */
  constructor(base, files, by) {
    this.by = by;
    this.base = base;
    this.original = files;
    /** @type {Map<string, string | null>} a path and its text, or null where it is removed */
    this.edits = new Map();
    this.reason = "";
    this.open = "";
    /** Counts every edit, so that a result can say which text it is of. */
    this.version = 0;
    this.kept = true;
  }

  /** What was kept of an earlier visit: of which base, and what. */
  stored() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(`${KEY}.${this.by}`) ?? "null");
      return kept && typeof kept.base === "string" && Array.isArray(kept.edits) ? kept : null;
    } catch {
      return null;
    }
  }

  /** @param {{ edits: [string, string | null][], reason?: string, open?: string }} kept */
  take(kept) {
    this.edits = new Map(kept.edits);
    this.reason = kept.reason ?? "";
    this.open = kept.open ?? "";
    for (const [path, text] of this.edits) if (text === (this.original[path] ?? null)) this.edits.delete(path);
    this.version += 1;
  }

  /**
   * Puts edits that were made on an earlier snapshot on this one: line by line where only one of the two changed a place.
   * @param {Record<string, string> | null} earlier its files, or null where they are no longer kept
   * @returns {{ both: string[], clashes: string[] }} files that both changed, and those of which this text hides the other's
   */
  rebase(earlier) {
    const both = [];
    const clashes = [];
    for (const [path, mine] of this.edits) {
      const theirs = this.original[path] ?? null;
      const before = earlier ? earlier[path] ?? null : undefined;
      if (before === theirs) continue;
      const one = typeof before === "string" && mine !== null && theirs !== null ? merged(before, mine, theirs) : null;
      if (one === null) clashes.push(path);
      else {
        both.push(path);
        this.set(path, one);
      }
    }
    return { both, clashes };
  }

  keep() {
    try {
      if (this.edits.size === 0 && !this.reason) sessionStorage.removeItem(`${KEY}.${this.by}`);
      else sessionStorage.setItem(`${KEY}.${this.by}`, JSON.stringify({ base: this.base, edits: [...this.edits], reason: this.reason, open: this.open }));
      this.kept = true;
    } catch {
      this.kept = false;
    }
  }

  /** @param {string} path */
  text(path) {
    return this.edits.has(path) ? this.edits.get(path) ?? null : this.original[path] ?? null;
  }

  /**
   * @param {string} path
   * @param {string | null} text null removes the file
   */
  set(path, text) {
    if (text === (this.original[path] ?? null)) this.edits.delete(path);
    else this.edits.set(path, text);
    this.version += 1;
    this.keep();
  }

  /** @param {string} path */
  revert(path) {
    this.edits.delete(path);
    this.version += 1;
    this.keep();
  }

  clear() {
    this.edits.clear();
    this.reason = "";
    this.version += 1;
    this.keep();
  }

  /** Every file there is or was, sorted: policies, then the registry. */
  paths() {
    return [...new Set([...Object.keys(this.original), ...this.edits.keys()])].sort();
  }

  /** The bundle as edited. @returns {Record<string, string>} */
  files() {
    /** @type {Record<string, string>} */
    const out = {};
    for (const path of this.paths()) {
      const text = this.text(path);
      if (text !== null) out[path] = text;
    }
    return out;
  }

  /** @returns {Edit[]} */
  changes() {
    return [...this.edits].map(([path, text]) => ({ path, how: /** @type {Edit["how"]} */ (text === null ? "removed" : path in this.original ? "changed" : "new") }));
  }
}
