import { Refusal, post, upload } from "./api.js";
import { byId, el, percent } from "./dom.js";
import { shot } from "./shot.js";

const SLOTS = [
  { key: "source", title: "Source", words: "whose class the model must keep" },
  { key: "target", title: "Target", words: "to look like" },
  { key: "second", title: "Second target", words: "if you like" },
];
const TYPES = "image/jpeg,image/png,image/webp,image/gif";

/** A file name without what only files have. */
export const plainName = (name) => name.replace(/\.(jpe?g|png|webp|gif)$/i, "");

const DRAWINGS = "This model knows ten kinds of drawings; start with blindspots explore --model timm:resnet50.a1_in1k for photographs.";

/** Three places for images, the images to pick from, and uploads. `changed` hears of every pick. */
export class Picker {
  constructor({ gallery, limits, drawings, models, say, changed }) {
    Object.assign(this, { limits, drawings, models, say, changed, picked: {}, active: "source" });
    this.names = new Map(gallery.images.map((one) => [one.id, one.label ?? one.name]));
    this.looks = new Map();
    this.places = new Map(SLOTS.map((slot) => [slot.key, this.makeSlot(slot)]));
    byId("slots").replaceChildren(...[...this.places.values()].map((place) => place.node));
    this.thumbs = byId("thumbs");
    this.thumbs.replaceChildren(...gallery.images.map((one) => this.thumb(one.id)));
    if (gallery.count > gallery.images.length) byId("pick-hint").append(` The first ${gallery.images.length} of ${gallery.count} images are shown.`);
    this.listen();
    this.mark();
  }

  nameOf = (image) => this.names.get(image) ?? image;

  address = (image, model) => `api/images/${encodeURIComponent(image)}${model ? `?model=${encodeURIComponent(model)}` : ""}`;

  get targets() {
    return [this.picked.target, this.picked.second].filter(Boolean);
  }

  /** Put an image into a place; null empties it. */
  put(key, image, quiet = false) {
    const other = SLOTS.find((slot) => slot.key !== key && image && this.picked[slot.key] === image);
    if (other) this.fill(other.key, this.picked[key] ?? null);
    this.fill(key, image);
    this.mark();
    if (!quiet) this.changed();
  }

  fill(key, image) {
    this.picked[key] = image ?? undefined;
    const { view, name, clear } = this.places.get(key);
    view.replaceChildren(image ? this.shot(image) : el("span", { class: "empty" }, "drop or pick"));
    name.textContent = image ? this.nameOf(image) : "";
    if (clear) clear.hidden = !image;
    this.ask();
  }

  /** Ask the chosen models what they see in the picked images. */
  async ask() {
    for (const { key } of SLOTS) {
      const image = this.picked[key], place = this.places.get(key);
      const models = image ? this.models() : [];
      const said = await Promise.all(models.map((model) => this.look(model, image)));
      if (this.picked[key] !== image) continue;
      place.said.replaceChildren(...said.filter(Boolean).map((one, i) => el("span", { class: "seen", title: models[i] },
        models.length > 1 ? `${"AB"[i]}: ` : "model: ", el("b", {}, `${one.name} ${percent(one.confidence)}`))));
    }
  }

  async look(model, image) {
    const key = `${model} ${image}`;
    if (!this.looks.has(key)) {
      this.looks.set(key, post("api/looks", { model, image }).catch((error) => {
        this.looks.delete(key);
        this.say(error.message, true);
        return null;
      }));
    }
    return this.looks.get(key);
  }

  makeSlot({ key, title, words }) {
    const view = el("span", { class: "slot-view" }), name = el("b"), said = el("span", { class: "said" });
    const file = el("input", { type: "file", accept: TYPES, class: "unseen", id: `file-${key}`, "aria-label": `Upload for ${title.toLowerCase()}` });
    file.addEventListener("change", () => { this.take([...file.files], key); file.value = ""; });
    const choose = el("button", { type: "button", class: "choose", "aria-pressed": "false", onclick: () => this.activate(key) },
      el("span", { class: "slot-title" }, title), view, name, el("span", { class: "unseen" }, words));
    const clear = key === "second" ? el("button", { type: "button", class: "clear", hidden: true, "aria-label": "Remove the second target", onclick: () => this.put("second", null) }, "✕") : null;
    const node = el("div", { class: "slot", "data-slot": key }, choose, said, el("label", { class: "file" }, "Upload", file), clear);
    return { node, view, name, said, choose, clear };
  }

  thumb(image) {
    return el("button", { type: "button", class: "thumb", "data-image": image, "aria-label": this.nameOf(image), title: this.nameOf(image), onclick: () => this.pick(image) }, this.shot(image));
  }

  shot(image) {
    return shot(this.address(image), "", { class: null, loading: "lazy", fetchpriority: "low", draggable: "false" });
  }

  /** An image for the marked place; then the next empty place is marked. */
  pick(image) {
    const key = this.active;
    this.put(key, image);
    const next = SLOTS.slice(0, 2).find((slot) => !this.picked[slot.key]);
    this.activate(next ? next.key : key === "source" ? "target" : key);
  }

  activate(key) {
    this.active = key;
    this.mark();
  }

  mark() {
    for (const [key, place] of this.places) place.choose.setAttribute("aria-pressed", String(key === this.active));
    const used = new Set(Object.values(this.picked));
    for (const thumb of this.thumbs?.children ?? []) thumb.classList.toggle("used", used.has(thumb.dataset.image));
  }

  listen() {
    const over = (event) => {
      event.preventDefault();
      const slot = event.target.closest?.(".slot");
      for (const place of this.places.values()) place.node.classList.toggle("over", place.node === slot);
    };
    addEventListener("dragover", over);
    addEventListener("drop", (event) => {
      over(event);
      for (const place of this.places.values()) place.node.classList.remove("over");
      this.take([...event.dataTransfer.files], event.target.closest?.(".slot")?.dataset.slot ?? this.active);
    });
  }

  /** Files that came: the first into this place, others into the next ones. */
  async take(files, key) {
    const start = SLOTS.findIndex((slot) => slot.key === key);
    for (const [i, file] of files.slice(0, SLOTS.length - start).entries()) {
      try {
        this.put(SLOTS[start + i].key, await this.add(file));
        this.say(this.models().some((name) => this.drawings.includes(name)) ? DRAWINGS : "");
      } catch (error) {
        this.say(error.message, true);
      }
    }
  }

  async add(file) {
    if (!TYPES.split(",").includes(file.type)) throw new Refusal(`${file.name} is no JPEG, PNG, WebP or GIF image.`, 400);
    if (file.size > this.limits.bytes) throw new Refusal(`${file.name} has more than ${this.limits.bytes >> 20} MB; scale it down first.`, 413);
    const { id, name } = await upload(file);
    this.names.set(id, plainName(name));
    if (![...this.thumbs.children].some((one) => one.dataset.image === id)) this.thumbs.prepend(this.thumb(id));
    return id;
  }
}
