/** What closes streets beside fences: closures for a while, access zones at hours of the week; listed, and ended. */

import { type Day, DAYS, type Fence, type WeekHours } from "./documents";
import { type Closure, type Fleet, type Zone } from "./fleet";
import { Act, Badge, Empty, Section } from "./parts";
import { f, t } from "./reader";
import { api } from "./session";

export const VEHICLE_KINDS = ["car", "van", "truck", "cargo_bike"] as const;

/** The shapes of closures and zones as fences have them, for the map; `holds`: it is closed now. */
export const closedShapes = (fleet: Fleet): (Fence & { holds: boolean })[] =>
  [...fleet.closures, ...fleet.zones].map((one) => ({ fence: "", name: one.name, circle: null, rings_deg: [one.ring_deg], dwell_s: null, speed_limit_mps: null, holds: one.holds }));

export const dayName = (day: Day): string => f.weekday(DAYS.indexOf(day));
export const hoursText = (hours: readonly WeekHours[]): string => hours.map((one) => t("fences.hours_of", { days: one.days.map(dayName).join(", "), start: one.start, end: one.end })).join("; ");
const kindsOf = (kinds: readonly (typeof VEHICLE_KINDS)[number][]): string => (kinds.length ? kinds.map((kind) => t(`vehicle.${kind}`)).join(", ") : t("vehicle.every"));

export function ClosedAreas({ fleet, again }: { fleet: Fleet; again: () => void }) {
  const all = fleet.closures.length + fleet.zones.length;
  return (
    <Section title={t("closures.title")} count={all}>
      {all === 0 ? <Empty>{t("closures.none")}</Empty> : (
        <ul class="list choices">
          {fleet.closures.map((one) => <Row key={one.closure} one={one} rule={t("closures.from_until", { from: f.dayClock(one.from_utc), until: f.dayClock(one.until_utc) })} end={`/v1/closures/${encodeURIComponent(one.closure)}`} word="closures.end" again={again} />)}
          {fleet.zones.map((one) => <Row key={one.zone} one={one} rule={hoursText(one.hours)} end={`/v1/access-zones/${encodeURIComponent(one.zone)}`} word="fences.remove" again={again} />)}
        </ul>
      )}
    </Section>
  );
}

function Row({ one, rule, end, word, again }: { one: Closure | Zone; rule: string; end: string; word: "closures.end" | "fences.remove"; again: () => void }) {
  return (
    <li class="choice"><span class="grow"><b>{one.name}</b> {one.holds && <Badge tone="bad">{t("closures.holds")}</Badge>}<br /><span class="quiet">{t("zone" in one ? "closures.zone" : "closures.closure")} · {rule} · {kindsOf(one.kinds)}</span></span><Act act={() => api.remove(end)} done={t("fences.gone", { fence: one.name })} label={`${t(word)}: ${one.name}`} tone="danger" after={again}>{t(word)}</Act></li>
  );
}
