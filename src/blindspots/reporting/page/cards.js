import { el, number, withArticle } from "./dom.js";
import { openPair } from "./dialog.js";
import { column, endingOf, foundImage, foundWords, picture, sees, sourceImage, started, surely, targetImage, youSee } from "./run.js";

/** @typedef {import("./run.js").Pair} Pair */
const FEW = ["rmse", "segment_min", "source_linf"];

/**
 * A pair as a card that opens it.
 * @param {Pair} pair
 * @param {string[]} keys the numbers it shows
 */
export function card(pair, keys = FEW) {
  const few = started(pair) ? keys.map((key) => fact(pair, key)) : [];
  return el("li", {}, el("button", { type: "button", class: "card", "data-pair": pair.id, onclick: () => openPair(pair) },
    trio(pair), el("span", { class: "said" }, ...said(pair)),
    el("span", { class: "few" }, el("span", {}, pair.model), ...few), el("span", { class: "ending" }, endingOf(pair).sentence)));
}

function fact(pair, key) {
  const { title, digits } = column(key);
  return el("span", {}, `${title} `, el("b", {}, number(pair.numbers[key], digits)));
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
