/** The grid source × target of one model: rows are what the model sees, columns what a person sees. */
function startGrid(preferred) {
  const grids = run.grids.filter((grid) => grid.spots.some((line) => line.some((spot) => spot && pictureOf(spot))));
  if (!grids.length) return document.getElementById("grid").remove();
  const choice = document.getElementById("grid-choice"), view = document.getElementById("grid-view");
  grids.forEach((grid, i) => choice.append(el("option", { value: i }, grid.model)));
  choice.value = Math.max(grids.findIndex((grid) => grid.model === preferred), 0);
  const show = () => view.replaceChildren(gridTable(grids[choice.value]));
  choice.addEventListener("change", show);
  return show();
}

const pairOf = (spot) => run.pairs.find((pair) => pair.id === spot.pair);
const pictureOf = (spot) => (spot.clean ? sourceImage(pairOf(spot)) : foundImage(pairOf(spot)));

function gridTable({ model, rows, columns, spots }) {
  const across = Math.max(...spots.map((line) => line.length));
  const top = columns.length
    ? columns.map((name) => el("th", { scope: "col", class: "person" }, name))
    : [el("th", { scope: "colgroup", colspan: across, class: "person" }, "a person sees")];
  const head = el("tr", {}, el("th", { scope: "col", class: "model" }, "the model sees"), ...top);
  const body = spots.map((line, i) => el("tr", {}, el("th", { scope: "row", class: "model" }, rows[i]),
    ...line.map((spot) => gridCell(spot, !columns.length))));
  return el("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": `Grid of found images, ${model}` },
    el("table", { class: "grid" }, el("thead", {}, head), el("tbody", {}, ...body)));
}

function gridCell(spot, named) {
  const pair = spot && pairOf(spot);
  if (!pair) return el("td", { class: "none" }, "·");
  const sure = el("span", { class: "model" }, percent(spot.clean ? pair.numbers.p_source : pair.numbers.p_found));
  if (spot.clean) {
    return el("td", {}, picture(sourceImage(pair), `untouched ${pair.source}`, { class: "shot clean" }), sure, el("span", {}, " untouched"));
  }
  return el("td", {}, el("button", { type: "button", onclick: () => openPair(pair) },
    picture(foundImage(pair), foundWords(pair)), sure, named ? el("span", { class: "person" }, ` ${pair.target}`) : null));
}
