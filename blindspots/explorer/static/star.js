import { brush, el, percent, tone } from "./dom.js";
import { colourOf, small } from "./triangle.js";

const THUMB = 60, HEIGHT = 380, LIMB = 5;

/** All images found from one source with one model: limbs as long as they are far, RMSE. */
export class Star {
  constructor(model, { colours, nameOf, open }) {
    Object.assign(this, { model, colours, nameOf, open });
    this.canvas = el("canvas", { class: "star-map", role: "img" });
    this.box = el("div", { class: "star-box" }, this.canvas);
    this.node = el("article", { class: "sheet", "aria-label": model }, el("h3", {}, model), this.box);
  }

  /** Draw these traces; each end is a button that opens its pair. */
  show(traces) {
    const width = this.box.clientWidth || 360, context = brush(this.canvas, width, HEIGHT);
    const middle = [width / 2, HEIGHT / 2];
    const longest = Math.max(...traces.map((trace) => trace.result.numbers.source_rmse));
    const room = Math.min(width, HEIGHT) / 2 - THUMB / 2 - 22;
    const ends = traces.map((trace, i) => {
      const angle = -Math.PI / 2 + (2 * Math.PI * i) / traces.length;
      const far = Math.max((trace.result.numbers.source_rmse / longest) * room, THUMB + 18);
      return [middle[0] + far * Math.cos(angle), middle[1] + far * Math.sin(angle)];
    });
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
      context.strokeStyle = colourOf(this.colours, (points[i - 1] + points[i]) / 2);
      line(context, between(from, to, a), between(from, to, b));
    }
  }

  picture(context, image, [x, y], colour) {
    context.imageSmoothingEnabled = image.width > 96;
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

const between = (from, to, t) => [0, 1].map((axis) => from[axis] + t * (to[axis] - from[axis]));

function line(context, [a, b], [c, d]) {
  context.beginPath();
  context.moveTo(a, b);
  context.lineTo(c, d);
  context.stroke();
}
