// Asking the admin listener. Errors carry what its problem documents say.

const KEPT = "weir-admin-token";

export class Problem extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

function fields() {
  const token = sessionStorage.getItem(KEPT);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

export function keepToken(token) {
  sessionStorage.setItem(KEPT, token);
}

export async function ask(path, method = "GET", signal = undefined) {
  const answer = await fetch(path, { method, headers: fields(), cache: "no-store", signal });
  if (answer.ok) return answer;
  let text = `${answer.status} ${answer.statusText}`;
  try {
    const problem = await answer.json();
    text = [problem.detail || problem.title, problem.hint].filter(Boolean).join("\n");
  } catch {
    // It is no problem document; the status is all there is.
  }
  throw new Problem(answer.status, text);
}

export const read = async (path) => (await ask(path)).json();

export async function change(path, method) {
  const answer = await ask(path, method);
  const text = await answer.text();
  return text && answer.headers.get("Content-Type")?.includes("json") ? JSON.parse(text) : text;
}

// Events as they come. `fetch` and not `EventSource`, which can't send a token.
export async function* events(path) {
  const stop = new AbortController();
  try {
    const answer = await ask(path, "GET", stop.signal);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const pieces = (rest + value).split("\n\n");
      rest = pieces.pop();
      for (const piece of pieces) {
        const event = { name: "message", data: "" };
        for (const line of piece.split("\n")) {
          if (line.startsWith("event:")) event.name = line.slice(6).trim();
          else if (line.startsWith("data:")) event.data += line.slice(5).trim();
        }
        if (event.data) yield { name: event.name, data: JSON.parse(event.data) };
      }
    }
  } finally {
    stop.abort();
  }
}
