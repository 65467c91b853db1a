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
 * @param {Record<string, any>} properties null and false leave one out, true has no value
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
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
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

/** @param {string} name @returns {string} "a goose", "an academic gown"; "class 7" as it is */
export function withArticle(name) {
  const plain = name.replaceAll("_", " ");
  if (plain.startsWith("class ") || plain === "unknown") return plain;
  return `${"aeiou".includes(plain[0].toLowerCase()) ? "an" : "a"} ${plain}`;
}
