import { el, percent, withArticle } from "./dom.js";
import { lineChart, lineKey } from "./chart.js";
import { cleared, loaded, mixInto } from "./mixing.js";
import { playButton } from "./play.js";
import { sharpen } from "./shot.js";
import { aspectOf, axis, foundImage, foundWords, heading, levelOf, picture, sourceImage, sure, targetImage } from "./run.js";

/** @typedef {import("./run.js").Pair} Pair */
/** @typedef {{source?: string|null, target?: string|null, found?: string|null}} Shots addresses */

const LAST = 100, STRIDE = 2, PAUSE = 60;

/**
 * Two ways from one source, walked together: the plain mix, which ends at the real target, and the
 * way to the found image. Below them what the model says along both.
 * @param {Pair} pair
 * @param {{shots?: Shots, wide?: boolean, beside?: Node|null}} options `shots`: other copies of its
 *   pictures; `wide`: over the whole window; `beside`: what stands below the source
 */
export function walk(pair, { shots = {}, wide = false, beside = null } = {}) {
  const own = { source: sourceImage(pair), target: targetImage(pair), found: foundImage(pair), ...shots };
  const strip = pair.path.length > 1 ? pair.pictures.strip : null;
  const ours = strip ? pair.path : pair.segment;
  const moves = own.source && own.found && ours.length > 1;
  const real = side(pair, "real", moves && own.target ? null : own.target, `Real image: ${withArticle(pair.target)}`);
  const found = side(pair, "found", moves ? null : own.found, foundWords(pair));
  const box = el("div", { class: wide ? "walk wide" : "walk" },
    el("figure", { class: "began" }, picture(own.source, `source: ${pair.source}`, { style: { aspectRatio: aspectOf(pair) } }),
      el("figcaption", {}, "It began as the ", el("b", { class: "model" }, pair.source), `, ${sure(pair.numbers.p_source)}`), beside),
    real.node, found.node);
  const chart = ours.length > 1 ? chartOf(pair, ours, strip !== null, wide) : null;
  if (chart) box.append(chart.node);
  let images = {};

  /** Shows both ways at a share of their length. */
  function show(share) {
    chart?.mark(share);
    tell(real, found, pair, ours, share);
    const { source, target, found: last, strip: frames } = images;
    if (source && target && real.canvas) draw(real.canvas, share, () => mixInto(real.canvas, [source, target], [1 - share, share]));
    if (!source || !last || !found.canvas) return;
    draw(found.canvas, share, () => (frames ? frame(found.canvas, frames, pair.path.length, share) : mixInto(found.canvas, [source, last], [1 - share, share])));
  }

  if (moves) box.append(controls(pair, show, strip !== null));
  show(1);
  const wanted = { ...own, strip };
  Promise.all(Object.values(wanted).map(loaded)).then((all) => {
    images = Object.fromEntries(Object.keys(wanted).map((name, i) => [name, all[i]]));
    show(Number(box.querySelector("input")?.value ?? LAST) / LAST);
  });
  return box;
}

/**
 * Lets walks go together: where a person moves one, the others come as far.
 * @param {HTMLElement[]} walks
 */
export function linkWalks(walks) {
  for (const own of walks) {
    own.addEventListener("walked", ({ detail }) => {
      for (const other of walks) if (other !== own) other.querySelector("input[type=range]")?.dispatchEvent(new CustomEvent("follow", { detail }));
    });
  }
}

function side(pair, kind, still, label) {
  const canvas = still === null ? el("canvas", { class: "shot", role: "img", "aria-label": label, style: { aspectRatio: aspectOf(pair) } }) : null;
  const name = el("figcaption", { class: "name" }), said = el("figcaption", { class: "said" });
  return { canvas, name, said, node: el("figure", { class: kind }, name, canvas ?? picture(still, label), said) };
}

function draw(canvas, share, paint) {
  paint();
  sharpen(canvas, canvas.height);
  canvas.dataset.drawn = share.toFixed(2);
}

function frame(canvas, strip, count, share) {
  const width = strip.naturalWidth / count, at = Math.round(share * (count - 1));
  cleared(canvas, width, strip.naturalHeight).drawImage(strip, at * width, 0, width, strip.naturalHeight, 0, 0, width, strip.naturalHeight);
}

function tell(real, found, pair, ours, share) {
  const at = `${Math.round(LAST * share)}\u00a0%`, [other, sureOf] = pair.target_said ?? [];
  const person = (word) => el("b", { class: "person" }, word);
  if (share === 1) {
    real.name.replaceChildren("The real ", person(pair.target));
    found.name.replaceChildren(pair.arrived ? "Found: you see " : "Found, on the way to ", person(withArticle(pair.target)));
  } else {
    real.name.replaceChildren(`Plain mix, ${at} `, person(pair.target));
    found.name.replaceChildren(`${at} of the way to `, person("found"));
  }
  const believed = valueAt(ours, share), plain = valueAt(pair.plain, share);
  found.said.replaceChildren(...said(pair, share === 1 ? pair.numbers.p_found : believed));
  const target = share === 1 && other && other !== pair.source;
  real.said.replaceChildren(...(target ? ["the model: ", el("b", {}, `${other}, ${percent(sureOf)}`), plain === null ? "" : ` (${pair.caption} ${sure(plain)})`] : plain === null ? [] : said(pair, plain)));
}

function said(pair, value) {
  const level = levelOf(pair.model, pair.numbers.p_source);
  const lost = level !== null && value !== null && value < level;
  return ["the model: ", el("b", { class: lost ? "lost" : "model" }, `${pair.caption}, ${sure(value)}`)];
}

/** The value at a share of equally spaced ones, between its neighbours. */
function valueAt(values, share) {
  if (!values.length) return null;
  const place = share * (values.length - 1), low = Math.floor(place), high = Math.ceil(place);
  if (values[low] === null || values[high] === null) return null;
  return values[low] + (place - low) * (values[high] - values[low]);
}

function chartOf(pair, ours, stepped, wide) {
  const level = levelOf(pair.model, pair.numbers.p_source), until = pair.plain_until;
  const lines = [
    { values: ours, colour: "var(--model)", name: stepped ? "the traversal to the found image" : "the straight way to the found image" },
    ...(pair.plain.length ? [{ values: pair.plain, colour: "var(--quiet)", dash: "6 4", name: `a plain mix of source and target${until !== null && until < 1 ? `: it leaves at ${Math.round(100 * until)}\u00a0%` : ""}` }] : []),
  ];
  const known = ours.filter((p) => p !== null);
  const label = `${heading} along the way, ${sure(Math.min(...known))} at the lowest`;
  const size = wide ? { width: Math.min(Math.max(innerWidth - 48, 300), 1120), height: innerWidth < 600 ? 150 : 116 } : {};
  const { node, mark } = lineChart({ lines, level, axis, label, ends: ["source", "target and found"], size });
  return { node: el("div", { class: "along" }, el("p", { class: "hint" }, `${heading[0]}${heading.slice(1)} in ${withArticle(pair.source)}`), node, lineKey(lines)), mark };
}

function controls(pair, show, stepped) {
  const slider = /** @type {HTMLInputElement} */ (el("input", { type: "range", min: 0, max: LAST, step: 1, value: LAST, "aria-label": `Way from ${pair.source} to ${pair.target}` }));
  const put = () => {
    const share = Number(slider.value) / LAST;
    show(share);
    slider.setAttribute("aria-valuetext", whereabouts(pair, share, stepped));
    where.textContent = whereabouts(pair, share, stepped);
  };
  const where = el("span", { class: "where" });
  const walked = () => {
    put();
    slider.dispatchEvent(new CustomEvent("walked", { bubbles: true, detail: Number(slider.value) }));
  };
  const play = playButton(slider, walked, PAUSE, () => STRIDE);
  slider.addEventListener("input", walked);
  slider.addEventListener("follow", (event) => {
    play.stop();
    slider.value = String(/** @type {CustomEvent} */ (event).detail);
    put();
  });
  for (const touched of ["pointerdown", "keydown"]) slider.addEventListener(touched, play.stop);
  put();
  return el("div", { class: "controls" }, slider, play.node, where);
}

function whereabouts(pair, share, stepped) {
  const step = pair.steps[Math.round(share * (pair.steps.length - 1))];
  return stepped ? `step ${step} of ${pair.steps.at(-1)}` : `${Math.round(LAST * share)}\u00a0% of the way`;
}
