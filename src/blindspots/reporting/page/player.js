import { el, number } from "./dom.js";
import { pathChart } from "./chart.js";
import { playButton } from "./play.js";
import { stage } from "./stage.js";
import { aspectOf, axis, filesOf, foundImage, foundWords, picture, sourceImage, straight, sure, targetImage } from "./run.js";

const GAINS = [1, 2, 4, 8, 16, 32];
const VIEWS = { picture: "Picture", target: "Difference to target", source: "to source" };
const RESIDUAL_GAIN = 4;
const PAUSE = 220;
let players = 0;

/**
 * Source, the picture on its way, target; with a slider over the snapshots where they were kept.
 * @param {import("./run.js").Pair} pair
 * @param {{chart?: boolean, full?: boolean}} options `chart`: confidence and distances along the
 *   path; `full`: a switch to the exact pictures beside this file
 */
export function player(pair, { chart = false, full = false } = {}) {
  const frames = pair.pictures.strip && pair.path.length > 1 ? pair.path.length : 0;
  const shots = {
    source: sourceImage(pair), target: targetImage(pair), found: foundImage(pair),
    strip: frames ? pair.pictures.strip : null, residual: pair.pictures.residual,
  };
  if (!shots.found && !frames) return still(pair);
  const view = stage({ shots, frames, residualGain: RESIDUAL_GAIN, aspect: aspectOf(pair), label: foundWords(pair) });
  const box = el("div", { class: "player" },
    side(pair, sourceImage(pair), "It began as", pair.source, "model", beganAt(pair)),
    el("figure", {}, view.node),
    side(pair, targetImage(pair), "It was led to", pair.target, "person"));
  if (frames) box.append(controls(pair, view, frames, chart));
  box.append(viewChoice(view, full ? () => fullSwitch(pair, view, shots) : () => null));
  return box;
}

/**
 * Lets players walk together: where a person moves one, the others come as far of their own way.
 * @param {HTMLElement[]} players
 */
export function linkPlayers(players) {
  for (const own of players) {
    own.addEventListener("walked", ({ detail }) => {
      for (const other of players) if (other !== own) other.querySelector("input[type=range]")?.dispatchEvent(new CustomEvent("follow", { detail }));
    });
  }
}

function still(pair) {
  return el("div", { class: "player" },
    side(pair, sourceImage(pair), "It began as", pair.source, "model", beganAt(pair)),
    el("figure", {}, picture(null, "")),
    side(pair, targetImage(pair), "It was led to", pair.target, "person"));
}

/** How sure the model was at first; of a group of classes, whose number it is. */
function beganAt({ source, caption, numbers }) {
  return `${caption === source ? "" : `${caption} `}${sure(numbers.p_source)}`;
}

function side(pair, address, words, name, kind, confidence = "") {
  const said = confidence ? el("span", {}, confidence) : null;
  const shot = picture(address, `${words} ${name}`, { style: { aspectRatio: aspectOf(pair) } });
  return el("figure", {}, shot, el("figcaption", {}, words, el("b", { class: kind }, name), said));
}

function controls(pair, view, frames, withChart) {
  const slider = /** @type {HTMLInputElement} */ (el("input", { type: "range", min: 0, max: frames - 1, step: 1, value: frames - 1, "aria-label": `Way from ${pair.source} to ${pair.target}` }));
  const step = el("span"), said = el("span"), far = el("span", { class: "far" });
  const chart = withChart ? pathChart(pair, whereabouts, axis) : null;
  const show = () => {
    const at = Number(slider.value);
    view.show({ at });
    chart?.mark(at);
    step.textContent = whereabouts(pair, at);
    said.replaceChildren("the model: ", el("b", {}, `${pair.caption} ${sure(pair.path[at])}`));
    far.textContent = distanceWords(pair, at);
    slider.setAttribute("aria-valuetext", `${step.textContent}, ${said.textContent}, ${far.textContent}`);
  };
  const walk = () => {
    show();
    slider.dispatchEvent(new CustomEvent("walked", { bubbles: true, detail: Number(slider.value) / (frames - 1) }));
  };
  const play = playButton(slider, walk, PAUSE);
  slider.addEventListener("input", walk);
  slider.addEventListener("follow", (event) => {
    play.stop();
    slider.value = String(Math.round(/** @type {CustomEvent} */ (event).detail * (frames - 1)));
    show();
  });
  for (const touched of ["pointerdown", "keydown"]) slider.addEventListener(touched, play.stop);
  show();
  return el("div", { class: "controls" }, play.node, slider,
    el("div", { class: "readout" }, step, said, far), chart?.node);
}

/** How far a snapshot is: steps taken, or the share of the way where the way is a segment. */
function whereabouts(pair, at) {
  const last = pair.path.length - 1;
  if (straight(pair)) return `${pair.steps[at] ?? Math.round((100 * at) / last)}\u00a0% of the way`;
  return `step ${pair.steps[at] ?? at} of ${pair.steps[last] ?? last}`;
}

function distanceWords(pair, at) {
  const { path_source_rmse: from, path_target_rmse: to } = pair.pictures;
  if (!from.length || !to.length) return "";
  return `RMSE ${number(from[at])} from the source, ${number(to[at])} to the target`;
}

function viewChoice(view, more) {
  const name = `view-${players++}`;
  const gain = /** @type {HTMLSelectElement} */ (el("select", { "aria-label": "Gain of the difference", disabled: "" },
    ...GAINS.map((value) => el("option", { value }, `× ${value}`))));
  gain.value = "16";
  gain.addEventListener("change", () => view.show({ gain: Number(gain.value) }));
  const pick = (kind) => {
    gain.disabled = kind === "picture";
    view.show({ view: kind, gain: Number(gain.value) });
  };
  const radios = Object.entries(VIEWS).map(([kind, words], i) => el("label", {}, el("input", {
    type: "radio", name, value: kind, checked: i ? null : "", onchange: () => pick(kind),
    "aria-label": kind === "picture" ? null : `Difference to the ${kind}`,
  }), el("span", {}, words)));
  return el("div", { class: "views" },
    el("fieldset", { class: "switch" }, el("legend", { class: "unseen" }, "Show the picture or its difference"), ...radios), gain, more());
}

let wantsFull = false;

/** A switch to the exact pictures; what was chosen holds for the pairs opened next. */
function fullSwitch(pair, view, shots) {
  const said = el("span", { role: "status" });
  const box = /** @type {HTMLInputElement} */ (el("input", { type: "checkbox" }));
  const turn = async () => {
    wantsFull = box.checked;
    if (!box.checked) { said.textContent = ""; return view.use(shots); }
    if (await view.use({ ...filesOf(pair), residual: null })) { said.textContent = "exact"; return true; }
    box.checked = wantsFull = false;
    said.textContent = "The run directory is not beside this file.";
    return false;
  };
  box.addEventListener("change", turn);
  box.checked = wantsFull;
  if (wantsFull) turn();
  return el("label", { class: "full" }, box, " Full images ", said);
}
