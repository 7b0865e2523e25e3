/** A fence or a closure being drawn or changed, by pointer or by keys: its name, corners, rules and hours. */

import { useState } from "preact/hooks";
import { told } from "../shared/api";
import { dayName, VEHICLE_KINDS } from "./closures";
import { DAYS, type Day, type Fence, type WeekHours } from "./documents";
import type { Fleet } from "./fleet";
import { canDraw } from "./map";
import { Empty, Field, Trouble } from "./parts";
import { choices, f, t, tn } from "./reader";
import { api, say } from "./session";
import { type Point, SketchMap } from "./sketchmap";

type Shape = "circle" | "polygon";
type What = "fence" | "closure" | "zone";
const HOUR_MS = 3_600_000;
const WORKDAYS: WeekHours = { days: ["mon", "tue", "wed", "thu", "fri"], start: "07:00", end: "19:00" };
/** Metres and kilometres an hour of the reader's own units. */
const unitM = (): number => (choices.miles ? 0.3048 : 1);
const unitKmh = (): number => (choices.miles ? 1.609344 : 1);

const pointsOf = (fence: Fence | null): Point[] =>
  fence?.circle ? [[fence.circle.lon_deg, fence.circle.lat_deg]] : (fence?.rings_deg?.[0] ?? []).map(([lat, lon]): Point => [lon, lat]);

/** Where a new corner goes: at the end of a drawing; in a closed ring into the side that it is nearest to. */
function withCorner(points: readonly Point[], point: Point, closed: boolean): Point[] {
  if (!closed || points.length < 3) return [...points, point];
  const squash = Math.cos((point[1] * Math.PI) / 180);
  const away = (from: Point, to: Point): number => {
    const [x, y, dx, dy] = [(point[0] - from[0]) * squash, point[1] - from[1], (to[0] - from[0]) * squash, to[1] - from[1]];
    const share = Math.max(0, Math.min(1, (x * dx + y * dy) / (dx * dx + dy * dy || 1)));
    return Math.hypot(x - share * dx, y - share * dy);
  };
  const sides = points.map((from, at) => away(from, points[(at + 1) % points.length]!));
  return points.toSpliced(sides.indexOf(Math.min(...sides)) + 1, 0, point);
}

export function Sketch({ fleet, editing, done }: { fleet: Fleet; editing: Fence | null; done: () => void }) {
  const [what, setWhat] = useState<What>("fence");
  const [from, setFrom] = useState("");
  const [until, setUntil] = useState("");
  const [hours, setHours] = useState<readonly WeekHours[]>(editing?.active ?? []);
  const [kinds, setKinds] = useState<ReadonlySet<(typeof VEHICLE_KINDS)[number]>>(new Set());
  const [shape, setShape] = useState<Shape>(editing?.circle ? "circle" : "polygon");
  const [points, setPoints] = useState<Point[]>(pointsOf(editing));
  const [name, setName] = useState(editing?.name ?? "");
  const [radius, setRadius] = useState(Math.round((editing?.circle?.radius_m ?? 100) / unitM()));
  const [dwell, setDwell] = useState(editing?.dwell_s ? String(editing.dwell_s / 60) : "");
  const [limit, setLimit] = useState(editing?.speed_limit_mps ? String(Math.round((editing.speed_limit_mps * 3.6) / unitKmh())) : "");
  const [noEntry, setNoEntry] = useState(editing?.no_entry ?? false);
  const [error, setError] = useState("");
  const [middle, setMiddle] = useState<Point | null>(null);
  const add = (point: Point): void => setPoints((before) => (shape === "circle" ? [point] : withCorner(before, point, editing !== null)));
  const put = (corner: number, to: Point): void => setPoints((before) => before.with(corner, to));
  const whole = shape === "circle" ? points.length === 1 : points.length >= 3;
  const form = (): Pick<Fence, "circle"> | Pick<Fence, "rings_deg"> => {
    const [lon_deg, lat_deg] = points[0]!;
    if (shape === "circle") return { circle: { lat_deg, lon_deg, radius_m: radius * unitM() } };
    const holes = editing?.rings_deg?.slice(1) ?? [];
    return { rings_deg: [points.map(([lon, lat]): [number, number] => [lat, lon]), ...holes] };
  };
  const reshaped = editing !== null && (JSON.stringify(points) !== JSON.stringify(pointsOf(editing)) || (shape === "circle" && Math.round(editing.circle!.radius_m / unitM()) !== radius));
  const change = async (fence: Fence, rules: object): Promise<void> => {
    const { fence: id } = reshaped ? await api.put<Fence>(`/v1/fences/${encodeURIComponent(fence.fence)}/shape`, form()) : fence;
    await api.patch(`/v1/fences/${encodeURIComponent(id)}`, { name, ...rules });
  };
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!whole) return setError(t(shape === "circle" ? "fences.need_centre" : "fences.need_corners"));
    setError("");
    const rules = { dwell_s: dwell ? Number(dwell) * 60 : null, speed_limit_mps: limit ? (Number(limit) / 3.6) * unitKmh() : null, active: hours.length ? hours : null, no_entry: noEntry };
    const area = { name, ring_deg: points.map(([lon, lat]) => [lat, lon]), kinds: VEHICLE_KINDS.filter((kind) => kinds.has(kind)) };
    try {
      if (editing) await change(editing, rules);
      else if (what === "closure") await api.post("/v1/closures", { ...area, ...(from ? { from_utc: new Date(f.instant(from)).toISOString() } : {}), until_utc: new Date(f.instant(until)).toISOString() });
      else if (what === "zone") await api.post("/v1/access-zones", { ...area, hours });
      else await api.post("/v1/fences", { name, ...form(), ...rules });
      say(t(editing ? "fences.kept" : what === "fence" ? "fences.made" : "closures.made", { fence: name }));
      setPoints([]);
      setName("");
      setNoEntry(false);
      done();
      await fleet.load(api);
    } catch (failure) {
      setError(told(failure));
    }
  };
  const turnTo = (next: What): void => {
    setWhat(next);
    setUntil(f.local(fleet.now + 4 * HOUR_MS));
    setHours(next === "zone" ? [WORKDAYS] : []);
    if (shape === "circle") setPoints([]);
    setShape("polygon");
  };
  const sketch: Fence | null = points.length === 0 ? null : { fence: "", name: "", dwell_s: null, speed_limit_mps: null, circle: null, rings_deg: null, ...form() };
  return (
    <div class="sketch">
      <form class="form" onSubmit={(event) => void save(event)}>
        <Field label={t("fences.name")}>{(id) => <input id={id} required maxLength={120} autocomplete="off" value={name} onInput={(event) => setName(event.currentTarget.value)} />}</Field>
        {!editing && <Field label={t("closures.what")}>{(id) => <select id={id} value={what} onChange={(event) => turnTo(event.currentTarget.value as What)}><option value="fence">{t("closures.fence")}</option><option value="closure">{t("closures.closure")}</option><option value="zone">{t("closures.zone")}</option></select>}</Field>}
        {what === "closure" && <div class="pair"><Field label={t("closures.from")} help={t("closures.from_help")}>{(id) => <input id={id} type="datetime-local" value={from} onInput={(event) => setFrom(event.currentTarget.value)} />}</Field><Field label={t("closures.until")}>{(id) => <input id={id} type="datetime-local" required value={until} onInput={(event) => setUntil(event.currentTarget.value)} />}</Field></div>}
        {what !== "closure" && <Hours hours={hours} set={setHours} zone={editing?.time_zone ?? fleet.fleet.timezone} least={what === "zone" ? 1 : 0} />}
        {what !== "fence" && <Checks label={t("closures.kinds")} all={VEHICLE_KINDS} chosen={kinds} set={setKinds} name={(kind) => t(`vehicle.${kind}`)} />}
        {what === "fence" && !editing && <Field label={t("fences.shape")}>{(id) => <select id={id} value={shape} onChange={(event) => { setShape(event.currentTarget.value as Shape); setPoints([]); }}><option value="polygon">{t("fences.polygon")}</option><option value="circle">{t("fences.circle")}</option></select>}</Field>}
        {shape === "circle" && <Field label={t("fences.radius", { unit: choices.miles ? "ft" : "m" })}>{(id) => <input id={id} type="number" min={choices.miles ? 33 : 10} max={100_000} required value={radius} onInput={(event) => setRadius(Number(event.currentTarget.value))} />}</Field>}
        {what === "fence" && <div class="pair">
          <Field label={t("fences.dwell")}>{(id) => <input id={id} type="number" min={1} max={1440} value={dwell} onInput={(event) => setDwell(event.currentTarget.value)} />}</Field>
          <Field label={t("fences.limit", { unit: choices.miles ? "mph" : "km/h" })}>{(id) => <input id={id} type="number" min={1} max={200} value={limit} onInput={(event) => setLimit(event.currentTarget.value)} />}</Field>
        </div>}
        {what === "fence" && <label class="check"><input type="checkbox" checked={noEntry} onChange={(event) => setNoEntry(event.currentTarget.checked)} /> {t("fences.no_entry")}</label>}
        <p class="quiet">{t(editing ? "fences.edit_help" : "fences.help")}</p>
        <div class="actions">
          <button type="button" class="button" aria-disabled={!middle} onClick={() => middle && add(middle)}>{t(shape === "circle" ? "fences.centre_here" : "fences.corner_here")}</button>
          {!editing && <button type="button" class="button" aria-disabled={points.length === 0} onClick={() => setPoints(points.slice(0, -1))}>{t("fences.back")}</button>}
        </div>
        {shape === "polygon" && <p role="status">{tn("fences.corners", points.length)}</p>}
        {shape === "polygon" && points.length > 0 && (
          <details>
            <summary>{t("fences.corner_list")}</summary>
            <ol class="plainlist">{points.map((_, corner) => {
              const which = t("fences.corner", { n: corner + 1 });
              return <li key={corner} class="actions"><span class="grow">{which}</span><button type="button" class="button" aria-label={`${which}: ${t("fences.corner_to_middle")}`} onClick={() => middle && put(corner, middle)}>{t("fences.corner_to_middle")}</button><button type="button" class="button danger" aria-label={`${which}: ${t("fences.corner_gone")}`} onClick={() => setPoints(points.toSpliced(corner, 1))}>{t("fences.corner_gone")}</button></li>;
            })}</ol>
          </details>
        )}
        <Trouble>{error}</Trouble>
        <div class="actions"><button type="submit" class="button primary" aria-disabled={!whole}>{t(what === "fence" ? "fences.save" : "closures.save")}</button>{editing && <button type="button" class="button" onClick={done}>{t("fences.leave")}</button>}</div>
      </form>
      {canDraw() ? <SketchMap fleet={fleet} fences={fleet.fences.filter((one) => one.fence !== editing?.fence)} sketch={sketch} points={points} add={add} drag={put} moved={setMiddle} /> : <Empty>{t("map.none")}</Empty>}
    </div>
  );
}

/** Hours of the week, in the fence's own zone: some days with a beginning and an end, as often as need be. */
function Hours({ hours, set, zone, least }: { hours: readonly WeekHours[]; set: (hours: readonly WeekHours[]) => void; zone: string; least: number }) {
  const change = (at: number, to: Partial<WeekHours>): void => set(hours.with(at, { ...hours[at]!, ...to }));
  return (
    <>
      {hours.map((one, at) => (
        <div key={at} class="hours-row">
          <Checks label={t(least ? "closures.days" : "fences.days")} all={DAYS} chosen={new Set(one.days)} set={(days) => change(at, { days: DAYS.filter((day: Day) => days.has(day)) })} name={dayName} />
          <div class="pair">
            <Field label={t("roster.from", { zone })}>{(id) => <input id={id} type="time" required value={one.start} onInput={(event) => change(at, { start: event.currentTarget.value })} />}</Field>
            <Field label={t("roster.until", { zone })}>{(id) => <input id={id} type="time" required value={one.end === "24:00" ? "00:00" : one.end} onInput={(event) => change(at, { end: event.currentTarget.value })} />}</Field>
          </div>
          {hours.length > least && <button type="button" class="button" onClick={() => set(hours.toSpliced(at, 1))}>{t("fences.hours_less")}</button>}
        </div>
      ))}
      <div class="actions"><button type="button" class="button" onClick={() => set([...hours, WORKDAYS])}>{t(hours.length ? "fences.hours_more" : "fences.hours")}</button></div>
    </>
  );
}

/** Some of a few, by their names. */
function Checks<T extends string>({ label, all, chosen, set, name }: { label: string; all: readonly T[]; chosen: ReadonlySet<T>; set: (chosen: ReadonlySet<T>) => void; name: (one: T) => string }) {
  const choose = (one: T, on: boolean): void => set(new Set(on ? [...chosen, one] : [...chosen].filter((other) => other !== one)));
  return <fieldset class="checks"><legend>{label}</legend>{all.map((one) => <label key={one} class="check"><input type="checkbox" checked={chosen.has(one)} onChange={(event) => choose(one, event.currentTarget.checked)} /> {name(one)}</label>)}</fieldset>;
}
