import { events, post } from "./api.js";
import { app, say, titleOf } from "./app.js";
import { byId, percent } from "./dom.js";
import { finished, headline } from "./findings.js";
import { Panel } from "./panel.js";
import { chosenModels, ready, settings } from "./settings.js";
import { Trace } from "./trace.js";

// Below it the model does not believe in what is to be kept.
const UNSURE = 0.5;
// In fewer milliseconds nobody reads "Stop" and presses: the click was meant for "Start".
const UNREAD = 250;
let runningSince = -Infinity;

/** The panels before anything was started. */
export function idle() {
  makePanels();
  for (const panel of app.panels) panel.begin([new Trace(panel.model, app.picker.picked.target, settings().max_steps)], app.picker.picked.source);
  say("");
}

/** A panel for every chosen model. */
export function makePanels() {
  for (const panel of app.panels) panel.play.stop();
  const { delta } = settings(), { nameOf, address } = app.picker, { straight } = app.facts.methods[byId("method").value];
  app.leading = null;
  app.panels = chosenModels().map((model) => new Panel(model, { delta, words: app.facts.words, straight, nameOf, address, told: headline }));
  if (app.panels.length > 1) app.panels.forEach((panel, i) => { panel.heading.dataset.letter = "AB"[i]; });
  for (const panel of app.panels) for (const touched of ["pointerdown", "focusin"]) panel.node.addEventListener(touched, () => headline(app.leading = panel));
  byId("panels").replaceChildren(...app.panels.map((panel) => panel.node));
}

/** The main button: start, stop, continue. */
export function go() {
  if (!app.job) return start(true);
  if (performance.now() - runningSince < UNREAD) return undefined;
  app.paused = !app.paused;
  face();
  say(app.paused ? "Stopped. Continue, or start anew." : "");
  return post(`api/jobs/${app.job}/${app.paused ? "pause" : "resume"}`, {}).catch((error) => say(error.message, true));
}

/** What the buttons say and whether they can be pressed. */
export function face() {
  byId("go").textContent = app.job ? (app.paused ? "Continue" : "Stop") : "Start";
  byId("go").disabled = !app.job && !ready();
  byId("restart").disabled = !app.traces.length;
  for (const id of ["save", "report", "contrast-go"]) byId(id).disabled = !app.traces.some((trace) => trace.result);
  headline(app.leading ?? app.panels[0]);
}

/** Traverse what is picked; with `missing` only targets that were not found yet, if there are any. */
export async function start(missing = false) {
  if (!ready()) return say("Pick a source and a target first.", true);
  app.stopping?.abort();
  app.side?.abort();
  app.job = null;
  app.paused = false;
  const stopping = (app.stopping = new AbortController());
  const { source } = app.picker.picked, models = chosenModels(), targets = app.picker.targets;
  const wanted = { models, source, method: byId("method").value, settings: settings() };
  const key = JSON.stringify([wanted.method, wanted.settings]);
  const lacking = targets.filter((target) => models.some((model) => !kept(model, source, target, key)));
  const grouped = app.facts.methods[wanted.method].grouped;
  const asked = missing && lacking.length && !grouped ? lacking : targets;
  makePanels();
  app.traces = models.flatMap((model) => targets.map((target) => (asked.includes(target) ? null : kept(model, source, target, key)) ?? Object.assign(new Trace(model, target, wanted.settings.max_steps), { source, key })));
  const unsure = [], { panels } = app;
  // Source and target are there at once, before any model was asked.
  for (const panel of panels) {
    const own = app.traces.filter((trace) => trace.model === panel.model);
    panel.waiting = true;
    panel.begin([...own.filter((trace) => !trace.result), ...own.filter((trace) => trace.result)], source);
  }
  face();
  for (const panel of panels) {
    const look = await app.picker.look(panel.model, source);
    Object.assign(panel, { kept: look?.name, pSource: look?.confidence });
    if (look && look.confidence < UNSURE) unsure.push(`${titleOf(panel.model)} is not sure of this source: ${look.name}, ${percent(look.confidence)}.`);
  }
  if (stopping.signal.aborted) return;
  say(unsure.join(" "));
  const top = byId("watch").getBoundingClientRect().top;
  if (top > innerHeight * 0.7) byId("watch").scrollIntoView({ block: "start" });
  await watch({ ...wanted, targets: asked }, stopping);
}

const kept = (model, source, target, key) => app.found.find((one) => one.model === model && one.source === source && one.target === target && one.key === key);

async function watch(wanted, stopping) {
  let wrong = null;
  try {
    for await (const event of events("api/traversals", wanted, stopping.signal)) {
      // What had come before the work was stopped is of traces that are shown no more.
      if (stopping.signal.aborted) return;
      if (event.kind === "job") { app.job = event.id; runningSince = performance.now(); face(); }
      if (event.kind === "error") wrong = event.error;
      else await take(event);
    }
  } catch (error) {
    if (error.name === "AbortError") return;
    wrong = error.message;
  } finally {
    if (app.stopping === stopping) { app.job = null; app.paused = false; app.panels.forEach((panel) => panel.end()); face(); }
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
    remember(trace);
  }
  if (event.kind === "unstarted") say(`${titleOf(event.model)}: ${event.sentence}`, true);
  if (panel.trace !== trace) return;
  if (event.kind === "result") { panel.choose(trace); panel.greet(); }
  else if (event.kind === "frame") panel.live();
}

/** The newest result of a model for a source and a target stands for older ones. */
export function remember(trace) {
  const older = (one) => one.model === trace.model && one.source === trace.source && one.target === trace.target;
  app.found = [...app.found.filter((one) => !older(one)), trace];
}
