const definition = document.getElementById("definition");

/** One tooltip for every number, by pointer or by keyboard, always within the window. */
function startDefinitions() {
  let term = null;
  const show = (event) => {
    term = event.target.closest?.("[data-definition]");
    if (!term) return;
    // A modal dialog covers everything outside it, its tooltip included.
    (term.closest("dialog") ?? document.body).append(definition);
    definition.textContent = term.dataset.definition;
    definition.hidden = false;
    place();
  };
  const place = () => {
    if (!term) return;
    const at = term.getBoundingClientRect(), own = definition.getBoundingClientRect();
    const left = Math.min(Math.max(at.left, 8), innerWidth - own.width - 8);
    const below = at.bottom + 8 + own.height < innerHeight;
    definition.style.left = `${left}px`;
    definition.style.top = `${below ? at.bottom + 8 : at.top - own.height - 8}px`;
  };
  const hide = () => { term = null; definition.hidden = true; };
  document.addEventListener("pointerover", show);
  document.addEventListener("focusin", show);
  document.addEventListener("pointerout", hide);
  document.addEventListener("focusout", hide);
  // Focus may scroll a term into view after the tooltip came, so that it has to follow.
  document.addEventListener("scroll", place, true);
}

function start() {
  startDefinitions();
  const hero = document.getElementById("case-player");
  const pair = hero && run.pairs.find((one) => one.id === hero.dataset.pair);
  if (pair) hero.append(player(pair));
  startGrid(pair?.model);
  startSources(pair?.sourceId);
  startPairs();
  tools.dialog.addEventListener("click", (event) => { if (event.target === tools.dialog) tools.dialog.close(); });
}

start();
