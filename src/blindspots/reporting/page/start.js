import { byId, el } from "./dom.js";
import { histograms } from "./chart.js";
import { startDefinitions } from "./definitions.js";
import { startDialog } from "./dialog.js";
import { startEnds, startGrid } from "./gallery.js";
import { startPairs } from "./pairs.js";
import { linkPlayers, player } from "./player.js";
import { column, pairById, report } from "./run.js";
import { startSources } from "./sources.js";
import { startTables } from "./tables.js";

function startSpread() {
  const choice = byId("spread-choice"), view = byId("spread-view");
  if (!report.spreads.length) return byId("spread")?.remove();
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

/** The players of the first screen, side by side where there are several; gives the first pair. */
function startCases() {
  const places = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".case-player")]);
  const pairs = places.map((place) => pairById(place.dataset.pair));
  const players = pairs.map((pair) => player(pair));
  places.forEach((place, i) => place.append(players[i]));
  linkPlayers(players);
  return pairs[0];
}

function start() {
  const pair = startCases();
  startDefinitions();
  // The page of a comparison has tables of its own.
  startTables([report.headline, ...report.tables].filter(Boolean));
  startSpread();
  startGrid(pair?.model);
  startEnds();
  startSources(pair?.source_id);
  startPairs();
  startDialog();
}

start();
