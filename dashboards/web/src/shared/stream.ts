/** Server-sent events over fetch: EventSource cannot send an Authorization header, and a key does not belong into an address. */

import { Refused } from "./api";
import { pauseMs } from "./pause";

/** Longer than three ticks of the hub: the line is dead, whatever TCP believes. */
const SILENCE_MS = 4_000;

/** Follow the stream for ever, opening it anew when it ends: it then begins with a snapshot, so nothing is missed. */
export async function follow(
  path: string,
  key: string,
  hear: (events: [event: string, data: string][]) => void,
  state: (connected: boolean) => void,
  stop: AbortSignal,
): Promise<void> {
  let failures = 0;
  while (!stop.aborted) {
    const line = new AbortController();
    const end = (): void => line.abort();
    stop.addEventListener("abort", end);
    let silence = setTimeout(end, SILENCE_MS);
    try {
      const answer = await fetch(path, { headers: { Authorization: `Bearer ${key}`, Accept: "text/event-stream" }, signal: line.signal });
      if (answer.status === 401 || answer.status === 403) throw new Refused(answer.status, answer.statusText);
      if (!answer.ok || !answer.body) throw new Error(answer.statusText);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        clearTimeout(silence);
        silence = setTimeout(end, SILENCE_MS);
        failures = 0;
        state(true);
        text += value;
        const whole = text.lastIndexOf("\n\n");
        if (whole < 0) continue;
        hear(split(text.slice(0, whole)));
        text = text.slice(whole + 2);
      }
    } catch (error) {
      if (error instanceof Refused) throw error;
    } finally {
      clearTimeout(silence);
      stop.removeEventListener("abort", end);
    }
    if (stop.aborted) return;
    state(false);
    await new Promise((resolve) => setTimeout(resolve, pauseMs(failures++)));
  }
}

function split(text: string): [string, string][] {
  const heard: [string, string][] = [];
  for (const event of text.split("\n\n")) {
    const line = event.indexOf("\n");
    if (event.startsWith("event: ") && event.startsWith("data: ", line + 1)) heard.push([event.slice(7, line), event.slice(line + 7)]);
  }
  return heard;
}
