const KEYS = ["source", "target", "second", "models", "method", "delta", "clearance", "steps"];

/** The case as the address bar holds it, behind the #. */
export function written(state) {
  const parts = KEYS.filter((key) => state[key] !== undefined && state[key] !== null && state[key] !== "" && state[key].length !== 0);
  return "#" + parts.map((key) => `${key}=${[].concat(state[key]).map((one) => encodeURIComponent(one)).join(",")}`).join("&");
}

/** The case that an address holds; keys that it lacks are missing. */
export function read(fragment) {
  const state = {};
  for (const part of fragment.replace(/^#/, "").split("&")) {
    const [key, value] = part.split("=");
    if (!KEYS.includes(key) || !value) continue;
    const texts = value.split(",").map(decoded);
    state[key] = key === "models" ? texts : texts[0];
  }
  return state;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
