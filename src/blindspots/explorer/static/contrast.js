import { events } from "./api.js";
import { titleOf } from "./app.js";
import { el, number, percent } from "./dom.js";
import { bitmap, change, picture, show } from "./pixels.js";

/** The slides' first page for one model: PGD on the source, beside what the traversal found. */
export class Contrast {
  constructor(trace, nameOf) {
    Object.assign(this, { trace, nameOf, model: trace.model });
    this.now = el("canvas", { class: "shot", role: "img", "aria-label": "The source while its prediction is changed" });
    this.over = el("div", { class: "sum" });
    this.step = el("figcaption", {}, "…");
    const { corners, result } = trace, blank = el("canvas", { class: "shot", width: 1, height: 1, "aria-hidden": "true" });
    this.over.append(part(corners.source, result.sourceName, percent(result.numbers.p_source), "model"),
      el("figure", { "data-sign": "+" }, blank, el("figcaption", {}, "…")),
      el("figure", { "data-sign": "=" }, this.now, this.step));
    this.node = el("article", { class: "sheet", "aria-label": titleOf(trace.model) }, el("h3", {}, titleOf(trace.model)),
      (this.heading = el("h4", {}, "Over-sensitive: nobody sees the change")), this.over,
      el("h4", {}, "Under-sensitive: anybody sees the change"), this.under());
  }

  under() {
    const { corners, result } = this.trace;
    const gap = change(corners.source, corners.found, 0.5);
    return el("div", { class: "sum" },
      part(corners.source, result.sourceName, percent(result.numbers.p_source), "model"),
      part(gap, "change × ½", `up to ${number(result.numbers.source_linf, 2)} a pixel`, "", "+"),
      part(corners.found, result.sourceName, percent(result.numbers.p_found), "model", "=", `you see ${this.nameOf(result.target)}`));
  }

  async take(event) {
    if (event.kind === "frame") {
      const last = event.steps[event.steps.length - 1];
      show(this.now, await bitmap(event.image));
      if (last) this.step.textContent = `step ${last[0]}: ${this.trace.result.sourceName} ${percent(last[1])}`;
    }
    if (event.kind === "result") await this.finish(event);
  }

  async finish({ before, after, epsilon, sourceImage, changeImage, image }) {
    const [source, gap, after8] = await Promise.all([sourceImage, changeImage, image].map(picture));
    if (before.label === after.label) this.heading.textContent = "Nobody sees the change, and the prediction holds";
    this.over.replaceChildren(
      part(source, before.name, percent(before.confidence), "model"),
      part(gap, "change × 50", `no pixel by more than ${Math.round(255 * epsilon)}/255`, "", "+"),
      part(after8, after.name, percent(after.confidence), "model", "=", `you see ${this.nameOf(this.trace.result.source)}`));
  }
}

/** Run PGD for all models on one stream. */
export async function run(contrasts, source, target, signal) {
  const models = contrasts.map((one) => one.model);
  for await (const event of events("api/contrasts", { models, source, target }, signal)) {
    if (event.kind === "error") throw new Error(event.error);
    await contrasts.find((one) => one.model === event.model)?.take(event);
  }
}

function part(image, name, under, kind, sign = "", person = null) {
  const canvas = el("canvas", { class: "shot", role: "img", "aria-label": `${name}, ${under}` });
  show(canvas, image);
  return el("figure", { "data-sign": sign || null }, canvas, el("figcaption", {}, kind ? "the model: " : "", el("b", { class: kind || null }, name), el("span", {}, under), person ? el("span", { class: "person" }, person) : null));
}
