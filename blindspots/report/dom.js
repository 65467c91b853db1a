"use strict";
// Every word of the run reaches the page as text, never as markup.
const run = JSON.parse(document.getElementById("run-data").textContent);
const drawing = document.getElementById("drawing").namespaceURI;
const LIMBS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#808080"];

/** An element with its properties ("on…" listens, "class" and "aria-…" are attributes). */
function el(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** The same for a drawing. */
function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(drawing, tag), attributes, children);
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

const limbColour = (index) => LIMBS[index % LIMBS.length];

/** A number in the slides' style: ".008", "1.000"; "–" where it is not known. */
function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  const text = value.toFixed(digits).replace("-", "−");
  return /^−?0\./.test(text) ? text.replace("0.", ".") : text;
}

/** A confidence as a percentage that never rounds up to certainty. */
function percent(value) {
  if (value === null || value === undefined) return "–";
  return (value < 1 ? Math.min(100 * value, 99.9) : 100).toFixed(1) + "\u00a0%";
}

/** The colour of a confidence on the figures' scale. */
function colourOf(confidence) {
  const last = run.colours.length - 1;
  return run.colours[Math.round(Math.min(Math.max(confidence, 0), 1) * last)];
}

/** A picture of the run, or a dashed frame that says that it was not kept. */
function picture(uri, alt, extra = {}) {
  if (!uri) return el("span", { class: "shot absent" }, "not kept");
  const image = el("img", { class: "shot", src: uri, alt, ...extra });
  image.addEventListener("load", () => image.classList.toggle("crisp", isSmall(image)));
  return image;
}

const isSmall = (image) => image.naturalHeight <= 96;
const sourceImage = (pair) => run.pictures.images[pair.sourceKey];
const targetImage = (pair) => run.pictures.images[pair.targetKey];
const foundImage = (pair) => run.pictures.found[pair.id];
/** "the model sees" where it does believe in the source's class, else how little it does. */
const sees = (pair) => (pair.numbers.p_found >= 0.5 ? "the model sees" : "the model still gives");
const youSee = (pair) => (pair.arrived ? "You see" : "On the way to");
const started = (pair) => pair.numbers.rmse !== null;
