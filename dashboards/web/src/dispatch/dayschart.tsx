/** A van's last days: distance as a line, the same numbers as a table for whoever cannot see the line. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { Empty } from "./parts";
import { choices, f, isDark, t } from "./reader";
import { useAsked } from "./session";

interface Day {
  day: string;
  driven_m: number;
  moving_s: number;
  stops: number;
}

export function DaysChart({ vehicle }: { vehicle: string }) {
  const { answer, error } = useAsked<{ items: Day[] }>(`/v1/vehicles/${encodeURIComponent(vehicle)}/days?limit=500`);
  const days = (answer?.items ?? []).slice(-30);
  if (error || (answer && days.length === 0)) return <Empty>{error || t("days.none")}</Empty>;
  if (!answer) return <p role="status">{t("loading")}</p>;
  return (
    <>
      <Line days={days} />
      <div class="scroll" tabIndex={0} role="region" aria-label={t("days.title")}>
        <table>
          <thead><tr><th scope="col">{t("days.day")}</th><th scope="col">{t("days.driven")}</th><th scope="col">{t("days.moving")}</th><th scope="col">{t("days.stops")}</th></tr></thead>
          <tbody>{[...days].reverse().map((day) => <tr key={day.day}><th scope="row">{day.day}</th><td>{f.distance(day.driven_m)}</td><td>{f.span(day.moving_s)}</td><td>{f.count(day.stops)}</td></tr>)}</tbody>
        </table>
      </div>
    </>
  );
}

function Line({ days }: { days: readonly Day[] }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!box.current) return;
    const ink = isDark() ? "#a3b1aa" : "#55635c";
    const per = choices.miles ? 1609.344 : 1000;
    const axis = { stroke: ink, grid: { stroke: isDark() ? "#2a342f" : "#e3e8e5", width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const chart = new uPlot(
      {
        width: box.current.clientWidth, height: 140, legend: { show: false }, cursor: { show: false },
        axes: [axis, { ...axis, size: 40 }], scales: { x: { time: true }, y: { range: (_u, _min, max) => [0, Math.max(1, max * 1.1)] } },
        series: [{}, { stroke: isDark() ? "#5fd3a5" : "#0b6b4a", width: 2, points: { show: days.length < 20 } }],
      },
      [days.map((day) => Date.parse(day.day) / 1000), days.map((day) => day.driven_m / per)],
      box.current,
    );
    return () => chart.destroy();
  }, [days]);
  return <div class="chart" role="img" aria-label={t("days.chart")} ref={box} />;
}
