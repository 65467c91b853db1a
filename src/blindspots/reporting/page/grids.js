import { byId, el } from "./dom.js";
import { openPair } from "./dialog.js";
import { foundImage, foundWords, pairById, picture, report, sourceImage, sure, titleOf } from "./run.js";

// So many letters of the longest word, a column each, stand side by side on a phone.
const ABREAST = 28;

/** Grids of the same images side by side: a normal model and an adversarially trained one. */
export function startGrids() {
  const view = byId("grid-view");
  const grids = report.grids.filter((grid) => grid.spots.some((line) => line.some((spot) => spot && pictureOf(spot))));
  if (!grids.length) return view.replaceChildren(el("p", { class: "aside" }, "No picture was kept."));
  const trained = (grid) => report.models.find(({ name }) => name === grid.model).epsilon !== null;
  const first = Math.max(grids.findIndex((grid) => !trained(grid)), 0);
  const other = grids.findIndex((grid, i) => i > first && trained(grid));
  const shown = grids.length < 2 ? [0] : [first, other >= 0 ? other : (first + 1) % grids.length];
  return view.replaceChildren(...shown.map((at) => sheet(grids, at)));
}

const pictureOf = (spot) => (spot.clean ? sourceImage(pairById(spot.pair)) : foundImage(pairById(spot.pair)));

/** A grid under the name of its model, which is a choice where there are several. */
function sheet(grids, at) {
  const choice = /** @type {HTMLSelectElement} */ (el("select", { "aria-label": "Model of this grid" }, ...grids.map((grid, i) => el("option", { value: i }, titleOf(grid.model)))));
  choice.value = String(at);
  const place = el("div");
  const show = () => place.replaceChildren(gridTable(grids[choice.value]));
  choice.addEventListener("change", show);
  show();
  return el("div", {}, grids.length > 2 ? choice : el("h3", {}, titleOf(grids[at].model)), place);
}

function gridTable({ model, rows, columns: names, spots }) {
  const across = Math.max(...spots.map((line) => line.length));
  const top = names.length
    ? names.map((name) => el("th", { scope: "col", class: "person" }, el("span", {}, name)))
    : [el("th", { scope: "colgroup", colspan: across, class: "person" }, "you see")];
  const head = el("tr", {}, el("th", { scope: "col", class: "model" }, el("span", { class: "unseen" }, "the model sees")), ...top);
  const body = spots.map((line, i) => el("tr", {}, el("th", { scope: "row", class: "model" }, rows[i]),
    ...line.map((spot) => gridCell(spot, !names.length))));
  const table = el("table", { class: "grid" }, el("thead", {}, head), el("tbody", {}, ...body));
  // Names are set as large as lets the longest word stand in its column unbroken; on a phone many stand upright.
  const letters = Math.max(...[...names, ...rows].flatMap((name) => name.split(" ")).map((word) => word.length));
  for (const [name, value] of Object.entries({ "--across": across, "--letters": letters })) table.style.setProperty(name, String(value));
  table.classList.toggle("upright", across * letters > ABREAST);
  return el("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": `Grid of found images, ${titleOf(model)}` }, table);
}

function gridCell(spot, named) {
  const pair = spot && pairById(spot.pair);
  if (!pair) return el("td", { class: "none" }, "·");
  const said = el("span", { class: "model" }, sure(spot.clean ? pair.numbers.p_source : pair.numbers.p_found));
  if (spot.clean) return el("td", {}, picture(sourceImage(pair), `untouched ${pair.source}`, { class: "shot clean" }), said);
  return el("td", {}, el("button", { type: "button", "data-pair": pair.id, onclick: () => openPair(pair) },
    picture(foundImage(pair), foundWords(pair)), said, named ? el("span", { class: "person" }, ` ${pair.target}`) : null));
}
