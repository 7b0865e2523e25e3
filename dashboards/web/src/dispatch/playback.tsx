/** Any day played back: where the vans were, as the record has it by now. */

import { useEffect, useRef, useState } from "preact/hooks";
import { told } from "../shared/api";
import { draw } from "../shared/basemap";
import { fleet } from "./fleet";
import { FRAME_WIDTH, frameAt, type Frames, framesOf } from "./frames";
import { canDraw } from "./map";
import { Empty, Section, Trouble } from "./parts";
import { f, isDark, t, tn, useReader } from "./reader";
import { api } from "./session";
import { VanLayer } from "./vanlayer";

const SPEEDS = [30, 120, 600] as const;
/** So many vans' places are held at most: 6 MB. */
const MOST_PLACES = 500_000;
const TURN_MS = 100;
const HOUR_MS = 3_600_000;

export function PlaybackPage() {
  useReader();
  const [from, setFrom] = useState(f.local(fleet.now - 4 * HOUR_MS));
  const [until, setUntil] = useState(f.local(fleet.now));
  const [frames, setFrames] = useState<Frames | null>(null);
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
      const found = framesOf(await (await api.open(`/v1/playback?${query}`)).text());
      setFrames(found);
      setAt(found.at[0] ?? start);
    } catch (failure) {
      setError(told(failure));
      setFrames(null);
    } finally {
      setBusy(false);
    }
  };
  const first = frames?.at[0] ?? 0;
  const last = frames?.at.at(-1) ?? 0;
  useEffect(() => {
    if (!playing) return;
    const timer = setInterval(() => setAt((before) => Math.min(last, before + speed * TURN_MS)), TURN_MS);
    return () => clearInterval(timer);
  }, [playing, speed, last]);
  useEffect(() => {
    if (playing && at >= last) setPlaying(false);
  }, [playing, at, last]);
  return (
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
            <input type="range" aria-label={t("playback.when")} aria-valuetext={f.dayClock(at)} min={first} max={last} step={1000} value={at} onInput={(event) => setAt(Number(event.currentTarget.value))} />
            <output>{f.dayClock(at)}</output>
            <label>{t("playback.speed")} <select value={speed} onChange={(event) => setSpeed(Number(event.currentTarget.value))}>{SPEEDS.map((one) => <option key={one} value={one}>{one} ×</option>)}</select></label>
            <span class="quiet">{tn("playback.vans", frames.vans.length)}</span>
          </div>
          {canDraw() ? <PlaybackMap frames={frames} at={at} /> : <Places frames={frames} at={at} />}
        </>
      )}
    </Section>
  );
}

function PlaybackMap({ frames, at }: { frames: Frames; at: number }) {
  const box = useRef<HTMLDivElement>(null);
  const [layer, setLayer] = useState<VanLayer | null>(null);
  const dark = isDark();
  useEffect(() => {
    const frame = box.current!;
    let end = (): void => {};
    let gone = false;
    void draw(frame, { interactive: true, dark }).then(({ map }) => {
      if (gone) return map.remove();
      map.getCanvas().setAttribute("aria-label", t("map.label"));
      const vans = new VanLayer();
      map.addLayer(vans);
      end = () => map.remove();
      setLayer(vans);
      frame.dataset["map"] = "ready";
    });
    return () => {
      gone = true;
      setLayer(null);
      end();
    };
  }, [dark]);
  useEffect(() => {
    const places = frames.places[frameAt(frames, at)];
    if (!layer || !places) return;
    layer.begin(frames.vans.length);
    for (let row = 0; row < places.length; row += FRAME_WIDTH) {
      const heading = places[row + 2]!;
      if (!Number.isNaN(places[row]!)) layer.add(places[row]!, places[row + 1]!, Number.isNaN(heading) ? null : heading, "ok", 1);
    }
    layer.show();
  }, [layer, frames, at]);
  return <div class="map tall" ref={box} />;
}

function Places({ frames, at }: { frames: Frames; at: number }) {
  const places = frames.places[frameAt(frames, at)];
  return (
    <ul class="plainlist pad">
      {frames.vans.map((van, row) => {
        const [lat, lon] = [places?.[row * FRAME_WIDTH], places?.[row * FRAME_WIDTH + 1]];
        return lat !== undefined && lon !== undefined && !Number.isNaN(lat) && <li key={van}>{fleet.vehicles.get(van)?.name ?? van}: {lat.toFixed(5)}, {lon.toFixed(5)}</li>;
      })}
    </ul>
  );
}
