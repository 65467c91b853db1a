import { byId, el } from "./dom.js";
import { histograms } from "./chart.js";
import { startDefinitions } from "./definitions.js";
import { startDialog } from "./dialog.js";
import { startEnds, startGrid } from "./gallery.js";
import { startPairs } from "./pairs.js";
import { player } from "./player.js";
import { column, pairById, report } from "./run.js";
import { startSources } from "./sources.js";
import { startTables } from "./tables.js";

function startSpread() {
  const choice = byId("spread-choice"), view = byId("spread-view");
  if (!report.spreads.length) return byId("spread").remove();
  const keys = report.spreads.map((spread) => spread.key);
  for (const key of keys) choice.append(el("option", { value: key }, column(key).title));
  choice.value = keys.includes("segment_min") ? "segment_min" : keys[0];
  const show = () => {
    const spread = report.spreads.find(({ key }) => key === choice.value);
    const { title, digits, definition } = column(spread.key);
    view.replaceChildren(el("p", { class: "aside" }, definition), el("div", { class: "spreads" }, ...histograms(spread, title, digits)));
  };
  choice.addEventListener("change", show);
  return show();
}

function start() {
  const hero = byId("case-player");
  const pair = hero && pairById(hero.dataset.pair);
  if (pair) hero.append(player(pair));
  startDefinitions();
  startTables([report.headline, ...report.tables]);
  startSpread();
  startGrid(pair?.model);
  startEnds();
  startSources(pair?.source_id);
  startPairs();
  startDialog();
}

start();
