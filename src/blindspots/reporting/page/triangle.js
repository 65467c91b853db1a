import { el, number, svg } from "./dom.js";
import { borderOf, cornersOf, gridOf, interpolated, pointAt, toSimplex, weightsAt } from "./barycentric.js";
import { channels } from "./colours.js";
import { loaded, mixInto } from "./mixing.js";
import { UNIT, shareOf } from "./scale.js";
import { sharpen } from "./shot.js";

/** @typedef {import("./barycentric.js").Weights} Weights */
/**
 * @typedef {object} TriangleOptions
 * @property {Array<number|null>} confidence on the stored grid
 * @property {number[]} sides
 * @property {number|null} level below it is outside the superlevel set
 * @property {string} [caption] what a bare number is of; the source's name without
 * @property {string[]} names source and what a person sees in found 1 and found 2
 * @property {Array<string|null>} images their addresses
 * @property {number} aspect of the images
 * @property {(p: number|null) => string} colourOf
 * @property {string} label
 * @property {(weights: Weights) => void} onmove called when a person moves the cursor
 * @property {(weights: Weights) => (number|null)} [ask] the confidence there; interpolated without
 * @property {import("./scale.js").Scale} [scale] of another score than the confidence
 * @property {(p: number|null) => string} [told] that score there, in words
 */

const BOX = { width: 300, height: 236, left: 80, bottom: 330 };
const WIDTH = 460, HEIGHT = 430, THUMB = 78, COARSE = 2;
let maps = 0;

/**
 * The heat map of a triangle with a cursor, and the image mixed at the cursor.
 * @param {TriangleOptions} options
 */
export function triangleMap(options) {
  const corners = cornersOf(options.sides, BOX), { scale = UNIT } = options;
  const told = options.told ?? ((p) => `the model is sure of ${options.names[0]} by ${number(p)}`);
  const cursor = svg("g", { class: "cursor" }, svg("circle", { class: "halo", r: 8 }), svg("circle", { r: 8 }));
  const mix = /** @type {HTMLCanvasElement} */ (el("canvas", { class: "shot", role: "img", style: { aspectRatio: options.aspect } }));
  const sure = el("b", { class: "model" }), shares = el("span");
  const drawing = heatMap(options, corners, cursor);
  const map = el("div", { class: "map", tabindex: 0, role: "slider", "aria-label": `${options.label}. Arrow keys move the cursor.`,
    "aria-valuemin": 0, "aria-valuemax": 100, "aria-roledescription": "triangle" }, drawing);
  const state = { weights: /** @type {Weights} */ ([1 / 3, 1 / 3, 1 / 3]), images: /** @type {HTMLImageElement[]} */ ([]) };

  /** @param {Weights} weights */
  function show(weights) {
    state.weights = weights;
    const [x, y] = pointAt(weights, corners);
    cursor.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)})`);
    const p = options.ask ? options.ask(weights) : interpolated(options.confidence, weights);
    sure.textContent = `${options.caption ?? options.names[0]} ${number(p)}`;
    sure.classList.toggle("lost", options.level !== null && p !== null && p < options.level);
    shares.textContent = weights.map((w, k) => `${Math.round(100 * w)}\u00a0% ${options.names[k]}`).join(", ");
    const words = `${shares.textContent}: ${told(p)}`;
    map.setAttribute("aria-valuenow", String(Math.round(100 * (p === null ? 0 : shareOf(p, scale)))));
    map.setAttribute("aria-valuetext", words);
    mix.setAttribute("aria-label", `Mixture of ${words}`);
    paint();
  }

  function paint() {
    if (state.images.length < 3) return;
    mixInto(mix, state.images, state.weights);
    sharpen(mix, mix.height);
    mix.dataset.drawn = state.weights.map((w) => w.toFixed(4)).join(" ");
  }

  const moved = (weights) => { show(weights); options.onmove(weights); };
  followPointer(drawing, (point) => moved(weightsAt(point, corners)));
  map.addEventListener("keydown", (event) => {
    const next = stepped(state.weights, event);
    if (!next) return;
    event.preventDefault();
    moved(next);
  });
  Promise.all(options.images.map(loaded)).then((images) => {
    state.images = images.filter(Boolean);
    paint();
  });
  show(state.weights);
  const absent = options.images.some((image) => !image);
  return {
    node: el("div", { class: "triangle" }, map,
      el("figure", { class: "mixed" }, absent ? el("span", { class: "shot absent" }, "not kept") : mix, el("figcaption", {}, "the model: ", sure, shares))),
    show,
  };
}

function heatMap(options, corners, cursor) {
  const outline = corners.map((p) => p.map((v) => v.toFixed(1)).join(",")).join(" ");
  const clip = `triangle-${maps++}`;
  const drawing = svg("svg", { class: "chart heat", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
  const [left, top] = [Math.min(...corners.map((p) => p[0])), Math.min(...corners.map((p) => p[1]))];
  const right = Math.max(...corners.map((p) => p[0]));
  const box = { x: left, y: top, width: right - left, height: BOX.bottom - top };
  drawing.append(svg("clipPath", { id: clip }, svg("polygon", { points: outline })),
    svg("image", { ...box, href: heatImage(options, corners, box), "clip-path": `url(#${clip})`, preserveAspectRatio: "none" }),
    border(options, corners), svg("polygon", { class: "outline", points: outline }), dots(options, corners),
    ...thumbnails(options, corners), ...sideLengths(options.sides, corners), cursor);
  return drawing;
}

/** The interpolated confidence at every second pixel, so that what is read is what is seen. */
function heatImage({ confidence, colourOf }, corners, { x, y, width, height }) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(Math.round(width / COARSE), 1);
  canvas.height = Math.max(Math.round(height / COARSE), 1);
  const pen = canvas.getContext("2d");
  const pixels = pen.createImageData(canvas.width, canvas.height);
  for (let row = 0, at = 0; row < canvas.height; row++) {
    for (let across = 0; across < canvas.width; across++, at += 4) {
      const weights = weightsAt([x + (across + 0.5) * COARSE, y + (row + 0.5) * COARSE], corners);
      pixels.data.set([...channels(colourOf(interpolated(confidence, weights))), 255], at);
    }
  }
  pen.putImageData(pixels, 0, 0);
  return canvas.toDataURL();
}

function border({ confidence, level }, corners) {
  const pieces = level === null ? [] : borderOf(confidence, level);
  const d = pieces.map((ends) => "M" + ends.map((w) => pointAt(w, corners).map((v) => v.toFixed(1)).join(" ")).join("L")).join("");
  return svg("path", { class: "border", d: d || null });
}

function dots({ confidence, level, scale = UNIT }, corners) {
  const { weights } = gridOf(confidence.length);
  return svg("g", { class: "dots" }, ...confidence.map((p, i) => {
    const [x, y] = pointAt(weights[i], corners);
    const ink = p !== null && shareOf(p, scale) > 0.62 ? "#000" : "#fff";
    const inside = level === null || (p !== null && p >= level);
    return svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 1.7, fill: inside ? ink : "none", stroke: ink });
  }));
}

function thumbnails({ images, names }, corners) {
  const [a, b, c] = corners;
  const spots = [
    [a[0] - THUMB / 2, a[1] - THUMB - 8, "model"],
    [Math.max(b[0] - THUMB * 0.75, 2), b[1] + 10, "person"],
    [Math.min(c[0] - THUMB * 0.25, WIDTH - THUMB - 2), c[1] + 10, "person"],
  ];
  return spots.flatMap(([x, y, kind], k) => {
    const left = k === 2 || (k === 0 && x + THUMB / 2 > WIDTH / 2);
    const words = svg("text", { class: kind, x: left ? x - 8 : x + THUMB + 8, y: y + (k ? THUMB - 6 : THUMB / 2 + 4), "text-anchor": left ? "end" : "start" }, names[k]);
    return images[k] ? [svg("image", { href: images[k], x, y, width: THUMB, height: THUMB }), words] : [words];
  });
}

function sideLengths(sides, corners) {
  if (sides.every((side) => side === 1)) return [];
  return [[0, 1], [0, 2], [1, 2]].map(([a, b], k) => {
    const x = (corners[a][0] + corners[b][0]) / 2 + [-8, 8, 0][k];
    const y = (corners[a][1] + corners[b][1]) / 2 + [0, 0, 16][k];
    return svg("text", { x, y, dy: k === 2 ? "0.3em" : null, "text-anchor": ["end", "start", "middle"][k] }, number(sides[k]));
  });
}

/** Calls back with the drawing's own coordinates: on hover with a mouse, on a drag by touch. */
function followPointer(drawing, found) {
  const follow = (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
    found([at.x, at.y]);
  };
  drawing.addEventListener("pointermove", follow);
  drawing.addEventListener("pointerdown", (event) => {
    drawing.setPointerCapture(event.pointerId);
    follow(event);
  });
}

/** The weights after an arrow key (a twentieth; with Shift a hundredth) or Home (the source). */
function stepped(weights, { key, shiftKey }) {
  const d = shiftKey ? 0.01 : 0.05;
  const moves = {
    ArrowUp: [d, -d / 2, -d / 2], ArrowDown: [-d, d / 2, d / 2],
    ArrowLeft: [0, d, -d], ArrowRight: [0, -d, d], Home: [1 - weights[0], -weights[1], -weights[2]],
  };
  return moves[key] ? toSimplex(weights.map((w, k) => w + moves[key][k])) : null;
}
