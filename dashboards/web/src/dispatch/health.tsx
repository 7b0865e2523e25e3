/** How a van's unit is, by its own newest word: receiver, clock, disk, heat, and what it has not sent yet. */

import { Badge, Empty } from "./parts";
import { f, t } from "./reader";
import { useAsked } from "./session";

interface UnitHealth {
  at: string | null;
  received_at: string;
  agent_version: string;
  receiver: string;
  backlog_facts: number;
  backlog_track: number;
  blobs_waiting: number;
  disk_free_mb: number;
  temperature_c: number | null;
  throttled: string[];
  clock: string;
}

/** A unit tells its health every five minutes. */
export const HEALTH_EVERY_MS = 5 * 60_000;
const HOT_C = 75;
const FULL_MB = 200;

export function Health({ vehicle, again }: { vehicle: string; again: number }) {
  const { answer, loading } = useAsked<UnitHealth>(`/v1/vehicles/${encodeURIComponent(vehicle)}/health`, again);
  if (loading && !answer) return <p role="status">{t("loading")}</p>;
  if (!answer) return <Empty>{t("health.none")}</Empty>;
  const unwell = answer.receiver !== "ok" || answer.throttled.length > 0 || answer.disk_free_mb < FULL_MB || (answer.temperature_c ?? 0) > HOT_C;
  return (
    <dl class="facts">
      <div><dt>{t("health.state")}</dt><dd><Badge tone={unwell ? "bad" : "good"}>{t(unwell ? "health.unwell" : "health.well")}</Badge> {f.clock(answer.at ?? answer.received_at)}</dd></div>
      <div><dt>{t("health.receiver")}</dt><dd lang="en">{answer.receiver}</dd></div>
      <div><dt>{t("health.clock")}</dt><dd lang="en">{answer.clock}</dd></div>
      <div><dt>{t("health.disk")}</dt><dd>{f.count(answer.disk_free_mb)} MB</dd></div>
      <div><dt>{t("health.heat")}</dt><dd>{answer.temperature_c === null ? "–" : `${f.count(answer.temperature_c)} °C`}{answer.throttled.length > 0 && <small lang="en">{answer.throttled.join(", ")}</small>}</dd></div>
      <div><dt>{t("health.unsent")}</dt><dd>{f.count(answer.backlog_facts + answer.backlog_track)} + {f.count(answer.blobs_waiting)}</dd></div>
      <div><dt>{t("health.version")}</dt><dd>{answer.agent_version}</dd></div>
    </dl>
  );
}
