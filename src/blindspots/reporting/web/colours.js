import { UNIT, shareOf } from "./scale.js";

// None is the blue of a person or the orange of the model.
const LIMBS = ["#009e73", "#cc79a7", "#8660c5", "#9a8a00", "#8fbf9f", "#808080", "#c4a484"];

/** @param {number} index @returns {string} the colour of the limb with this number; they repeat */
export function limbColour(index) {
  return LIMBS[index % LIMBS.length];
}

/**
 * The colours of a score, from end to end of its scale.
 * @param {string[]} colours "#rrggbb", equally spaced
 * @param {import("./scale.js").Scale} scale
 * @returns {(value: number|null) => string} grey where it is not known
 */
export function colourScale(colours, scale = UNIT) {
  const last = colours.length - 1;
  return (p) => (p === null ? "#888888" : colours[Math.round(Math.min(Math.max(shareOf(p, scale), 0), 1) * last)]);
}

/** @param {string} colour "#rrggbb" @returns {number[]} red, green, blue */
export function channels(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}
