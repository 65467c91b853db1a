import { events, post } from "./api.js";
import { cornersOf, gridPoint, pointAt, toSimplex, weightsAt } from "./barycentric.js";
import { brush, tone } from "./canvas.js";
import { el, number, percent } from "./dom.js";
import { dot, mix, show } from "./pixels.js";
import { SMALL } from "./shot.js";

const HEIGHT = 300, THUMB = 54, STEP = 0.02;

// Not the report's triangle: its cells are painted as answers come in, and the model itself says what
// is under the pointer, where a report has a finished grid to read between.
/** The heat map over source, found 1, found 2 of one model, and the image under the pointer. */
export class Triangle {
  constructor(first, second, { colourOf, nameOf, moved }) {
    Object.assign(this, { first, second, colourOf, nameOf, moved, known: new Map(), fresh: [], weights: [1 / 3, 1 / 3, 1 / 3], asking: false, wanted: null });
    this.corners = [first.corners.source, first.corners.found, second.corners.found];
    this.map = el("canvas", { class: "map", tabindex: 0, role: "img", "aria-label": this.label(), "aria-describedby": "triangle-words" });
    this.image = el("canvas", { class: "stage", role: "img", "aria-label": "The mixed image at the marked point" });
    this.mixed = el("p", { class: "told" });
    this.exact = el("p", { class: "told exact", "aria-live": "polite" }, "the model’s confidence: …");
    this.summary = el("p", { class: "aside" }, "asking the model, coarse to fine …");
    this.node = el("article", { class: "sheet", "aria-label": first.model }, el("h3", {}, first.model),
      el("div", { class: "triangle" }, this.map, el("div", { class: "under" }, this.image, this.mixed, this.exact)), this.summary);
    this.listen();
  }

  label() {
    return `Confidence over the triangle of ${this.first.result.sourceName} and its found images towards ${this.nameOf(this.first.target)} and ${this.nameOf(this.second.target)}; arrow keys move the point`;
  }

  listen() {
    const move = (event) => {
      const box = this.map.getBoundingClientRect();
      this.moved(weightsAt([event.clientX - box.left, event.clientY - box.top], this.places));
    };
    this.map.addEventListener("pointerdown", (event) => { this.map.setPointerCapture?.(event.pointerId); move(event); });
    this.map.addEventListener("pointermove", move);
    this.map.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [0, 1, -1], ArrowRight: [0, -1, 1], ArrowUp: [2, -1, -1], ArrowDown: [-2, 1, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      this.moved(toSimplex(this.weights.map((w, i) => w + STEP * step[i])));
    });
  }

  /** A point or several of the grid of 1/steps that the model was asked about. */
  take(event) {
    if (event.kind === "summary") this.summarise(event);
    if (event.kind !== "points") return;
    const added = event.points.map(([i, j, p]) => ({ weights: gridPoint(i, j, event.steps), p, steps: event.steps }));
    for (const point of added) this.known.set(point.weights.map((w) => w.toFixed(4)).join(), point);
    this.fresh.push(...added);
    if (!this.drawing) {
      this.drawing = true;
      requestAnimationFrame(() => { this.drawing = false; this.draw(); });
    }
  }

  summarise({ mean, fractions }) {
    const delta = this.first.result.delta;
    const near = Object.keys(fractions).reduce((a, b) => (Math.abs(a - delta) <= Math.abs(b - delta) ? a : b));
    this.summary.textContent = `mean confidence ${number(mean)}; ${percent(fractions[near])} of the triangle is at least p source − ${near} (66 points)`;
  }

  /** Mark a point: the image is mixed here at once, the model is asked for its confidence. */
  mark(weights) {
    this.weights = weights;
    show(this.image, mix(this.corners, weights));
    const share = weights.map((w) => `${Math.round(100 * w)}\u00a0%`);
    this.mixed.textContent = `${share[0]} source, ${share[1]} found for ${this.nameOf(this.first.target)}, ${share[2]} for ${this.nameOf(this.second.target)}`;
    this.draw();
    this.wanted = weights;
    this.ask();
  }

  /** One question at a time, always about the newest point. */
  async ask() {
    if (this.asking || !this.wanted) return;
    const weights = this.wanted;
    this.asking = true;
    this.wanted = null;
    try {
      const said = await post("/api/points", { found: [this.first.result.id, this.second.result.id], weights });
      this.exact.replaceChildren("the model: ", el("b", {}, `${this.first.result.sourceName} `, el("output", {}, number(said.confidence, 4))),
        said.name === this.first.result.sourceName ? "" : ` – it would say ${said.name} ${percent(said.top)}`);
      this.exact.dataset.weights = JSON.stringify(weights);
    } catch (error) {
      this.exact.textContent = error.message;
    } finally {
      this.asking = false;
      this.ask();
    }
  }

  draw() {
    const width = this.map.clientWidth || 360, context = brush(this.map, width, HEIGHT);
    this.places = cornersOf(this.sides(), boxIn(width));
    context.drawImage(this.heatMap(width), 0, 0, width, HEIGHT);
    outline(context, this.places);
    context.strokeStyle = tone("quiet");
    context.stroke();
    this.thumbs(context);
    this.cross(context);
  }

  /** The cells, painted as they come, so that moving the point costs one drawing of a picture. */
  heatMap(width) {
    if (this.heatWidth !== width) {
      this.heatWidth = width;
      this.heat = document.createElement("canvas");
      this.ink = brush(this.heat, width, HEIGHT);
      outline(this.ink, this.places);
      this.ink.clip();
      this.fresh = [...this.known.values()].sort((a, b) => a.steps - b.steps);
    }
    for (const point of this.fresh.splice(0)) this.cell(this.ink, point);
    return this.heat;
  }

  cell(context, { weights, p, steps }) {
    const [x, y] = pointAt(weights, this.places);
    const u = [0, 1].map((axis) => (this.places[1][axis] - this.places[0][axis]) / steps);
    const v = [0, 1].map((axis) => (this.places[2][axis] - this.places[0][axis]) / steps);
    const ring = [[1, 1], [-1, 2], [-2, 1], [-1, -1], [1, -2], [2, -1]].map(([a, b]) => [x + (a * u[0] + b * v[0]) / 3, y + (a * u[1] + b * v[1]) / 3]);
    context.fillStyle = context.strokeStyle = this.colourOf(p);
    context.lineWidth = 0.8;
    context.beginPath();
    ring.forEach(([a, b], i) => (i ? context.lineTo(a, b) : context.moveTo(a, b)));
    context.closePath();
    context.fill();
    context.stroke();
  }

  thumbs(context) {
    const names = [this.first.result.sourceName, this.nameOf(this.first.target), this.nameOf(this.second.target)];
    this.thumbnails ??= this.corners.map(small);
    this.places.forEach(([x, y], i) => {
      const top = i ? y + 8 : y - THUMB - 8;
      context.imageSmoothingEnabled = this.corners[i].width > SMALL;
      context.drawImage(this.thumbnails[i], x - THUMB / 2, top, THUMB, THUMB);
      context.fillStyle = tone(i ? "person" : "model");
      context.textAlign = i === 1 ? "left" : i === 2 ? "right" : "left";
      context.textBaseline = "middle";
      context.fillText(names[i], i === 1 ? x + THUMB / 2 + 6 : i === 2 ? x - THUMB / 2 - 6 : x + THUMB / 2 + 6, top + THUMB / 2);
    });
  }

  cross(context) {
    const [x, y] = pointAt(this.weights, this.places);
    for (const [colour, width] of [["#000", 4], ["#fff", 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.arc(x, y, 6, 0, 7);
      context.stroke();
    }
  }

  /** The true lengths of the sides: RMSE between the corners. */
  sides() {
    this.lengths ??= [[0, 1], [0, 2], [1, 2]].map(([a, b]) => Math.sqrt(Math.max(dot(this.corners[b], this.corners[b], this.corners[a]), 1e-9)));
    return this.lengths;
  }
}

/** Fill the triangles while somebody looks, one stream for all models. */
export async function fill(triangles, signal) {
  const asked = triangles.map(({ first, second }) => [first.result.id, second.result.id]);
  for await (const event of events("/api/triangles", { triangles: asked }, signal)) {
    for (const one of triangles) if (!event.model || event.model === one.first.model) one.take(event);
  }
}

/** A picture on a canvas of its own, to be drawn at any size. */
export function small(image) {
  const canvas = document.createElement("canvas");
  show(canvas, image);
  return canvas;
}

/** Where the triangle may lie in a canvas of this width, with room for the thumbnails. */
const boxIn = (width) => ({ width: width - THUMB - 16, height: HEIGHT - 2 * (THUMB + 12), left: THUMB / 2 + 8, bottom: HEIGHT - THUMB - 12 });

function outline(context, places) {
  context.beginPath();
  places.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
}
