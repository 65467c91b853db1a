const CHART = { width: 460, height: 244, left: 30, right: 12, top: 12, bottom: 54 };

/** Confidence along the segments: `limbs` of {values, colour, name}; the level is p source − delta. */
function starChart(limbs, level, label) {
  const { width, height, left, right, top, bottom } = CHART;
  const x = (t) => left + t * (width - left - right);
  const y = (p) => top + (1 - p) * (height - top - bottom);
  const chart = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  if (level > 0) {
    chart.append(svg("rect", { class: "outside", x: x(0), y: y(level), width: x(1) - x(0), height: y(0) - y(level) }));
  }
  for (const p of [0, 0.5, 1]) {
    chart.append(svg("path", { class: "axis", d: `M${x(0)} ${y(p)}H${x(1)}` }));
    chart.append(svg("text", { x: left - 7, y: y(p) + 4, "text-anchor": "end" }, number(p, p === 0.5 ? 1 : 0)));
  }
  if (level > 0) {
    chart.append(svg("path", { class: "level", d: `M${x(0)} ${y(level)}H${x(1)}` }));
    chart.append(svg("text", { x: x(0) + 7, y: y(0) - 8 }, "outside: below p source − δ"));
  }
  for (const limb of limbs) chart.append(limbLine(limb, x, y));
  chart.append(svg("text", { class: "model", x: x(0), y: height - 34 }, "source"));
  chart.append(svg("text", { class: "person", x: x(1), y: height - 34, "text-anchor": "end" }, limbs.length > 1 ? "found images" : "found"));
  chart.append(svg("text", { x: (x(0) + x(1)) / 2, y: height - 8, "text-anchor": "middle" }, "straight line from source to found; height: confidence"));
  return chart;
}

function limbLine(limb, x, y) {
  const last = limb.values.length - 1;
  const points = limb.values.map((p, i) => `${x(i / last).toFixed(1)} ${y(p ?? 0).toFixed(1)}`);
  return svg("path", { class: "limb", stroke: limb.colour, d: "M" + points.join("L") }, svg("title", {}, limb.name));
}

/** The lowest point of a segment in words, for those who do not see the chart. */
function segmentWords(pair) {
  const lowest = Math.min(...pair.segment.filter((p) => p !== null));
  return `to ${pair.target}: lowest confidence ${number(lowest, 2)}`;
}
