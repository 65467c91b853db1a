import { brush, tone } from "./canvas.js";
import { number } from "./dom.js";
import { UNIT, tickWords } from "./scale.js";

// Not the report's chart: thousands of points drawn anew at every frame want a canvas.

const EDGE = { left: 34, right: 14, top: 12, bottom: 40 };

/**
 * Confidence and distance over the way, on a canvas. `lines`: {x, confidence, near}, arrays of one
 * length; `level`: p source − delta, null where it is not known; `last`: the end of the axis;
 * `at`: where a marker stands, null for none; `words`: what the axis counts.
 */
export function drawChart(canvas, { lines, level, last, at, words }) {
  const width = canvas.clientWidth || 320, height = canvas.clientHeight || 170;
  const context = brush(canvas, width, height);
  const x = (value) => EDGE.left + (value / Math.max(last, 1)) * (width - EDGE.left - EDGE.right);
  const y = (value) => EDGE.top + (1 - value) * (height - EDGE.top - EDGE.bottom);
  ground(context, x, y, level, last);
  const largest = Math.max(1e-9, ...lines.near.filter((one) => one !== null));
  curve(context, lines.x.map(x), lines.near.map((one) => (one === null ? null : y(one / largest))), tone("person"), [5, 3]);
  curve(context, lines.x.map(x), lines.confidence.map((one) => (one === null ? null : y(one))), tone("model"), []);
  if (at !== null) marker(context, x(at), y);
  captions(context, width, height, largest, words, last);
}

function ground(context, x, y, level, last) {
  context.strokeStyle = tone("line");
  context.fillStyle = tone("quiet");
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const p of UNIT.ticks) {
    stroke(context, [[x(0), y(p)], [x(last), y(p)]]);
    context.fillText(tickWords(p), x(0) - 7, y(p));
  }
  if (level === null || level <= 0) return;
  context.fillStyle = tone("outside");
  context.fillRect(x(0), y(level), x(last) - x(0), y(0) - y(level));
  context.strokeStyle = tone("quiet");
  context.setLineDash([2, 4]);
  stroke(context, [[x(0), y(level)], [x(last), y(level)]]);
  context.setLineDash([]);
  context.fillStyle = tone("quiet");
  context.textAlign = "left";
  context.fillText("outside: below p source − δ", x(0) + 6, y(0) - 9);
}

function curve(context, xs, ys, colour, dashes) {
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = 2;
  context.lineJoin = "round";
  context.setLineDash(dashes);
  const points = xs.map((value, i) => [value, ys[i]]).filter(([, value]) => value !== null);
  stroke(context, points);
  context.setLineDash([]);
  context.lineWidth = 1;
  if (!points.length) return;
  context.beginPath();
  context.arc(...points[points.length - 1], 3, 0, 7);
  context.fill();
}

function stroke(context, points) {
  context.beginPath();
  points.forEach(([a, b], i) => (i ? context.lineTo(a, b) : context.moveTo(a, b)));
  context.stroke();
}

function marker(context, x, y) {
  context.strokeStyle = tone("ink");
  stroke(context, [[x, y(1)], [x, y(0)]]);
}

function captions(context, width, height, largest, words, last) {
  context.textBaseline = "alphabetic";
  context.textAlign = "left";
  context.fillStyle = tone("model");
  context.fillText("— confidence", EDGE.left, height - 7);
  context.fillStyle = tone("person");
  const text = largest > 1e-8 ? `-- distance to target, up to ${number(largest, 2)}` : "-- distance to target";
  context.fillText(text, EDGE.left + 92, height - 7);
  context.fillStyle = tone("quiet");
  context.fillText("0", EDGE.left, height - 24);
  context.textAlign = "right";
  context.fillText(`${last} ${words}`, width - EDGE.right, height - 24);
}
