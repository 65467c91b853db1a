import { byId, el, number, withArticle } from "./dom.js";
import { columns, endingOf, pairById, picture, report, sameOf, score, sees, sourceImage, started, surely, targetImage, titleOf, youSee } from "./run.js";
import { walk } from "./walk.js";

/** @typedef {import("./run.js").Pair} Pair */
const ADDRESS = /^#pair=([\w-]+)$/;

/** The dialog of a pair: closed by a click beside it, opened by the address of the page. */
export function startDialog() {
  const dialog = byId("pair-dialog");
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { if (ADDRESS.test(location.hash)) history.replaceState(null, "", location.pathname + location.search); });
  addEventListener("hashchange", openAddress);
  openAddress();
}

function openAddress() {
  const pair = pairById(location.hash.match(ADDRESS)?.[1] ?? "");
  if (pair) openPair(pair);
}

/**
 * One pair at full length, under an address of its own: both ways, differences, every number.
 * @param {Pair} pair
 */
export function openPair(pair) {
  const dialog = byId("pair-dialog");
  const close = el("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() }, "✕");
  const body = started(pair) ? [walk(pair), differences(pair)] : [clean(pair)];
  dialog.replaceChildren(el("div", { class: "detail" }, close, el("h3", { id: "pair-dialog-title" }, ...titleOfPair(pair)),
    el("p", { class: "aside" }, `${titleOf(pair.model)}. ${pair.arrived ? "" : endingOf(pair).sentence}`), others(pair),
    el("div", { class: "split" }, el("div", {}, ...body), numbersOf(pair))));
  dialog.dataset.pair = pair.id;
  history.replaceState(null, "", `#pair=${pair.id}`);
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
    ...same.map((other) => el("button", { type: "button", class: "small", "aria-pressed": String(other === pair), onclick: () => turn(other) }, titleOf(other.model))));
}

function titleOfPair(pair) {
  if (!started(pair)) return [`${pair.source}: ${endingOf(pair).title}`];
  return [`${youSee(pair)} `, el("em", { class: "person" }, withArticle(pair.target)), `, ${sees(pair)} `,
    el("em", { class: "model" }, `${pair.believed}, ${surely(pair.numbers.p_found)}`)];
}

function clean(pair) {
  return el("div", { class: "trio" }, el("span", {}, picture(sourceImage(pair), `source: ${pair.source}`), "source"),
    pair.target ? el("span", {}, picture(targetImage(pair), `target: ${pair.target}`), "target") : null);
}

/** How the found image differs from both ends, from the exact images and each at a gain of its own. */
function differences(pair) {
  const { to_target: target, to_source: source } = pair.pictures;
  if (!target || !source) return el("p", { class: "aside" }, "Without the stored images there is no difference to show.");
  const one = (address, end, gain) => el("figure", {}, el("img", { class: "shot", src: address, alt: `Difference of the found image to the ${end}` }),
    el("figcaption", {}, `difference to the ${end}, × ${gain}`));
  return el("div", { class: "gaps" }, one(target, `real ${pair.target}`, report.gains.target), one(source, `source`, report.gains.source));
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
  return el("dl", { class: "facts" }, fact("pair", pair.id, "Its id; its exact images are found, images and path of the run directory, under it."),
    fact("ending", endingOf(pair).title, endingOf(pair).sentence),
    ...columns.map(({ key, title, definition, digits }) => fact(title, number(pair.numbers[key], digits), definition)));
}
