import { page, post } from "./api.js";
import { app } from "./app.js";
import { byId, el } from "./dom.js";
import { changed } from "./settings.js";

/** The found images as a run directory on this machine. */
export async function save() {
  byId("save").disabled = true;
  keepSay("Saving …");
  try {
    const { path } = await post("api/cases", { found: found() });
    keepSay(`Saved in ${path}. Type: blindspots report ${path}`);
  } catch (error) {
    keepSay(error.message, true);
  } finally {
    byId("save").disabled = false;
  }
}

/** The case as the one-file page that a run has; nothing of it stays here. */
export async function report() {
  byId("report").disabled = true;
  keepSay("Making the report …");
  try {
    const address = URL.createObjectURL(await page("api/reports", { found: found() }));
    el("a", { href: address, download: "blindspots.html" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
    keepSay("The report is downloaded.");
  } catch (error) {
    keepSay(error.message, true);
  } finally {
    byId("report").disabled = false;
  }
}

const found = () => app.traces.filter((trace) => trace.result).map((trace) => trace.result.id);

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
