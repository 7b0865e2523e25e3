/** How a van's unit is, by its own newest word: receiver, clock, disk, heat, and what it has not sent yet. */

import { Badge, Empty } from "./parts";
import { f, type Key, t } from "./reader";
import { useAsked } from "./session";
import en from "./words/en.json";

interface UnitHealth {
  at: string | null;
  received_at: string;
  agent_version: string;
  receiver: string;
  backlog_facts: number;
  backlog_track: number;
  blobs_waiting: number;
  oldest_unsent_s: number;
  uptime_s: number;
  fixes_accepted: number;
  rejected: Record<string, number>;
  store_mb: number;
  disk_written_mb: number;
  disk_wear_pct: number | null;
  rss_mb: number;
  voltage_v: number | null;
  disk_free_mb: number;
  temperature_c: number | null;
  throttled: string[];
  clock: string;
}

const HOT_C = 75;
const FULL_MB = 200;
/** Below it a board of 5 V slows itself down, and cards lose what is written. */
const LOW_V = 4.75;
const WORN_PCT = 80;
/** Longer than any tunnel, shorter than a round: what is unsent then will not be sent by itself. */
const STUCK_S = 3_600;
/** What a receiver says that is no trouble: off shift it rests, so that nobody is followed. */
const FINE: ReadonlySet<string> = new Set(["ok", "resting", "starting"]);

const SINCE_BOOT = " since boot";

/** A unit's word in the reader's language; a newer unit's as it says it. */
const ofUnit = (word: string): string => (word.endsWith(SINCE_BOOT) ? t("unit.since_boot", { what: ofUnit(word.slice(0, -SINCE_BOOT.length)) }) : `unit.${word}` in en ? t(`unit.${word}` as Key) : word.replaceAll("_", " "));

export function Health({ vehicle, again }: { vehicle: string; again: number }) {
  const { answer, loading } = useAsked<UnitHealth>(`/v1/vehicles/${encodeURIComponent(vehicle)}/health`, again);
  if (loading && !answer) return <p role="status">{t("loading")}</p>;
  if (!answer) return <Empty>{t("health.none")}</Empty>;
  const [receiver = ""] = answer.receiver.split(":");
  const unwell = !FINE.has(receiver) || answer.throttled.length > 0 || answer.disk_free_mb < FULL_MB || (answer.temperature_c ?? 0) > HOT_C || (answer.voltage_v ?? LOW_V) < LOW_V || (answer.disk_wear_pct ?? 0) >= WORN_PCT || answer.oldest_unsent_s > STUCK_S;
  const refused = Object.entries(answer.rejected).sort((a, b) => b[1] - a[1]);
  const all = refused.reduce((sum, [, n]) => sum + n, 0);
  return (
    <dl class="facts">
      <div><dt>{t("health.state")}</dt><dd><Badge tone={unwell ? "bad" : "good"}>{t(unwell ? "health.unwell" : "health.well")}</Badge> {f.clock(answer.at ?? answer.received_at)}</dd></div>
      <div><dt>{t("health.receiver")}</dt><dd>{ofUnit(receiver)}{!FINE.has(receiver) && answer.receiver !== receiver && <small lang="en">{answer.receiver.slice(receiver.length + 2)}</small>}</dd></div>
      <div><dt>{t("health.clock")}</dt><dd>{answer.clock.split(", ").map(ofUnit).join(", ")}</dd></div>
      <div><dt>{t("health.disk")}</dt><dd>{f.count(answer.disk_free_mb)} MB</dd></div>
      <div><dt>{t("health.heat")}</dt><dd>{answer.temperature_c === null ? "–" : `${f.count(answer.temperature_c)} °C`}{answer.throttled.length > 0 && <small>{answer.throttled.map(ofUnit).join(", ")}</small>}</dd></div>
      <div><dt>{t("health.voltage")}</dt><dd class={(answer.voltage_v ?? LOW_V) < LOW_V ? "late" : ""}>{answer.voltage_v === null ? "–" : `${f.fine(answer.voltage_v)} V`}</dd></div>
      <div><dt>{t("health.wear")}</dt><dd class={(answer.disk_wear_pct ?? 0) >= WORN_PCT ? "late" : ""}>{answer.disk_wear_pct === null ? "–" : f.percent(answer.disk_wear_pct / 100)}</dd></div>
      <div><dt>{t("health.written")}</dt><dd>{f.count(answer.disk_written_mb)} MB</dd></div>
      <div><dt>{t("health.memory")}</dt><dd>{f.count(answer.rss_mb)} MB</dd></div>
      <div><dt>{t("health.oldest")}</dt><dd class={answer.oldest_unsent_s > STUCK_S ? "late" : ""}>{answer.oldest_unsent_s > 0 ? f.span(answer.oldest_unsent_s) : "–"}</dd></div>
      <div><dt>{t("health.rejected")}</dt><dd>{t("health.rejected_of", { n: f.count(all), all: f.count(all + answer.fixes_accepted) })}{refused.length > 0 && <small>{refused.slice(0, 4).map(([why, n]) => `${ofUnit(why)} ${f.count(n)}`).join(", ")}</small>}</dd></div>
      <div><dt>{t("health.uptime")}</dt><dd>{f.span(answer.uptime_s)}</dd></div>
      <div><dt>{t("health.unsent")}</dt><dd>{f.count(answer.backlog_facts + answer.backlog_track)} + {f.count(answer.blobs_waiting)}</dd></div>
      <div><dt>{t("health.version")}</dt><dd>{answer.agent_version}</dd></div>
    </dl>
  );
}
