const TRIANGLE = { width: 460, thumb: 76 };
const BASE = 300;

/** The heat map over source, found 1, found 2, at true side lengths, one cell a sample. */
function triangleChart(triangle, first, second, say) {
  const { width, thumb } = TRIANGLE;
  const places = fittedCorners(triangle.sides);
  const words = `Confidence over the triangle of the ${first.source} and two found images; mean ${number(triangle.mean, 2)}`;
  const top = places[0][1] - thumb - 16;
  const chart = svg("svg", { class: "chart", viewBox: `0 ${top} ${width} ${BASE + thumb + 20 - top}`, role: "img", "aria-label": words });
  const clip = `clip-${first.id}-${second.id}`;
  const outline = places.map((p) => p.map((v) => v.toFixed(1)).join(",")).join(" ");
  chart.append(svg("clipPath", { id: clip }, svg("polygon", { points: outline })));
  const cells = svg("g", { "clip-path": `url(#${clip})` });
  const dots = svg("g", { opacity: 0.8 });
  const weights = triangleWeights(triangle.confidence.length);
  triangle.confidence.forEach((p, i) => {
    cells.append(cell(weights[i], p, places, weights.steps, () => say(cellWords(weights[i], p, first, second))));
    dots.append(dot(mixed(weights[i], places), p, run.delta === null || p >= triangle.pSource - run.delta));
  });
  chart.append(cells, svg("polygon", { class: "outline", points: outline }), dots);
  chart.append(...cornerLabels(places, triangle, first, second));
  return chart;
}

/** Integer barycentric grid in the stored order: (source, found 1, found 2). */
function triangleWeights(count) {
  const steps = Math.round((Math.sqrt(8 * count + 1) - 3) / 2);
  const rows = [];
  for (let i = 0; i <= steps; i++) {
    for (let j = 0; j <= steps - i; j++) rows.push([steps - i - j, i, j].map((k) => k / steps));
  }
  return Object.assign(rows, { steps });
}

function fittedCorners([toFirst, toSecond, between]) {
  const x = (toFirst ** 2 + between ** 2 - toSecond ** 2) / (2 * between);
  const up = Math.sqrt(Math.max(toFirst ** 2 - x ** 2, 0));
  const raw = [[x, -up], [0, 0], [between, 0]];
  const low = Math.min(x, 0), high = Math.max(x, between);
  const scale = Math.min(330 / (high - low), 225 / Math.max(up, 1e-9));
  return raw.map(([a, b]) => [TRIANGLE.width / 2 + (a - (low + high) / 2) * scale, BASE + b * scale]);
}

function mixed(weights, places) {
  return [0, 1].map((axis) => weights.reduce((sum, w, k) => sum + w * places[k][axis], 0));
}

function cell(weights, confidence, places, steps, enter) {
  const centre = mixed(weights, places);
  const u = [0, 1].map((axis) => (places[1][axis] - places[0][axis]) / steps);
  const v = [0, 1].map((axis) => (places[2][axis] - places[0][axis]) / steps);
  const half = [[1, 1], [-1, 2], [-2, 1]].map(([a, b]) => [(a * u[0] + b * v[0]) / 3, (a * u[1] + b * v[1]) / 3]);
  const ring = [...half, ...half.map(([a, b]) => [-a, -b])];
  const points = ring.map(([a, b]) => `${(centre[0] + a).toFixed(1)},${(centre[1] + b).toFixed(1)}`).join(" ");
  const colour = colourOf(confidence);
  return svg("polygon", { points, fill: colour, stroke: colour, "stroke-width": 0.7, onpointerenter: enter });
}

function dot([x, y], confidence, inside) {
  const ink = confidence > 0.62 ? "#000" : "#fff";
  return svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 1.9, fill: inside ? ink : "none", stroke: ink, "pointer-events": "none" });
}

function cellWords(weights, confidence, first, second) {
  const share = weights.map((w) => `${Math.round(100 * w)} %`);
  return `${share[0]} source, ${share[1]} ${first.target}, ${share[2]} ${second.target}: confidence ${number(confidence)}`;
}

function cornerLabels(places, triangle, first, second) {
  const t = TRIANGLE.thumb;
  const spots = [
    [places[0][0] - t / 2, places[0][1] - t - 8, sourceImage(first), first.source, "model"],
    [places[1][0] - t * 0.75, places[1][1] + 10, foundImage(first), first.target, "person"],
    [places[2][0] - t * 0.25, places[2][1] + 10, foundImage(second), second.target, "person"],
  ];
  return [...spots.flatMap(cornerLabel), ...sideLabels(places, triangle.sides)];
}

function cornerLabel([x, y, uri, name, kind], index) {
  const t = TRIANGLE.thumb;
  const left = index === 2 || (index === 0 && x + t / 2 > TRIANGLE.width / 2);
  const beside = left ? [x - 8, "end"] : [x + t + 8, "start"];
  const words = svg("text", { class: kind, x: beside[0], y: y + (index ? t - 6 : t / 2 + 4), "text-anchor": beside[1] }, name);
  return uri ? [svg("image", { href: uri, x, y, width: t, height: t }), words] : [words];
}

function sideLabels(places, sides) {
  if (sides.every((side) => side === 1)) return [];
  return [[0, 1], [0, 2], [1, 2]].map(([a, b], k) => {
    const x = (places[a][0] + places[b][0]) / 2 + [-8, 8, 0][k];
    const y = (places[a][1] + places[b][1]) / 2 + [0, 0, 16][k];
    return svg("text", { x, y, "text-anchor": ["end", "start", "middle"][k] }, number(sides[k]));
  });
}
