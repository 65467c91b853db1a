import { byId } from "./dom.js";

/** What the parts of the page know together: what is picked, at work, shown and found. */
export const app = { panels: [], leading: null, traces: [], found: [], job: null, stopping: null, side: null, paused: false };

/** A model in words. */
export const titleOf = (model) => app.facts.models.find(({ name }) => name === model)?.title ?? model;

/** A sentence below the main button; `wrong`: what went wrong. */
export function say(text, wrong = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("wrong", wrong);
}
