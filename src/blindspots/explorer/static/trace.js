import { addressOf, bitmap, dot, mix, picture } from "./pixels.js";

const MOST_FRAMES = 160;

/** One pair of one model: what is seen on the way, then what was found. */
export class Trace {
  constructor(model, target, most = 1) {
    Object.assign(this, { model, target, most, result: null, step: 0 });
    this.lines = { x: [], confidence: [], near: [], far: [] };
    this.frames = [];
    this.every = 1;
    this.seen = 0;
    this.decoding = Promise.resolve();
  }

  /** Numbers of some steps and the picture after the last of them. */
  frame(event) {
    for (const [step, confidence, near, far] of event.steps) {
      this.lines.x.push(step);
      this.lines.confidence.push(confidence);
      this.lines.near.push(near);
      this.lines.far.push(far);
      this.step = step;
    }
    const last = this.lines.x.length - 1;
    this.decoding = this.decoding.then(async () => this.keep(await bitmap(event.image), last));
    return this.decoding;
  }

  /** Keep a picture of the way; of a long way every second, fourth, … */
  keep(image, index) {
    this.latest = image;
    if (this.seen++ % this.every) return;
    this.frames.push({ image, index });
    if (this.frames.length < MOST_FRAMES) return;
    this.frames = this.frames.filter((_, i) => i % 2 === 0);
    this.every *= 2;
  }

  /** The result, its exact corners decoded. */
  async found(event) {
    await this.decoding;
    const [source, found, target] = await Promise.all([event.sourceImage, event.foundImage, event.targetImage].map(picture));
    for (const frame of event.frames ?? []) {
      this.lines.x.push(frame.step);
      this.lines.confidence.push(frame.confidence);
      this.lines.near.push(null);
      this.frames.push({ image: await bitmap(frame.image), index: this.lines.x.length - 1 });
    }
    this.corners = { source, found, target };
    this.address = addressOf(event.foundImage);
    this.result = event;
    // Of a walk whose pictures were not kept its end is there.
    const bare = !event.straight && !this.frames.length;
    if (bare) this.lines = { x: [event.numbers.steps], confidence: [event.numbers.p_found], near: [event.numbers.rmse] };
    if (bare || (!event.straight && this.latest)) this.frames.push({ image: found, index: this.lines.x.length - 1 });
    if (event.straight) this.segment = segmentOf(event, this.corners);
  }

  /** How many places the slider has, beyond the first. */
  get places() {
    return this.result?.straight ? 100 : Math.max(this.frames.length - 1, 0);
  }

  /** At a place of the slider: the picture, the confidence, the distance, where it is in words. */
  at(place) {
    if (this.result?.straight) {
      const t = place / 100;
      return {
        image: mix([this.corners.source, this.corners.found], [1 - t, t]),
        confidence: this.segment.confidence[place],
        near: this.segment.near[place],
        x: place,
        words: `${place}\u00a0% of the way`,
      };
    }
    const { image, index } = this.frames[place];
    const { x, confidence, near } = this.lines;
    return { image, confidence: confidence[index], near: near[index], x: x[index], words: `step ${x[index]} of ${x[x.length - 1]}` };
  }

  /** What the chart shows: the search while it goes on, then the way. */
  get chart() {
    if (this.result?.straight) return { lines: this.segment, last: 100, words: "% of the way, a straight line" };
    const last = this.lines.x[this.lines.x.length - 1] ?? 0;
    return { lines: this.lines, last: this.result ? Math.max(last, 1) : Math.max(last, this.most), words: "steps" };
  }
}

/** Along source → found: the model's confidence, and the distance to the target in closed form. */
function segmentOf(event, { source, found, target }) {
  const way = dot(found, found, source), along = dot(target, found, source), whole = dot(target, target, source);
  const x = event.segment.map((_, i) => i);
  const near = x.map((i) => Math.sqrt(Math.max(0, whole - 2 * (i / 100) * along + (i / 100) ** 2 * way)));
  return { x, confidence: event.segment, near };
}
