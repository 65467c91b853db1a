export const byId = (id) => document.getElementById(id);

/** An element with its properties ("on…" listens, the rest are attributes); children may be text. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** A number in the slides' style: ".008", "1.000"; "–" where it is not known. */
export function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  const text = value.toFixed(digits).replace("-", "−");
  return /^−?0\./.test(text) ? text.replace("0.", ".") : text;
}

/** A confidence as a percentage that never rounds up to certainty. */
export function percent(value) {
  if (value === null || value === undefined) return "–";
  return (value < 1 ? Math.min(100 * value, 99.9) : 100).toFixed(1) + "\u00a0%";
}

/** "a car", "an apple"; "class 7" stays as it is. */
export function withArticle(name) {
  const plain = name.replaceAll("_", " ");
  return plain.startsWith("class ") ? plain : `${"aeiou".includes(plain[0].toLowerCase()) ? "an" : "a"} ${plain}`;
}

/** The page's colour of that name, light or dark. */
export const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Whether somebody asked their system for less motion. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** The context of a canvas whose unit is a CSS pixel, cleared, with its width and height. */
export function brush(canvas, width, height) {
  const dense = Math.min(devicePixelRatio || 1, 3);
  canvas.width = Math.round(width * dense);
  canvas.height = Math.round(height * dense);
  const context = canvas.getContext("2d");
  context.setTransform(dense, 0, 0, dense, 0, 0);
  context.font = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
  return context;
}
