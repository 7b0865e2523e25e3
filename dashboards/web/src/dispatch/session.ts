/** The key that this tab holds, the feed behind it, and what the page says aloud. */

import { useEffect, useState } from "preact/hooks";
import { Api, Refused, told } from "../shared/api";
import type { Told, Turn } from "./documents";
import { fleet } from "./fleet";
import { alsoLearn, choices, settle } from "./reader";
import { learn } from "./sentences";
import FeedWorker from "./feed.worker?sharedworker";
import OwnFeedWorker from "./feed.worker?worker";

const KEY = "roundsman-key";
export let api = new Api("");
let leave = (): void => {};

/** What the stream last told of fences, closures and access zones. */
let sites: string | undefined;
fleet.listen((parts) => {
  const mark = fleet.turns.get("sites")?.mark;
  if (!parts.has("turn") || mark === sites) return;
  sites = mark;
  if (mark !== undefined) fleet.loadSites(api).catch(() => (sites = undefined)); // what is away now is asked for at the next turn
});

export const keptKey = (): string | null => sessionStorage.getItem(KEY);

/** Open the feed with a key. `ended`: the hub no longer takes it. */
export async function enter(key: string, ended: () => void): Promise<void> {
  const asking = new Api(key);
  asking.language = choices.language;
  await asking.get("/v1/fleets/me");
  api = asking;
  fleet.anew();
  await fleet.load(api);
  sessionStorage.setItem(KEY, key);
  alsoLearn(async (language) => {
    asking.language = language;
    await learn(asking, language).catch(() => {}); // an older hub has no such words: its English is told
  });
  await settle();
  const port = typeof SharedWorker === "undefined" ? new OwnFeedWorker() : shared();
  port.onmessage = ({ data }: MessageEvent<Told>) => {
    if (data.what === "refused") {
      forget();
      ended();
    } else fleet.hear(data);
  };
  port.postMessage({ open: key });
  leave = () => port.postMessage({ leave: true });
  addEventListener("pagehide", () => leave());
  addEventListener("pageshow", (event) => event.persisted && port.postMessage({ open: key }));
  await fleet.begun();
}

function shared(): MessagePort {
  const { port } = new FeedWorker({ name: "roundsman" });
  return port;
}

export function forget(): void {
  leave();
  sessionStorage.removeItem(KEY);
}

interface Asked<T> {
  answer: T | null;
  error: string;
  /** The hub says that there is no such thing, which need not be an error. */
  missing: boolean;
  loading: boolean;
}

/** Ask the hub once, and again when `again` changes. */
export function useAsked<T>(path: string | null, again: unknown = 0): Asked<T> {
  const anew: Asked<T> = { answer: null, error: "", missing: false, loading: path !== null };
  const [state, set] = useState<Asked<T> & { path: string | null }>({ path, ...anew });
  useEffect(() => {
    if (path === null) return;
    const stop = new AbortController();
    set((before) => (before.path === path ? before : { path, ...anew }));
    api.get<T>(path, stop.signal).then(
      (answer) => set({ path, ...anew, answer, loading: false }),
      (error: unknown) => stop.signal.aborted || set({ path, ...anew, error: told(error), missing: error instanceof Refused && error.status === 404, loading: false }),
    );
    return () => stop.abort();
  }, [path, again]);
  return state.path === path ? state : anew;
}

/** A number that grows when the live stream tells that there is something to read again about a subject; and a way to ask at once. */
export function useTurn(of: Turn["turn"]): [turn: number, again: () => void] {
  const [turn, set] = useState(0);
  useEffect(() => {
    let mark = fleet.turns.get(of)?.mark;
    return fleet.listen((parts) => {
      const now = fleet.turns.get(of)?.mark;
      if (!parts.has("turn") || now === mark) return;
      mark = now;
      set((n) => n + 1);
    });
  }, [of]);
  return [turn, () => set((n) => n + 1)];
}

const speakers = new Set<(text: string) => void>();
/** Say something to whoever cannot see that it happened (aria-live), and show it for a while. */
export const say = (text: string): void => speakers.forEach((speaker) => speaker(text));

export function useSaid(): string {
  const [text, set] = useState("");
  useEffect(() => {
    let timer = 0;
    const speaker = (said: string): void => {
      clearTimeout(timer);
      set(said);
      timer = setTimeout(() => set(""), 8_000);
    };
    speakers.add(speaker);
    return () => void speakers.delete(speaker);
  }, []);
  return text;
}
