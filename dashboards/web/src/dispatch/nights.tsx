/** What the hub did by itself at night: each depot's next day planned, and what was learned, judged on days that it had not seen. */

import { useState } from "preact/hooks";
import { useFleet } from "./fleet";
import { Act, Badge, Empty, Field, Section, type Tone, Trouble } from "./parts";
import { f, t, tn, useReader } from "./reader";
import { api, useAsked, useTurn } from "./session";

interface Part {
  part: "search" | "walking" | "back";
  usual_s: number;
  told: number;
  error_s: number;
  alike_s: number;
}
interface Found {
  what: "draft" | "kept" | "no_roster" | "no_orders" | "released" | "still_out" | "speeds" | "service" | "other";
  text: string;
  stops: number | null;
  vans: number | null;
  without_van: number | null;
  learned_from: number | null;
  held_out: number | null;
  days_held_out: number | null;
  error: number | null;
  error_in_force: number | null;
  adopted: boolean | null;
  parts: Part[];
}
interface Night {
  day: string;
  state: "running" | "done" | "nothing" | "failed";
  started_at: string;
  ended_at: string | null;
  found: Found[];
}
interface DepotNights {
  depot: string;
  plan_at: string | null;
  waits_for_roster: string | null;
  nights: Night[];
}
interface Nightly {
  depots: DepotNights[];
  learning: { learn_at: string; nights: Night[] };
}
const TONES: Record<Night["state"], Tone> = { running: "info", done: "good", nothing: "plain", failed: "bad" };
const ASK_AGAIN_MS = 300_000; // what time alone brings: a plan that is due and waits for a roster
const NIGHTS = 14;

export function NightsPage() {
  useReader();
  const fleet = useFleet("tick", "sites");
  const [turn, again] = useTurn("nights");
  const { answer, error, loading } = useAsked<Nightly>(`/v1/nightly?last=${NIGHTS}`, `${turn} ${Math.floor(fleet.now / ASK_AGAIN_MS)}`);
  return (
    <>
      <Trouble>{error}</Trouble>
      {loading && !answer && <p class="pad" role="status">{t("loading")}</p>}
      {answer?.depots.map((one) => <Depot key={one.depot} one={one} name={fleet.depots.find(({ depot }) => depot === one.depot)?.name ?? one.depot} changed={again} />)}
      {answer && (
        <Section title={t("nights.learning")} count={answer.learning.nights.length}>
          <p class="quiet pad">{t("nights.learning_help", { at: answer.learning.learn_at })}</p>
          {answer.learning.nights.length === 0 ? <Empty>{t("nights.none")}</Empty> : <Nights nights={answer.learning.nights} label={t("nights.learning")} />}
        </Section>
      )}
    </>
  );
}

function Depot({ one, name, changed }: { one: DepotNights; name: string; changed: () => void }) {
  const [at, setAt] = useState(one.plan_at ?? "");
  const title = t("nights.depot", { depot: name });
  return (
    <Section title={title} count={one.nights.length}>
      <div class="tools">
        <Field label={t("nights.plan_at")} help={t("nights.plan_at_help")}>{(id) => <input id={id} type="time" value={at} onInput={(event) => setAt(event.currentTarget.value)} />}</Field>
        <span class="actions"><Act act={() => api.put("/v1/nightly", { depot: one.depot, plan_at: at || null })} done={t("settings.kept")} label={`${t("settings.save")}: ${title}`} after={changed}>{t("settings.save")}</Act></span>
      </div>
      {one.waits_for_roster && <p class="pad"><Badge tone="warn">{t("nights.waits")}</Badge> {t("nights.waits_for_roster", { day: f.day(`${one.waits_for_roster}T12:00:00Z`) })} <a href="#/tomorrow">{t("page.tomorrow")}</a></p>}
      {one.nights.length === 0 ? <Empty>{t("nights.none")}</Empty> : <Nights nights={one.nights} label={title} />}
    </Section>
  );
}

function Nights({ nights, label }: { nights: readonly Night[]; label: string }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table class="cards">
        <thead><tr><th scope="col">{t("nights.day")}</th><th scope="col">{t("nights.ran")}</th><th scope="col">{t("order.state")}</th><th scope="col">{t("nights.found")}</th></tr></thead>
        <tbody>
          {nights.map((night) => (
            <tr key={night.started_at}>
              <th scope="row">{f.day(`${night.day}T12:00:00Z`)}</th>
              <td data-label={t("nights.ran")}>{f.dayClock(night.started_at)}{night.ended_at && ` – ${f.clock(night.ended_at)}`}</td>
              <td><Badge tone={TONES[night.state]}>{t(`nights.state.${night.state}`)}</Badge></td>
              <td><ul class="plainlist">{night.found.map((found, at) => <li key={at}><Told found={found} /></li>)}</ul></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** An error as a person reads it: of speeds a share, of service times seconds. */
const off = (found: Found, error: number): string => (found.what === "speeds" ? f.percent(error) : f.span(error));

/** What a stop takes beside service, as far as it could be told apart. */
function Parts({ parts }: { parts: readonly Part[] }) {
  return (
    <ul class="plainlist">
      {parts.map((one) => <li key={one.part}><small>{t(`nights.part.${one.part}`)}: {t("nights.part_judged", { usual: f.span(one.usual_s), error: f.span(one.error_s), alike: f.span(one.alike_s), told: f.count(one.told) })}</small></li>)}
    </ul>
  );
}

function Told({ found }: { found: Found }) {
  switch (found.what) {
    case "draft": return <>{t("nights.draft", { orders: tn("tomorrow.orders", found.stops!), vans: tn("nights.vans", found.vans!), left: f.count(found.without_van!) })}</>;
    case "released": return <>{t("nights.released", { vans: tn("nights.vans", found.vans!) })}</>;
    case "kept": case "no_roster": case "no_orders": case "still_out": return <>{t(`nights.${found.what}`)}</>;
    case "speeds": case "service": {
      const what = <b>{t(`nights.${found.what}`)}</b>;
      if (found.error === null) return <>{what}: {t("nights.too_little")}</>;
      const numbers = t("nights.judged", { error: off(found, found.error), before: off(found, found.error_in_force!), from: f.count(found.learned_from!), held: f.count(found.held_out!), days: f.count(found.days_held_out!) });
      return <>{what} <Badge tone={found.adopted ? "good" : "plain"}>{t(found.adopted ? "nights.adopted" : "nights.not_adopted")}</Badge> <small>{numbers}</small>{found.parts.length > 0 && <Parts parts={found.parts} />}</>;
    }
    case "other": return <span lang="en">{found.text}</span>;
  }
}
