// The control API as this console uses it: JSON, the session's CSRF text, streams that say whether they are live.

/** The roles, each with all that stands before it. */
const ROLES = ["viewer", "member", "operator", "approver", "admin"];
const TIMEOUT_MS = 30_000;
/** The gate sends something at least each 15 s; a stream silent for longer is not live. */
const SILENCE_MS = 40_000;
const RETRY_MS = [500, 1000, 2000, 5000, 10_000, 30_000];
/** Where the session's CSRF text lies. The cookie goes to every port of this host name; storage is this origin's alone. */
export const KEPT = "wicketgate.csrf";

/** What the gate refused, or why it was not reached: `status` 0. `body` is the whole answer. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} message
   * @param {any} [body]
   */
  constructor(status, code, message, body = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.body = body;
  }
}

/** @typedef {{ principal: string, tenant: string, user: string, teams: string[], role: string, csrf: string | null, passkeys: number, expires: string }} Session */
/** @typedef {{ state: "connecting" | "live" | "lost", since: number, retry: number | null, error: Refused | null }} Liveness */

export class Api {
  /** @param {() => void} signedOut called when the gate says that nobody is signed in */
  constructor(signedOut) {
    /** @type {Session | null} */
    this.session = null;
    /** What goes along with each request; empty where nobody is signed in. */
    this.csrf = "";
    this.signedOut = signedOut;
    /** How far this machine's clock is behind the gate's, in milliseconds. */
    this.skew = 0;
  }

  /** The gate's clock, as far as it is known here. */
  now() {
    return Date.now() + this.skew;
  }

  /**
   * Somebody signed in: the gate tells this session's CSRF text now and never again.
   * @param {Session} session
   */
  begin(session) {
    this.session = session;
    this.csrf = session.csrf ?? "";
    try {
      localStorage.setItem(KEPT, this.csrf);
    } catch {
      // Storage is closed to us: the session holds until the page is left.
    }
  }

  /** Who is signed in here already, if anybody. */
  async resume() {
    this.session = null;
    try {
      this.csrf = localStorage.getItem(KEPT) ?? this.csrf;
    } catch {
      // Storage is closed to us.
    }
    if (!this.csrf) return;
    try {
      this.session = await this.get("/v1/session");
    } catch (error) {
      if (!isOver(/** @type {Refused} */ (error))) throw error;
    }
  }

  /** The visitor signed out. */
  end() {
    this.session = null;
    this.csrf = "";
    try {
      localStorage.removeItem(KEPT);
    } catch {
      // Storage is closed to us: nothing is there.
    }
  }

  /**
   * Whether the visitor's role is at least this one.
   * @param {string} role
   */
  can(role) {
    return ROLES.indexOf(this.session?.role ?? "") >= ROLES.indexOf(role);
  }

  /**
   * @param {string} path
   * @param {{ signal?: AbortSignal, query?: Record<string, any> }} [how]
   */
  get(path, { signal, query } = {}) {
    return this.ask("GET", withQuery(path, query), undefined, signal);
  }

  /**
   * @param {string} path
   * @param {any} [body]
   * @param {{ signal?: AbortSignal, timeout?: number }} [how] `timeout` in milliseconds
   */
  post(path, body = {}, { signal, timeout } = {}) {
    return this.ask("POST", path, body, signal, timeout);
  }

  /**
   * @param {string} path
   * @param {any} [body]
   * @param {{ signal?: AbortSignal }} [how]
   */
  delete(path, body, { signal } = {}) {
    return this.ask("DELETE", path, body, signal);
  }

  /**
   * One request. Answers the JSON, or throws `Refused`. Nothing is ever sent a second time.
   * @param {string} method
   * @param {string} path
   * @param {any} body
   * @param {AbortSignal} [signal]
   * @param {number} [limit] how long it may take, in milliseconds
   * @returns {Promise<any>}
   */
  async ask(method, path, body, signal, limit = TIMEOUT_MS) {
    const timeout = AbortSignal.timeout(limit);
    /** @type {Response} */
    let response;
    let text = "";
    try {
      response = await fetch(path, {
        method,
        headers: this.headers("application/json", body !== undefined),
        body: body === undefined ? null : JSON.stringify(body),
        credentials: "same-origin",
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      text = await response.text();
    } catch (error) {
      if (signal?.aborted) throw error;
      const late = timeout.aborted;
      throw new Refused(0, late ? "timeout" : "unreachable",
        late ? `The gate has not answered within ${limit / 1000} s.` : "The gate was not reached.");
    }
    this.setClock(response);
    const json = parse(text);
    if (response.ok) return json;
    throw this.refused(response, json);
  }

  /**
   * @param {string} accept
   * @param {boolean} [json] whether JSON is sent
   */
  headers(accept, json = false) {
    /** @type {Record<string, string>} */
    const headers = { Accept: accept };
    if (json) headers["Content-Type"] = "application/json";
    if (this.csrf) headers["X-Wicketgate-CSRF"] = this.csrf;
    return headers;
  }

  /** @param {Response} response */
  setClock(response) {
    const date = Date.parse(response.headers.get("Date") ?? "");
    // The header has whole seconds: less than two apart is the same clock.
    if (!Number.isNaN(date)) this.skew = Math.abs(date - Date.now()) < 2000 ? 0 : date - Date.now();
  }

  /**
   * @param {Response} response
   * @param {any} json
   */
  refused(response, json) {
    const error = json?.error ?? {};
    const refused = new Refused(response.status, String(error.code ?? "http"), String(error.message ?? `The gate answered ${response.status}.`), json);
    if (isOver(refused) && this.session) {
      this.session = null;
      this.signedOut();
    }
    return refused;
  }

  /**
   * Listens to a stream of events until the signal ends, connecting again after every end with longer and longer waits.
   * `heard(event, data)` gets each event; `state` each change of liveness. Answers a function that connects again at once.
   * @param {string} path
   * @param {{ signal: AbortSignal, heard: (event: string, data: any) => void, state?: (liveness: Liveness) => void }} how
   */
  stream(path, { signal, heard, state = () => {} }) {
    let wake = () => {};
    const run = async () => {
      let tries = 0;
      while (!signal.aborted) {
        state({ state: "connecting", since: Date.now(), retry: null, error: null });
        /** @type {Refused | null} */
        let error = null;
        try {
          await this.listen(path, signal, heard, () => {
            tries = 0;
            state({ state: "live", since: Date.now(), retry: null, error: null });
          });
        } catch (thrown) {
          error = thrown instanceof Refused ? thrown : new Refused(0, "unreachable", "The connection to the gate broke.");
        }
        if (signal.aborted || (error && isOver(error))) return;
        const wait = RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] ?? 30_000;
        tries += 1;
        state({ state: "lost", since: Date.now(), retry: Date.now() + wait, error });
        await new Promise((resolve) => {
          const timer = setTimeout(resolve, wait);
          wake = () => { clearTimeout(timer); resolve(undefined); };
          signal.addEventListener("abort", wake, { once: true });
        });
      }
    };
    run();
    return () => wake();
  }

  /**
   * One connection to a stream, until it ends.
   * @param {string} path
   * @param {AbortSignal} signal
   * @param {(event: string, data: any) => void} heard
   * @param {() => void} open
   */
  async listen(path, signal, heard, open) {
    const silent = new AbortController();
    let timer = setTimeout(() => silent.abort(), SILENCE_MS);
    try {
      const response = await fetch(path, {
        headers: this.headers("text/event-stream"), credentials: "same-origin", cache: "no-store",
        signal: AbortSignal.any([signal, silent.signal]),
      });
      this.setClock(response);
      if (!response.ok || !response.body) throw this.refused(response, parse(await response.text()));
      open();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), SILENCE_MS);
        const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) tell(block, heard);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * Whether the session is over, or is another than the one that this page began.
 * @param {Refused} refused
 */
function isOver(refused) {
  return refused.status === 401 || (refused.status === 403 && refused.code === "csrf");
}

/**
 * @param {string} block one event's lines
 * @param {(event: string, data: any) => void} heard
 */
function tell(block, heard) {
  let event = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  if (data.length > 0) heard(event, parse(data.join("\n")));
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * @param {string} path
 * @param {Record<string, any>} [query] members that are null or empty are left out
 */
export function withQuery(path, query = {}) {
  const entries = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return entries.length === 0 ? path : `${path}?${new URLSearchParams(entries.map(([name, value]) => [name, String(value)]))}`;
}
