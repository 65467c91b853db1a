import { interpolated } from "./barycentric.js";
import { byId, el, number, svg } from "./dom.js";
import { loaded, mixInto } from "./mixing.js";
import { shareOf } from "./scale.js";
import { sharpen } from "./shot.js";
import { openPair, segmentWords } from "./dialog.js";
import { radialStar } from "./star.js";
import { TriangleMap } from "./triangle.js";
import { aspectOf, colourOf, foundImage, foundWords, levelOf, picture, report, score, sourceImage, startedPairs, sure, titleOf } from "./run.js";

/** @typedef {import("./run.js").Pair} Pair */
/** @typedef {import("./run.js").Triangle} Triangle */

const CENTRE = /** @type {[number, number, number]} */ ([1 / 3, 1 / 3, 1 / 3]);
const STAR_FROM = 3, MANY = 24, RIBBON = { width: 100, height: 16 };

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
  const alike = (name) => most.filter(([, other]) => other.name === name).length > 1;
  for (const [id, { name, pairs }] of most) choice.append(el("option", { value: id }, `${name} (${alike(name) ? `${id}, ` : ""}${pairs} pairs)`));
  choice.value = (counts.get(preferred)?.pairs ?? 0) > 1 ? preferred : most[0][0];
  choice.addEventListener("change", () => showSource(choice.value));
  return showSource(choice.value);
}

function showSource(id) {
  // In one order, so that a target lies in the same direction in every model's star.
  const own = startedPairs.filter((pair) => pair.source_id === id).sort((a, b) => (a.target_id < b.target_id ? -1 : 1));
  const sheets = report.models.map(({ name }) => own.filter((pair) => pair.model === name)).filter((pairs) => pairs.length)
    .map((pairs) => ({ pairs, place: el("div", { class: "place" }) }));
  const readout = el("div", { class: "mixed" });
  const row = el("div", { class: "models", "data-many": sheets.length > 2 }, ...sheets.map(({ pairs, place }) => modelSheet(pairs, place)));
  byId("source-view").replaceChildren(row, readout);
  chooseTriangle(report.triangles.filter((triangle) => triangle.source_id === id), sheets, readout);
}

function modelSheet(pairs, place) {
  const [{ model, source }] = pairs, title = titleOf(model);
  return el("article", { class: "sheet", "aria-label": title }, el("h3", {}, title),
    pairs.length < STAR_FROM ? bars(pairs) : starOf(pairs, `Star of the ${source}, ${title}`), place);
}

function starOf(pairs, label) {
  const [{ model, caption, numbers }] = pairs;
  const limbs = pairs.map((pair) => ({
    values: pair.segment, name: pair.target, image: foundImage(pair), confidence: pair.numbers.p_found, open: () => openPair(pair),
  }));
  return radialStar({ name: caption, image: sourceImage(pairs[0]), confidence: numbers.p_source, limbs, level: levelOf(model, numbers.p_source), colourOf, scale: score.along, noun: score.noun, sure, label });
}

/** One or two limbs need no star: each is a bar from the source to its found image. */
function bars(pairs) {
  return el("div", { class: "bars" }, ...pairs.map((pair) => el("button", { type: "button", class: "ray", "aria-label": `Open the pair ${segmentWords(pair)}`, onclick: () => openPair(pair) },
    picture(sourceImage(pair), ""), ribbon(pair.segment), picture(foundImage(pair), foundWords(pair)),
    el("span", { class: "person" }, pair.target), el("span", { class: "model" }, sure(pair.numbers.p_found)))));
}

function ribbon(values) {
  const { width, height } = RIBBON, wide = width / Math.max(values.length, 1);
  const tall = (p) => height * Math.min(Math.max(p === null ? 0 : shareOf(p, score.along), 0.04), 1);
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    ...values.map((p, i) => svg("rect", { x: (i * wide).toFixed(2), y: ((height - tall(p)) / 2).toFixed(2), width: (wide + 0.2).toFixed(2), height: tall(p).toFixed(2), fill: colourOf(p) })));
}

/** One choice for all models, so that they show the same two targets side by side. */
function chooseTriangle(triangles, sheets, readout) {
  const choice = byId("triangle-choice");
  const names = new Map(sheets.flatMap(({ pairs }) => pairs.map((pair) => [pair.target_id, pair.target])));
  const keys = [...new Set(triangles.map(keyOf))];
  choice.replaceChildren(...keys.map((key) => el("option", { value: key }, JSON.parse(key).map((id) => names.get(id)).join(" and "))));
  byId("triangle-label").hidden = !keys.length;
  choice.onchange = () => showTriangles(triangles.filter((triangle) => keyOf(triangle) === choice.value), sheets, readout);
  choice.onchange();
}

// The two targets in one order: another model may have stored them in the other.
const keyOf = (triangle) => JSON.stringify([...triangle.target_ids].sort());

/** The triangles of all models with one cursor, and one readout of what is under it. */
function showTriangles(triangles, sheets, readout) {
  const maps = [];
  const mix = /** @type {HTMLCanvasElement} */ (el("canvas", { class: "shot", role: "img" }));
  const shares = el("p"), list = el("dl");
  const show = (own, weights) => {
    for (const other of maps) other.put(other.turned === own.turned ? weights : swapped(weights));
    shares.textContent = own.shares();
    own.paint(mix);
    mix.setAttribute("aria-label", `Mixture of ${own.words()}`);
  };
  for (const { pairs, place } of sheets) {
    const triangle = triangles.find((one) => one.model === pairs[0].model);
    place.replaceChildren();
    if (!triangle) continue;
    const own = triangleOf(triangle, pairs, sheets.length > 2, (weights) => show(own, weights));
    own.loaded.then(() => { if (maps[0] === own) own.paint(mix); });
    maps.push(own);
    place.append(own.node);
    list.append(el("div", {}, el("dt", {}, titleOf(triangle.model)), own.belief));
  }
  readout.hidden = !maps.length;
  readout.replaceChildren(mix, el("div", {}, shares, list));
  if (maps.length) show(maps[0], CENTRE);
}

const swapped = ([source, first, second]) => /** @type {[number, number, number]} */ ([source, second, first]);

function triangleOf(triangle, pairs, many, moved) {
  const [first, second] = triangle.target_ids.map((id) => pairs.find((pair) => pair.target_id === id));
  const { source, caption, model } = pairs[0], names = [source, first.target, second.target], level = levelOf(model, triangle.p_source);
  const images = [sourceImage(first), foundImage(first), foundImage(second)];
  const map = new TriangleMap({
    sides: triangle.sides, names, images, moved, ...(many ? { type: MANY } : {}),
    label: `Triangle between the ${source} and the found ${first.target} and ${second.target}, ${titleOf(model)}: mean ${score.noun} ${sure(triangle.mean)}`,
  });
  map.fill({ confidence: triangle.confidence, level, colourOf, scale: score.over });
  const told = score.name === "confidence" ? (p) => `the model is sure of ${source} by ${number(p)}` : (p) => `${score.noun} ${number(p)}`;
  const belief = el("dd");
  let pictures = /** @type {HTMLImageElement[]} */ ([]);
  const own = {
    node: map.node, belief, turned: triangle.target_ids[0] > triangle.target_ids[1],
    loaded: Promise.all(images.map(loaded)).then((all) => { pictures = all.filter(Boolean); }),
    shares: () => map.weights.map((w, k) => `${Math.round(100 * w)}\u00a0% ${names[k]}`).join(", "),
    words: () => `${own.shares()}: ${told(interpolated(triangle.confidence, map.weights))}`,
    put(weights) {
      map.put(weights);
      const p = interpolated(triangle.confidence, weights);
      belief.replaceChildren(el("b", { class: level !== null && p !== null && p < level ? "lost" : "model" }, `${caption} ${number(p)}`));
      map.tell(own.words(), 100 * (p === null ? 0 : shareOf(p, score.over)));
    },
    paint(canvas) {
      // Its place is kept while the pictures are on their way: nothing below it may move.
      canvas.hidden = !images.every(Boolean);
      canvas.style.aspectRatio = String(aspectOf(first));
      if (pictures.length < 3) return;
      mixInto(canvas, pictures, map.weights);
      sharpen(canvas, canvas.height);
      canvas.dataset.drawn = map.weights.map((w) => w.toFixed(4)).join(" ");
    },
  };
  return own;
}
