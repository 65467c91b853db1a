import { byId } from "./dom.js";

/** One tooltip for every number, by pointer or by keyboard, always within the window. */
export function startDefinitions() {
  const definition = byId("definition");
  let term = null;
  const show = (event) => {
    term = event.target.closest?.("[data-definition]");
    if (!term) return;
    // A modal dialog covers everything outside it, its tooltip included.
    (term.closest("dialog") ?? document.body).append(definition);
    definition.textContent = term.dataset.definition;
    definition.hidden = false;
    term.setAttribute("aria-describedby", "definition");
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
  const hide = () => {
    term?.removeAttribute("aria-describedby");
    term = null;
    definition.hidden = true;
  };
  document.addEventListener("pointerover", show);
  document.addEventListener("focusin", show);
  document.addEventListener("pointerout", hide);
  document.addEventListener("focusout", hide);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  // Focus may scroll a term into view after the tooltip came, so that it has to follow.
  document.addEventListener("scroll", place, true);
}
