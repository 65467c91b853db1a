import { byId, el, number, withArticle } from "./dom.js";
import { openPair } from "./dialog.js";
import { column, endingOf, foundImage, foundWords, picture, report, sees, sourceImage, started, startedPairs, surely, targetImage, titleOf, youSee } from "./run.js";

/** @typedef {import("./run.js").Pair} Pair */
const MOST = 12, LOST = 4;

/** The pairs that came nearest to their targets, and those that did not get there. */
export function startEnds() {
  const rising = [...startedPairs].sort((a, b) => Number(a.numbers.rmse) - Number(b.numbers.rmse));
  const lost = [...rising.filter((pair) => !pair.arrived).reverse(), ...report.pairs.filter((pair) => !started(pair))];
  const few = lost.slice(0, LOST);
  const near = rising.filter((pair) => pair.arrived).slice(0, few.length ? MOST - LOST : MOST);
  byId("ends-view").replaceChildren(...[["Nearest to the target", near], ["Did not get there", few]].filter(([, own]) => own.length).map(([title, own]) =>
    el("div", { class: "end" }, el("h3", {}, title), el("ul", { class: "cards" }, ...own.map(card)))));
}

/**
 * A pair as a card that opens it.
 * @param {Pair} pair
 */
function card(pair) {
  return el("li", {}, el("button", { type: "button", class: "card", "data-pair": pair.id, onclick: () => openPair(pair) },
    trio(pair), el("span", { class: "said" }, ...said(pair)),
    el("span", { class: "few" }, el("span", {}, titleOf(pair.model)), ...facts(pair))));
}

function facts(pair) {
  if (!started(pair)) return [el("span", {}, endingOf(pair).sentence)];
  const { title, digits } = column("rmse");
  const far = el("span", {}, `${title} `, el("b", {}, number(pair.numbers.rmse, digits)));
  return pair.arrived ? [far] : [far, el("span", {}, endingOf(pair).sentence)];
}

function said(pair) {
  if (!started(pair)) return [`${pair.source}: ${endingOf(pair).title}`];
  return [`${youSee(pair)} ${withArticle(pair.target)}, ${sees(pair)} `, el("span", { class: "model" }, `${pair.believed}, ${surely(pair.numbers.p_found)}`)];
}

function trio(pair) {
  const one = (address, alt, words) => el("span", {}, picture(address, alt), words);
  return el("span", { class: "trio" }, one(sourceImage(pair), `source: ${pair.source}`, "source"),
    started(pair) ? one(foundImage(pair), foundWords(pair), "found") : null,
    pair.target ? one(targetImage(pair), `target: ${pair.target}`, "target") : null);
}
