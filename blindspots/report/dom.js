/** @typedef {Node|string|number|null|undefined} Child */

// The namespace is asked of the page itself, so that no address stands in the file.
const drawing = (() => {
  const box = document.createElement("div");
  box.innerHTML = "<svg></svg>";
  return /** @type {Element} */ (box.firstChild).namespaceURI;
})();

/**
 * An element with its properties: "on…" listens, "style" is an object, all others are attributes.
 * @param {string} tag
 * @param {Record<string, any>} properties null leaves one out
 * @param {...Child} children text stays text, never markup
 * @returns {HTMLElement}
 */
export function el(tag, properties = {}, ...children) {
  return /** @type {HTMLElement} */ (filled(document.createElement(tag), properties, children));
}

/**
 * The same for a drawing.
 * @param {string} tag
 * @param {Record<string, any>} attributes
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  return /** @type {SVGElement} */ (filled(document.createElementNS(drawing, tag), attributes, children));
}

function filled(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(node.style, value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** @param {string} id @returns {any} the element with this id, or null */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * A number in the slides' style: ".008", "1.000"; "–" where it is not known.
 * @param {number|boolean|null|undefined} value
 * @param {number} digits
 */
export function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  const text = value.toFixed(digits).replace("-", "−");
  return /^−?0\./.test(text) ? text.replace("0.", ".") : text;
}

/**
 * A confidence as a percentage that never rounds up to certainty.
 * @param {number|null|undefined} value
 */
export function percent(value) {
  if (value === null || value === undefined) return "–";
  return (value < 1 ? Math.min(100 * value, 99.9) : 100).toFixed(1) + "\u00a0%";
}

/**
 * Offers a text as a file to keep.
 * @param {string} name of the file
 * @param {string} text
 */
export function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/**
 * Rows as comma-separated values, quoted where they need it.
 * @param {Array<Array<string|number|boolean|null|undefined>>} rows
 */
export function csvText(rows) {
  const quoted = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(quoted).join(",") + "\n").join("");
}
