/** @typedef {[number, number, number]} Weights of source, found 1, found 2; they sum to 1 */
/** @typedef {[number, number]} Point */

/**
 * The weights of a stored grid, from integers and in its order.
 * @param {number} count how many points are stored
 * @returns {{steps: number, weights: Weights[]}}
 */
export function gridOf(count) {
  const steps = Math.round((Math.sqrt(8 * count + 1) - 3) / 2);
  const weights = [];
  for (let i = 0; i <= steps; i++) {
    for (let j = 0; j <= steps - i; j++) weights.push(gridPoint(i, j, steps));
  }
  return { steps, weights };
}

/**
 * The weights of one point of a grid.
 * @param {number} i steps towards found 1
 * @param {number} j steps towards found 2
 * @param {number} steps from corner to corner
 * @returns {Weights}
 */
export function gridPoint(i, j, steps) {
  return [(steps - i - j) / steps, i / steps, j / steps];
}

const indexOf = (i, j, steps) => i * (steps + 1) - (i * (i - 1)) / 2 + j;

/**
 * The confidence between the points of a stored grid: linear in each of its small triangles.
 * @param {Array<number|null>} values in the stored order
 * @param {Weights} weights
 * @returns {number|null} null where a point it needs is not known
 */
export function interpolated(values, weights) {
  const steps = Math.round((Math.sqrt(8 * values.length + 1) - 3) / 2);
  const [u, v] = [weights[1] * steps, weights[2] * steps];
  const i = Math.min(Math.floor(u + 1e-9), steps), j = Math.min(Math.floor(v + 1e-9), steps - i);
  const [p, q] = [Math.max(u - i, 0), Math.max(v - j, 0)];
  const parts = p + q <= 1
    ? [[i, j, 1 - p - q], [i + 1, j, p], [i, j + 1, q]]
    : [[i + 1, j, 1 - q], [i, j + 1, 1 - p], [i + 1, j + 1, p + q - 1]];
  let sum = 0;
  for (const [a, b, share] of parts) {
    if (share < 1e-7) continue;
    const value = values[indexOf(a, b, steps)];
    if (value === null || value === undefined) return null;
    sum += share * value;
  }
  return sum;
}

/**
 * Where weights lie between three points.
 * @param {Weights} weights
 * @param {Point[]} corners
 * @returns {Point}
 */
export function pointAt(weights, corners) {
  const sum = (axis) => weights.reduce((total, w, k) => total + w * corners[k][axis], 0);
  return [sum(0), sum(1)];
}

/**
 * The weights of a point; one outside the triangle is drawn to its border.
 * @param {Point} point
 * @param {Point[]} corners
 * @returns {Weights}
 */
export function weightsAt([x, y], corners) {
  const [[ax, ay], [bx, by], [cx, cy]] = corners;
  const whole = (by - cy) * (ax - cx) + (cx - bx) * (ay - cy);
  const a = ((by - cy) * (x - cx) + (cx - bx) * (y - cy)) / whole;
  const b = ((cy - ay) * (x - cx) + (ax - cx) * (y - cy)) / whole;
  return toSimplex([a, b, 1 - a - b]);
}

/**
 * The weights with no negative one, summing to 1.
 * @param {number[]} weights
 * @returns {Weights}
 */
export function toSimplex(weights) {
  const positive = weights.map((w) => Math.max(w, 0));
  const sum = positive[0] + positive[1] + positive[2];
  return /** @type {Weights} */ (positive.map((w) => w / sum));
}

/**
 * The corners of a triangle with these sides, in a box; the found images on its lower border.
 * @param {number[]} sides source to found 1, source to found 2, found 1 to found 2
 * @param {{width: number, height: number, left: number, bottom: number}} box
 * @returns {Point[]} source, found 1, found 2
 */
export function cornersOf(sides, box) {
  const [first, second, between] = sides.every((side) => side > 0) ? sides : [1, 1, 1];
  const x = (first ** 2 + between ** 2 - second ** 2) / (2 * between);
  const up = Math.sqrt(Math.max(first ** 2 - x ** 2, 0));
  const low = Math.min(x, 0), high = Math.max(x, between);
  const scale = Math.min(box.width / (high - low), box.height / Math.max(up, 1e-9));
  const middle = box.left + box.width / 2;
  const raw = [[x, -up], [0, 0], [between, 0]];
  return raw.map(([a, b]) => [middle + (a - (low + high) / 2) * scale, box.bottom + b * scale]);
}

/**
 * The border of the superlevel set: where the interpolated confidence equals the level.
 * @param {Array<number|null>} values in the stored order
 * @param {number} level
 * @returns {Weights[][]} pieces of two ends each
 */
export function borderOf(values, level) {
  const { steps } = gridOf(values.length);
  const pieces = [];
  const at = (i, j) => ({ w: gridPoint(i, j, steps), p: values[indexOf(i, j, steps)] });
  const look = (...corners) => {
    const ends = [];
    if (corners.some(({ p }) => p === null)) return;
    for (const [a, b] of [[0, 1], [1, 2], [2, 0]]) {
      const [from, to] = [corners[a], corners[b]];
      if ((from.p >= level) === (to.p >= level)) continue;
      const t = (level - from.p) / (to.p - from.p);
      ends.push(from.w.map((w, k) => w + t * (to.w[k] - w)));
    }
    if (ends.length === 2) pieces.push(ends);
  };
  for (let i = 0; i < steps; i++) {
    for (let j = 0; j < steps - i; j++) {
      look(at(i, j), at(i + 1, j), at(i, j + 1));
      if (i + j < steps - 1) look(at(i + 1, j), at(i, j + 1), at(i + 1, j + 1));
    }
  }
  return pieces;
}
