import { post } from "./api.js";
import { app } from "./app.js";
import { byId } from "./dom.js";
import { changed } from "./settings.js";

/** The found images as a run directory on this machine. */
export async function save() {
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

/** The address of the case, to be sent on. */
export async function share() {
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
