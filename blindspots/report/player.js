/** Source, the picture on its way, target; with a slider over the snapshots where they were kept. */
function player(pair) {
  const frames = pair.path.length;
  const strip = run.pictures.paths[pair.id];
  const middle = strip && frames > 1 ? stage(pair, strip, frames) : picture(foundImage(pair), foundWords(pair));
  const box = el("div", { class: "player" },
    side(sourceImage(pair), "It began as", pair.source, "model", pair.numbers.p_source),
    el("figure", {}, middle),
    side(targetImage(pair), "It was led to", pair.target, "person", null));
  if (strip && frames > 1) box.append(controls(pair, middle, frames));
  return box;
}

const foundWords = (pair) => `Found image: ${youSee(pair).toLowerCase()} ${pair.target}, ${sees(pair)} ${pair.source}`;

function side(uri, words, name, kind, confidence) {
  const sure = confidence === null || confidence === undefined ? null : el("span", {}, percent(confidence));
  return el("figure", {}, picture(uri, name), el("figcaption", {}, words, el("b", { class: kind }, name), sure));
}

function stage(pair, strip, frames) {
  const view = el("div", { class: "stage", role: "img", "aria-label": foundWords(pair) });
  view.style.backgroundImage = `url("${strip}")`;
  view.style.backgroundSize = `${100 * frames}% 100%`;
  const probe = new Image();
  probe.addEventListener("load", () => {
    view.classList.toggle("crisp", probe.naturalHeight <= 96);
    view.style.aspectRatio = `${probe.naturalWidth / frames} / ${probe.naturalHeight}`;
  });
  probe.src = strip;
  return view;
}

function controls(pair, view, frames) {
  const slider = el("input", { type: "range", min: 0, max: frames - 1, step: 1, value: frames - 1, "aria-label": `Way from ${pair.source} to ${pair.target}` });
  const step = el("span"), sure = el("span");
  const show = () => {
    const at = Number(slider.value);
    view.style.backgroundPositionX = `${(100 * at) / (frames - 1)}%`;
    step.textContent = whereabouts(pair, at, frames - 1);
    sure.replaceChildren("the model: ", el("b", {}, `${pair.source} ${percent(pair.path[at])}`));
    slider.setAttribute("aria-valuetext", `${step.textContent}, ${sure.textContent}`);
  };
  slider.addEventListener("input", show);
  show();
  return el("div", { class: "controls" }, playButton(slider, show, frames), slider, el("div", { class: "readout" }, step, sure));
}

/** How far a snapshot is: steps taken, or the share of the way where the way is a segment. */
function whereabouts(pair, at, last) {
  if (run.straight) return `${pair.steps[at] ?? Math.round((100 * at) / last)}\u00a0% of the way`;
  return `step ${pair.steps[at] ?? at} of ${pair.steps[last] ?? last}`;
}

function playButton(slider, show, frames) {
  let timer = null;
  const button = el("button", { type: "button", class: "play", "aria-label": "Play", onclick: () => (timer ? stop() : start()) }, "▶");
  const face = (sign, words) => { button.textContent = sign; button.setAttribute("aria-label", words); };
  const stop = () => { clearInterval(timer); timer = null; face("▶", "Play"); };
  const start = () => {
    if (Number(slider.value) === frames - 1) slider.value = 0;
    show();
    face("❙❙", "Pause");
    timer = setInterval(() => {
      if (Number(slider.value) >= frames - 1 || !button.isConnected) return stop();
      slider.value = Number(slider.value) + 1;
      show();
    }, 220);
  };
  slider.addEventListener("pointerdown", stop);
  return button;
}
