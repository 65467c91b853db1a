import { app, say, titleOf } from "./app.js";
import { Contrast, run as runContrast } from "./contrast.js";
import { byId, el, percent, withArticle } from "./dom.js";
import { Hull, fill } from "./hull.js";
import { SMALL, sharpen } from "./shot.js";
import { radialStar } from "./star.js";

// What stands there before anything was started.
const OPENING = [byId("headline").textContent, byId("lead").textContent];

/** A traversal has ended: all that can be shown of what it found. */
export function finished() {
  const done = app.traces.filter((trace) => trace.result);
  if (!done.length) return;
  showStars(done[0].source);
  showTriangles();
  if (done.every((trace) => trace.corners.source.height <= SMALL)) showContrast();
}

/** The headline is of the picture in the panel that was touched last; of a search it claims nothing. */
export function headline(panel) {
  if (!panel?.trace || panel !== (app.leading ?? app.panels[0])) return;
  const { trace } = panel, { result } = trace, words = byId("headline");
  words.className = !result && panel.waiting ? "quiet" : "";
  if (result) return claim(words, trace, panel.at);
  const target = trace.target && withArticle(app.picker.nameOf(trace.target));
  const search = app.paused ? `Stopped on the way to ${target}.` : `Searching for a picture that looks like ${target} …`;
  words.textContent = panel.waiting ? search : OPENING[0];
  byId("lead").textContent = OPENING[1];
}

function claim(words, trace, { last, confidence }) {
  const { result } = trace, sees = confidence >= 0.5;
  const arrived = last && 2 * result.numbers.rmse <= result.numbers.source_rmse;
  words.replaceChildren(arrived ? "You see " : "On the way to ", el("em", { class: "person" }, withArticle(app.picker.nameOf(trace.target))),
    sees ? ". The model sees " : ". The model gives ", el("em", { class: "model" }, sees ? withArticle(result.sourceName) : result.sourceName), `, ${percent(confidence)}.`);
  const way = result.straight ? "along one straight line, in a direction" : "step by step, only in directions";
  byId("lead").replaceChildren("The picture began as the ", el("span", { class: "model" }, result.sourceName.replaceAll("_", " ")), ` and was changed, ${way} ${titleOf(trace.model)} hardly notices.`);
}

function showStars(source) {
  const own = app.found.filter((trace) => trace.source === source && trace.result);
  // In the order of the panels, whichever model came first.
  const models = app.facts.models.map(({ name }) => name).filter((name) => own.some((trace) => trace.model === name));
  byId("star-view").replaceChildren(...models.map((model) => starOf(own.filter((trace) => trace.model === model))));
  byId("ramp-legend").hidden = false;
  if (!byId("triangle-view").childElementCount) byId("star").append(byId("ramp-legend"));
}

/** All images found from one source with one model: limbs as long as they are far, RMSE. */
function starOf(traces) {
  const { nameOf, address } = app.picker, [{ model, source, result, corners }] = traces;
  const limbs = traces.map((trace) => ({
    values: trace.result.segment, name: nameOf(trace.target), image: trace.address, confidence: trace.result.numbers.p_found,
    far: trace.result.numbers.source_rmse, open: () => openTrace(trace),
  }));
  const star = radialStar({ name: result.sourceName, image: address(source, model), confidence: result.numbers.p_source, limbs, level: levelOf(traces), colourOf: app.colourOf, label: `${titleOf(model)}: ${traces.length} images found from ${result.sourceName}` });
  sharpen(star, corners.source.height);
  return el("article", { class: "sheet", "aria-label": titleOf(model) }, el("h3", {}, titleOf(model)), star);
}

/** The level that all of them had to keep; null where they were started with different deltas. */
function levelOf(traces) {
  const levels = new Set(traces.map(({ result }) => result.numbers.p_source - result.delta));
  return levels.size === 1 ? [...levels][0] : null;
}

/** A limb was clicked: its pair in the panel. */
function openTrace(trace) {
  const panel = app.panels.find((one) => one.model === trace.model) ?? app.panels[0];
  if (!panel) return;
  app.leading = panel;
  panel.model = trace.model;
  if (!panel.traces.includes(trace)) panel.traces = [...panel.traces.filter((one) => one.result), trace];
  panel.source = trace.source;
  panel.choose(trace);
  panel.node.scrollIntoView({ block: "nearest" });
  panel.slider.focus({ preventScroll: true });
}

async function showTriangles() {
  const triangles = app.panels.map((panel) => panel.traces.filter((trace) => trace.result && app.traces.includes(trace)))
    .filter((traces) => traces.length > 1)
    .map((traces) => inOrder(traces))
    .map(([first, second]) => new Hull(first, second, { colourOf: app.colourOf, nameOf: app.picker.nameOf, source: app.picker.address(first.source, first.model), moved: (weights) => app.triangles.forEach((one) => one.mark(weights)) }));
  if (!triangles.length) return;
  app.triangles = triangles;
  byId("triangle-words").textContent = "Point anywhere, or use the arrow keys: the image there is mixed from the three corners, and the model itself says how sure it is.";
  byId("triangle-view").replaceChildren(...triangles.map((one) => one.node));
  byId("triangle").append(byId("ramp-legend"));
  for (const one of triangles) one.mark(one.map.weights);
  app.side?.abort();
  app.side = new AbortController();
  await fill(triangles, app.side.signal).catch((error) => { if (error.name !== "AbortError") say(error.message, true); });
}

const inOrder = (traces) => app.picker.targets.map((target) => traces.find((trace) => trace.target === target)).filter(Boolean);

/** Both failures of every model on the first target. */
export async function showContrast() {
  const traces = app.panels.map((panel) => inOrder(panel.traces.filter((trace) => trace.result))[0]).filter(Boolean);
  if (!traces.length) return;
  const contrasts = traces.map((trace) => new Contrast(trace, app.picker.nameOf));
  byId("contrast-view").replaceChildren(...contrasts.map((one) => one.node));
  byId("contrast-go").textContent = "Change it again";
  app.contrasting?.abort();
  app.contrasting = new AbortController();
  await runContrast(contrasts, traces[0].source, traces[0].target, app.contrasting.signal)
    .catch((error) => { if (error.name !== "AbortError") say(error.message, true); });
}

/** The legend of the colours. */
export function drawRamp(colours) {
  const context = byId("ramp").getContext("2d");
  colours.forEach((colour, i) => {
    context.fillStyle = colour;
    context.fillRect((256 * i) / colours.length, 0, 256 / colours.length + 1, 12);
  });
}
