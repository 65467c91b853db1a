import { titleOf } from "./app.js";
import { byId, el, number, percent } from "./dom.js";

const HEADINGS = ["pair", "model", "p found", "RMSE", "segment min"];

/** The pairs of the run that the explorer was started with; `open` hears which one was clicked. */
export function showPairs(run, open) {
  byId("pairs").hidden = byId("pairs-link").hidden = false;
  byId("pairs-words").textContent = `${run.pairs.length} traversed pairs of ${run.name}, found with ${run.method}. Open one to look at what the run stored, or start it again live.`;
  const head = el("tr", {}, ...HEADINGS.map((word) => el("th", { scope: "col" }, word)));
  byId("pair-table").replaceChildren(el("thead", {}, head), el("tbody", {}, ...run.pairs.map((pair) => row(pair, open))));
}

function row(pair, open) {
  const words = `${pair.source_name} → ${pair.target_name}`;
  return el("tr", {}, el("th", { scope: "row" }, el("button", { type: "button", "data-pair": pair.pair_id, onclick: () => open(pair) }, words)),
    el("td", {}, titleOf(pair.model)), el("td", {}, percent(pair.p_found)), el("td", {}, number(pair.rmse, 4)), el("td", {}, number(pair.segment_min)));
}
