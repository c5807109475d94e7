// What waits for a decision, kept current by one stream for the whole console: the count in the bar, the queue and an open
// request all look at this.

/** @typedef {import("./api.js").Api} Api */
/** @typedef {import("./api.js").Liveness} Liveness */
/** @typedef {{ kind: "all" } | { kind: "one", approval: any, before: any } | { kind: "live" } | { kind: "failed", error: any }} Change */

export class Waiting {
  /** @param {Api} api */
  constructor(api) {
    this.api = api;
    /** @type {Map<string, any>} what is pending, in the order in which it came */
    this.items = new Map();
    /** @type {Liveness} */
    this.live = { state: "connecting", since: Date.now(), retry: null, error: null };
    this.loaded = false;
    /** @type {any} */
    this.error = null;
    /** @type {Set<(change: Change) => void>} */
    this.listeners = new Set();
    this.again = () => {};
    /** @type {AbortController | null} */
    this.running = null;
  }

  start() {
    this.stop();
    const running = new AbortController();
    this.running = running;
    this.again = this.api.stream("/v1/approvals/stream", {
      signal: running.signal,
      heard: (event, data) => this.heard(event, data, running.signal),
      state: (live) => {
        this.live = live;
        if (live.state === "lost" && live.error && live.error.status >= 400) this.error = live.error;
        this.tell({ kind: "live" });
      },
    });
  }

  stop() {
    this.running?.abort();
    this.running = null;
    this.items.clear();
    this.loaded = false;
    this.error = null;
  }

  /**
   * @param {(change: Change) => void} listener
   * @param {AbortSignal} [signal]
   */
  subscribe(listener, signal) {
    this.listeners.add(listener);
    signal?.addEventListener("abort", () => this.listeners.delete(listener));
  }

  /** @param {Change} change */
  tell(change) {
    for (const listener of [...this.listeners]) listener(change);
  }

  /**
   * @param {string} event
   * @param {any} data
   * @param {AbortSignal} signal
   */
  heard(event, data, signal) {
    if (event === "hello") this.load(signal);
    else if (event === "approval" && data?.id) this.take(data);
  }

  /**
   * Everything that waits now. What changes while it loads is taken after it, so that nothing is missed.
   * @param {AbortSignal} signal
   */
  async load(signal) {
    /** @type {any[]} */
    const late = [];
    this.late = late;
    try {
      const { approvals } = await this.api.get("/v1/approvals", { query: { state: "pending", limit: 10_000 }, signal });
      // Another load began meanwhile: it takes what came since.
      if (this.late !== late) return;
      this.items = new Map(approvals.sort(byAge).map((/** @type {any} */ each) => [each.id, each]));
      this.loaded = true;
      this.error = null;
      this.late = null;
      this.tell({ kind: "all" });
      for (const each of late) this.take(each);
    } catch (error) {
      if (signal.aborted || this.late !== late) return;
      this.late = null;
      this.error = error;
      this.tell({ kind: "failed", error });
    }
  }

  /** @param {any} approval */
  take(approval) {
    if (this.late) {
      this.late.push(approval);
      return;
    }
    const before = this.items.get(approval.id) ?? null;
    if (approval.state === "pending") this.items.set(approval.id, approval);
    else this.items.delete(approval.id);
    this.tell({ kind: "one", approval, before });
  }

  /** @type {any[] | null} */
  late = null;
}

/**
 * @param {any} a
 * @param {any} b
 */
function byAge(a, b) {
  return String(a.created).localeCompare(String(b.created)) || String(a.id).localeCompare(String(b.id));
}
