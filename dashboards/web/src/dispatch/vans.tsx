/** All vans, those that need somebody first to be found; and one on its sheet. */

import { useState } from "preact/hooks";
import { lateMs, useFleet } from "./fleet";
import { ImportFile } from "./importdialog";
import { Badge, Empty, Section, useMore, VanChip } from "./parts";
import { f, t, tn, useReader } from "./reader";
import { go, type Route } from "./route";
import { api } from "./session";
import { MakeNew } from "./termsform";
import { linkOf, PLAN_TONES, VanSheet } from "./vansheet";

export function VansPage({ route }: { route: Route }) {
  useReader();
  const fleet = useFleet("vehicle", "plan", "order", "tick");
  const [find, setFind] = useState("");
  const [duty, setDuty] = useState("");
  const wanted = find.trim().toLowerCase();
  const found = fleet.vansInOrder.filter((van) => (!duty || van.duty === duty) && (!wanted || `${van.name} ${van.driver ?? ""}`.toLowerCase().includes(wanted)));
  const { shown, more } = useMore(found.length);
  return (
    <>
      <Section title={t("vans.title")} count={t("of", { n: found.length, all: fleet.vehicles.size })} actions={<span class="actions"><MakeNew owner="vehicle" path="/v1/vehicles" label={t("vans.new")} after={(id) => void fleet.load(api).then(() => go("vans", id))} /><ImportFile of="vehicles" after={() => void fleet.load(api)} /></span>}>
        <div class="tools">
          <label>{t("find")} <input type="search" value={find} placeholder={t("vans.find")} onInput={(event) => setFind(event.currentTarget.value)} /></label>
          <label>{t("van.duty")} <select value={duty} onChange={(event) => setDuty(event.currentTarget.value)}><option value="">{t("all")}</option><option value="on">{t("duty.on")}</option><option value="break">{t("duty.break")}</option><option value="off">{t("duty.off")}</option></select></label>
        </div>
        {found.length === 0 ? <Empty>{fleet.vehicles.size ? t("nothing_found") : t("vans.none")}</Empty> : (
          <div class="scroll" tabIndex={0} role="region" aria-label={t("vans.title")}>
            <table class="cards">
              <thead><tr><th scope="col">{t("van.van")}</th><th scope="col">{t("van.driver")}</th><th scope="col">{t("van.link")}</th><th scope="col">{t("van.left")}</th><th scope="col">{t("van.next")}</th><th scope="col">{t("van.plan_state")}</th></tr></thead>
              <tbody>
                {found.slice(0, shown).map((van) => {
                  const left = fleet.stopsLeft(van.vehicle);
                  const link = linkOf(van, fleet);
                  const late = left.filter((order) => lateMs(order) >= 60_000).length;
                  return (
                    <tr key={van.vehicle} class={route.id === van.vehicle ? "chosen" : ""}>
                      <th scope="row"><VanChip vehicle={van.vehicle} /></th>
                      <td data-label={t("van.driver")}>{van.driver ?? t("van.nobody")}</td>
                      <td data-label={t("van.link")}><Badge tone={link.tone}>{link.text}</Badge></td>
                      <td>{tn("stops", left.length)}{late > 0 && <> <Badge tone="bad">{t("vans.late", { n: late })}</Badge></>}</td>
                      <td data-label={t("van.next")}>{left[0] ? `${f.clock(left[0].eta)} · ${left[0].reference || left[0].name || left[0].address}` : "–"}</td>
                      <td data-label={t("van.plan_state")}>{van.plan_version === null ? "–" : <Badge tone={PLAN_TONES[van.plan_state]}>{t(`plan.${van.plan_state}`)}</Badge>}</td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
        )}
        {more}
      </Section>
      {route.id && <Section id="sheet" title={fleet.vehicles.get(route.id)?.name ?? t("vans.unknown")} actions={<button type="button" class="button quiet" onClick={() => go("vans")}>{t("close")}</button>}><VanSheet vehicle={route.id} /></Section>}
    </>
  );
}
