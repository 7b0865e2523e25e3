/** The map on which fences and closures are drawn: a press adds a corner, a corner can be dragged. */

import maplibregl from "maplibre-gl";
import { useEffect, useRef, useState } from "preact/hooks";
import { draw } from "../shared/basemap";
import type { Fence } from "./documents";
import type { Fleet } from "./fleet";
import { addClosed, fenceShapes, showClosed } from "./map";
import { isDark, t } from "./reader";

export type Point = [lon_deg: number, lat_deg: number];

const boundsOf = (points: readonly Point[]): maplibregl.LngLatBounds => points.reduce((bounds, at) => bounds.extend(at), new maplibregl.LngLatBounds());

/** A corner follows the finger or mouse that was put on it; the map stays where it is meanwhile. */
function cornersByHand(map: maplibregl.Map, drag: (corner: number, to: Point) => void): void {
  const grab = (event: maplibregl.MapLayerMouseEvent | maplibregl.MapLayerTouchEvent): void => {
    const corner = event.features?.[0]?.properties["corner"] as number | undefined;
    if (corner === undefined) return;
    event.preventDefault(); // neither a pan of the map nor a new corner
    const move = (to: maplibregl.MapMouseEvent | maplibregl.MapTouchEvent): void => drag(corner, to.lngLat.toArray());
    const [moves, ends] = event.type === "touchstart" ? (["touchmove", "touchend"] as const) : (["mousemove", "mouseup"] as const);
    map.on(moves, move);
    map.once(ends, () => void map.off(moves, move));
  };
  map.on("mousedown", "points", grab);
  map.on("touchstart", "points", grab);
  map.on("mouseenter", "points", () => void (map.getCanvas().style.cursor = "move"));
  map.on("mouseleave", "points", () => void (map.getCanvas().style.cursor = "crosshair"));
}

export function SketchMap({ fleet, fences, sketch, points, add, drag, moved, label = t("fences.map") }: { fleet: Fleet; fences: readonly Fence[]; sketch: Fence | null; points: readonly Point[]; add: (point: Point) => void; drag: (corner: number, to: Point) => void; moved: (middle: Point) => void; label?: string }) {
  const box = useRef<HTMLDivElement>(null);
  const [map, setMap] = useState<maplibregl.Map | null>(null);
  const adding = useRef(add);
  adding.current = add;
  const dragging = useRef(drag);
  dragging.current = drag;
  const begins = useRef(points);
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
      found.addLayer({ id: "points", type: "circle", source: "points", paint: { "circle-radius": 7, "circle-color": "#0b62a4", "circle-stroke-color": "#ffffff", "circle-stroke-width": 2 } });
      found.getCanvas().setAttribute("aria-label", label);
      found.getCanvas().style.cursor = "crosshair";
      found.on("click", (event) => found.queryRenderedFeatures(event.point, { layers: ["points"] }).length === 0 && adding.current(event.lngLat.toArray()));
      cornersByHand(found, (corner, to) => dragging.current(corner, to));
      if (begins.current.length) found.fitBounds(boundsOf(begins.current), { padding: 60, maxZoom: 17, animate: false });
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
    (map?.getSource("points") as maplibregl.GeoJSONSource | undefined)?.setData({ type: "FeatureCollection", features: points.map((at, corner) => ({ type: "Feature", properties: { corner }, geometry: { type: "Point", coordinates: at } })) });
  }, [map, sketch, points]);
  return <div class="map-frame"><div class="map tall" ref={box} /><i class="crosshair" aria-hidden="true" /></div>;
}
