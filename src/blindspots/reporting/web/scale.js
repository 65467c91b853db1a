import { number } from "./dom.js";

/** @typedef {{low: number, high: number, ticks: number[]}} Scale */

/** The scale of a confidence, and of distances. */
export const UNIT = { low: 0, high: 1, ticks: [0, 0.5, 1] };

/**
 * How far up a scale a value stands, 0 to 1.
 * @param {number} value
 * @param {Scale} scale
 */
export function shareOf(value, { low, high }) {
  return (value - low) / (high - low);
}

/**
 * A mark of a scale in words: "0", ".5", "−2".
 * @param {number} tick
 */
export function tickWords(tick) {
  return number(tick, (String(tick).split(".")[1] ?? "").length);
}
