import { titleOf } from "./app.js";
import { lineChart, lineKey } from "./chart.js";
import { el, number, percent } from "./dom.js";
import { show } from "./pixels.js";
import { playButton } from "./play.js";
import { shot } from "./shot.js";

const NUMBERS = [
  ["rmse", "RMSE to target", 4], ["linf", "ℓ∞ to target", 3], ["ssim", "SSIM to target", 3],
  ["source_rmse", "RMSE to source", 3], ["segment_min", "segment min", 3], ["p_found_8bit", "p found, 8 bit", 3],
  ["steps", "steps", 0], ["evaluations", "evaluations", 1], ["seconds", "seconds", 2],
];

const PAUSE = 33, STRIDES = 60;

/** Whether somebody asked their system for less motion. */
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** One model at work: source, the picture on its way, target; curves; then the path player. */
export class Panel {
  constructor(model, { delta, words, straight, nameOf, address, told }) {
    Object.assign(this, { model, delta, straight, words, nameOf, address, told, traces: [], trace: null });
    this.stage = el("canvas", { class: "stage", width: 64, height: 64, role: "img", "aria-label": "The picture on its way" });
    this.curves = el("div", { class: "curves" });
    this.slider = el("input", { type: "range", min: 0, max: 100, value: 0, disabled: true, "aria-label": `Way from source to found, ${titleOf(model)}` });
    this.play = playButton(this.slider, () => this.place(Number(this.slider.value)), PAUSE, (last) => Math.max(1, Math.round(last / STRIDES)));
    this.play.node.disabled = true;
    this.where = el("span");
    this.sure = el("span", { class: "sure" });
    this.tabs = el("div", { class: "tabs", role: "group", "aria-label": "Which target", hidden: true });
    this.sides = [el("figure"), el("figure")];
    this.facts = el("dl", { class: "facts" });
    this.more = el("details", { hidden: true }, el("summary", {}, "All numbers"), this.facts);
    this.slider.addEventListener("input", () => { this.play.stop(); this.place(Number(this.slider.value)); });
    this.node = el("article", { class: "sheet panel", "aria-label": titleOf(model) },
      el("div", { class: "sheet-head" }, (this.heading = el("h3")), this.tabs),
      el("div", { class: "player" }, this.sides[0], el("figure", { class: "middle" }, this.stage), this.sides[1]),
      el("div", { class: "controls" }, this.play.node, this.slider, el("div", { class: "readout" }, this.where, this.sure)),
      this.curves, this.more);
  }

  /** Begin with these traces, the first one shown. */
  begin(traces, source) {
    this.play.stop();
    this.source = source;
    this.traces = traces;
    this.choose(traces[0]);
  }

  choose(trace) {
    this.play.stop();
    this.trace = trace;
    this.heading.textContent = titleOf(trace.model);
    this.tabs.hidden = this.traces.length < 2;
    this.tabs.replaceChildren(...this.traces.map((one) => el("button", {
      type: "button", "aria-pressed": String(one === trace), onclick: () => this.choose(one),
    }, `to ${this.nameOf(one.target)}`)));
    this.side(0, this.source, "It begins as", "model");
    this.side(1, trace.target, "It is led to", "person");
    const finished = Boolean(trace.result);
    this.slider.disabled = this.play.node.disabled = !finished || !trace.places;
    this.slider.max = Math.max(trace.places, 1);
    this.more.hidden = !finished;
    if (finished) this.finish();
    else this.live();
  }

  side(index, image, words, kind) {
    const side = shot(this.address(image, this.model), this.nameOf(image), { fetchpriority: "high" });
    this.sides[index].replaceChildren(side, el("figcaption", {}, words, el("b", { class: kind }, this.nameOf(image))));
    side.addEventListener("load", () => {
      if (!index && !this.trace.latest && !this.trace.result) createImageBitmap(side).then((image) => show(this.stage, image));
    });
  }

  /** The latest of the trace that is shown, while it is on its way. */
  live() {
    const { lines, latest } = this.trace;
    const last = lines.x.length - 1;
    // What a straight method bends is not its way: it says nothing of the model's belief along it.
    const searching = this.straight && last >= 0;
    this.node.classList.toggle("searching", searching);
    if (latest) show(this.stage, latest);
    this.where.textContent = last < 0 ? (this.waiting ? "waiting for the first step" : "not started") : `${!searching ? "" : this.waiting ? "searching, " : "stopped, "}step ${lines.x[last]}`;
    if (last >= 0 && !searching) this.say(lines.confidence[last], lines.near[last]);
    else this.sure.replaceChildren();
    this.draw(null);
    this.told(this);
  }

  /** No more comes: what has no result by now was stopped. */
  end() {
    this.waiting = false;
    if (!this.trace.result) this.live();
  }

  /** The trace that is shown has its result: the slider is free. */
  finish() {
    const { trace } = this;
    this.node.classList.remove("searching");
    this.slider.disabled = this.play.node.disabled = !trace.places;
    this.slider.max = Math.max(trace.places, 1);
    this.more.hidden = false;
    this.facts.replaceChildren(...this.numbers());
    this.place(trace.places);
  }

  /** Put the slider somewhere. */
  place(value) {
    this.slider.value = value;
    const { image, confidence, near, x, words } = this.trace.at(value);
    show(this.stage, image);
    this.where.textContent = words;
    this.say(confidence, near);
    this.at = { last: value >= this.trace.places, confidence };
    this.told(this);
    this.slider.setAttribute("aria-valuetext", `${words}, ${this.sure.textContent}`);
    this.draw(x);
  }

  say(confidence, near) {
    const name = this.trace.result?.sourceName ?? this.kept;
    this.sure.replaceChildren("the model: ", el("b", {}, `${name ? name + " " : ""}${percent(confidence)}`),
      near === null || near === undefined ? "" : ` · distance to target ${number(near)}`);
  }

  /** The curves of the way so far; `at`: where the slider stands, null for none. */
  draw(at) {
    const { lines: { x, confidence, near }, last, words } = this.trace.chart;
    const known = x.map((_, i) => i).filter((i) => confidence[i] !== null), far = x.map((_, i) => i).filter((i) => near[i] !== null);
    const largest = Math.max(1e-9, ...far.map((i) => near[i])), places = (some) => some.map((i) => x[i] / Math.max(last, 1));
    const lines = [
      { values: far.map((i) => near[i]), places: places(far), colour: "var(--person)", name: `distance to target${largest > 1e-8 ? `, up to ${number(largest, 2)}` : ""}`, dash: "7 4", scale: { low: 0, high: largest, ticks: [] } },
      { values: known.map((i) => confidence[i]), places: places(known), colour: "var(--model)", name: "confidence" },
    ];
    const { node, mark } = lineChart({ lines, level: this.level(), label: "Confidence and distance over the way", ends: ["0", `${last} ${words}`] });
    if (at !== null) mark(at / Math.max(last, 1));
    this.curves.replaceChildren(node, lineKey(lines));
  }

  level() {
    const source = this.trace.result?.numbers.p_source ?? this.pSource ?? null;
    return source === null ? null : source - (this.trace.result?.delta ?? this.delta);
  }

  numbers() {
    const { numbers, sentence, ending } = this.trace.result;
    const fact = (name, value, words) => el("div", {}, el("dt", { title: words ?? "" }, name), el("dd", {}, value));
    return [fact("ending", ending.replaceAll("_", " "), sentence),
      ...NUMBERS.filter(([key]) => numbers[key] !== null && numbers[key] !== undefined)
        .map(([key, name, digits]) => fact(name, number(numbers[key], digits), this.words[key]))];
  }

  /** Show the way once by itself, where that shows more than the search did. */
  greet() {
    if (this.trace.result?.straight && !still()) this.play.start();
  }
}
