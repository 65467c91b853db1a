import { byId, el, number } from "./dom.js";
import { csvText, download } from "./csv.js";
import { openPair } from "./dialog.js";
import { inOrder } from "./tables.js";
import { columns, endingOf, foundImage, picture, report, sourceImage, started, titleOf } from "./run.js";

const PAGE = 24;
const NAMES = ["search", "model", "csv", "count", "list", "more"];
const state = { key: "rmse", falling: false, shown: PAGE };
const tools = /** @type {Record<string, any>} */ ({});

/** All pairs as a table that is searched, sorted and kept; drawn when it is opened. */
export function startPairs() {
  for (const name of NAMES) tools[name] = byId(`pair-${name}`);
  for (const { name, title } of report.models) tools.model.append(el("option", { value: name }, title));
  for (const name of ["search", "model"]) tools[name].addEventListener("input", fresh);
  tools.more.addEventListener("click", () => { state.shown += 2 * PAGE; showPairs(); });
  tools.csv.addEventListener("click", () => download("pairs.csv", csvOf(chosenPairs())));
  byId("pair-tools").addEventListener("submit", (event) => event.preventDefault());
  showPairs();
}

function fresh() {
  state.shown = PAGE;
  showPairs();
}

/** The pairs that pass the filters, in order; those without the number last, either way. */
function chosenPairs() {
  const tests = tools.search.value.toLowerCase().split(/\s+/).filter(Boolean).map(testOf);
  const passes = (pair) => (!tools.model.value || pair.model === tools.model.value) && tests.every((test) => test(pair));
  return report.pairs.filter(passes).sort((a, b) => inOrder(numberOf(a, state.key), numberOf(b, state.key), state.falling));
}

const numberOf = (pair, key) => (pair.numbers[key] === null ? null : Number(pair.numbers[key]));
const haystack = (pair) => [pair.source, pair.target ?? "", pair.model, titleOf(pair.model), endingOf(pair).title, pair.ending, pair.id].join(" ").toLowerCase();

/** What a word of the search asks of a pair: a condition such as rmse<.02, or to be found in it. */
function testOf(word) {
  const [, key, sign, bound] = word.match(/^(\w+)([<>]=?)(-?[\d.]+)$/) ?? [];
  if (!columns.some((one) => one.key === key)) return (pair) => haystack(pair).includes(word);
  const holds = { "<": (v) => v < bound, "<=": (v) => v <= bound, ">": (v) => v > bound, ">=": (v) => v >= bound }[sign];
  return (pair) => pair.numbers[key] !== null && holds(Number(pair.numbers[key]));
}

function showPairs() {
  const chosen = chosenPairs();
  const shown = chosen.slice(0, state.shown);
  tools.count.textContent = `${chosen.length} of ${report.pairs.length} pairs`;
  tools.list.replaceChildren(table(shown, chosen));
  tools.more.hidden = shown.length === chosen.length;
}

function table(pairs, chosen) {
  const head = el("tr", {}, ...["pair", report.run.kind, "ending"].map((word) => el("th", { scope: "col", class: "words" }, word)), ...columns.map(heading));
  const body = pairs.map((pair) => el("tr", { "data-pair": pair.id },
    el("th", { scope: "row" }, miniature(pair)), el("td", { class: "words" }, titleOf(pair.model)),
    el("td", { class: "words" }, el("span", { class: "term", tabindex: 0, "data-definition": endingOf(pair).sentence }, endingOf(pair).title)),
    ...columns.map(({ key, digits }) => el("td", {}, number(pair.numbers[key], digits)))));
  const traversed = chosen.filter(started);
  const foot = el("tr", {}, el("th", { scope: "row", colspan: 3 }, `mean ± standard deviation of ${traversed.length} traversed`),
    ...columns.map((one) => el("td", {}, spread(traversed, one))));
  return el("div", { class: "scroll", role: "region", "aria-label": "Pairs", tabindex: 0 },
    el("table", { class: "pair-table" }, el("thead", {}, head), el("tbody", {}, ...body), el("tfoot", {}, foot)));
}

/** Mean ± standard deviation (ddof 0) over pairs; of a flag its share. */
function spread(pairs, { key, digits, percent }) {
  const values = pairs.map((pair) => numberOf(pair, key)).filter((value) => value !== null);
  if (!values.length) return "–";
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  if (percent) return `${(100 * mean).toFixed(digits)}\u00a0%`;
  const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
  return `${number(mean, digits)} ± ${number(deviation, digits)}`;
}

function heading({ key, title, definition }) {
  const sort = key !== state.key ? "none" : state.falling ? "descending" : "ascending";
  const turn = () => {
    Object.assign(state, { key, falling: key === state.key && !state.falling });
    fresh();
    tools.list.querySelector(`[data-key="${key}"]`).focus();
  };
  return el("th", { scope: "col", "aria-sort": sort },
    el("button", { type: "button", class: "sort", "data-key": key, "data-definition": definition, onclick: turn }, title));
}

function miniature(pair) {
  const words = `${pair.source} → ${pair.target ?? "–"}`;
  return el("button", { type: "button", class: "mini", "aria-label": `Open ${words}`, onclick: () => openPair(pair) },
    picture(sourceImage(pair), ""), started(pair) ? picture(foundImage(pair), "") : null, el("span", {}, words));
}

function csvOf(pairs) {
  const names = ["pair_id", "model", "source_id", "target_id", "source_name", "target_name", "ending"];
  const rows = pairs.map((pair) => [pair.id, pair.model, pair.source_id, pair.target_id, pair.source, pair.target, pair.ending,
    ...columns.map(({ key }) => pair.numbers[key])]);
  return csvText([[...names, ...columns.map(({ key }) => key)], ...rows]);
}
