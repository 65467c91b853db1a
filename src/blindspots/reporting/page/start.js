import { byId, el } from "./dom.js";
import { startEnds } from "./cards.js";
import { histograms } from "./chart.js";
import { startClaim } from "./claim.js";
import { startDefinitions } from "./definitions.js";
import { startDialog } from "./dialog.js";
import { startGrids } from "./grids.js";
import { startPairs } from "./pairs.js";
import { column, report } from "./run.js";
import { startSources } from "./sources.js";
import { startTables } from "./tables.js";

function startSpread() {
  const choice = byId("spread-choice"), view = byId("spread-view");
  if (!choice) return;
  const keys = report.spreads.map((spread) => spread.key);
  for (const key of keys) choice.append(el("option", { value: key }, column(key).title));
  choice.value = keys.includes("segment_min") ? "segment_min" : keys[0];
  const show = () => {
    const spread = report.spreads.find(({ key }) => key === choice.value);
    const { title, digits, definition } = column(spread.key);
    view.replaceChildren(el("p", { class: "aside" }, definition), el("div", { class: "spreads" }, ...histograms(spread, title, digits)));
  };
  choice.addEventListener("change", show);
  show();
}

/** What lies folded is unfolded by the address that leads into it. */
function unfold() {
  const wanted = location.hash.slice(1);
  byId(wanted)?.closest("details")?.setAttribute("open", "");
}

function start() {
  const pair = startClaim();
  startDefinitions();
  // The page of a comparison has tables of its own.
  startTables(report.tables);
  startSpread();
  startGrids();
  startEnds();
  startSources(pair?.source_id);
  startPairs();
  startDialog();
  addEventListener("hashchange", unfold);
  unfold();
}

start();
