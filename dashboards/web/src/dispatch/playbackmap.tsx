/** The map of a day played back: vans where they were, stops that were done by then, and a chosen van's plan as it was. */

import maplibregl from "maplibre-gl";
import { useEffect, useRef, useState } from "preact/hooks";
import { draw } from "../shared/basemap";
import { FRAME_WIDTH, frameAt, type Frames } from "./frames";
import { isDark, t } from "./reader";
import type { ThenStop } from "./then";
import { VanLayer } from "./vanlayer";

export interface Done {
  order: string;
  name: string;
  vehicle: string;
  state: string;
  at: string;
  lat_deg: number | null;
  lon_deg: number | null;
}

const NOTHING: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };
const point = (lon: number, lat: number, properties: GeoJSON.GeoJsonProperties): GeoJSON.Feature => ({ type: "Feature", properties, geometry: { type: "Point", coordinates: [lon, lat] } });

export function PlaybackMap({ frames, done, plan, chosen, at }: { frames: Frames; done: readonly Done[]; plan: readonly ThenStop[]; chosen: string; at: number }) {
  const box = useRef<HTMLDivElement>(null);
  const [drawn, setDrawn] = useState<{ map: maplibregl.Map; vans: VanLayer } | null>(null);
  const dark = isDark();
  useEffect(() => {
    const frame = box.current!;
    let end = (): void => {};
    let gone = false;
    void draw(frame, { interactive: true, dark }).then(({ map }) => {
      if (gone) return map.remove();
      const ink = dark ? "#7fc0f0" : "#0b62a4";
      map.getCanvas().setAttribute("aria-label", t("playback.map"));
      for (const source of ["plan", "done"]) map.addSource(source, { type: "geojson", data: NOTHING });
      map.addLayer({ id: "plan-line", type: "line", source: "plan", filter: ["==", ["geometry-type"], "LineString"], paint: { "line-color": ink, "line-width": 2, "line-dasharray": [2, 2] } });
      map.addLayer({ id: "plan", type: "circle", source: "plan", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 5, "circle-color": dark ? "#122b3e" : "#ffffff", "circle-stroke-color": ink, "circle-stroke-width": 2 } });
      map.addLayer({ id: "done", type: "circle", source: "done", paint: { "circle-radius": ["case", ["get", "mine"], 5, 3.5], "circle-color": ["case", ["==", ["get", "state"], "failed"], "#b3152c", "#0a6b4a"], "circle-opacity": ["case", ["get", "mine"], 1, 0.6], "circle-stroke-color": "#ffffff", "circle-stroke-width": 1 } });
      const vans = new VanLayer();
      map.addLayer(vans);
      end = () => map.remove();
      setDrawn({ map, vans });
      frame.dataset["map"] = "ready";
    });
    return () => {
      gone = true;
      setDrawn(null);
      end();
    };
  }, [dark]);
  useEffect(() => {
    const places = frames.places[frameAt(frames, at)];
    if (!drawn || !places) return;
    drawn.vans.begin(frames.vans.length);
    for (let row = 0; row < places.length; row += FRAME_WIDTH) {
      const heading = places[row + 2]!;
      const mine = !chosen || frames.vans[row / FRAME_WIDTH] === chosen;
      if (!Number.isNaN(places[row]!)) drawn.vans.add(places[row]!, places[row + 1]!, Number.isNaN(heading) ? null : heading, mine ? "ok" : "silent", 1);
    }
    drawn.vans.show();
  }, [drawn, frames, chosen, at]);
  const by = done.filter((one) => Date.parse(one.at) <= at).length; // oldest first: those before it are a slice
  useEffect(() => {
    const features = done.slice(0, by).flatMap((one) => (one.lat_deg === null || one.lon_deg === null ? [] : [point(one.lon_deg, one.lat_deg, { state: one.state, mine: !chosen || one.vehicle === chosen })]));
    (drawn?.map.getSource("done") as maplibregl.GeoJSONSource | undefined)?.setData({ type: "FeatureCollection", features });
  }, [drawn, done, by, chosen]);
  useEffect(() => {
    const line: GeoJSON.Feature = { type: "Feature", properties: {}, geometry: { type: "LineString", coordinates: plan.map((stop) => [stop.lon_deg, stop.lat_deg]) } };
    const features = [...(plan.length > 1 ? [line] : []), ...plan.map((stop) => point(stop.lon_deg, stop.lat_deg, {}))];
    (drawn?.map.getSource("plan") as maplibregl.GeoJSONSource | undefined)?.setData({ type: "FeatureCollection", features });
  }, [drawn, plan]);
  return <div class="map tall" ref={box} />;
}
