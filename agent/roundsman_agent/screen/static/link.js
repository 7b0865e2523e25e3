// The page's link to its unit: states come in, taps go out, and silence is noticed.
import { draw } from "./dom.js";

const DEAD_AFTER_MS = 6000; // the unit speaks every 2 s: three missed words are a dead unit
const TAP_TRIES = 4;
const RETRY_MS = 400;
let heardAt = -Infinity; // performance.now() of the newest state

export const dead = () => performance.now() - heardAt > DEAD_AFTER_MS;

export function listen(onState) {
  const events = new EventSource("/api/events");
  let state = null;
  const hear = (next) => {
    heardAt = performance.now();
    state = next;
    onState(state);
  };
  events.onmessage = (event) => hear(JSON.parse(event.data));
  // Between two whole states: only what time and place have changed.
  events.addEventListener("moved", (event) => {
    const { next, ...rest } = JSON.parse(event.data);
    hear({ ...state, ...rest, next: next && { ...state.next, ...next } });
  });
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) setTimeout(() => listen(onState), 1000);
  };
}

const json = (body) => ({ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

export const post = (path, body) => fetch(path, json(body));
export const action = draw;

// What was said is sent again until it is answered: the unit knows a repeated tap by its id. Gives {ok, status, body}; status 0: no answer.
export async function send(path, body, request = json(body)) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await fetch(path, request);
      return { ok: answer.ok, status: answer.status, body: await answer.json() };
    } catch {
      if (attempt === TAP_TRIES) return { ok: false, status: 0, body: {} };
      await new Promise((done) => setTimeout(done, RETRY_MS * attempt));
    }
  }
}

// A picture goes to the unit's disk first; its name is its content, so sending it twice is sending it once.
export const keep = (kind, blob) => send(`/api/blobs?kind=${kind}`, null, { method: "PUT", headers: { "content-type": blob.type }, body: blob });
