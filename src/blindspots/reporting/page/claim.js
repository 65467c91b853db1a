import { byId, el, percent } from "./dom.js";
import { download } from "./csv.js";
import { loaded } from "./mixing.js";
import { foundImage, pairById, report, targetImage, titleOf } from "./run.js";
import { linkWalks, walk } from "./walk.js";

const LEAST = 208, LARGEST = 408, FREE = 8;
const CARD = { width: 1200, height: 630, edge: 56, shot: 344, gap: 24 };
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif";

/** The first screen: the claim with its control. Gives its pair; of a comparison that of its first side. */
export function startClaim() {
  const places = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("#claim, .case-walk")]);
  const pairs = places.map((place) => pairById(place.dataset.pair));
  const alone = byId("claim");
  const walks = pairs.map((pair) => walk(pair, alone ? { shots: report.exact, wide: true, beside: difference(pair) } : {}));
  places.forEach((place, i) => place.append(walks[i]));
  if (alone && foundImage(pairs[0]) && targetImage(pairs[0])) walks[0].querySelector(".controls")?.append(copyButton(pairs[0]));
  linkWalks(walks);
  if (alone) for (const when of ["resize", "load"]) addEventListener(when, () => fit(walks[0]));
  if (alone) fit(walks[0]);
  return pairs[0];
}

/** Pictures as large as leaves the slider on the first screen. */
function fit(walk) {
  const picture = walk.querySelector(".found .shot"), slider = walk.querySelector("input[type=range]");
  if (!slider) return;
  const { width, height } = picture.getBoundingClientRect();
  const over = slider.getBoundingClientRect().bottom + scrollY + FREE - innerHeight;
  walk.style.setProperty("--shot", `${Math.min(LARGEST, Math.max(LEAST, width - (over * width) / height))}px`);
}

function difference(pair) {
  if (!pair.pictures.to_target) return null;
  const words = `found − real ${pair.target}, × ${report.gains.target}`;
  return el("div", { class: "gap" }, el("img", { class: "shot", src: pair.pictures.to_target, alt: `Difference: ${words}` }), el("span", {}, words));
}

/** A button that gives the claim as a picture to paste; as a file where there is no clipboard. */
function copyButton(pair) {
  const words = "Copy as picture";
  const button = el("button", { type: "button", class: "copy", onclick: async () => {
    const card = await drawn(pair);
    const blob = await new Promise((done) => card.toBlob(done, "image/png"));
    let told = "Copied";
    try {
      await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
    } catch {
      download(`blind-spot-${pair.id}.png`, blob);
      told = "Saved as a file";
    }
    button.textContent = told;
    setTimeout(() => { button.textContent = words; }, 2000);
  } }, words);
  return button;
}

/** The claim on a card of 1200 × 630 pixels, as previews of links are. */
async function drawn(pair) {
  const { width, height, edge, shot, gap } = CARD;
  const canvas = /** @type {HTMLCanvasElement} */ (el("canvas", { width, height }));
  const pen = canvas.getContext("2d"), colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const write = (text, x, y, ink, font) => { pen.font = `${font} ${FONT}`; pen.fillStyle = colour(ink); pen.fillText(text, x, y); };
  pen.fillStyle = colour("paper");
  pen.fillRect(0, 0, width, height);
  const left = width - edge - 2 * shot - gap, top = (height - shot) / 2 - 20;
  const [other, sure] = pair.target_said ?? [];
  const sides = [
    { image: report.exact.target ?? targetImage(pair), name: `The real ${pair.target}`, said: other ? `the model: ${other}, ${percent(sure)}` : "" },
    { image: report.exact.found ?? foundImage(pair), name: `Found: you see ${report.case.seen}`, said: `the model: ${pair.caption}, ${report.case.percent}` },
  ];
  const images = await Promise.all(sides.map(({ image }) => loaded(image)));
  sides.forEach(({ name, said }, i) => {
    const x = left + i * (shot + gap);
    pen.imageSmoothingEnabled = images[i].naturalHeight > 96;
    pen.drawImage(images[i], x, top, shot, shot);
    write(name, x, top + shot + 32, "person", "500 20px");
    write(said, x, top + shot + 60, "model", "500 20px");
  });
  sentence(pen, colour, { x: edge, y: top + 36, room: left - 2 * edge + 20 });
  write(titleOf(pair.model), edge, top + shot + 32, "quiet", "400 20px");
  write("Blindspots", edge, top + shot + 60, "quiet", "400 20px");
  return canvas;
}

/** The page's heading in its own colours, folded into the room. */
function sentence(pen, colour, { x, y, room }) {
  const size = 40;
  let at = 0, line = 0;
  pen.font = `650 ${size}px ${FONT}`;
  for (const node of document.querySelector("h1").childNodes) {
    pen.fillStyle = colour(/** @type {HTMLElement} */ (node).className || "ink");
    // A mark that follows a coloured word stands at it: the space is part of each piece.
    for (const piece of node.textContent.replace(/\s+/g, " ").match(/ ?[^ ]+| $/g) ?? []) {
      const wide = pen.measureText(piece).width;
      const folds = at > 0 && piece.startsWith(" ") && at + wide > room;
      if (folds) { at = 0; line += 1; }
      const text = at === 0 ? piece.trimStart() : piece;
      pen.fillText(text, x + at, y + line * size * 1.25);
      at += pen.measureText(text).width;
    }
  }
}
