/** What the server said no with, as a sentence for the page. */
export class Refusal extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

const UNREACHABLE = "The server does not answer; it may have been stopped. Start blindspots explore again, then reload.";

export const get = (path) => asked(path, { method: "GET" }).then((answer) => answer.json());

/** The JSON that a POST of JSON is answered with; null where there is none. */
export async function post(path, data) {
  const answer = await asked(path, json(data));
  return answer.status === 204 ? null : answer.json();
}

/** The file that a POST of JSON is answered with. */
export const page = (path, data) => asked(path, json(data)).then((answer) => answer.blob());

/** A file given to the server: {id, name}. */
export async function upload(file) {
  const form = new FormData();
  form.append("file", file);
  return (await asked("api/uploads", { method: "POST", body: form })).json();
}

/** The events of long work as they come; aborting the signal ends the work. */
export async function* events(path, data, signal) {
  const answer = await asked(path, { ...json(data), signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", over = false;
  try {
    while (!over) {
      const { done, value } = await reader.read();
      over = done;
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        const line = part.split("\n").find((one) => one.startsWith("data: "));
        if (line) yield JSON.parse(line.slice(6));
      }
    }
  } finally {
    if (!over) reader.cancel().catch(() => {});
  }
}

const json = (data) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(data) });

async function asked(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(UNREACHABLE, 0);
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw new Refusal(sentence(said.error ?? "The server could not answer."), answer.status);
}

/** As the page says it: a capital first, a full stop last. */
const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
