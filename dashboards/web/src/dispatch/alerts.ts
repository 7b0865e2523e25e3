/** Alerts of the record (fences, long standing): derived from the log, so they are asked for, not streamed. */

import { useEffect, useState } from "preact/hooks";
import type { Alert } from "./exceptions";
import { fleet } from "./fleet";
import { api } from "./session";

const EVERY_MS = 20_000;
const BACK_MS = 6 * 3_600_000;

/** Alerts of the last hours, asked for again and again while somebody looks. */
export function useAlerts(): readonly Alert[] {
  const [alerts, set] = useState<readonly Alert[]>([]);
  useEffect(() => {
    let stopped = false;
    const ask = async (): Promise<void> => {
      const since = new Date(fleet.now - BACK_MS).toISOString();
      try {
        const found = await api.get<{ items: Alert[] }>(`/v1/alerts?from=${since}&limit=500`);
        if (!stopped) set(found.items);
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
  return alerts;
}
