/** Where in the page we are: `#/orders/o_1/…`, so that each view has an address, and Back works. */

import { useEffect, useState } from "preact/hooks";

export const PAGES = ["now", "orders", "customers", "board", "vans", "drivers", "tomorrow", "nights", "proposals", "playback", "fences", "settings"] as const;
export type Page = (typeof PAGES)[number];
export interface Route {
  page: Page;
  id: string | null;
}

function read(): Route {
  const [page, id] = location.hash.replace(/^#\//, "").split("/");
  return { page: PAGES.find((known) => known === page) ?? "now", id: id ? decodeURIComponent(id) : null };
}

export const to = (page: Page, id?: string | null): string => `#/${page}${id ? `/${encodeURIComponent(id)}` : ""}`;
export const go = (page: Page, id?: string | null): void => void (location.hash = to(page, id));

export function useRoute(): Route {
  const [route, set] = useState(read);
  useEffect(() => {
    const changed = (): void => set(read());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}
