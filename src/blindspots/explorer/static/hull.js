import { events, post } from "./api.js";
import { titleOf } from "./app.js";
import { gridPoint } from "./barycentric.js";
import { el, number, percent } from "./dom.js";
import { dot, mix, show } from "./pixels.js";
import { sharpen } from "./shot.js";
import { TriangleMap } from "./triangle.js";

/** The triangle of one model: cells as the model answers, and the image under the pointer. */
export class Hull {
  constructor(first, second, { colourOf, nameOf, source, moved }) {
    Object.assign(this, { first, second, colourOf, asking: false, wanted: null });
    this.names = [first.result.sourceName, nameOf(first.target), nameOf(second.target)];
    this.corners = [first.corners.source, first.corners.found, second.corners.found];
    this.image = el("canvas", { class: "stage", role: "img", "aria-label": "The mixed image at the marked point" });
    this.mixed = el("p", { class: "told" });
    this.exact = el("p", { class: "told exact", "aria-live": "polite" }, "the model’s confidence: …");
    this.summary = el("p", { class: "aside" }, "asking the model, coarse to fine …");
    const [name, one, two] = this.names, label = `Confidence over the triangle of ${name} and its found images towards ${one} and ${two}`;
    this.map = new TriangleMap({ sides: this.sides(), names: this.names, images: [source, first.address, second.address], label, moved });
    sharpen(this.map.node, this.corners[0].height);
    this.node = el("article", { class: "sheet", "aria-label": titleOf(first.model) }, el("h3", {}, titleOf(first.model)),
      el("div", { class: "triangle" }, this.map.node, el("div", { class: "under" }, this.image, this.mixed, this.exact)), this.summary);
  }

  /** Points of the grid of 1/steps that the model was asked about, or the summary of all. */
  take(event) {
    if (event.kind === "summary") this.summarise(event);
    if (event.kind !== "points") return;
    for (const [i, j, p] of event.points) this.map.paint(gridPoint(i, j, event.steps), event.steps, this.colourOf(p));
  }

  summarise({ mean, fractions }) {
    const delta = this.first.result.delta;
    const near = Object.keys(fractions).reduce((a, b) => (Math.abs(a - delta) <= Math.abs(b - delta) ? a : b));
    this.summary.textContent = `mean confidence ${number(mean)}; ${percent(fractions[near])} of the triangle is at least p source − ${near} (66 points)`;
  }

  /** Mark a point: the image is mixed here at once, the model is asked for its confidence. */
  mark(weights) {
    show(this.image, mix(this.corners, weights));
    const share = weights.map((w) => `${Math.round(100 * w)}\u00a0%`), [, one, two] = this.names;
    this.mixed.textContent = `${share[0]} source, ${share[1]} found for ${one}, ${share[2]} for ${two}`;
    this.map.put(weights);
    this.map.tell(this.mixed.textContent, 100 * weights[0]);
    this.wanted = weights;
    this.ask();
  }

  /** One question at a time, always about the newest point. */
  async ask() {
    if (this.asking || !this.wanted) return;
    const weights = this.wanted, [name] = this.names;
    this.asking = true;
    this.wanted = null;
    try {
      const said = await post("api/points", { found: [this.first.result.id, this.second.result.id], weights });
      this.exact.replaceChildren("the model: ", el("b", {}, `${name} `, el("output", {}, number(said.confidence, 4))),
        said.name === name ? "" : ` – it would say ${said.name} ${percent(said.top)}`);
      this.exact.dataset.weights = JSON.stringify(weights);
    } catch (error) {
      this.exact.textContent = error.message;
    } finally {
      this.asking = false;
      this.ask();
    }
  }

  /** The true lengths of the sides: RMSE between the corners. */
  sides() {
    return [[0, 1], [0, 2], [1, 2]].map(([a, b]) => Math.sqrt(Math.max(dot(this.corners[b], this.corners[b], this.corners[a]), 1e-9)));
  }
}

/** Fill the triangles while somebody looks, one stream for all models. */
export async function fill(triangles, signal) {
  const asked = triangles.map(({ first, second }) => [first.result.id, second.result.id]);
  for await (const event of events("api/triangles", { triangles: asked }, signal)) {
    for (const one of triangles) if (!event.model || event.model === one.first.model) one.take(event);
  }
}
