const PAGE = 24;
const tools = Object.fromEntries(["search", "model", "ending", "sort", "direction", "count", "list", "more", "dialog"]
  .map((name) => [name, document.getElementById(`pair-${name}`)]));
const state = { key: "rmse", falling: false, view: "cards", shown: PAGE };
const columns = run.columns.filter((column) => run.pairs.some((pair) => pair.numbers[column.key] !== null));

function startPairs() {
  for (const { name } of run.models) tools.model.append(el("option", { value: name }, name));
  for (const ending of new Set(run.pairs.map((pair) => pair.ending))) {
    tools.ending.append(el("option", { value: ending }, ending.replaceAll("_", " ")));
  }
  for (const { key, title } of columns) tools.sort.append(el("option", { value: key }, title));
  tools.sort.value = state.key;
  for (const name of ["search", "model", "ending"]) tools[name].addEventListener("input", fresh);
  tools.sort.addEventListener("input", () => sortBy(tools.sort.value, state.falling));
  tools.direction.addEventListener("click", () => sortBy(state.key, !state.falling));
  tools.more.addEventListener("click", () => { state.shown += 2 * PAGE; showPairs(); });
  for (const choice of document.querySelectorAll("input[name=view]")) {
    choice.addEventListener("change", () => { state.view = choice.value; fresh(); });
  }
  document.getElementById("pair-tools").addEventListener("submit", (event) => event.preventDefault());
  showPairs();
}

function fresh() {
  state.shown = PAGE;
  showPairs();
}

function sortBy(key, falling) {
  Object.assign(state, { key, falling });
  tools.sort.value = key;
  tools.direction.textContent = falling ? "highest first" : "lowest first";
  fresh();
}

/** The pairs that pass the filters, in order; those without the number last, either way. */
function chosenPairs() {
  const words = tools.search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const passes = (pair) =>
    (!tools.model.value || pair.model === tools.model.value) &&
    (!tools.ending.value || pair.ending === tools.ending.value) &&
    words.every((word) => haystack(pair).includes(word));
  return run.pairs.filter(passes).sort(byNumber);
}

const haystack = (pair) => [pair.source, pair.target ?? "", pair.model, pair.ending, pair.id].join(" ").toLowerCase();

function byNumber(a, b) {
  const [p, q] = [a.numbers[state.key], b.numbers[state.key]];
  if (p === null || q === null) return (p === null) - (q === null);
  return state.falling ? q - p : p - q;
}

function showPairs() {
  const chosen = chosenPairs();
  const shown = chosen.slice(0, state.shown);
  tools.count.textContent = `${chosen.length} of ${run.pairs.length} pairs`;
  tools.list.replaceChildren(state.view === "cards" ? el("ul", { class: "cards" }, ...shown.map(card)) : table(shown));
  tools.more.hidden = shown.length === chosen.length;
}

function card(pair) {
  const said = started(pair)
    ? [`${youSee(pair)} ${pair.target}, ${sees(pair)} `, el("span", { class: "model" }, `${pair.source} ${percent(pair.numbers.p_found)}`)]
    : [`${pair.source}: ${pair.ending.replaceAll("_", " ")}`];
  const few = ["rmse", "segment_min", "source_linf"].map((key) => {
    const { title, digits } = run.columns.find((column) => column.key === key);
    return el("span", {}, `${title} `, el("b", {}, number(pair.numbers[key], digits)));
  });
  return el("li", {}, el("button", { type: "button", class: "card", "data-pair": pair.id, onclick: () => openPair(pair) },
    trio(pair), el("span", { class: "said" }, ...said), el("span", { class: "few" }, el("span", {}, pair.model), ...(started(pair) ? few : []))));
}

function trio(pair) {
  const one = (uri, alt, words) => el("span", {}, picture(uri, alt), words);
  return el("span", { class: "trio" }, one(sourceImage(pair), `source: ${pair.source}`, "source"),
    started(pair) ? one(foundImage(pair), foundWords(pair), "found") : null,
    pair.target ? one(targetImage(pair), `target: ${pair.target}`, "target") : null);
}

function table(pairs) {
  const head = el("tr", {}, ...["pair", "model", "ending"].map((word) => el("th", { scope: "col", class: "words" }, word)), ...columns.map(heading));
  const body = pairs.map((pair) => el("tr", { "data-pair": pair.id },
    el("th", { scope: "row" }, miniature(pair)), el("td", { class: "words" }, pair.model), el("td", { class: "words" }, pair.ending.replaceAll("_", " ")),
    ...columns.map(({ key, digits }) => el("td", {}, number(pair.numbers[key], digits)))));
  return el("div", { class: "scroll", role: "region", "aria-label": "Pairs", tabindex: 0 },
    el("table", { class: "pair-table" }, el("thead", {}, head), el("tbody", {}, ...body)));
}

function heading({ key, title, definition }) {
  const sort = key !== state.key ? "none" : state.falling ? "descending" : "ascending";
  const turn = () => {
    sortBy(key, key === state.key && !state.falling);
    tools.list.querySelector(`[data-key="${key}"]`).focus();
  };
  return el("th", { scope: "col", "aria-sort": sort },
    el("button", { type: "button", "data-key": key, "data-definition": definition, onclick: turn }, title));
}

function miniature(pair) {
  const words = `${pair.source} → ${pair.target ?? "–"}`;
  return el("button", { type: "button", class: "mini", "aria-label": `Open ${words}`, onclick: () => openPair(pair) },
    picture(sourceImage(pair), ""), started(pair) ? picture(foundImage(pair), "") : null, el("span", {}, words));
}

/** One pair at full length: player, segment, every number with its definition. */
function openPair(pair) {
  const close = el("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => tools.dialog.close() }, "✕");
  const heading = started(pair)
    ? [`${youSee(pair)} `, el("em", { class: "person" }, pair.target), `, ${sees(pair)} `, el("em", { class: "model" }, `${pair.source}, ${percent(pair.numbers.p_found)}`)]
    : [`${pair.source}: ${pair.ending.replaceAll("_", " ")}`];
  tools.dialog.replaceChildren(el("div", { class: "detail" }, close, el("h3", { id: "pair-dialog-title" }, ...heading),
    el("div", { class: "split" }, el("div", {}, started(pair) ? player(pair) : trio(pair), ...segmentOf(pair)), numbersOf(pair))));
  tools.dialog.showModal();
}

function segmentOf(pair) {
  if (!pair.segment.length) return [];
  const level = run.delta === null ? null : pair.numbers.p_source - run.delta;
  return [el("p", { class: "hint" }, "Segment"), starChart([{ values: pair.segment, colour: limbColour(0), name: pair.target }], level, segmentWords(pair))];
}

function numbersOf(pair) {
  const fact = (name, value, definition) => el("div", {}, el("dt", {}, el("span", definition ? { class: "term", tabindex: 0, "data-definition": definition } : {}, name)), el("dd", {}, value));
  return el("dl", { class: "facts" }, fact("model", pair.model), fact("ending", pair.ending.replaceAll("_", " "), run.endings[pair.ending]),
    ...columns.map(({ key, title, definition, digits }) => fact(title, number(pair.numbers[key], digits), definition)));
}
