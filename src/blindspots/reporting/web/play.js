import { el } from "./dom.js";

/**
 * A button that walks a slider to its end; from there it begins at the first place again.
 * @param {HTMLInputElement} slider whose places are 0, 1, …, its max
 * @param {() => void} show draws the place where the slider stands
 * @param {number} pause milliseconds at every place
 * @param {(last: number) => number} stride how many places a step takes
 */
export function playButton(slider, show, pause, stride = () => 1) {
  let timer = 0;
  const node = /** @type {HTMLButtonElement} */ (el("button", { type: "button", class: "play", "aria-label": "Play", onclick: () => (timer ? stop() : start()) }, "▶"));
  const face = (sign, words) => { node.textContent = sign; node.setAttribute("aria-label", words); };
  const place = (at) => { slider.value = String(at); show(); };

  function stop() {
    clearInterval(timer);
    timer = 0;
    face("▶", "Play");
  }

  function start() {
    const last = Number(slider.max), step = stride(last);
    if (Number(slider.value) >= last) place(0);
    face("❙❙", "Pause");
    timer = window.setInterval(() => {
      if (!node.isConnected) return stop();
      place(Math.min(Number(slider.value) + step, last));
      if (Number(slider.value) >= last) stop();
    }, pause);
  }

  return { node, start, stop };
}
