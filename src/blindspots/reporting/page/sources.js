import { interpolated } from "./barycentric.js";
import { byId, el, number } from "./dom.js";
import { limbColour } from "./colours.js";
import { lineChart, lineKey } from "./chart.js";
import { loaded, mixInto } from "./mixing.js";
import { shareOf } from "./scale.js";
import { sharpen } from "./shot.js";
import { openPair, segmentWords } from "./dialog.js";
import { radialStar } from "./star.js";
import { TriangleMap } from "./triangle.js";
import { aspectOf, axis, colourOf, foundImage, heading, levelOf, report, score, sourceImage, startedPairs, sure } from "./run.js";

/** @typedef {import("./run.js").Pair} Pair */
/** @typedef {import("./run.js").Triangle} Triangle */

const CENTRE = /** @type {[number, number, number]} */ ([1 / 3, 1 / 3, 1 / 3]);

/**
 * The sources that were traversed, those with most pairs first, and the choice among them.
 * @param {string|undefined} preferred the source shown first
 */
export function startSources(preferred) {
  const choice = byId("source-choice");
  const counts = new Map();
  for (const pair of startedPairs) {
    const entry = counts.get(pair.source_id) ?? { name: pair.source, pairs: 0 };
    counts.set(pair.source_id, { ...entry, pairs: entry.pairs + 1 });
  }
  if (!counts.size) return byId("sources").remove();
  const most = [...counts].sort(([, a], [, b]) => b.pairs - a.pairs);
  for (const [id, { name, pairs }] of most) choice.append(el("option", { value: id }, `${name} (${id}, ${pairs} pairs)`));
  choice.value = (counts.get(preferred)?.pairs ?? 0) > 1 ? preferred : most[0][0];
  choice.addEventListener("change", () => showSource(choice.value));
  return showSource(choice.value);
}

function showSource(id) {
  // In one order, so that a target lies in the same direction in every model's star.
  const own = startedPairs.filter((pair) => pair.source_id === id).sort((a, b) => (a.target_id < b.target_id ? -1 : 1));
  const sheets = report.models.map(({ name }) => own.filter((pair) => pair.model === name)).filter((pairs) => pairs.length)
    .map((pairs) => ({ pairs, place: el("div", { class: "place" }) }));
  byId("source-view").replaceChildren(el("div", { class: "models" }, ...sheets.map(({ pairs, place }) => modelSheet(pairs, place))));
  chooseTriangle(report.triangles.filter((triangle) => triangle.source_id === id), sheets);
}

function modelSheet(pairs, place) {
  const [{ model, source, caption, numbers }] = pairs;
  const level = levelOf(model, numbers.p_source);
  const limbs = pairs.map((pair) => ({
    values: pair.segment, name: pair.target, image: foundImage(pair), confidence: pair.numbers.p_found, open: () => openPair(pair),
  }));
  const star = radialStar({ name: caption, image: sourceImage(pairs[0]), confidence: numbers.p_source, limbs, level, colourOf, scale: score.along, noun: score.noun, sure, label: `Star of the ${source}, ${model}` });
  return el("article", { class: "sheet", "aria-label": model }, el("h3", {}, model),
    el("div", { class: "parts" }, el("div", {}, star, linesOf(pairs, level)), place));
}

function linesOf(pairs, level) {
  const lines = pairs.map((pair, i) => ({ values: pair.segment, colour: limbColour(i), name: pair.target })).filter((line) => line.values.length);
  if (!lines.length) return null;
  const label = `${heading} from ${pairs[0].source} ${pairs.map(segmentWords).join("; ")}`;
  return el("details", { class: "lines" }, el("summary", {}, "The limbs as lines"), lineChart({ lines, level, axis, label, ends: ["source", "found images"] }).node, lineKey(lines));
}

/** One choice for all models, so that they show the same two targets side by side. */
function chooseTriangle(triangles, sheets) {
  const choice = byId("triangle-choice");
  const names = new Map(sheets.flatMap(({ pairs }) => pairs.map((pair) => [pair.target_id, pair.target])));
  const keys = [...new Set(triangles.map(keyOf))];
  choice.replaceChildren(...keys.map((key) => el("option", { value: key }, JSON.parse(key).map((id) => names.get(id)).join(" and "))));
  byId("triangle-label").hidden = !keys.length;
  choice.onchange = () => showTriangles(triangles.filter((triangle) => keyOf(triangle) === choice.value), sheets);
  choice.onchange();
}

// The two targets in one order: another model may have stored them in the other.
const keyOf = (triangle) => JSON.stringify([...triangle.target_ids].sort());

function showTriangles(triangles, sheets) {
  const maps = [];
  for (const { pairs, place } of sheets) {
    const own = triangles.find((triangle) => triangle.model === pairs[0].model);
    place.replaceChildren();
    if (!own) continue;
    const turned = own.target_ids[0] > own.target_ids[1];
    const map = triangleOf(own, pairs, (weights) => {
      for (const other of maps) if (other.map !== map) other.map.show(other.turned === turned ? weights : swapped(weights));
    });
    maps.push({ map, turned });
    place.append(el("p", { class: "hint" }, `Triangle: mean ${score.noun} ${number(own.mean)}; sides are RMSE`), map.node);
  }
  for (const { map } of maps) map.show(CENTRE);
}

const swapped = ([source, first, second]) => /** @type {[number, number, number]} */ ([source, second, first]);

function triangleOf(triangle, pairs, onmove) {
  const [first, second] = triangle.target_ids.map((id) => pairs.find((pair) => pair.target_id === id));
  const { source, caption, model } = pairs[0], names = [source, first.target, second.target], level = levelOf(model, triangle.p_source);
  const images = [sourceImage(first), foundImage(first), foundImage(second)];
  const map = new TriangleMap({
    sides: triangle.sides, names, images, moved: (weights) => { show(weights); onmove(weights); },
    label: `Triangle between the ${source} and the found ${first.target} and ${second.target}, ${model}: mean ${score.noun} ${sure(triangle.mean)}`,
  });
  map.fill({ confidence: triangle.confidence, level, colourOf, scale: score.over });
  const told = score.name === "confidence" ? (p) => `the model is sure of ${source} by ${number(p)}` : (p) => `${score.noun} ${number(p)}`;
  const mix = /** @type {HTMLCanvasElement} */ (el("canvas", { class: "shot", role: "img", style: { aspectRatio: aspectOf(first) } }));
  const belief = el("b", { class: "model" }), shares = el("span"), seen = images.every(Boolean) ? mix : el("span", { class: "shot absent" }, "not kept");
  let pictures = /** @type {HTMLImageElement[]} */ ([]);

  function show(weights) {
    map.put(weights);
    const p = interpolated(triangle.confidence, weights);
    belief.textContent = `${caption} ${number(p)}`;
    belief.classList.toggle("lost", level !== null && p !== null && p < level);
    shares.textContent = weights.map((w, k) => `${Math.round(100 * w)}\u00a0% ${names[k]}`).join(", ");
    const words = `${shares.textContent}: ${told(p)}`;
    map.tell(words, 100 * (p === null ? 0 : shareOf(p, score.over)));
    mix.setAttribute("aria-label", `Mixture of ${words}`);
    paint();
  }

  function paint() {
    if (pictures.length < 3) return;
    mixInto(mix, pictures, map.weights);
    sharpen(mix, mix.height);
    mix.dataset.drawn = map.weights.map((w) => w.toFixed(4)).join(" ");
  }

  Promise.all(images.map(loaded)).then((all) => {
    pictures = all.filter(Boolean);
    paint();
  });
  return { node: el("div", { class: "triangle" }, map.node, el("figure", { class: "mixed" }, seen, el("figcaption", {}, "the model: ", belief, shares))), show };
}
