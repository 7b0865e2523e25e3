/** Any day played back: where the vans were and what they did, as the record has it by now; and what was planned and said then. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { told } from "../shared/api";
import { fleet as theFleet, useFleet } from "./fleet";
import { FRAME_WIDTH, frameAt, type Frames, framesOf } from "./frames";
import { canDraw } from "./map";
import { Empty, Section, Trouble } from "./parts";
import { type Done, PlaybackMap } from "./playbackmap";
import { f, t, tn, useReader } from "./reader";
import { api } from "./session";
import { type AlertThen, AlertsThen, planAt, ThenPanel, useThen } from "./then";

const SPEEDS = [30, 120, 600] as const;
/** So many vans' places are held at most: 6 MB. */
const MOST_PLACES = 500_000;
const TURN_MS = 100;
const HOUR_MS = 3_600_000;
const NO_STOPS: never[] = [];

interface Stretch {
  from: number;
  until: number;
  frames: Frames;
  done: Done[];
  alerts: AlertThen[];
}

export function PlaybackPage() {
  useReader();
  const fleet = useFleet("tick"); // before its first word the hub's clock is not known
  const [chosenFrom, setFrom] = useState("");
  const [chosenUntil, setUntil] = useState("");
  const [from, until] = [chosenFrom || f.local(fleet.now - 4 * HOUR_MS), chosenUntil || f.local(fleet.now)];
  const [stretch, setStretch] = useState<Stretch | null>(null);
  const [vehicle, setVehicle] = useState("");
  const [at, setAt] = useState(0);
  const [speed, setSpeed] = useState<number>(SPEEDS[1]);
  const [playing, setPlaying] = useState(false);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const load = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError("");
    setPlaying(false);
    try {
      const [start, end] = [f.instant(from), f.instant(until)];
      const step = Math.max(10, Math.ceil(((end - start) / 1000) * (Math.max(1, fleet.vehicles.size) / MOST_PLACES)));
      const query = new URLSearchParams({ from: new Date(start).toISOString(), to: new Date(end).toISOString(), step_s: String(Math.min(3_600, step)) });
      const within = new URLSearchParams({ from: new Date(start).toISOString(), to: new Date(end).toISOString() });
      const [text, stops, alerts] = await Promise.all([
        api.open(`/v1/playback?${query}`).then((answer) => answer.text()),
        api.get<{ items: Done[] }>(`/v1/playback/stops?${within}`),
        api.all<AlertThen>(`/v1/alerts?${within}`),
      ]);
      const frames = framesOf(text);
      setStretch({ from: start, until: end, frames, done: stops.items, alerts });
      setAt(frames.at[0] ?? start);
    } catch (failure) {
      setError(told(failure));
      setStretch(null);
    } finally {
      setBusy(false);
    }
  };
  const { frames = null, done = NO_STOPS, alerts = NO_STOPS } = stretch ?? {};
  const first = frames?.at[0] ?? 0;
  const last = frames?.at.at(-1) ?? 0;
  const then = useThen(stretch ? vehicle : "", stretch?.from ?? 0, stretch?.until ?? 0);
  const plan = planAt(then.answer, at);
  const marks = useMemo(() => marksOf(done, alerts, vehicle, first, last), [done, alerts, vehicle, first, last]);
  const jump = (by: 1 | -1): void => {
    const next = by > 0 ? marks.find((one) => one.at > at) : marks.findLast((one) => one.at < at);
    if (next) setAt(next.at);
  };
  useEffect(() => {
    if (!playing) return;
    const timer = setInterval(() => setAt((before) => Math.min(last, before + speed * TURN_MS)), TURN_MS);
    return () => clearInterval(timer);
  }, [playing, speed, last]);
  useEffect(() => {
    if (playing && at >= last) setPlaying(false);
  }, [playing, at, last]);
  return (
    <>
    <Section title={t("playback.title")}>
      <form class="tools" onSubmit={(event) => void load(event)}>
        <label>{t("order.from")} <input type="datetime-local" required value={from} onInput={(event) => setFrom(event.currentTarget.value)} /></label>
        <label>{t("order.to")} <input type="datetime-local" required value={until} onInput={(event) => setUntil(event.currentTarget.value)} /></label>
        <button type="submit" class="button primary" aria-disabled={busy}>{t("playback.load")}</button>
      </form>
      <Trouble>{error}</Trouble>
      {busy && <p class="pad" role="status">{t("loading")}</p>}
      {frames && frames.at.length === 0 && <Empty>{t("playback.none")}</Empty>}
      {!frames && !busy && <Empty>{t("playback.help")}</Empty>}
      {frames && frames.at.length > 0 && (
        <>
          <div class="player">
            <button type="button" class="button primary" onClick={() => { if (at >= last) setAt(first); setPlaying(!playing); }}>{t(playing ? "playback.pause" : "playback.play")}</button>
            <button type="button" class="button" aria-label={t("playback.before")} onClick={() => jump(-1)}>‹</button><button type="button" class="button" aria-label={t("playback.next")} onClick={() => jump(1)}>›</button>
            <span class="scrubber"><span class="marks" aria-hidden="true">{marks.map((one) => <i key={`${one.at} ${one.kind}`} class={one.kind} style={{ left: `${((one.at - first) / Math.max(1, last - first)) * 100}%` }} />)}</span>
            <input type="range" aria-label={t("playback.when")} aria-valuetext={f.dayClock(at)} min={first} max={last} step={1000} value={at} onInput={(event) => setAt(Number(event.currentTarget.value))} /></span>
            <output>{f.dayClock(at)}</output>
            <label>{t("playback.speed")} <select value={speed} onChange={(event) => setSpeed(Number(event.currentTarget.value))}>{SPEEDS.map((one) => <option key={one} value={one}>{one} ×</option>)}</select></label>
            <label>{t("playback.whose")} <select value={vehicle} onChange={(event) => setVehicle(event.currentTarget.value)}><option value="">{t("playback.nobody")}</option>{frames.vans.map((one) => <option key={one} value={one}>{fleet.vehicles.get(one)?.name ?? one}</option>)}</select></label>
            <span class="quiet">{tn("playback.vans", frames.vans.length)} · {t("playback.stops", { n: f.count(done.filter((one) => Date.parse(one.at) <= at).length) })}</span>
          </div>
          {canDraw() ? <PlaybackMap frames={frames} done={done} plan={plan?.stops ?? NO_STOPS} chosen={vehicle} at={at} /> : <Places frames={frames} at={at} />}
        </>
      )}
    </Section>
    {stretch && stretch.frames.at.length > 0 && <><ThenPanel vehicle={vehicle} then={then.answer} at={at} error={then.error} loading={then.loading} /><AlertsThen alerts={alerts} at={at} /></>}
    </>
  );
}

interface Mark {
  at: number;
  kind: "alert" | "failed" | "delivered";
}
/** So many marks can be told apart beside the slider. */
const MOST_MARKS = 400;

/** What happened, on the slider: alerts and failures, and the stops of the van that is looked at. */
function marksOf(done: readonly Done[], alerts: readonly AlertThen[], vehicle: string, first: number, last: number): Mark[] {
  const marks: Mark[] = alerts.filter((one) => !vehicle || one.vehicle === vehicle).map((one) => ({ at: Date.parse(one.from_at), kind: "alert" }));
  for (const one of done) if (one.vehicle === vehicle || (!vehicle && one.state === "failed")) marks.push({ at: Date.parse(one.at), kind: one.state === "failed" ? "failed" : "delivered" });
  return marks.filter((one) => one.at >= first && one.at <= last).sort((a, b) => a.at - b.at).slice(0, MOST_MARKS);
}

function Places({ frames, at }: { frames: Frames; at: number }) {
  const places = frames.places[frameAt(frames, at)];
  return (
    <ul class="plainlist pad">
      {frames.vans.map((van, row) => {
        const [lat, lon] = [places?.[row * FRAME_WIDTH], places?.[row * FRAME_WIDTH + 1]];
        return lat !== undefined && lon !== undefined && !Number.isNaN(lat) && <li key={van}>{theFleet.vehicles.get(van)?.name ?? van}: {lat.toFixed(5)}, {lon.toFixed(5)}</li>;
      })}
    </ul>
  );
}
