import { app } from "./app.js";
import { byId } from "./dom.js";
import { written } from "./share.js";

/** The names of one model or two. */
export const chosenModels = () => [byId("model-1").value, byId("model-2").value].filter(Boolean);

/** Model B is emptied where both are the same. */
export function keepModelsApart(id) {
  const other = id === "model-1" ? "model-2" : "model-1";
  if (byId(id).value === byId(other).value) byId("model-2").value = "";
}

/** A method with its own settings. */
export function setMethod(name) {
  const method = app.facts.methods[name];
  byId("method").value = name;
  byId("method-words").textContent = method.summary;
  byId("clearance").disabled = method.settings.clearance === undefined;
  setSettings(method.settings);
}

/** The fields of the settings that a method has. */
export function setSettings({ delta, clearance, max_steps: steps }) {
  byId("delta").value = delta ?? "";
  byId("clearance").value = clearance ?? "";
  byId("steps").value = steps ?? "";
}

/** The settings as a request holds them. */
export function settings() {
  const given = { delta: Number(byId("delta").value), clearance: Number(byId("clearance").value), max_steps: Number(byId("steps").value) };
  if (byId("clearance").disabled) delete given.clearance;
  return given;
}

/** All that makes the case, for its address. */
export function state() {
  const { delta, clearance, max_steps: steps } = settings();
  const { source, target, second } = app.picker.picked;
  return { source, target, second, models: chosenModels(), method: byId("method").value, delta, clearance, steps };
}

/** Something was picked: the address follows, and what can be done. */
export function changed() {
  history.replaceState(null, "", written(state()));
  byId("go").disabled = !ready() && !app.job;
}

/** Whether there are a source and a target. */
export const ready = () => Boolean(app.picker.picked.source && app.picker.picked.target);

/** The settings that an address names. */
export function settingsOf({ delta, clearance, steps }) {
  const given = { delta, clearance, max_steps: steps };
  return Object.fromEntries(Object.entries(given).filter(([, text]) => text && Number.isFinite(Number(text))));
}
