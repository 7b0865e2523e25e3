/** Server-sent events over fetch: EventSource cannot send an Authorization header, and a key does not belong into an address. */

export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export async function get<T>(path: string, key: string): Promise<T> {
  const answer = await fetch(path, { headers: { Authorization: `Bearer ${key}` } });
  if (!answer.ok) {
    const problem = (await answer.json().catch(() => ({}))) as { detail?: string; next_step?: string };
    throw new Refused(answer.status, [problem.detail ?? answer.statusText, problem.next_step].filter(Boolean).join("; "));
  }
  return (await answer.json()) as T;
}

export async function post(path: string, key: string, body?: unknown): Promise<void> {
  const headers: Record<string, string> = { Authorization: `Bearer ${key}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method: "POST", headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  if (!answer.ok) {
    const problem = (await answer.json().catch(() => ({}))) as { detail?: string };
    throw new Refused(answer.status, problem.detail ?? answer.statusText);
  }
}

/** Longer than three ticks of the hub: the line is dead, whatever TCP believes. */
const SILENCE_MS = 4_000;
const RETRY_MS = [500, 1_000, 2_000, 5_000];

/** Follow the stream for ever, opening it anew when it ends. `hear` gets each event; `state` is told when the line comes and goes. */
export async function follow(
  path: string,
  key: string,
  hear: (event: string, data: string) => void,
  state: (connected: boolean) => void,
  stop: AbortSignal,
): Promise<void> {
  let failures = 0;
  while (!stop.aborted) {
    const line = new AbortController();
    const end = () => line.abort();
    stop.addEventListener("abort", end);
    let silence = setTimeout(end, SILENCE_MS);
    try {
      const answer = await fetch(path, { headers: { Authorization: `Bearer ${key}`, Accept: "text/event-stream" }, signal: line.signal });
      if (answer.status === 401 || answer.status === 403) throw new Refused(answer.status, "The key is no longer accepted.");
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
        const events = (text + value).split("\n\n");
        text = events.pop() ?? "";
        for (const event of events) {
          const [name, data] = event.split("\n");
          if (name?.startsWith("event: ") && data?.startsWith("data: ")) hear(name.slice(7), data.slice(6));
        }
      }
    } catch (error) {
      if (error instanceof Refused) throw error;
    } finally {
      clearTimeout(silence);
      stop.removeEventListener("abort", end);
    }
    if (stop.aborted) return;
    state(false);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]));
  }
}
