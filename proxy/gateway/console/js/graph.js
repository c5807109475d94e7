// Sources, labels and sinks as three columns with lines between them. The boxes are ordinary elements that take the focus;
// the lines are drawn behind them and say nothing that the table beside this does not say.

import { brief, effectWord } from "./call.js";
import { badge, count, el, put, svg } from "./dom.js";
import { reached, telling } from "./paths.js";

/** @typedef {import("./paths.js").Paths} Paths */
/** @typedef {import("./paths.js").Way} Way */

/** How many things read, or calls made, a box names. */
const NAMED_MAX = 3;

/**
 * @param {Paths} paths
 * @param {{ sinksOf: (server: string, tool: string) => string[], signal: AbortSignal, chosen: (id: string | null) => void }} how
 *   `sinksOf`: the arguments that the registry says name a place
 */
export function graph(paths, { sinksOf, signal, chosen }) {
  const lines = svg("svg", { class: "lines", "aria-hidden": "true" });
  /** @type {Map<string, HTMLElement>} */
  const boxes = new Map();
  let pressed = "";
  const box = (/** @type {string} */ id, /** @type {string} */ tone, /** @type {any[]} */ ...children) => {
    const one = el("button", {
      type: "button", class: `node ${tone}`, "aria-pressed": "false", on: {
        click: () => { pressed = pressed === id ? "" : id; light(); chosen(pressed || null); },
        mouseenter: () => light(id), mouseleave: () => light(), focus: () => light(id), blur: () => light(),
      },
    }, children);
    boxes.set(id, one);
    return one;
  };
  const light = (/** @type {string} */ over = "") => {
    const id = over || pressed;
    const near = id ? neighbours(paths, id) : null;
    for (const [each, one] of boxes) {
      one.classList.toggle("dim", !!near && !near.has(each));
      one.setAttribute("aria-pressed", String(each === pressed));
    }
    for (const line of lines.querySelectorAll("path")) {
      line.classList.toggle("dim", !!near && !(near.has(line.dataset.from ?? "") && near.has(line.dataset.to ?? "")));
    }
  };
  const column = (/** @type {string} */ name, /** @type {any[]} */ nodes, /** @type {string} */ none) =>
    el("div", { class: "column" }, el("h3", {}, name), nodes.length > 0 ? nodes : el("p", { class: "none" }, none));
  const area = el("div", { class: "graph" }, lines,
    column("Sources", paths.sources.map((source) => box(source.id, `source ${source.kind}`, sourceWords(source))), "Nothing that was read carried a label."),
    column("Labels", paths.labels.map((label) => box(`label ${label}`, label === "untrusted" ? "label untrusted" : "label", brief(label, 40))), "No labels."),
    column("Sinks", paths.sinks.map((sink) => box(sink.id, "sink", sinkWords(sink, sinksOf(sink.server, sink.name)))), "No call acted on anything."));
  const draw = () => {
    const whole = area.getBoundingClientRect();
    lines.setAttribute("width", String(whole.width));
    lines.setAttribute("height", String(whole.height));
    put(lines, marker());
    for (const edge of paths.carried) line(lines, whole, boxes, edge.from, `label ${edge.to}`, "carried");
    for (const way of paths.ways) {
      const stopped = way.reached.length === 0 ? "stopped" : "reached";
      line(lines, whole, boxes, `label ${way.label}`, way.sink, `${way.found ? "found" : "could"} ${stopped}`);
    }
    light();
  };
  const watcher = new ResizeObserver(draw);
  watcher.observe(area);
  signal.addEventListener("abort", () => watcher.disconnect());
  return area;
}

/**
 * What hangs together with one box.
 * @param {Paths} paths
 * @param {string} id
 */
function neighbours(paths, id) {
  const out = new Set([id]);
  const labels = new Set(id.startsWith("label ") ? [id.slice(6)] : [
    ...paths.carried.filter((edge) => edge.from === id).map((edge) => edge.to), ...paths.ways.filter((way) => way.sink === id).map((way) => way.label)]);
  const isSource = paths.sources.some((source) => source.id === id);
  const isSink = paths.sinks.some((sink) => sink.id === id);
  for (const label of labels) {
    out.add(`label ${label}`);
    const ways = paths.ways.filter((way) => way.label === label && (!isSink || way.sink === id));
    if (isSink) for (const way of ways) for (const source of way.sources.keys()) out.add(source);
    else if (!isSource) for (const edge of paths.carried) if (edge.to === label) out.add(edge.from);
    if (!isSink) for (const way of ways) if (!isSource || way.sources.has(id)) out.add(way.sink);
  }
  return out;
}

/** @param {import("./paths.js").Source} source */
function sourceWords(source) {
  if (source.kind === "user") return [el("strong", {}, "The user"), el("span", { class: "fine" }, "as the host said it")];
  if (source.kind === "before") return [el("strong", {}, "Carried in"), el("span", { class: "fine" }, "what the task began with, or its caller had read before")];
  const read = source.frames.slice(0, NAMED_MAX).map((frame) => el("span", { class: "fine node-item" }, `#${frame.number} `,
    telling(frame).map(({ name, value }, n) => [n > 0 ? ", " : "", brief(name, 24), " ", brief(value, 40)])));
  return [el("strong", {}, brief(source.server, 40), "/", brief(source.name, 60)), read, rest(source.frames.length),
    source.taken.length > 0 ? badge(`label taken off ${source.taken.length === 1 ? "once" : `${source.taken.length} times`}`, "info") : null];
}

/**
 * @param {import("./paths.js").Sink} sink
 * @param {string[]} places
 */
function sinkWords(sink, places) {
  const gone = sink.frames.filter(reached).length;
  const calls = sink.frames.slice(0, NAMED_MAX).map((frame) => el("span", { class: "fine node-item" }, `#${frame.number} `,
    telling(frame, places).map(({ name, value }, n) => [n > 0 ? ", " : "", brief(name, 24), " ", brief(value, 40)])));
  return [el("strong", {}, brief(sink.server, 40), "/", brief(sink.name, 60)),
    el("span", { class: "fine" }, sink.effects.map(effectWord).join(", ")), calls, rest(sink.frames.length),
    el("span", { class: "ends" }, gone > 0 ? badge(`${gone} carried out`, "warn") : null, sink.frames.length > gone ? badge(`${sink.frames.length - gone} stopped`, "good") : null)];
}

/** @param {number} all */
function rest(all) {
  return all > NAMED_MAX ? el("span", { class: "fine node-item" }, `and ${count(all - NAMED_MAX, "more call")}`) : null;
}

function marker() {
  return svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
    svg("path", { d: "M0 0L8 4L0 8z", class: "arrow" })),
  svg("marker", { id: "bar", viewBox: "0 0 4 10", refX: 2, refY: 5, markerWidth: 4, markerHeight: 10, orient: "auto", markerUnits: "userSpaceOnUse" },
    svg("path", { d: "M2 0V10", class: "stop" })));
}

/**
 * @param {SVGElement} lines
 * @param {DOMRect} whole
 * @param {Map<string, HTMLElement>} boxes
 * @param {string} from
 * @param {string} to
 * @param {string} kind
 */
function line(lines, whole, boxes, from, to, kind) {
  const [a, b] = [boxes.get(from)?.getBoundingClientRect(), boxes.get(to)?.getBoundingClientRect()];
  if (!a || !b) return;
  const stopped = kind.includes("stopped");
  // Two ways between the same boxes do not lie on each other.
  const shift = kind.startsWith("found") ? -4 : kind.startsWith("could") ? 4 : 0;
  const [x1, y1] = [a.right - whole.left, a.top + a.height / 2 - whole.top + shift];
  const [x2, y2] = [b.left - whole.left - (stopped ? 8 : 1), b.top + b.height / 2 - whole.top + shift];
  const bend = Math.max(24, (x2 - x1) / 2);
  lines.append(svg("path", {
    d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, class: `way ${kind}`, dataset: { from, to },
    "marker-end": kind === "carried" ? null : stopped ? "url(#bar)" : "url(#arrow)",
  }));
}
