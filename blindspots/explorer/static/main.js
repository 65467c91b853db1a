import { events, get, post } from "./api.js";
import { Contrast, run as runContrast } from "./contrast.js";
import { byId, el, percent, withArticle } from "./dom.js";
import { showPairs } from "./pairs.js";
import { Panel } from "./panel.js";
import { Picker, plainName } from "./picker.js";
import { read, written } from "./share.js";
import { Star } from "./star.js";
import { Trace } from "./trace.js";
import { Triangle, fill } from "./triangle.js";

const SMALL = 96;
const app = { panels: [], traces: [], found: [], job: null, stopping: null, side: null, paused: false };

async function open() {
  app.facts = await get("/api/start");
  const { models, methods, gallery, limits, run } = app.facts;
  for (const { name } of models) for (const id of ["model-1", "model-2"]) byId(id).append(el("option", { value: name }, name));
  for (const name of Object.keys(methods)) byId("method").append(el("option", { value: name }, name));
  app.picker = new Picker({ gallery, limits, models: chosenModels, say, changed: changed });
  if (run) showPairs(run, openPair);
  drawRamp(app.facts.colours);
  setMethod(run?.method ?? app.facts.method);
  if (run) setSettings(run.settings);
  listen();
  await restore(location.hash, true);
}

function listen() {
  byId("method").addEventListener("change", () => { setMethod(byId("method").value); changed(); });
  for (const id of ["model-1", "model-2"]) byId(id).addEventListener("change", () => { keepModelsApart(id); app.picker.ask(); changed(); });
  for (const id of ["delta", "clearance", "steps"]) byId(id).addEventListener("change", changed);
  byId("settings").addEventListener("submit", (event) => event.preventDefault());
  byId("go").addEventListener("click", go);
  byId("restart").addEventListener("click", () => start());
  byId("contrast-go").addEventListener("click", showContrast);
  byId("save").addEventListener("click", save);
  byId("share").addEventListener("click", share);
  addEventListener("hashchange", () => { if (location.hash !== written(state())) restore(location.hash, false); });
  addEventListener("resize", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

// Settings ------------------------------------------------------------------------------------

const chosenModels = () => [byId("model-1").value, byId("model-2").value].filter(Boolean);

function keepModelsApart(id) {
  const other = id === "model-1" ? "model-2" : "model-1";
  if (byId(id).value === byId(other).value) byId("model-2").value = "";
}

function setMethod(name) {
  const method = app.facts.methods[name];
  byId("method").value = name;
  byId("method-words").textContent = method.summary;
  byId("clearance").disabled = method.settings.clearance === undefined;
  setSettings(method.settings);
}

function setSettings({ delta, clearance, max_steps: steps }) {
  byId("delta").value = delta ?? "";
  byId("clearance").value = clearance ?? "";
  byId("steps").value = steps ?? "";
}

function settings() {
  const given = { delta: Number(byId("delta").value), clearance: Number(byId("clearance").value), max_steps: Number(byId("steps").value) };
  if (byId("clearance").disabled) delete given.clearance;
  return given;
}

function state() {
  const { delta, clearance, max_steps: steps } = settings();
  const { source, target, second } = app.picker.picked;
  return { source, target, second, models: chosenModels(), method: byId("method").value, delta, clearance, steps };
}

/** Something was picked: the address follows, and what can be done. */
function changed() {
  history.replaceState(null, "", written(state()));
  byId("go").disabled = !ready() && !app.job;
}

const ready = () => Boolean(app.picker.picked.source && app.picker.picked.target);

/** The case of an address; without one a first choice, so that Start is all there is to press. */
async function restore(fragment, first) {
  const wanted = read(fragment), { images } = app.facts.gallery;
  if (app.facts.methods[wanted.method]) setMethod(wanted.method);
  setSettings({ ...renamed(settings()), ...numbers(wanted) });
  const names = app.facts.models.map((model) => model.name);
  const models = (wanted.models ?? []).filter((name) => names.includes(name));
  byId("model-1").value = models[0] ?? names[0];
  byId("model-2").value = models.length ? models[1] ?? "" : names[1] ?? "";
  const ids = [wanted.source, wanted.target, wanted.second].filter(Boolean);
  const known = ids.length ? await post("/api/known", { images: ids }) : {};
  const gone = ids.filter((id) => known[id] === null);
  for (const id of ids) if (known[id]) app.picker.names.set(id, app.picker.names.get(id) ?? plainName(known[id]));
  const asked = ids.length > 0 && !gone.length;
  const pick = asked ? wanted : { source: images[0]?.id, target: images[1]?.id };
  for (const key of ["source", "target", "second"]) app.picker.put(key, pick[key] ?? null, true);
  app.picker.activate("source");
  changed();
  if (gone.length) say("The images of this link are not here: uploaded images live as long as the server that they were given to. Drop them again.", true);
  else if (asked && ready()) await start();
  else if (first) idle();
}

const renamed = ({ max_steps: steps, ...rest }) => ({ ...rest, max_steps: steps });

function numbers({ delta, clearance, steps }) {
  const given = { delta, clearance, max_steps: steps };
  return Object.fromEntries(Object.entries(given).filter(([, text]) => text && Number.isFinite(Number(text))));
}

function say(text, wrong = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("wrong", wrong);
}

// Traversal -----------------------------------------------------------------------------------

/** The panels before anything was started. */
function idle() {
  makePanels();
  for (const panel of app.panels) panel.begin([new Trace(panel.model, app.picker.picked.target, settings().max_steps)], app.picker.picked.source);
  say("");
}

function makePanels() {
  for (const panel of app.panels) panel.stop();
  const { delta } = settings(), { nameOf, address } = app.picker;
  app.panels = chosenModels().map((model) => new Panel(model, { delta, words: app.facts.words, nameOf, address }));
  byId("panels").replaceChildren(...app.panels.map((panel) => panel.node));
}

/** The main button: start, stop, continue. */
function go() {
  if (!app.job) return start(true);
  app.paused = !app.paused;
  face();
  say(app.paused ? "Stopped. Continue, or start anew." : "");
  return post(`/api/jobs/${app.job}/${app.paused ? "pause" : "resume"}`, {}).catch((error) => say(error.message, true));
}

function face() {
  byId("go").textContent = app.job ? (app.paused ? "Continue" : "Stop") : "Start";
  byId("go").disabled = !app.job && !ready();
  byId("restart").disabled = !app.traces.length;
}

/** Traverse what is picked; with `missing` only targets that were not found yet, if there are any. */
async function start(missing = false) {
  if (!ready()) return say("Pick a source and a target first.", true);
  app.stopping?.abort();
  app.side?.abort();
  app.job = null;
  const stopping = (app.stopping = new AbortController());
  const { source } = app.picker.picked, models = chosenModels(), targets = app.picker.targets;
  const wanted = { models, source, method: byId("method").value, settings: settings() };
  const key = JSON.stringify([wanted.method, wanted.settings]);
  const lacking = targets.filter((target) => models.some((model) => !kept(model, source, target, key)));
  const grouped = app.facts.methods[wanted.method].grouped;
  const asked = missing && lacking.length && !grouped ? lacking : targets;
  makePanels();
  app.traces = models.flatMap((model) => targets.map((target) => (asked.includes(target) ? null : kept(model, source, target, key)) ?? Object.assign(new Trace(model, target, wanted.settings.max_steps), { source, key })));
  for (const panel of app.panels) {
    const own = app.traces.filter((trace) => trace.model === panel.model);
    const look = await app.picker.look(panel.model, source);
    Object.assign(panel, { kept: look?.name, pSource: look?.confidence, waiting: true });
    panel.begin([...own.filter((trace) => !trace.result), ...own.filter((trace) => trace.result)], source);
  }
  say("");
  const top = byId("watch").getBoundingClientRect().top;
  if (top > innerHeight * 0.7) byId("watch").scrollIntoView({ block: "start" });
  await watch({ ...wanted, targets: asked }, stopping);
}

const kept = (model, source, target, key) => app.found.find((one) => one.model === model && one.source === source && one.target === target && one.key === key);

async function watch(wanted, stopping) {
  let wrong = null;
  app.paused = false;
  try {
    for await (const event of events("/api/traversals", wanted, stopping.signal)) {
      if (event.kind === "job") { app.job = event.id; face(); }
      if (event.kind === "error") wrong = event.error;
      else await take(event);
    }
  } catch (error) {
    if (error.name === "AbortError") return;
    wrong = error.message;
  } finally {
    if (app.stopping === stopping) { app.job = null; app.paused = false; face(); }
  }
  if (app.stopping !== stopping) return;
  if (wrong) return say(wrong, true);
  finished();
}

async function take(event) {
  const trace = app.traces.find((one) => one.model === event.model && one.target === event.target);
  const panel = app.panels.find((one) => one.model === event.model);
  if (!trace || !panel) return;
  if (event.kind === "frame") await trace.frame(event);
  if (event.kind === "result") {
    await trace.found(event);
    app.found = [...app.found.filter((one) => !(one.model === trace.model && one.source === trace.source && one.target === trace.target)), trace];
  }
  if (event.kind === "unstarted") say(`${event.model}: ${event.sentence}`, true);
  if (panel.trace !== trace) return;
  if (event.kind === "result") { panel.choose(trace); panel.greet(); }
  else if (event.kind === "frame") panel.live();
}

function finished() {
  const done = app.traces.filter((trace) => trace.result);
  if (!done.length) return;
  headline(done[0]);
  byId("save").disabled = byId("contrast-go").disabled = false;
  showStars(done[0].source);
  showTriangles();
  if (done.every((trace) => trace.corners.source.height <= SMALL)) showContrast();
}

function headline(trace) {
  const { result } = trace, sees = result.numbers.p_found >= 0.5;
  const arrived = 2 * result.numbers.rmse <= result.numbers.source_rmse;
  byId("headline").replaceChildren(arrived ? "You see " : "On the way to ", el("em", { class: "person" }, withArticle(app.picker.nameOf(trace.target))),
    sees ? ". The model sees " : ". The model gives ", el("em", { class: "model" }, sees ? withArticle(result.sourceName) : result.sourceName), `, ${percent(result.numbers.p_found)}.`);
  const way = result.straight ? "along one straight line, in a direction" : "step by step, only in directions";
  byId("lead").replaceChildren("The picture began as the ", el("span", { class: "model" }, result.sourceName.replaceAll("_", " ")), ` and was changed, ${way} ${trace.model} hardly notices.`);
}

// What is found -------------------------------------------------------------------------------

function showStars(source) {
  const own = app.found.filter((trace) => trace.source === source && trace.result);
  const models = [...new Set(own.map((trace) => trace.model))];
  app.stars = models.map((model) => ({ star: new Star(model, { colours: app.facts.colours, nameOf: app.picker.nameOf, open: openTrace }), traces: own.filter((trace) => trace.model === model) }));
  byId("star-view").replaceChildren(...app.stars.map(({ star }) => star.node));
  for (const { star, traces } of app.stars) star.show(traces);
  byId("ramp-legend").hidden = false;
}

/** A limb was clicked: its pair in the panel. */
function openTrace(trace) {
  const panel = app.panels.find((one) => one.model === trace.model) ?? app.panels[0];
  if (!panel) return;
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
    .map(([first, second]) => new Triangle(first, second, { colours: app.facts.colours, nameOf: app.picker.nameOf, moved: (weights) => app.triangles.forEach((one) => one.mark(weights)) }));
  if (!triangles.length) return;
  app.triangles = triangles;
  byId("triangle-words").textContent = "Point anywhere, or use the arrow keys: the image there is mixed from the three corners, and the model itself says how sure it is.";
  byId("triangle-view").replaceChildren(...triangles.map((one) => one.node));
  for (const one of triangles) one.mark(one.weights);
  app.side?.abort();
  app.side = new AbortController();
  await fill(triangles, app.side.signal).catch((error) => { if (error.name !== "AbortError") say(error.message, true); });
}

const inOrder = (traces) => app.picker.targets.map((target) => traces.find((trace) => trace.target === target)).filter(Boolean);

async function showContrast() {
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

/** A pair that the run stored, as if it had just been found. */
async function openPair(pair) {
  app.stopping?.abort();
  try {
    byId("model-1").value = pair.model;
    keepModelsApart("model-1");
    setMethod(app.facts.run.method);
    setSettings(app.facts.run.settings);
    for (const [key, image] of [["source", pair.source_id], ["target", pair.target_id], ["second", null]]) app.picker.put(key, image, true);
    const event = await post(`/api/pairs/${pair.pair_id}`, {});
    const trace = Object.assign(new Trace(pair.model, pair.target_id), { source: pair.source_id, key: "stored" });
    await trace.found(event);
    byId("model-2").value = "";
    changed();
    makePanels();
    app.traces = [trace];
    app.found = [...app.found.filter((one) => !(one.model === trace.model && one.source === trace.source && one.target === trace.target)), trace];
    app.panels[0].begin([trace], pair.source_id);
    byId("watch").scrollIntoView({ block: "nearest" });
    finished();
    face();
  } catch (error) {
    say(error.message, true);
  }
}

// Keep ----------------------------------------------------------------------------------------

async function save() {
  byId("save").disabled = true;
  keepSay("Saving …");
  try {
    const { path } = await post("/api/cases", { found: app.traces.filter((trace) => trace.result).map((trace) => trace.result.id) });
    keepSay(`Saved in ${path}. Type: blindspots report ${path}`);
  } catch (error) {
    keepSay(error.message, true);
  } finally {
    byId("save").disabled = false;
  }
}

async function share() {
  changed();
  try {
    await navigator.clipboard.writeText(location.href);
    keepSay("The link is copied.");
  } catch {
    keepSay(`Copy the link from the address bar: ${location.href}`);
  }
}

function keepSay(text, wrong = false) {
  byId("keep-status").textContent = text;
  byId("keep-status").classList.toggle("wrong", wrong);
}

function drawRamp(colours) {
  const context = byId("ramp").getContext("2d");
  colours.forEach((colour, i) => {
    context.fillStyle = colour;
    context.fillRect((256 * i) / colours.length, 0, 256 / colours.length + 1, 12);
  });
}

function redraw() {
  for (const panel of app.panels) panel.trace?.result ? panel.place(Number(panel.slider.value)) : panel.trace && panel.live();
  for (const one of app.triangles ?? []) one.draw();
  for (const { star, traces } of app.stars ?? []) star.show(traces);
}

open().catch((error) => say(error.message, true));
