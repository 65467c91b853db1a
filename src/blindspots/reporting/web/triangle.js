import { el, number, svg } from "./dom.js";
import { borderOf, cornersOf, gridOf, interpolated, pointAt, toSimplex, weightsAt } from "./barycentric.js";
import { channels } from "./colours.js";
import { UNIT, shareOf } from "./scale.js";

/** @typedef {import("./barycentric.js").Weights} Weights */
/**
 * @typedef {object} TriangleOptions
 * @property {number[]} sides RMSE source to found 1, source to found 2, found 1 to found 2
 * @property {string[]} names source and what a person sees in found 1 and found 2
 * @property {Array<string|null>} images their addresses
 * @property {string} label
 * @property {(weights: Weights) => void} moved called when a person moves the cursor
 * @property {number} [type] the size of its letters, in units of the drawing
 */
/**
 * @typedef {object} Grid the confidence of a triangle on the stored grid
 * @property {Array<number|null>} confidence
 * @property {number|null} level below it is outside the superlevel set
 * @property {(p: number|null) => string} colourOf
 * @property {import("./scale.js").Scale} [scale] of another score than the confidence
 */

const BOX = { width: 380, height: 290, left: 40, bottom: 330 };
const WIDTH = 460, THUMB = 78, GAP = 8, COARSE = 2;
// The width of a letter by its height, on average and a little more.
const LETTER = 0.6, TYPE = { desk: 14, phone: 19 };
let maps = 0;

/** A triangle at its true side lengths with its images at the corners, and a cursor in it. */
export class TriangleMap {
  /** @param {TriangleOptions} options */
  constructor({ sides, names, images, label, moved, type = innerWidth > 520 ? TYPE.desk : TYPE.phone }) {
    this.corners = cornersOf(sides, BOX);
    this.weights = /** @type {Weights} */ ([1 / 3, 1 / 3, 1 / 3]);
    this.cursor = svg("g", { class: "cursor" }, svg("circle", { class: "halo", r: 8 }), svg("circle", { r: 8 }));
    const outline = this.corners.map((p) => p.map((v) => v.toFixed(1)).join(",")).join(" "), clip = `triangle-${maps++}`;
    this.heat = svg("g", { "clip-path": `url(#${clip})` });
    this.over = svg("g");
    const top = this.corners[0][1] - THUMB - 2 * GAP, high = BOX.bottom + THUMB + 3 * GAP + type - top;
    this.drawing = svg("svg", { class: "chart heat", viewBox: `0 ${top.toFixed(0)} ${WIDTH} ${high.toFixed(0)}`, "font-size": type, "aria-hidden": "true" },
      svg("clipPath", { id: clip }, svg("polygon", { points: outline })), this.heat, svg("polygon", { class: "outline", points: outline }), this.over,
      ...thumbnails(images, names, this.corners, type), ...sideLengths(sides, this.corners, type), this.cursor);
    this.node = el("div", { class: "map", tabindex: 0, role: "slider", "aria-label": `${label}. Arrow keys move the cursor.`,
      "aria-valuemin": 0, "aria-valuemax": 100, "aria-roledescription": "triangle" }, this.drawing);
    followPointer(this.drawing, (point) => moved(weightsAt(point, this.corners)));
    this.node.addEventListener("keydown", (event) => {
      const next = stepped(this.weights, event);
      if (!next) return;
      event.preventDefault();
      moved(next);
    });
  }

  /**
   * Put the cursor somewhere.
   * @param {Weights} weights
   */
  put(weights) {
    this.weights = weights;
    const [x, y] = pointAt(weights, this.corners);
    this.cursor.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)})`);
  }

  /**
   * Say what is at the cursor.
   * @param {string} words
   * @param {number} value of 100
   */
  tell(words, value) {
    this.node.setAttribute("aria-valuenow", String(Math.round(value)));
    this.node.setAttribute("aria-valuetext", words);
  }

  /**
   * Colour the cell around a point of the grid of 1/steps.
   * @param {Weights} weights
   * @param {number} steps
   * @param {string} colour
   */
  paint(weights, steps, colour) {
    const [x, y] = pointAt(weights, this.corners), [a, b, c] = this.corners;
    const ring = [[1, 1], [-1, 2], [-2, 1], [-1, -1], [1, -2], [2, -1]].map(([u, v]) => [0, 1].map((k) => ([x, y][k] + (u * (b[k] - a[k]) + v * (c[k] - a[k])) / (3 * steps)).toFixed(1)).join(","));
    this.heat.append(svg("polygon", { points: ring.join(" "), fill: colour, stroke: colour, "stroke-width": 0.8 }));
  }

  /**
   * Fill it with a stored grid: interpolated colours, the border of the superlevel set, the samples.
   * @param {Grid} grid
   */
  fill({ confidence, level, colourOf, scale = UNIT }) {
    const [left, right] = [Math.min, Math.max].map((end) => end(...this.corners.map((p) => p[0])));
    const top = Math.min(...this.corners.map((p) => p[1]));
    const box = { x: left, y: top, width: right - left, height: BOX.bottom - top };
    this.heat.append(svg("image", { ...box, href: heatImage(confidence, colourOf, this.corners, box), preserveAspectRatio: "none" }));
    this.over.append(border(confidence, level, this.corners), dots(confidence, level, scale, this.corners));
  }
}

/** The interpolated confidence at every second pixel, so that what is read is what is seen. */
function heatImage(confidence, colourOf, corners, { x, y, width, height }) {
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

function border(confidence, level, corners) {
  const pieces = level === null ? [] : borderOf(confidence, level);
  const d = pieces.map((ends) => "M" + ends.map((w) => pointAt(w, corners).map((v) => v.toFixed(1)).join(" ")).join("L")).join("");
  return svg("path", { class: "border", d: d || null });
}

function dots(confidence, level, scale, corners) {
  const { weights } = gridOf(confidence.length);
  return svg("g", { class: "dots" }, ...confidence.map((p, i) => {
    const [x, y] = pointAt(weights[i], corners);
    const ink = p !== null && shareOf(p, scale) > 0.62 ? "#000" : "#fff";
    const inside = level === null || (p !== null && p >= level);
    return svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 1.7, fill: inside ? ink : "none", stroke: ink });
  }));
}

/** The source above its corner, the found images below theirs and never nearer than side by side. */
function thumbnails(images, names, corners, type) {
  const [a] = corners, [left, right] = below(corners), middle = (left + THUMB + right) / 2;
  const up = a[1] - THUMB - GAP, under = BOX.bottom + GAP + 2, foot = under + THUMB + type;
  const after = a[0] < WIDTH / 2, side = a[0] + (after ? 1 : -1) * (THUMB / 2 + GAP);
  const spots = [
    { x: a[0] - THUMB / 2, y: up, at: [side, up + THUMB / 2 + 4], room: after ? WIDTH - side : side, anchor: after ? "start" : "end", kind: "model" },
    { x: left, y: under, at: [left, foot], room: middle - left - GAP, anchor: "start", kind: "person" },
    { x: right, y: under, at: [right + THUMB, foot], room: right + THUMB - middle - GAP, anchor: "end", kind: "person" },
  ];
  return spots.flatMap(({ x, y, at, room, anchor, kind }, k) => {
    const words = svg("text", { class: kind, x: at[0], y: at[1], "text-anchor": anchor }, shortened(names[k], room / (LETTER * type)));
    return images[k] ? [svg("image", { href: images[k], x, y, width: THUMB, height: THUMB }), words] : [words];
  });
}

/** Where the two lower pictures begin. */
function below([, b, c]) {
  const middle = (b[0] + c[0]) / 2, least = (THUMB + GAP) / 2;
  return [Math.max(Math.min(b[0], middle - least) - THUMB / 2, 1), Math.min(Math.max(c[0], middle + least) - THUMB / 2, WIDTH - THUMB - 1)];
}

function shortened(name, letters) {
  return name.length <= letters ? name : `${name.slice(0, Math.max(Math.floor(letters) - 1, 1))}…`;
}

function sideLengths(sides, corners, type) {
  if (sides.every((side) => side === 1)) return [];
  const [left, right] = below(corners), free = right - left - THUMB > 4 * type;
  return [[0, 1], [0, 2], [1, 2]].slice(0, free ? 3 : 2).map(([a, b], k) => {
    const x = (corners[a][0] + corners[b][0]) / 2 + [-GAP, GAP, 0][k];
    const y = (corners[a][1] + corners[b][1]) / 2 + [0, 0, 2 * GAP][k];
    return svg("text", { class: "length", x, y, dy: k === 2 ? "0.3em" : null, "text-anchor": ["end", "start", "middle"][k] }, number(sides[k]));
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
