import { el } from "./dom.js";

/** The greatest height of a small picture. */
export const SMALL = 96;

/**
 * Shows the pixels of a small picture as they are; a large one is smoothed.
 * @param {Element} node that shows it
 * @param {number} height of the picture
 */
export function sharpen(node, height) {
  node.classList.toggle("crisp", height <= SMALL);
}

/**
 * A picture by its address.
 * @param {string} address
 * @param {string} alt
 * @param {Record<string, any>} properties
 */
export function shot(address, alt, properties = {}) {
  const image = /** @type {HTMLImageElement} */ (el("img", { class: "shot", src: address, alt, ...properties }));
  image.addEventListener("load", () => sharpen(image, image.naturalHeight));
  return image;
}
