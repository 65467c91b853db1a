const sourceView = document.getElementById("source-view");
const sourceChoice = document.getElementById("source-choice");

/** The sources that were traversed, those with most targets first, and the choice among them. */
function startSources(preferred) {
  const counts = new Map();
  for (const pair of run.pairs.filter(started)) {
    const entry = counts.get(pair.sourceId) ?? { name: pair.source, pairs: 0 };
    counts.set(pair.sourceId, { ...entry, pairs: entry.pairs + 1 });
  }
  if (!counts.size) return document.getElementById("sources").remove();
  for (const [id, { name }] of counts) sourceChoice.append(el("option", { value: id }, `${name} (${id})`));
  sourceChoice.value = counts.has(preferred) ? preferred : counts.keys().next().value;
  sourceChoice.addEventListener("change", showSource);
  return showSource();
}

function showSource() {
  const own = run.pairs.filter((pair) => pair.sourceId === sourceChoice.value && started(pair));
  const sheets = run.models.map(({ name }) => modelSheet(name, own.filter((pair) => pair.model === name)));
  sourceView.replaceChildren(el("div", { class: "models" }, ...sheets.filter(Boolean)));
}

function modelSheet(name, pairs) {
  if (!pairs.length) return null;
  const limbs = pairs.map((pair, i) => ({ values: pair.segment, colour: limbColour(i), name: pair.target }));
  const level = run.delta === null ? null : pairs[0].numbers.p_source - run.delta;
  const words = `Confidence from ${pairs[0].source} ${pairs.map(segmentWords).join("; ")}`;
  return el("article", { class: "sheet" }, el("h4", {}, name),
    el("div", { class: "limbs", role: "group", "aria-label": `${name}: source and found images`, tabindex: 0 },
      limbCard(sourceImage(pairs[0]), "the source", pairs[0].source, pairs[0].numbers.p_source),
      ...pairs.map((pair, i) => foundCard(pair, limbColour(i)))),
    el("div", { class: "figures" }, starOf(limbs.filter((limb) => limb.values.length), level, words), triangleOf(pairs)));
}

function starOf(limbs, level, words) {
  return limbs.length ? el("div", {}, el("p", { class: "hint" }, "Star: one line a found image"), starChart(limbs, level, words)) : null;
}

function limbCard(uri, words, name, confidence) {
  return el("figure", {}, picture(uri, name), el("span", {}, words), el("b", { class: "model" }, `${name} ${percent(confidence)}`));
}

function foundCard(pair, colour) {
  const image = picture(foundImage(pair), foundWords(pair), { style: { borderColor: colour } });
  return el("figure", {}, el("button", { type: "button", onclick: () => openPair(pair) }, image,
    el("span", {}, `${youSee(pair).toLowerCase()} `, el("b", { class: "person" }, pair.target)),
    el("b", { class: "model" }, `${pair.source} ${percent(pair.numbers.p_found)}`)));
}

function triangleOf(pairs) {
  const own = run.triangles.filter((t) => t.model === pairs[0].model && t.sourceId === pairs[0].sourceId);
  if (!own.length) return null;
  const target = (id) => pairs.find((pair) => pair.targetId === id);
  const box = el("div"), pick = el("p", { class: "pick" });
  const show = (triangle) => {
    const [first, second] = triangle.targetIds.map(target);
    pick.textContent = `mean confidence ${number(triangle.mean)}; point at a cell to read it`;
    box.replaceChildren(triangleChart(triangle, first, second, (words) => { pick.textContent = words; }));
  };
  show(own[0]);
  return el("div", {}, el("p", { class: "hint" }, "Triangle: between the source and two found images; sides are RMSE"),
    own.length > 1 ? triangleChoice(own, target, show) : null, box, pick);
}

function triangleChoice(own, target, show) {
  const choice = el("select", { "aria-label": "Which triangle", onchange: () => show(own[choice.value]) });
  own.forEach((triangle, i) => {
    choice.append(el("option", { value: i }, triangle.targetIds.map((id) => target(id).target).join(" and ")));
  });
  return choice;
}
