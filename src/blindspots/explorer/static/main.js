import { get, post } from "./api.js";
import { app, say } from "./app.js";
import { colourScale } from "./colours.js";
import { byId, el } from "./dom.js";
import { drawRamp, finished, showContrast } from "./findings.js";
import { report, save, share } from "./keep.js";
import { showPairs } from "./pairs.js";
import { Picker, plainName } from "./picker.js";
import { changed, chosenModels, keepModelsApart, ready, setMethod, setSettings, settings, settingsOf, state } from "./settings.js";
import { read, written } from "./share.js";
import { Trace } from "./trace.js";
import { face, go, idle, makePanels, remember, start } from "./traversal.js";

// The address at which the page opens without playing a case.
const QUIET = "#pick";
// So many images are asked about to find two to begin with.
const FEW = 6;

async function open() {
  app.facts = await get("api/start");
  const { models, methods, gallery, limits, run } = app.facts;
  for (const { name, title } of models) for (const id of ["model-1", "model-2"]) byId(id).append(el("option", { value: name, title: name }, title));
  for (const name of Object.keys(methods)) byId("method").append(el("option", { value: name }, name));
  app.picker = new Picker({ gallery, limits, drawings: models.filter((one) => one.drawings).map(({ name }) => name), models: chosenModels, say, changed });
  if (run) showPairs(run, openPair);
  app.colourOf = colourScale(app.facts.colours);
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
  byId("report").addEventListener("click", report);
  addEventListener("hashchange", () => { if (location.hash !== written(state())) restore(location.hash, false); });
}

/** The case of an address; without one a first choice, so that Start is all there is to press. */
async function restore(fragment, first) {
  const wanted = read(fragment), { images } = app.facts.gallery;
  if (app.facts.methods[wanted.method]) setMethod(wanted.method);
  setSettings({ ...settings(), ...settingsOf(wanted) });
  const names = app.facts.models.map((model) => model.name);
  const models = (wanted.models ?? []).filter((name) => names.includes(name));
  byId("model-1").value = models[0] ?? names[0];
  byId("model-2").value = models.length ? models[1] ?? "" : names[1] ?? "";
  const ids = [wanted.source, wanted.target, wanted.second].filter(Boolean);
  const known = ids.length ? await post("api/known", { images: ids }) : {};
  const gone = ids.filter((id) => known[id] === null);
  for (const id of ids) if (known[id]) app.picker.names.set(id, app.picker.names.get(id) ?? plainName(known[id]));
  const asked = ids.length > 0 && !gone.length;
  const pick = asked ? wanted : await firstPair(images.slice(0, FEW));
  for (const key of ["source", "target", "second"]) app.picker.put(key, pick[key] ?? null, true);
  app.picker.activate("source");
  changed();
  if (gone.length) say("The images of this link are not here: uploaded images live as long as the server that they were given to. Drop them again.", true);
  else if (asked && ready()) await start();
  else if (first && app.facts.run?.case && fragment !== QUIET) await openPair(app.facts.run.case, true);
  else if (first && fragment !== QUIET && ready()) await start();
  else if (first) idle();
}

/** Two of these images, of different classes and named correctly by the first model, where it can. */
async function firstPair(images) {
  const looks = await Promise.all(images.map(({ id }) => app.picker.look(byId("model-1").value, id)));
  const some = images.map(({ id, label }, i) => ({ id, label: label ?? looks[i]?.name, right: looks[i]?.right }));
  const source = some.find((one) => one.right) ?? some[0];
  const others = some.filter((one) => one.label !== source.label);
  const target = others.find((one) => one.right) ?? others[0] ?? some.find((one) => one !== source);
  return { source: source?.id, target: target?.id };
}

/** A pair that the run stored, as if it had just been found. */
async function openPair(pair, first = false) {
  app.stopping?.abort();
  try {
    byId("model-1").value = pair.model;
    byId("model-2").value = "";
    setMethod(app.facts.run.method);
    setSettings(app.facts.run.settings);
    for (const [key, image] of [["source", pair.source_id], ["target", pair.target_id], ["second", null]]) app.picker.put(key, image, true);
    const event = await post(`api/pairs/${pair.pair_id}`, {});
    const trace = Object.assign(new Trace(pair.model, pair.target_id), { source: pair.source_id, key: "stored" });
    await trace.found(event);
    changed();
    makePanels();
    app.traces = [trace];
    remember(trace);
    app.panels[0].begin([trace], pair.source_id);
    if (!first) byId("watch").scrollIntoView({ block: "nearest" });
    finished();
    face();
    app.panels[0].greet();
  } catch (error) {
    say(error.message, true);
  }
}

open().catch((error) => say(error.message, true));
