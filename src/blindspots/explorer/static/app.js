import { byId } from "./dom.js";

/** What the parts of the page know together: what is picked, at work, shown and found. */
export const app = { panels: [], traces: [], found: [], job: null, stopping: null, side: null, paused: false };

/** A sentence below the main button; `wrong`: what went wrong. */
export function say(text, wrong = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("wrong", wrong);
}
