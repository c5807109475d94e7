// A question before something is done: what will happen, a reason where one is recorded, and what went wrong if it did.

import { button, el, failed, put } from "./dom.js";

/**
 * Asks, and does it when the answer is yes. The dialog stays open while it is done and when it fails.
 * @param {{ title: string, words: import("./dom.js").Child[], action: string, kind?: string, reason?: string | null, kept?: string,
 *   act: (reason: string) => Promise<void>, refused?: (error: any, close: () => void) => Node | null, typed?: (reason: string) => void }} how
 *   `reason`: what the reason is for, or null where none is asked; `kept`: what was written before; `refused`: a view of an
 *   error that the caller can say more about
 */
export function ask({ title, words, action, kind = "primary", reason = null, kept = "", act, refused, typed }) {
  const opener = /** @type {HTMLElement | null} */ (document.activeElement);
  const dialog = /** @type {HTMLDialogElement} */ (/** @type {unknown} */ (el("dialog", { class: "dialog ask", "aria-labelledby": "ask-title" })));
  const field = /** @type {HTMLTextAreaElement} */ (/** @type {unknown} */ (el("textarea", { id: "ask-reason", rows: 3, maxlength: 1000, value: kept, autocomplete: "off" })));
  const missing = el("p", { class: "field-error", id: "ask-missing" });
  field.setAttribute("aria-describedby", "ask-missing");
  field.addEventListener("input", () => typed?.(field.value));
  const outcome = el("div", { class: "ask-outcome" });
  const close = () => dialog.close();
  const go = button(action, async () => {
    const given = field.value.trim();
    if (reason !== null && given === "") {
      put(missing, "Write a reason first. It is recorded.");
      field.setAttribute("aria-invalid", "true");
      field.focus();
      return;
    }
    go.disabled = true;
    put(missing);
    put(outcome, el("p", { class: "hint", role: "status" }, "Asking the gate"));
    try {
      await act(given);
      close();
    } catch (error) {
      go.disabled = false;
      put(outcome, refused?.(error, close) ?? failed(error));
    }
  }, { kind });
  put(dialog, el("h2", { id: "ask-title" }, title), el("div", { class: "ask-words" }, words),
    reason === null ? null : el("div", { class: "field" }, el("label", { for: "ask-reason" }, reason), field, missing),
    outcome, el("div", { class: "actions ask-actions" }, button("Cancel", close), go));
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (opener?.isConnected) opener.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  (reason === null ? go : field).focus();
}
