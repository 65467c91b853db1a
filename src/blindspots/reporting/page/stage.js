import { el } from "./dom.js";
import { amplify, cleared, differenceInto, loaded } from "./mixing.js";
import { sharpen } from "./shot.js";

/**
 * Addresses of what a stage shows. `residual`: found − target, amplified, about grey 128.
 * @typedef {{source: string|null, target: string|null, found: string|null, strip: string|null, residual: string|null}} Shots
 */
/** @typedef {"picture"|"target"|"source"} View the picture, or its difference to one of the two */

const GREY = "rgb(128, 128, 128)";

/**
 * One picture of a path at a time, or how it differs from where it comes from or goes to.
 * @param {{shots: Shots, frames: number, residualGain: number, aspect: number, label: string}} options
 *   `frames`: how many snapshots the strip holds; 0 where there is none
 */
export function stage({ shots, frames, residualGain, aspect, label }) {
  const canvas = /** @type {HTMLCanvasElement} */ (el("canvas", { class: "shot", role: "img", "aria-label": label, style: { aspectRatio: aspect } }));
  const state = { at: Math.max(frames - 1, 0), view: "picture", gain: 1, images: {} };

  /** Draws what is asked for, as far as it has come in. */
  function draw() {
    const { strip, found } = state.images;
    const image = strip ?? found;
    if (!image) return;
    const width = strip ? image.naturalWidth / frames : image.naturalWidth;
    const frame = (pen) => pen.drawImage(image, strip ? state.at * width : 0, 0, width, image.naturalHeight, 0, 0, canvas.width, canvas.height);
    const pen = cleared(canvas, Math.round(width), image.naturalHeight);
    sharpen(canvas, canvas.height);
    if (state.view === "picture") frame(pen);
    else difference(frame);
    canvas.dataset.drawn = `${state.view} ${state.at}`;
  }

  function difference(frame) {
    const { residual } = state.images;
    const last = state.at >= frames - 1;
    if (state.view === "target" && residual && last) {
      differenceInto(canvas, whole(residual), (pen) => { pen.fillStyle = GREY; pen.fillRect(0, 0, canvas.width, canvas.height); });
      return amplify(canvas, state.gain / residualGain);
    }
    const other = state.images[state.view];
    if (!other) return;
    differenceInto(canvas, frame, whole(other));
    amplify(canvas, state.gain);
  }

  const whole = (image) => (pen) => pen.drawImage(image, 0, 0, canvas.width, canvas.height);

  /**
   * Shows other copies of the same pictures.
   * @param {Shots} others
   * @returns {Promise<boolean>} whether they could be loaded; if not, all stays as it is
   */
  async function use(others) {
    const images = {};
    await Promise.all(Object.entries(others).map(async ([name, address]) => { images[name] = await loaded(address); }));
    if (!images.strip && !images.found) return false;
    state.images = images;
    draw();
    return true;
  }

  use(shots);
  return {
    node: el("div", { class: "stage" }, canvas),
    use,
    /** @param {Partial<{at: number, view: View, gain: number}>} wanted */
    show(wanted) {
      Object.assign(state, wanted);
      draw();
    },
  };
}
