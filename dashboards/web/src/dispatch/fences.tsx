/** Standing fences: drawn on the map by pointer or by keys, listed, and taken down. */

import maplibregl from "maplibre-gl";
import { useEffect, useRef, useState } from "preact/hooks";
import { told } from "../shared/api";
import { draw } from "../shared/basemap";
import { ClosedAreas, DAYS, VEHICLE_KINDS } from "./closures";
import type { Fence } from "./documents";
import { type Fleet, useFleet } from "./fleet";
import { addClosed, canDraw, fenceShapes, showClosed } from "./map";
import { Act, Empty, Field, Section, Trouble } from "./parts";
import { choices, f, isDark, t, tn, useReader } from "./reader";
import { api, say } from "./session";

type Point = [lon_deg: number, lat_deg: number];
type Shape = "circle" | "polygon";
type What = "fence" | "closure" | "zone";
const HOUR_MS = 3_600_000;

export function FencesPage() {
  useReader();
  const fleet = useFleet("sites");
  return (
    <>
      <Section title={t("fences.title")} count={fleet.fences.length}>
        {fleet.fences.length === 0 ? <Empty>{t("fences.none")}</Empty> : (
          <ul class="list choices">{fleet.fences.map((fence) => <li class="choice" key={fence.fence}><span class="grow"><b>{fence.name}</b><br /><span class="quiet">{ruleOf(fence)}</span></span><Act act={() => api.remove(`/v1/fences/${encodeURIComponent(fence.fence)}`)} done={t("fences.gone", { fence: fence.name })} label={`${t("fences.remove")}: ${fence.name}`} tone="danger" after={() => void fleet.load(api)}>{t("fences.remove")}</Act></li>)}</ul>
        )}
      </Section>
      <ClosedAreas fleet={fleet} again={() => void fleet.loadClosed(api)} />
      <Section title={t("fences.new")}><Sketch fleet={fleet} /></Section>
    </>
  );
}

function ruleOf(fence: Fence): string {
  const shape = fence.circle ? t("fences.circle_of", { radius: f.distance(fence.circle.radius_m) }) : tn("fences.corners", fence.rings_deg?.[0]?.length ?? 0);
  return [shape, fence.dwell_s ? t("fences.dwell_of", { span: f.span(fence.dwell_s) }) : "", fence.speed_limit_mps ? t("fences.limit_of", { speed: f.speed(fence.speed_limit_mps) }) : ""].filter(Boolean).join(" · ");
}

function Sketch({ fleet }: { fleet: Fleet }) {
  const [what, setWhat] = useState<What>("fence");
  const [from, setFrom] = useState("");
  const [until, setUntil] = useState("");
  const [days, setDays] = useState<ReadonlySet<(typeof DAYS)[number]>>(new Set(DAYS.slice(0, 5)));
  const [hours, setHours] = useState({ start: "07:00", end: "19:00" });
  const [kinds, setKinds] = useState<ReadonlySet<(typeof VEHICLE_KINDS)[number]>>(new Set());
  const [shape, setShape] = useState<Shape>("polygon");
  const [points, setPoints] = useState<Point[]>([]);
  const [name, setName] = useState("");
  const [radius, setRadius] = useState(100);
  const [dwell, setDwell] = useState("");
  const [limit, setLimit] = useState("");
  const [error, setError] = useState("");
  const [middle, setMiddle] = useState<Point | null>(null);
  const add = (point: Point): void => setPoints((before) => (shape === "circle" ? [point] : [...before, point]));
  const whole = shape === "circle" ? points.length === 1 : points.length >= 3;
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!whole) return setError(t(shape === "circle" ? "fences.need_centre" : "fences.need_corners"));
    setError("");
    const rules = { ...(dwell ? { dwell_s: Number(dwell) * 60 } : {}), ...(limit ? { speed_limit_mps: Number(limit) / 3.6 * (choices.miles ? 1.609344 : 1) } : {}) };
    const [lon_deg, lat_deg] = points[0]!;
    const area = { name, ring_deg: points.map(([lon, lat]) => [lat, lon]), kinds: VEHICLE_KINDS.filter((kind) => kinds.has(kind)) };
    const form = shape === "circle" ? { circle: { lat_deg, lon_deg, radius_m: radius } } : { rings_deg: [points.map(([lon, lat]) => [lat, lon])] };
    try {
      if (what === "closure") await api.post("/v1/closures", { ...area, ...(from ? { from_utc: new Date(f.instant(from)).toISOString() } : {}), until_utc: new Date(f.instant(until)).toISOString() });
      else if (what === "zone") await api.post("/v1/access-zones", { ...area, hours: [{ days: DAYS.filter((day) => days.has(day)), ...hours }] });
      else await api.post("/v1/fences", { name, ...form, ...rules });
      say(t(what === "fence" ? "fences.made" : "closures.made", { fence: name }));
      setPoints([]);
      setName("");
      await fleet.load(api);
    } catch (failure) {
      setError(told(failure));
    }
  };
  const sketch: Fence | null = points.length === 0 ? null : { fence: "", name: "", dwell_s: null, speed_limit_mps: null, circle: shape === "circle" ? { lon_deg: points[0]![0], lat_deg: points[0]![1], radius_m: radius } : null, rings_deg: shape === "polygon" ? [points.map(([lon, lat]) => [lat, lon])] : null };
  return (
    <div class="sketch">
      <form class="form" onSubmit={(event) => void save(event)}>
        <Field label={t("fences.name")}>{(id) => <input id={id} required maxLength={120} autocomplete="off" value={name} onInput={(event) => setName(event.currentTarget.value)} />}</Field>
        <Field label={t("closures.what")}>{(id) => <select id={id} value={what} onChange={(event) => { setWhat(event.currentTarget.value as What); setUntil(f.local(fleet.now + 4 * HOUR_MS)); setShape("polygon"); if (shape === "circle") setPoints([]); }}><option value="fence">{t("closures.fence")}</option><option value="closure">{t("closures.closure")}</option><option value="zone">{t("closures.zone")}</option></select>}</Field>
        {what === "closure" && <div class="pair"><Field label={t("closures.from")} help={t("closures.from_help")}>{(id) => <input id={id} type="datetime-local" value={from} onInput={(event) => setFrom(event.currentTarget.value)} />}</Field><Field label={t("closures.until")}>{(id) => <input id={id} type="datetime-local" required value={until} onInput={(event) => setUntil(event.currentTarget.value)} />}</Field></div>}
        {what === "zone" && <><Checks label={t("closures.days")} all={DAYS} chosen={days} set={setDays} name={(day) => f.weekday(DAYS.indexOf(day))} /><div class="pair"><Field label={t("roster.from", { zone: fleet.fleet.timezone })}>{(id) => <input id={id} type="time" required value={hours.start} onInput={(event) => setHours({ ...hours, start: event.currentTarget.value })} />}</Field><Field label={t("roster.until", { zone: fleet.fleet.timezone })}>{(id) => <input id={id} type="time" required value={hours.end} onInput={(event) => setHours({ ...hours, end: event.currentTarget.value })} />}</Field></div></>}
        {what !== "fence" && <Checks label={t("closures.kinds")} all={VEHICLE_KINDS} chosen={kinds} set={setKinds} name={(kind) => t(`vehicle.${kind}`)} />}
        {what === "fence" && <Field label={t("fences.shape")}>{(id) => <select id={id} value={shape} onChange={(event) => { setShape(event.currentTarget.value as Shape); setPoints([]); }}><option value="polygon">{t("fences.polygon")}</option><option value="circle">{t("fences.circle")}</option></select>}</Field>}
        {shape === "circle" && <Field label={t("fences.radius")}>{(id) => <input id={id} type="number" min={10} max={100_000} required value={radius} onInput={(event) => setRadius(Number(event.currentTarget.value))} />}</Field>}
        {what === "fence" && <div class="pair">
          <Field label={t("fences.dwell")}>{(id) => <input id={id} type="number" min={1} max={1440} value={dwell} onInput={(event) => setDwell(event.currentTarget.value)} />}</Field>
          <Field label={t("fences.limit", { unit: choices.miles ? "mph" : "km/h" })}>{(id) => <input id={id} type="number" min={1} max={200} value={limit} onInput={(event) => setLimit(event.currentTarget.value)} />}</Field>
        </div>}
        <p class="quiet">{t("fences.help")}</p>
        <div class="actions">
          <button type="button" class="button" aria-disabled={!middle} onClick={() => middle && add(middle)}>{t(shape === "circle" ? "fences.centre_here" : "fences.corner_here")}</button>
          <button type="button" class="button" aria-disabled={points.length === 0} onClick={() => setPoints(points.slice(0, -1))}>{t("fences.back")}</button>
        </div>
        <p role="status">{tn("fences.corners", points.length)}</p>
        <Trouble>{error}</Trouble>
        <div class="actions"><button type="submit" class="button primary" aria-disabled={!whole}>{t(what === "fence" ? "fences.save" : "closures.save")}</button></div>
      </form>
      {canDraw() ? <SketchMap fleet={fleet} fences={fleet.fences} sketch={sketch} points={points} add={add} moved={setMiddle} /> : <Empty>{t("map.none")}</Empty>}
    </div>
  );
}

/** Some of a few, by their names. */
function Checks<T extends string>({ label, all, chosen, set, name }: { label: string; all: readonly T[]; chosen: ReadonlySet<T>; set: (chosen: ReadonlySet<T>) => void; name: (one: T) => string }) {
  const choose = (one: T, on: boolean): void => set(new Set(on ? [...chosen, one] : [...chosen].filter((other) => other !== one)));
  return <fieldset class="checks"><legend>{label}</legend>{all.map((one) => <label key={one} class="check"><input type="checkbox" checked={chosen.has(one)} onChange={(event) => choose(one, event.currentTarget.checked)} /> {name(one)}</label>)}</fieldset>;
}

function SketchMap({ fleet, fences, sketch, points, add, moved }: { fleet: Fleet; fences: readonly Fence[]; sketch: Fence | null; points: readonly Point[]; add: (point: Point) => void; moved: (middle: Point) => void }) {
  const box = useRef<HTMLDivElement>(null);
  const [map, setMap] = useState<maplibregl.Map | null>(null);
  const adding = useRef(add);
  adding.current = add;
  const dark = isDark();
  useEffect(() => {
    const frame = box.current!;
    let opened: maplibregl.Map | null = null;
    let gone = false;
    void draw(frame, { interactive: true, dark }).then(({ map: found }) => {
      if (gone) return found.remove();
      opened = found;
      const empty = { type: "geojson", data: fenceShapes([]) } as const;
      found.addSource("fences", empty).addSource("sketch", empty).addSource("points", { type: "geojson", data: { type: "FeatureCollection", features: [] } });
      found.addLayer({ id: "fences", type: "line", source: "fences", paint: { "line-color": dark ? "#d39a62" : "#7a4a2b", "line-width": 1.5, "line-dasharray": [3, 2] } });
      addClosed(found, dark);
      found.addLayer({ id: "sketch-fill", type: "fill", source: "sketch", paint: { "fill-color": "#0b62a4", "fill-opacity": 0.2 } });
      found.addLayer({ id: "sketch", type: "line", source: "sketch", paint: { "line-color": dark ? "#7fc0f0" : "#0b62a4", "line-width": 2.5 } });
      found.addLayer({ id: "points", type: "circle", source: "points", paint: { "circle-radius": 5, "circle-color": "#0b62a4", "circle-stroke-color": "#ffffff", "circle-stroke-width": 2 } });
      found.getCanvas().setAttribute("aria-label", t("fences.map"));
      found.getCanvas().style.cursor = "crosshair";
      found.on("click", (event) => adding.current(event.lngLat.toArray()));
      const tell = (): void => moved(found.getCenter().toArray());
      found.on("moveend", tell);
      tell();
      setMap(found);
      frame.dataset["map"] = "ready";
    });
    return () => {
      gone = true;
      setMap(null);
      opened?.remove();
    };
  }, [dark]);
  useEffect(() => (map?.getSource("fences") as maplibregl.GeoJSONSource | undefined)?.setData(fenceShapes(fences)) && undefined, [map, fences]);
  useEffect(() => (map ? showClosed(map, fleet) : undefined), [map, fleet.closures, fleet.zones]);
  useEffect(() => {
    (map?.getSource("sketch") as maplibregl.GeoJSONSource | undefined)?.setData(fenceShapes(sketch ? [sketch] : []));
    (map?.getSource("points") as maplibregl.GeoJSONSource | undefined)?.setData({ type: "FeatureCollection", features: points.map((at) => ({ type: "Feature", properties: {}, geometry: { type: "Point", coordinates: at } })) });
  }, [map, sketch, points]);
  return <div class="map-frame"><div class="map tall" ref={box} /><i class="crosshair" aria-hidden="true" /></div>;
}
