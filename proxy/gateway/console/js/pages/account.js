// The visitor's own: who they are here, their passkeys, signing out.

import { button, count, el, empty, facts, failed, head, loading, panel, put, say, table, when } from "../dom.js";
import { make, possible, proved } from "../passkeys.js";
import { shown } from "../shown.js";

/**
 * @param {HTMLElement} root
 * @param {any} _params
 * @param {import("../api.js").Api} api
 * @param {import("../main.js").Page} page
 */
export function render(root, _params, api, page) {
  page.title("Account");
  const session = /** @type {import("../api.js").Session} */ (api.session);
  const error = el("div", {});
  const out = button("Sign out", async () => {
    try {
      await page.signOut();
    } catch (thrown) {
      put(error, failed(Object.assign(/** @type {any} */ (thrown), { title: "You are still signed in" })));
    }
  });
  root.append(
    head("Account", { actions: [out] }), error,
    panel("Who you are here", {}, facts([
      ["Principal", shown(session.principal)], ["User", session.user ? shown(session.user) : null], ["Tenant", shown(session.tenant)],
      ["Teams", session.teams.length > 0 ? session.teams.map((team, n) => [n > 0 ? ", " : "", shown(team)]) : el("span", { class: "none" }, "none")],
      ["Role", shown(session.role)], ["Signed in until", when(session.expires)],
    ])),
    passkeys(api, page));
}

/**
 * @param {import("../api.js").Api} api
 * @param {import("../main.js").Page} page
 */
function passkeys(api, page) {
  const list = el("div", {}, loading());
  const told = el("p", { class: "field-error", role: "alert", id: "passkey-error" });
  const unusable = el("p", { class: "note" });
  const code = el("input", { id: "passkey-code", autocomplete: "off", spellcheck: "false", autocapitalize: "off", maxlength: "60", "aria-describedby": "passkey-code-hint passkey-error" });
  const coded = el("div", { class: "field", hidden: true }, el("label", { for: "passkey-code" }, "One-time code"), code,
    el("p", { class: "hint", id: "passkey-code-hint" }, "A first passkey needs one. Whoever runs the gate makes it on its machine: ", el("code", {}, "wicketgate passkeys invite "), el("code", {}, shown(api.session?.principal ?? ""))));
  const name = el("input", { id: "passkey-name", autocomplete: "off", maxlength: "60", required: true, "aria-describedby": "passkey-error" });
  const add = el("button", { type: "submit", class: "button primary" }, "Add a passkey");
  const refresh = async () => {
    try {
      const answer = await api.get("/v1/passkeys", { signal: page.signal });
      const all = answer.passkeys;
      form.hidden = !possible() || !!answer.unusable;
      put(unusable, answer.unusable ? shown(answer.unusable, { max: 1000 }) : possible() ? null : "This browser makes no passkey at this address: they need https, or localhost.");
      coded.hidden = all.length > 0;
      if (api.session) api.session.passkeys = all.length;
      put(list, all.length === 0 ? empty("You have no passkey", "Some grants ask for one each time they are given.") : drawn(all));
    } catch (error) {
      if (!page.signal.aborted) put(list, failed(error, refresh));
    }
  };
  const drawn = (/** @type {any[]} */ all) => table([
    { name: "Name", cell: (each) => shown(each.name, { max: 120 }) },
    { name: "Added", cell: (each) => when(each.added) },
    { name: "Last used", cell: (each) => each.used ? when(each.used) : el("span", { class: "none" }, "never") },
    { name: "", cell: (each) => remover(each, all.length) },
  ], all, { caption: count(all.length, "passkey") });
  const remover = (/** @type {any} */ each, /** @type {number} */ all) => {
    const box = el("div", { class: "actions" });
    const ask = button(["Remove", el("span", { class: "sr" }, " ", shown(each.name))], () => {
      const sure = button("Remove for good", async () => {
        try {
          put(told);
          await proved((proof) => api.delete(`/v1/passkeys/${encodeURIComponent(each.id)}`, proof), page.signal);
          say("Passkey removed");
          await refresh();
          name.focus();
        } catch (thrown) {
          put(told, shown(/** @type {any} */ (thrown).message));
        }
      }, { kind: "danger" });
      put(box, all === 1 ? el("span", { class: "note" }, "It is your last one. ") : null, sure, button("Keep it", () => { put(box, ask); ask.focus(); }, { kind: "quiet" }));
      sure.focus();
    }, { kind: "quiet" });
    put(box, ask);
    return box;
  };
  const form = el("form", { class: "passkey-form", novalidate: true, on: { submit: async (/** @type {Event} */ event) => {
    event.preventDefault();
    put(told);
    if (!name.value.trim()) {
      put(told, "Give it a name by which you will know it, such as “laptop”.");
      name.focus();
      return;
    }
    if (!coded.hidden && !code.value.trim()) {
      put(told, "Give the one-time code. A token alone makes no passkey.");
      code.focus();
      return;
    }
    add.disabled = true;
    try {
      const by = coded.hidden ? {} : { code: code.value.trim() };
      const asked = await proved((proof) => api.post("/v1/passkeys/begin", { ...by, ...proof }), page.signal);
      const credential = await make(asked, page.signal);
      await api.post("/v1/passkeys", { name: name.value.trim(), credential });
      name.value = "";
      code.value = "";
      say("Passkey added");
      await refresh();
    } catch (thrown) {
      put(told, shown(/** @type {any} */ (thrown).message));
    } finally {
      add.disabled = false;
    }
  } } },
  el("div", { class: "field" }, el("label", { for: "passkey-name" }, "Name of a new one"), name), coded, add);
  refresh();
  return panel("Passkeys", { note: "They prove that it is you who gives a grant that asks for one." }, list, told, unusable, form);
}
