// Sign in: a token is given once and traded for a session in a cookie that no script can read.

import { button, el, put } from "../dom.js";
import { shown } from "../shown.js";

/**
 * @param {HTMLElement} root
 * @param {any} _params
 * @param {import("../api.js").Api} api
 * @param {import("../main.js").Page} page
 */
export function render(root, _params, api, page) {
  page.title("Sign in");
  const input = el("input", {
    id: "token", type: "password", autocomplete: "current-password", spellcheck: "false", autocapitalize: "off",
    required: true, autofocus: true, "aria-describedby": "token-hint token-error",
  });
  const error = el("p", { id: "token-error", class: "field-error", role: "alert" });
  const submit = el("button", { type: "submit", class: "button primary" }, "Sign in");
  const reveal = button("Show", () => {
    const hidden = input.type === "password";
    input.type = hidden ? "text" : "password";
    put(reveal, hidden ? "Hide" : "Show");
    reveal.setAttribute("aria-pressed", String(hidden));
  }, { kind: "quiet", "aria-label": "Show the token", "aria-pressed": "false" });

  const refuse = (/** @type {any} */ words) => {
    put(error, words);
    input.setAttribute("aria-invalid", "true");
    input.focus();
    input.select();
  };
  const form = el("form", { class: "signin", novalidate: true, on: { submit: async (/** @type {Event} */ event) => {
    event.preventDefault();
    put(error);
    input.removeAttribute("aria-invalid");
    const token = input.value.trim();
    if (!token) {
      refuse("Paste your token first.");
      return;
    }
    submit.disabled = true;
    put(submit, "Signing in");
    try {
      const session = await api.post("/v1/session", { token }, { signal: page.signal });
      input.value = "";
      page.signedIn(session);
    } catch (thrown) {
      const refused = /** @type {any} */ (thrown);
      if (refused.status === 401) refuse("The gate knows no such token. Look whether all of it was pasted, or whether it has expired.");
      else if (refused.status === 429) refuse(["Too many attempts. ", shown(refused.message)]);
      else if (refused.status === 0) refuse([refused.message, " Is this the right address, and is the gate running?"]);
      else refuse(shown(refused.message));
    } finally {
      submit.disabled = false;
      put(submit, "Sign in");
    }
  } } },
  el("h1", { tabindex: "-1" }, "Sign in"),
  el("p", { class: "sub" }, location.hash.startsWith("#/approvals/") ? "Then the request opens that the link names." : "To see what waits and to decide."),
  el("label", { for: "token" }, "Token"),
  el("div", { class: "with-button" }, input, reveal),
  el("p", { id: "token-hint", class: "hint" }, "From the gate's configuration, or from its log at the first start. It is kept nowhere in this browser."),
  error, submit);
  root.append(form);
}
