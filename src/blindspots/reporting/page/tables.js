import { download } from "./csv.js";
import { el } from "./dom.js";

const MANY_ROWS = 3;

/**
 * Makes every table of the page sortable, filterable and something to keep.
 * @param {Array<{kind: string, title: string, csv: string}>} tables their data
 */
export function startTables(tables) {
  const known = new Map(tables.map((table) => [table.kind, table]));
  for (const box of document.querySelectorAll("[data-table]")) {
    const table = box.querySelector("table");
    const data = known.get(/** @type {HTMLElement} */ (box).dataset.table);
    for (const heading of table.querySelectorAll("[data-key]")) sortButton(table, heading);
    box.append(toolsOf(table, data));
  }
}

function toolsOf(table, { kind, title, csv }) {
  const save = el("button", { type: "button", class: "small", "aria-label": `Download CSV: ${title}`, onclick: () => download(`${kind}.csv`, csv) }, "Download CSV");
  const rows = table.tBodies[0].rows.length;
  const search = rows > MANY_ROWS ? el("input", { type: "search", "aria-label": `Filter the rows: ${title}`, placeholder: "Filter rows", autocomplete: "off" }) : null;
  search?.addEventListener("input", () => filter(table, search.value));
  return el("div", { class: "table-tools" }, search, save);
}

/** Hides the rows whose heading lacks a word; what stands below a model goes with it. */
function filter(table, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const group of groupsOf([...table.tBodies[0].rows])) {
    const said = group.map((row) => row.cells[0].textContent.toLowerCase()).join(" ");
    for (const row of group) row.hidden = !words.every((word) => said.includes(word));
  }
}

/** Each model's row with those below it. */
function groupsOf(rows, isBelow = (row) => row.classList.contains("below")) {
  const groups = [];
  for (const row of rows) {
    if (isBelow(row) && groups.length) groups.at(-1).push(row);
    else groups.push([row]);
  }
  return groups;
}

function sortButton(table, heading) {
  const term = heading.querySelector(".term");
  const { definition } = term.dataset;
  const button = el("button", { type: "button", class: "sort", "data-definition": definition }, term.textContent);
  term.replaceWith(button);
  button.addEventListener("click", () => {
    const falling = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
    if (table.classList.contains("turned")) sortColumns(table, heading.parentElement, falling);
    else sortRows(table, heading.cellIndex, falling);
  });
}

function sortRows(table, index, falling) {
  const body = table.tBodies[0];
  const groups = groupsOf([...body.rows]);
  const value = (group) => valueOf(group[0].cells[index]);
  body.append(...groups.sort((a, b) => inOrder(value(a), value(b), falling)).flat());
}

/** In a turned table models are columns: all rows are put in the order of one. */
function sortColumns(table, row, falling) {
  const head = [...table.tHead.rows[0].cells];
  const indices = [...head.keys()].slice(1);
  const groups = groupsOf(indices, (i) => head[i].classList.contains("below"));
  const value = (group) => valueOf(row.cells[group[0]]);
  const order = groups.sort((a, b) => inOrder(value(a), value(b), falling)).flat();
  for (const line of [table.tHead.rows[0], ...table.tBodies[0].rows]) {
    const cells = [...line.cells];
    line.append(...order.map((i) => cells[i]));
  }
}

const valueOf = (cell) => (cell.dataset.value ? Number(cell.dataset.value) : null);

/**
 * The order of two numbers; unknown ones are last either way.
 * @param {number|null} a
 * @param {number|null} b
 * @param {boolean} falling
 */
export function inOrder(a, b, falling) {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return falling ? b - a : a - b;
}
