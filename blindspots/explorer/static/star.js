import { brush, tone } from "./canvas.js";
import { el, percent } from "./dom.js";
import { SMALL } from "./shot.js";
import { small } from "./triangle.js";

const THUMB = 60, TALL = 380, LOW = 190, LIMB = 5;

/** All images found from one source with one model: limbs as long as they are far, RMSE. */
export class Star {
  constructor(model, { colourOf, nameOf, open }) {
    Object.assign(this, { model, colourOf, nameOf, open });
    this.canvas = el("canvas", { class: "star-map", role: "img" });
    this.box = el("div", { class: "star-box" }, this.canvas);
    this.node = el("article", { class: "sheet", "aria-label": model }, el("h3", {}, model), this.box);
  }

  /** Draw these traces; each end is a button that opens its pair. */
  show(traces) {
    const width = this.box.clientWidth || 360, height = traces.length > 2 ? TALL : LOW;
    this.canvas.style.height = `${height}px`;
    const context = brush(this.canvas, width, height), middle = [width / 2, height / 2];
    const limbs = traces.map((trace, i) => {
      const angle = traces.length === 1 ? 0 : -Math.PI / 2 + (Math.PI * (2 * i + 1)) / traces.length;
      return { long: trace.result.numbers.source_rmse, way: [Math.cos(angle), Math.sin(angle)] };
    });
    const scale = Math.min(...limbs.map(({ long, way }) => room(way, middle) / Math.max(long, 1e-9)));
    const ends = limbs.map(({ long, way }) => [0, 1].map((axis) => middle[axis] + Math.max(long * scale, THUMB + 18) * way[axis]));
    traces.forEach((trace, i) => this.limb(context, trace, middle, ends[i]));
    this.picture(context, traces[0].corners.source, middle, tone("model"));
    traces.forEach((trace, i) => this.picture(context, trace.corners.found, ends[i], tone("person")));
    this.words(context, traces, ends);
    this.canvas.setAttribute("aria-label", `${this.model}: ${traces.length} images found from ${traces[0].result.sourceName}`);
    this.box.replaceChildren(this.canvas, ...traces.map((trace, i) => this.button(trace, ends[i])));
  }

  limb(context, trace, from, to) {
    const points = trace.result.segment;
    context.lineWidth = LIMB + 2;
    context.strokeStyle = tone("quiet");
    line(context, from, to);
    context.lineWidth = LIMB;
    for (let i = 1; i < points.length; i++) {
      const [a, b] = [(i - 1) / (points.length - 1), i / (points.length - 1)];
      context.strokeStyle = this.colourOf((points[i - 1] + points[i]) / 2);
      line(context, between(from, to, a), between(from, to, b));
    }
  }

  picture(context, image, [x, y], colour) {
    context.imageSmoothingEnabled = image.width > SMALL;
    context.drawImage(small(image), x - THUMB / 2, y - THUMB / 2, THUMB, THUMB);
    context.lineWidth = 2;
    context.strokeStyle = colour;
    context.strokeRect(x - THUMB / 2 - 1, y - THUMB / 2 - 1, THUMB + 2, THUMB + 2);
  }

  words(context, traces, ends) {
    context.textAlign = "center";
    context.textBaseline = "top";
    traces.forEach((trace, i) => {
      context.fillStyle = tone("ink");
      context.fillText(`${this.nameOf(trace.target)} · ${percent(trace.result.numbers.p_found)}`, ends[i][0], ends[i][1] + THUMB / 2 + 4);
    });
  }

  button(trace, [x, y]) {
    const words = `Open the pair towards ${this.nameOf(trace.target)}; the model says ${trace.result.sourceName} ${percent(trace.result.numbers.p_found)}`;
    const button = el("button", { type: "button", class: "end", "aria-label": words, onclick: () => this.open(trace) });
    button.style.left = `${x - THUMB / 2}px`;
    button.style.top = `${y - THUMB / 2}px`;
    return button;
  }
}

/** How far a limb may reach so that its picture and its words stay on the canvas. */
const room = ([x, y], [width, height]) => Math.min((width - THUMB / 2 - 34) / Math.max(Math.abs(x), 1e-9), (height - THUMB / 2 - 22) / Math.max(Math.abs(y), 1e-9));

const between = (from, to, t) => [0, 1].map((axis) => from[axis] + t * (to[axis] - from[axis]));

function line(context, [a, b], [c, d]) {
  context.beginPath();
  context.moveTo(a, b);
  context.lineTo(c, d);
  context.stroke();
}
