import { el } from "./dom.js";

/**
 * Offers a file to keep.
 * @param {string} name of the file
 * @param {string|Blob} content a text is one of comma-separated values
 */
export function download(name, content) {
  const address = URL.createObjectURL(typeof content === "string" ? new Blob([content], { type: "text/csv" }) : content);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/**
 * Rows as comma-separated values, quoted where they need it.
 * @param {Array<Array<string|number|boolean|null|undefined>>} rows
 */
export function csvText(rows) {
  const quoted = (value) => {
    const shown = value === null || value === undefined ? "" : String(value);
    // Spreadsheets would compute a text that begins like a formula; numbers may begin with a minus.
    const text = typeof value === "string" && /^\s*[=+\-@]|^[\t\r]/.test(shown) ? `'${shown}` : shown;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(quoted).join(",") + "\n").join("");
}
