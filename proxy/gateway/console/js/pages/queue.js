// The queue: what waits for a decision.

import { el, head, put, empty, failed, loading } from "../dom.js";

/**
 * @param {HTMLElement} root
 * @param {any} _params
 * @param {import("../api.js").Api} _api
 * @param {import("../main.js").Page} page
 */
export function render(root, _params, _api, page) {
  const body = el("div");
  root.append(head("Queue"), body);
  const draw = () => {
    if (page.waiting.error) put(body, failed(page.waiting.error, () => page.waiting.again()));
    else if (!page.waiting.loaded) put(body, loading());
    else if (page.waiting.items.size === 0) put(body, empty("Nothing waits"));
    else put(body, `${page.waiting.items.size} wait`);
  };
  page.waiting.subscribe(draw, page.signal);
  draw();
}
