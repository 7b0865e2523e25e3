/** What stands around every view: who and when, the way to the other views, and what is said aloud. */

import type { ComponentType, VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { BoardPage } from "./board";
import { CustomersPage } from "./customers";
import { DriversPage } from "./drivers";
import { FencesPage } from "./fences";
import { useFleet } from "./fleet";
import { NightsPage } from "./nights";
import { NowPage } from "./now";
import { OrdersPage } from "./orders";
import { PlaybackPage } from "./playback";
import { ProposalsPage } from "./proposals";
import { f, type Key, t, useReader } from "./reader";
import { type Page, PAGES, type Route, to, useRoute } from "./route";
import { forget, useSaid } from "./session";
import { SettingsPage } from "./settings";
import { TomorrowPage } from "./tomorrow";
import { VansPage } from "./vans";

const VIEWS: Record<Page, ComponentType<{ route: Route }>> = {
  now: NowPage, orders: OrdersPage, customers: CustomersPage, board: BoardPage, vans: VansPage, drivers: DriversPage, tomorrow: TomorrowPage,
  nights: NightsPage,
  proposals: ProposalsPage, playback: PlaybackPage, fences: FencesPage, settings: SettingsPage,
};
const ICONS: Record<Page, string> = {
  now: "M12 3v9l6 3M12 3a9 9 0 1 0 9 9", orders: "M5 4h14v16H5zM8 9h8M8 13h8M8 17h5", board: "M4 5v15M7 7h8v3H7zM10 12h9v3h-9zM7 17h6v3H7z",
  customers: "M12 4a4 4 0 1 0 .1 0M4 20c1-5 4-7 8-7s7 2 8 7", tomorrow: "M4 6h16v14H4zM4 10h16M8 3v5M16 3v5M9 15l2 2 4-4",
  nights: "M19 14a8 8 0 1 1-9-10 6 6 0 0 0 9 10M17 4v4M15 6h4",
  drivers: "M8 8a3 3 0 1 0 .1 0M2 19c1-4 3-6 6-6s5 2 6 6M16 6a3 3 0 0 1 0 6M17 14c3 0 4 2 5 5",
  vans: "M3 7h11v9H3zM14 10h4l3 3v3h-7zM7 16a2 2 0 1 0 .1 0M17 16a2 2 0 1 0 .1 0", proposals: "M4 12l4 4 8-9M14 18h6M17 15v6", playback: "M8 5v14l11-7z",
  fences: "M5 6l7-3 7 4-1 9-7 5-7-5z", settings: "M4 7h10M18 7h2M4 12h3M11 12h9M4 17h10M18 17h2M16 5v4M9 10v4M16 15v4",
};

export function Shell({ leave }: { leave: () => void }) {
  const turn = useReader();
  const route = useRoute();
  const [open, setOpen] = useState(false);
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const title = t(`page.${route.page}` as Key);
  useEffect(() => {
    document.title = `${title} · Roundsman`;
    setOpen(false);
    scrollTo(0, 0);
    if (!first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
  }, [route.page, title]);
  const chosen = (page: Page): void => {
    setOpen(false);
    if (page === route.page) main.current?.focus({ preventScroll: true }); // no other page opens that would take it
  };
  const View = VIEWS[route.page];
  return (
    <div class="shell" key={turn === 0 ? "shell" : undefined}>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>{t("skip")}</a>
      <Top menu={<button type="button" class="button quiet menu" aria-expanded={open} aria-controls="rail" onClick={() => setOpen(!open)}>{t("menu")}</button>} />
      <nav id="rail" class={open ? "rail open" : "rail"} aria-label={t("menu")}>
        <ul>
          {PAGES.map((page) => (
            <li key={page}><a href={to(page)} aria-current={page === route.page ? "page" : undefined} onClick={() => chosen(page)}><svg viewBox="0 0 24 24" aria-hidden="true"><path d={ICONS[page]} /></svg>{t(`page.${page}` as Key)}</a></li>
          ))}
        </ul>
        <button type="button" class="button quiet" onClick={() => { forget(); leave(); }}>{t("leave")}</button>
      </nav>
      <main id="main" ref={main} tabIndex={-1} class={`page ${route.page}`}>
        <h1 class="unseen">{title}</h1>
        <View route={route} />
      </main>
      <Said />
    </div>
  );
}

function Top({ menu }: { menu: VNode }) {
  const fleet = useFleet("tick", "link", "sites");
  return (
    <header class="top">
      {menu}
      <p class="brand">Roundsman <span>{fleet.fleet.name}</span></p>
      <p class={`link ${fleet.link}`} role="status">{t(`link.${fleet.link}`)}</p>
      <p class="clock"><span class="unseen">{t("clock")} </span><time>{f.clock(fleet.now)}</time></p>
    </header>
  );
}

function Said() {
  const text = useSaid();
  return <p class={text ? "said" : "said unseen"} role="status" aria-live="polite">{text}</p>;
}
