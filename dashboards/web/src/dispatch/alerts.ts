/** What is not streamed but asked for: alerts of the record (fences, long standing), and plans that their vans say nothing about. */

import { useEffect, useState } from "preact/hooks";
import type { Alert, Unanswered } from "./exceptions";
import { fleet } from "./fleet";
import { api } from "./session";

const EVERY_MS = 20_000;
const BACK_MS = 6 * 3_600_000;

export interface Known {
  alerts: readonly Alert[];
  unanswered: readonly Unanswered[];
}

/** Alerts of the last hours and plans without an answer, asked for again and again while somebody looks. */
export function useAlerts(): Known {
  const [known, set] = useState<Known>({ alerts: [], unanswered: [] });
  useEffect(() => {
    let stopped = false;
    const ask = async (): Promise<void> => {
      const since = new Date(fleet.now - BACK_MS).toISOString();
      try {
        const found = await api.get<{ items: Alert[] }>(`/v1/alerts?from=${since}&limit=500`);
        const silent = await Promise.all(fleet.depots.map(({ depot }) => api.get<Unanswered[]>(`/v1/depots/${encodeURIComponent(depot)}/unanswered`)));
        if (!stopped) set({ alerts: found.items, unanswered: silent.flat() });
      } catch {
        // The next try says it: until then the older ones stand.
      }
    };
    void ask();
    const timer = setInterval(() => document.hidden || void ask(), EVERY_MS);
    return () => {
      stopped = true;
      clearInterval(timer);
    };
  }, []);
  return known;
}
