/** A driver's clocks: what is left to a break, of driving and of duty. */

import { t, f } from "./reader";
import { Empty } from "./parts";

/** Minutes below which a clock is coloured: a break has to be found in time. */
const SHORT_MIN = 45;

export function Hours({ hours }: { hours: { rule: string; to_break_min: number; driving_min: number; duty_min: number } | null }) {
  if (!hours || hours.rule === "none") return <Empty>{t("hours.none")}</Empty>;
  const clocks = [["hours.to_break", hours.to_break_min], ["hours.driving", hours.driving_min], ["hours.duty", hours.duty_min]] as const;
  return <dl class="facts">{clocks.map(([key, min]) => <div key={key}><dt>{t(key)}</dt><dd class={min < SHORT_MIN ? "late" : ""}>{f.span(min * 60)}</dd></div>)}</dl>;
}
