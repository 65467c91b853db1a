import { el, number, svg } from "./dom.js";
import { UNIT, shareOf, tickWords } from "./scale.js";

const CHART = { width: 460, height: 200, left: 30, right: 12, top: 12, bottom: 30 };

/**
 * @typedef {{values: Array<number|null>, places?: number[], colour: string, name: string, dash?: string, scale?: import("./scale.js").Scale}} Line
 *   `places`: where each value stands, 0 to 1; equally spaced without
 */
/** @typedef {{scale: import("./scale.js").Scale, noun: string, source: string}} Axis of a score */

/** @type {Axis} */
const CONFIDENCE = { scale: UNIT, noun: "confidence", source: "p source" };

/**
 * Lines over the same way, on the scale of a score or on one of their own.
 * @param {{lines: Line[], level: number|null, label: string, ends: [string, string], axis?: Axis, size?: {width?: number, height?: number}}} options
 *   `level`: below it is outside the superlevel set; `size`: of the drawing, in its own units
 */
export function lineChart({ lines, level, label, ends, axis = CONFIDENCE, size = {} }) {
  const { width, height, left, right, top, bottom } = { ...CHART, ...size };
  const x = (t) => left + t * (width - left - right);
  const up = (share) => top + (1 - share) * (height - top - bottom);
  const y = (p) => up(shareOf(p, axis.scale));
  const { low, ticks } = axis.scale;
  const chart = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  if (level !== null && level > low) {
    chart.append(svg("rect", { class: "outside", x: x(0), y: y(level), width: x(1) - x(0), height: up(0) - y(level) }));
  }
  for (const p of ticks) {
    chart.append(svg("path", { class: "axis", d: `M${x(0)} ${y(p)}H${x(1)}` }),
      svg("text", { x: left - 7, y: y(p) + 4, "text-anchor": "end" }, tickWords(p)));
  }
  if (level !== null && level > low) {
    chart.append(svg("path", { class: "level", d: `M${x(0)} ${y(level)}H${x(1)}` }),
      svg("text", { x: x(0) + 7, y: up(0) - 8 }, "outside", svg("tspan", { class: "roomy" }, `: below ${axis.source} − δ`)));
  }
  chart.append(...lines.map((line) => polyline(line, x, (p) => up(p === null ? 0 : shareOf(p, line.scale ?? axis.scale)))),
    svg("text", { class: "model", x: x(0), y: height - 8 }, ends[0]),
    svg("text", { class: "person", x: x(1), y: height - 8, "text-anchor": "end" }, ends[1]));
  const line = svg("path", { class: "mark" });
  chart.append(line);
  return {
    node: chart,
    /** @param {number} share of the way, where a mark is to stand */
    mark(share) { line.setAttribute("d", `M${x(share)} ${up(1)}V${up(0)}`); },
  };
}

function polyline({ values, places, colour, name, dash }, x, y) {
  const last = Math.max(values.length - 1, 1);
  const points = values.map((p, i) => `${x(places ? places[i] : i / last).toFixed(1)} ${y(p).toFixed(1)}`);
  return svg("path", { class: "limb", stroke: colour, "stroke-dasharray": dash ?? null, d: points.length ? "M" + points.join("L") : null }, svg("title", {}, name));
}

/**
 * Which line is which.
 * @param {Line[]} lines
 */
export function lineKey(lines) {
  return el("p", { class: "key" }, ...lines.map(({ colour, name, dash }) => el("span", {}, el("i", { style: { borderTop: `2.5px ${dash ? "dashed" : "solid"} ${colour}` } }), ` ${name}`)));
}

/**
 * Bars of counts: how the pairs of each model are spread over a number.
 * @param {{low: number, high: number, counts: Record<string, number[]>}} spread
 * @param {string} title of the number
 * @param {number} digits
 */
export function histograms(spread, title, digits) {
  const most = Math.max(1, ...Object.values(spread.counts).flat());
  return Object.entries(spread.counts).map(([model, counts]) => {
    const total = counts.reduce((sum, n) => sum + n, 0);
    const wide = 300 / counts.length;
    const bars = counts.map((n, i) => svg("rect", { x: (i * wide).toFixed(2), y: 60 - (56 * n) / most, width: (wide - 1).toFixed(2), height: (56 * n) / most },
      svg("title", {}, `${n} pairs`)));
    const label = `${model}: ${title} of ${total} pairs, from ${number(spread.low, digits)} to ${number(spread.high, digits)}`;
    return el("figure", { class: "spread" }, el("figcaption", {}, model, el("span", { class: "count" }, `${total} pairs`)),
      svg("svg", { viewBox: "0 0 300 61", preserveAspectRatio: "none", role: "img", "aria-label": label }, svg("path", { class: "axis", d: "M0 60.5H300" }), ...bars),
      el("div", { class: "ends" }, el("span", {}, number(spread.low, digits)), el("span", {}, number(spread.high, digits))));
  });
}
