import { byId, el } from "./dom.js";
import { card } from "./cards.js";
import { openPair } from "./dialog.js";
import { inOrder } from "./tables.js";
import { column, columns, foundImage, foundWords, pairById, picture, report, sourceImage, startedPairs, sure } from "./run.js";

const ENDS = 3;

/**
 * The grids source × target, one model at a time.
 * @param {string|undefined} preferred the model shown first
 */
export function startGrid(preferred) {
  const grids = report.grids.filter((grid) => grid.spots.some((line) => line.some((spot) => spot && pictureOf(spot))));
  const choice = byId("grid-choice"), view = byId("grid-view");
  if (!grids.length) return view.replaceChildren(el("p", { class: "aside" }, "No picture was kept."));
  grids.forEach((grid, i) => choice.append(el("option", { value: i }, grid.model)));
  choice.value = Math.max(grids.findIndex((grid) => grid.model === preferred), 0);
  const show = () => view.replaceChildren(gridTable(grids[choice.value]));
  choice.addEventListener("change", show);
  return show();
}

const pictureOf = (spot) => (spot.clean ? sourceImage(pairById(spot.pair)) : foundImage(pairById(spot.pair)));

function gridTable({ model, rows, columns: names, spots }) {
  const across = Math.max(...spots.map((line) => line.length));
  const top = names.length
    ? names.map((name) => el("th", { scope: "col", class: "person" }, name))
    : [el("th", { scope: "colgroup", colspan: across, class: "person" }, "a person sees")];
  const head = el("tr", {}, el("th", { scope: "col", class: "model" }, "the model sees"), ...top);
  const body = spots.map((line, i) => el("tr", {}, el("th", { scope: "row", class: "model" }, rows[i]),
    ...line.map((spot) => gridCell(spot, !names.length))));
  return el("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": `Grid of found images, ${model}` },
    el("table", { class: "grid" }, el("thead", {}, head), el("tbody", {}, ...body)));
}

function gridCell(spot, named) {
  const pair = spot && pairById(spot.pair);
  if (!pair) return el("td", { class: "none" }, "·");
  const said = el("span", { class: "model" }, sure(spot.clean ? pair.numbers.p_source : pair.numbers.p_found));
  if (spot.clean) {
    return el("td", {}, picture(sourceImage(pair), `untouched ${pair.source}`, { class: "shot clean" }), said, el("span", {}, " untouched"));
  }
  return el("td", {}, el("button", { type: "button", onclick: () => openPair(pair) },
    picture(foundImage(pair), foundWords(pair)), said, named ? el("span", { class: "person" }, ` ${pair.target}`) : null));
}

/** The pairs at both ends of any number. */
export function startEnds() {
  const choice = byId("ends-choice"), model = byId("ends-model"), view = byId("ends-view");
  if (!startedPairs.length) return byId("ends").remove();
  for (const { key, title } of columns) choice.append(el("option", { value: key }, title));
  for (const { name } of report.models) model.append(el("option", { value: name }, name));
  choice.value = "rmse";
  const show = () => view.replaceChildren(...endsOf(choice.value, model.value));
  choice.addEventListener("change", show);
  model.addEventListener("change", show);
  return show();
}

function endsOf(key, model) {
  const { title, definition, blind } = column(key);
  const known = startedPairs.filter((pair) => pair.numbers[key] !== null && (!model || pair.model === model));
  const rising = [...known].sort((a, b) => inOrder(Number(a.numbers[key]), Number(b.numbers[key]), false));
  const few = report.run.extremes && !model ? Math.min(ENDS, report.run.extremes) : ENDS;
  const ends = { low: rising.slice(0, few), high: rising.slice(few).slice(-few).reverse() };
  const order = blind === "high" ? ["high", "low"] : ["low", "high"];
  const keys = [...new Set([key, "rmse", "segment_min", "source_linf"])];
  return [el("p", { class: "aside" }, `${title}: ${definition}`), ...order.filter((end) => ends[end].length).map((end) => el("div", { class: "end" },
    el("h4", {}, endWords(end, blind, title)), el("ul", { class: "cards" }, ...ends[end].map((pair) => card(pair, keys)))))];
}

function endWords(end, blind, title) {
  const which = `${end === "low" ? "lowest" : "highest"} ${title}`;
  if (!blind) return `The ${which}`;
  return `${end === blind ? "Worst" : "Best"}: ${which}`;
}
