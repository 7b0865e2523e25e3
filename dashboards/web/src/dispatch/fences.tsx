/** Standing fences: listed, drawn, changed, taken down and put back; and what closes streets. */

import { useState } from "preact/hooks";
import { ClosedAreas, hoursText } from "./closures";
import type { Fence } from "./documents";
import { type Fleet, useFleet } from "./fleet";
import { Act, Empty, Section } from "./parts";
import { f, t, tn, useReader } from "./reader";
import { api } from "./session";
import { Sketch } from "./sketch";
import { ImportedSpeeds } from "./speeds";

export function FencesPage() {
  useReader();
  const fleet = useFleet("sites");
  const [editing, edit] = useState<Fence | null>(null);
  const [gone, setGone] = useState<Fence | null>(null);
  const again = (): void => void fleet.loadSites(api);
  const removed = (fence: Fence): void => {
    setGone(fence);
    if (editing?.fence === fence.fence) edit(null);
    again();
  };
  return (
    <>
      <Section title={t("fences.title")} count={fleet.fences.length}>
        {gone && <p class="pad actions" role="status"><span>{t("fences.gone", { fence: gone.name })}</span><Act act={() => api.post(`/v1/fences/${encodeURIComponent(gone.fence)}/restore`)} done={t("fences.back_again", { fence: gone.name })} label={`${t("fences.undo")}: ${gone.name}`} after={() => { setGone(null); again(); }}>{t("fences.undo")}</Act></p>}
        {fleet.fences.length === 0 ? <Empty>{t("fences.none")}</Empty> : (
          <ul class="list choices">{fleet.fences.map((fence) => <li class="choice" key={fence.fence}><span class="grow"><b>{fence.name}</b><br /><span class="quiet">{ruleOf(fence, fleet)}</span></span><button type="button" class="button" aria-pressed={editing?.fence === fence.fence} aria-label={`${t("fences.edit")}: ${fence.name}`} onClick={() => edit(fence)}>{t("fences.edit")}</button><Act act={() => api.remove(`/v1/fences/${encodeURIComponent(fence.fence)}`)} label={`${t("fences.remove")}: ${fence.name}`} tone="danger" after={() => removed(fence)}>{t("fences.remove")}</Act></li>)}</ul>
        )}
      </Section>
      <ClosedAreas fleet={fleet} again={() => void fleet.loadSites(api)} />
      <ImportedSpeeds />
      <Section title={editing ? t("fences.editing", { fence: editing.name }) : t("fences.new")}><Sketch key={editing?.fence ?? ""} fleet={fleet} editing={editing} done={() => edit(null)} /></Section>
    </>
  );
}

function ruleOf(fence: Fence, fleet: Fleet): string {
  const shape = fence.circle ? t("fences.circle_of", { radius: f.distance(fence.circle.radius_m) }) : tn("fences.corners", fence.rings_deg?.[0]?.length ?? 0);
  const hours = fence.active?.length ? `${hoursText(fence.active)}${fence.time_zone === fleet.fleet.timezone ? "" : ` (${fence.time_zone})`}` : "";
  return [shape, fence.no_entry ? t("fences.no_entry") : "", fence.dwell_s ? t("fences.dwell_of", { span: f.span(fence.dwell_s) }) : "", fence.speed_limit_mps ? t("fences.limit_of", { speed: f.speed(fence.speed_limit_mps) }) : "", hours].filter(Boolean).join(" · ");
}
