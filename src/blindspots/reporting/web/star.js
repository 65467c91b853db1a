import { number, percent, svg } from "./dom.js";
import { UNIT, shareOf } from "./scale.js";

/**
 * @typedef {object} Limb
 * @property {Array<number|null>} values confidence from source to found, equally spaced
 * @property {string} name of the target
 * @property {string|null} image
 * @property {number|null} confidence at the found image
 * @property {number} [far] how far from the source it lies; given, limbs are as long as they are far
 * @property {() => void} open
 */

const HALF = 10, CORE = 92, BARE = 64;
const SAME = { centre: 250, reach: 196 }, FAR = { centre: 304, reach: 250 };

/**
 * A source and all its limbs around it, each as wide and as bright as the model is sure there.
 * @param {{name: string, image: string|null, confidence: number|null, limbs: Limb[], level: number|null, colourOf: (p: number|null) => string, label: string, scale?: import("./scale.js").Scale, noun?: string, sure?: (p: number|null) => string}} options
 *   `scale`, `noun`, `sure`: of another score than the confidence, and how it is written
 */
export function radialStar({ name, image, confidence, limbs, level, colourOf, label, scale = UNIT, noun = "confidence", sure = percent }) {
  const { size, centre, angles, reaches, top, bottom } = layoutOf(limbs);
  const star = svg("svg", { class: "chart star", viewBox: `0 ${top} ${2 * centre} ${bottom - top}`, role: "group", "aria-label": label });
  star.append(...limbs.map((limb, k) => limbGroup(limb, { angle: angles[k], centre, reach: reaches[k], size }, { level, colourOf, scale, noun, sure })),
    thumbnail(image, centre, centre, CORE, "core"),
    svg("text", { class: "model strong", x: centre, y: centre + CORE / 2 + 20, "text-anchor": "middle" }, `${name} ${sure(confidence)}`));
  return star;
}

/** How the limbs lie around the source, and from where to where they reach in height. */
function layoutOf(limbs) {
  const size = limbs.length <= 8 ? 84 : limbs.length <= 16 ? 50 : 30;
  const furthest = Math.max(...limbs.map(({ far }) => far ?? 0));
  const { centre, reach } = furthest > 0 ? FAR : SAME;
  // However near a found image is, some of its limb can be seen.
  const least = CORE / 2 + size / 2 + BARE;
  const reaches = limbs.map(({ far }) => (furthest > 0 ? Math.max((reach * far) / furthest, least) : reach));
  // Two limbs lie flat; an odd number stands on its feet.
  const angles = limbs.map((_, k) => (2 * Math.PI * k) / limbs.length - (limbs.length === 2 ? Math.PI : Math.PI / 2));
  const heights = angles.map((angle, k) => centre + Math.sin(angle) * reaches[k]);
  const top = Math.min(centre - CORE / 2, ...heights.map((y) => y - size / 2 - (y < centre - 50 ? 58 : 0))) - 6;
  const bottom = Math.max(centre + CORE / 2 + 22, ...heights.map((y) => y + size / 2 + (y < centre - 50 ? 0 : 56)));
  return { size, centre, angles, reaches, top, bottom };
}

function limbGroup(limb, { angle, centre, reach, size }, { level, colourOf, scale, noun, sure }) {
  const [ux, uy] = [Math.cos(angle), Math.sin(angle)];
  const along = (r, off) => [centre + ux * r - uy * off, centre + uy * r + ux * off].map((v) => v.toFixed(1)).join(",");
  // Below the source stands its name.
  const from = CORE / 2 + (uy > 0.3 ? 36 : 20), to = reach - size / 2 - 8;
  const group = svg("g", { class: "spoke", role: "button", tabindex: 0, "aria-label": limbWords(limb, noun, sure), onclick: limb.open, onkeydown: (event) => pressed(event, limb.open) });
  group.append(svg("path", { class: "hit", d: `M${along(from, 0)}L${along(reach, 0)}` }), ribbon(limb.values, (t) => from + t * (to - from), along, colourOf, scale));
  for (const edge of [1, level === null ? 0 : shareOf(level, scale)]) {
    if (edge > 0) group.append(svg("path", { class: edge === 1 ? "rail" : "rail level", d: [1, -1].map((s) => `M${along(from, s * HALF * edge)}L${along(to, s * HALF * edge)}`).join("") }));
  }
  const [x, y] = [centre + ux * reach, centre + uy * reach];
  const above = uy < -0.3;
  // A name at either side begins at its picture's outer edge: none is cut off.
  const side = Math.abs(ux) < 0.7 ? 0 : Math.sign(ux), label = { x: x + (side * size) / 2, "text-anchor": ["start", "middle", "end"][side + 1] };
  group.append(thumbnail(limb.image, x, y, size, "tip"),
    svg("text", { class: "person strong", ...label, y: above ? y - size / 2 - (size > 60 ? 34 : 8) : y + size / 2 + 22 }, limb.name));
  if (size > 60) {
    group.append(svg("text", { class: "model", ...label, y: above ? y - size / 2 - 8 : y + size / 2 + 48 }, sure(limb.confidence)));
  }
  return group;
}

function ribbon(values, place, along, colourOf, scale) {
  const last = values.length - 1, stride = last > 60 ? 2 : 1;
  const pieces = [];
  for (let i = 0; i < last; i += stride) {
    const j = Math.min(i + stride, last);
    const [a, b] = [values[i], values[j]].map((p) => (p === null ? 0 : Math.max(shareOf(p, scale), 0)));
    const [p, q] = [place(i / last), place(j / last) + 0.4];
    const points = [along(p, HALF * a), along(q, HALF * b), along(q, -HALF * b), along(p, -HALF * a)].join(" ");
    pieces.push(svg("polygon", { points, fill: colourOf(values[i]) }));
  }
  return svg("g", { class: "ribbon" }, ...pieces);
}

function thumbnail(image, x, y, size, kind) {
  const box = { x: x - size / 2, y: y - size / 2, width: size, height: size };
  return svg("g", { class: kind }, svg("rect", { ...box, rx: 4 }), image ? svg("image", { ...box, href: image }) : null);
}

function limbWords({ values, name, confidence }, noun, sure) {
  const lowest = Math.min(...values.filter((p) => p !== null));
  return `Open the pair to ${name}: ${noun} ${sure(confidence)}, lowest on the way ${number(lowest)}`;
}

function pressed(event, open) {
  if (event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  open();
}
