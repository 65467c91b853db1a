import { byId, el, number, withArticle } from "./dom.js";
import { limbColour } from "./colours.js";
import { lineChart } from "./chart.js";
import { player } from "./player.js";
import { axis, columns, endingOf, heading, levelOf, picture, report, sameOf, score, sees, sourceImage, started, surely, targetImage, youSee } from "./run.js";

/** @typedef {import("./run.js").Pair} Pair */

/** Closes the dialog where a person clicks beside it. */
export function startDialog() {
  const dialog = byId("pair-dialog");
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}

/**
 * One pair at full length: player, segment, every number with its definition.
 * @param {Pair} pair
 */
export function openPair(pair) {
  const dialog = byId("pair-dialog");
  const close = el("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() }, "✕");
  const body = started(pair) ? [player(pair, { chart: true, full: report.run.beside }), ...segmentOf(pair)] : [clean(pair)];
  dialog.replaceChildren(el("div", { class: "detail" }, close, el("h3", { id: "pair-dialog-title" }, ...titleOf(pair)),
    el("p", { class: "aside" }, endingOf(pair).sentence), others(pair),
    el("div", { class: "split" }, el("div", {}, ...body), numbersOf(pair))));
  dialog.dataset.pair = pair.id;
  if (!dialog.open) dialog.showModal();
}

/** The same source and target under every model: one button each, that of this pair pressed. */
function others(pair) {
  const same = sameOf(pair);
  if (same.length < 2) return null;
  const turn = (other) => {
    openPair(other);
    byId("pair-dialog").querySelector("[aria-pressed=true]").focus();
  };
  return el("div", { class: "same", role: "group", "aria-label": `The same pair by ${report.run.kind}` },
    ...same.map((other) => el("button", { type: "button", class: "small", "aria-pressed": String(other === pair), onclick: () => turn(other) }, other.model)));
}

function titleOf(pair) {
  if (!started(pair)) return [`${pair.source}: ${endingOf(pair).title}`];
  return [`${youSee(pair)} `, el("em", { class: "person" }, withArticle(pair.target)), `, ${sees(pair)} `,
    el("em", { class: "model" }, `${pair.believed}, ${surely(pair.numbers.p_found)}`)];
}

function clean(pair) {
  return el("div", { class: "trio" }, el("span", {}, picture(sourceImage(pair), `source: ${pair.source}`), "source"),
    pair.target ? el("span", {}, picture(targetImage(pair), `target: ${pair.target}`), "target") : null);
}

function segmentOf(pair) {
  if (!pair.segment.length) return [];
  const line = { values: pair.segment, colour: limbColour(0), name: pair.target };
  const label = `${heading} on the straight line ${segmentWords(pair)}`;
  return [el("p", { class: "hint" }, `${heading} on the straight line from source to found`),
    lineChart({ lines: [line], level: levelOf(pair.model, pair.numbers.p_source), axis, label, ends: ["source", "found"] }).node];
}

/**
 * The lowest point of a segment in words, for those who do not see the chart.
 * @param {Pair} pair
 */
export function segmentWords(pair) {
  const lowest = Math.min(...pair.segment.filter((p) => p !== null));
  return `to ${pair.target}: lowest ${score.noun} ${number(lowest, 2)}`;
}

function numbersOf(pair) {
  const fact = (name, value, definition) => el("div", {},
    el("dt", {}, el("span", { class: definition ? "term" : null, tabindex: definition ? 0 : null, "data-definition": definition }, name)), el("dd", {}, value));
  return el("dl", { class: "facts" }, fact(report.run.kind, pair.model, null), fact("ending", endingOf(pair).title, endingOf(pair).sentence),
    ...columns.map(({ key, title, definition, digits }) => fact(title, number(pair.numbers[key], digits), definition)));
}
