import { el, number, svg } from "./dom.js";

const CHART = { width: 460, height: 200, left: 30, right: 12, top: 12, bottom: 30 };

/** @typedef {{values: Array<number|null>, colour: string, name: string, dash?: string}} Line */

/**
 * Lines over the same way, from 0 to 1.
 * @param {{lines: Line[], level: number|null, label: string, ends: [string, string]}} options
 *   `level`: below it is outside the superlevel set
 */
export function lineChart({ lines, level, label, ends }) {
  const { width, height, left, right, top, bottom } = CHART;
  const x = (t) => left + t * (width - left - right);
  const y = (p) => top + (1 - p) * (height - top - bottom);
  const chart = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  if (level !== null && level > 0) {
    chart.append(svg("rect", { class: "outside", x: x(0), y: y(level), width: x(1) - x(0), height: y(0) - y(level) }));
  }
  for (const p of [0, 0.5, 1]) {
    chart.append(svg("path", { class: "axis", d: `M${x(0)} ${y(p)}H${x(1)}` }),
      svg("text", { x: left - 7, y: y(p) + 4, "text-anchor": "end" }, number(p, p === 0.5 ? 1 : 0)));
  }
  if (level !== null && level > 0) {
    chart.append(svg("path", { class: "level", d: `M${x(0)} ${y(level)}H${x(1)}` }),
      svg("text", { x: x(0) + 7, y: y(0) - 8 }, "outside: below p source − δ"));
  }
  chart.append(...lines.map((line) => polyline(line, x, y)),
    svg("text", { class: "model", x: x(0), y: height - 8 }, ends[0]),
    svg("text", { class: "person", x: x(1), y: height - 8, "text-anchor": "end" }, ends[1]));
  return { node: chart, x, y };
}

function polyline({ values, colour, name, dash }, x, y) {
  const last = values.length - 1;
  const points = values.map((p, i) => `${x(i / last).toFixed(1)} ${y(p ?? 0).toFixed(1)}`);
  return svg("path", { class: "limb", stroke: colour, "stroke-dasharray": dash ?? null, d: "M" + points.join("L") }, svg("title", {}, name));
}

/**
 * Confidence and both distances over a path's snapshots, with a mark where the player stands.
 * @param {import("./run.js").Pair} pair
 * @param {(pair: import("./run.js").Pair, at: number) => string} whereabouts
 */
export function pathChart(pair, whereabouts) {
  const { path_source_rmse: from, path_target_rmse: to } = pair.pictures;
  const lines = [
    { values: pair.path, colour: "var(--model)", name: "confidence" },
    ...(from.length ? [{ values: from, colour: "var(--quiet)", name: "RMSE from the source", dash: "2 4" }] : []),
    ...(to.length ? [{ values: to, colour: "var(--person)", name: "RMSE to the target", dash: "7 4" }] : []),
  ];
  const last = pair.path.length - 1;
  const { node, x, y } = lineChart({ lines, level: null, label: pathWords(pair, whereabouts), ends: [whereabouts(pair, 0), whereabouts(pair, last)] });
  const mark = svg("path", { class: "mark" });
  node.append(mark);
  const key = lines.map(({ colour, name, dash }) => el("span", {}, el("i", { style: { borderTop: `2.5px ${dash ? "dashed" : "solid"} ${colour}` } }), ` ${name}`));
  return {
    node: el("div", { class: "path-chart" }, node, el("p", { class: "key" }, ...key)),
    /** @param {number} at which snapshot */
    mark(at) { mark.setAttribute("d", `M${x(at / last)} ${y(1)}V${y(0)}`); },
  };
}

function pathWords(pair, whereabouts) {
  const last = pair.path.length - 1;
  const known = pair.path.filter((p) => p !== null);
  return `Confidence along the path, ${whereabouts(pair, 0)} to ${whereabouts(pair, last)}: lowest ${number(Math.min(...known), 2)}, last ${number(pair.path[last], 2)}`;
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
