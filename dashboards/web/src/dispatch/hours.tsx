/** A driver's clocks as they are by now: what is left to a break, of driving and of duty. */

import { useFleet } from "./fleet";
import { Empty, Trouble } from "./parts";
import { f, t } from "./reader";
import { useAsked } from "./session";

/** Minutes below which a clock is coloured: a break has to be found in time. */
const SHORT_MIN = 45;
const MINUTE_MS = 60_000;

interface HoursLeft {
  rule: string;
  to_break_min: number | null;
  driving_min: number | null;
  duty_min: number | null;
}

export function Hours({ vehicle }: { vehicle: string }) {
  const fleet = useFleet("tick", "vehicle", "order");
  const again = `${Math.floor(fleet.now / MINUTE_MS)} ${fleet.vehicles.get(vehicle)?.duty} ${fleet.stopsLeft(vehicle).length}`; // they run, and what the driver does moves them
  const { answer, error } = useAsked<HoursLeft>(`/v1/vehicles/${encodeURIComponent(vehicle)}/hours`, again);
  if (error) return <Trouble>{error}</Trouble>;
  if (!answer) return <p role="status">{t("loading")}</p>;
  if (answer.rule === "none") return <Empty>{t("hours.none")}</Empty>;
  const clocks = [["hours.to_break", answer.to_break_min], ["hours.driving", answer.driving_min], ["hours.duty", answer.duty_min]] as const;
  return (
    <>
      <dl class="facts">{clocks.map(([key, min]) => min !== null && <div key={key}><dt>{t(key)}</dt><dd class={min < SHORT_MIN ? "late" : ""}>{f.span(min * 60)}</dd></div>)}</dl>
      <p class="quiet">{t("hours.advisory")}</p>
    </>
  );
}
