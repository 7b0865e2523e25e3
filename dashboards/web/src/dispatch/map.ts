/** The dispatcher's map: depots, fences, each van's way and the stops that are left, and the vans themselves. */

import maplibregl from "maplibre-gl";
import { draw } from "../shared/basemap";
import { closedShapes } from "./closures";
import type { Fence, Order, Vehicle } from "./documents";
import { colourOf, type Fleet, lateMs } from "./fleet";
import { type Paint, sizePx, VanLayer } from "./vanlayer";

const EMPTY: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };
/** With more work than this on the map, only the selected van's and what needs a person are drawn: the rest would be a carpet. */
const CARPET = 1_500;
/** With more vans in view than this none but the selected one has its name: looking for room costs time, and there is none. */
const NAMED = 200;
/** A name beside its van, in pixels: how high, how wide a letter, and what stands around them. */
const NAME = { high: 16, letter: 7, around: 10, from: 14 } as const;

export interface MapActions {
  van(vehicle: string): void;
  order(order: string): void;
}

export class FleetMap {
  private readonly vans = new VanLayer();
  private readonly names: maplibregl.Marker[] = [];
  private selected: string | null = null;
  private late: ReadonlySet<string> = new Set();
  private alarmed: ReadonlySet<string> = new Set();
  private fitted: boolean;

  private constructor(
    readonly map: maplibregl.Map,
    private readonly fleet: Fleet,
    private readonly actions: MapActions,
    fitted: boolean,
  ) {
    this.fitted = fitted;
  }

  static async open(container: HTMLElement, fleet: Fleet, actions: MapActions, options: { dark: boolean; label: string; depot: (name: string) => string }): Promise<FleetMap> {
    const { map, bounds } = await draw(container, { interactive: true, dark: options.dark });
    const canvas = map.getCanvas();
    canvas.setAttribute("aria-label", options.label);
    map.addSource("fences", { type: "geojson", data: fenceShapes(fleet.fences) });
    addClosed(map, options.dark);
    map.addSource("routes", { type: "geojson", data: EMPTY });
    map.addSource("stops", { type: "geojson", data: EMPTY });
    map.addLayer({ id: "fence-fill", type: "fill", source: "fences", paint: { "fill-color": "#8a5a2b", "fill-opacity": 0.08 } });
    map.addLayer({ id: "fences", type: "line", source: "fences", paint: { "line-color": options.dark ? "#d39a62" : "#7a4a2b", "line-width": 1.5, "line-dasharray": [3, 2] } });
    map.addLayer({
      id: "routes", type: "line", source: "routes", layout: { "line-cap": "round", "line-join": "round" },
      paint: { "line-color": ["get", "colour"], "line-width": ["case", ["get", "selected"], 5, 2.5], "line-opacity": ["case", ["get", "selected"], 0.95, ["get", "faint"], 0.15, 0.5] },
    });
    map.addLayer({
      id: "stops", type: "circle", source: "stops",
      paint: {
        "circle-radius": ["case", ["get", "next"], 6.5, ["get", "selected"], 5.5, 4],
        "circle-color": ["case", ["get", "open"], ["get", "colour"], "#ffffff"],
        "circle-opacity": ["case", ["get", "faint"], 0.25, 1],
        "circle-stroke-color": ["case", ["get", "alarm"], "#b3152c", ["get", "open"], "#ffffff", ["get", "colour"]],
        "circle-stroke-width": ["case", ["get", "alarm"], 3, 1.5],
        "circle-stroke-opacity": ["case", ["get", "faint"], 0.25, 1],
      },
    });
    for (const depot of fleet.depots) {
      const element = document.createElement("div");
      element.className = "depot-marker";
      element.setAttribute("role", "img");
      element.setAttribute("aria-label", options.depot(depot.name));
      element.title = options.depot(depot.name);
      new maplibregl.Marker({ element }).setLngLat([depot.lon_deg, depot.lat_deg]).addTo(map);
    }
    const shown = new FleetMap(map, fleet, actions, bounds !== null);
    map.addLayer(shown.vans);
    map.on("click", (event) => shown.click(event));
    map.on("mousemove", (event) => {
      canvas.style.cursor = shown.vanAt(event.point) || map.queryRenderedFeatures(event.point, { layers: ["stops"] }).length ? "pointer" : "";
    });
    map.on("moveend", () => shown.name());
    return shown;
  }

  end(): void {
    this.map.remove();
  }

  /** Which vans are late or need a person: their colour says so. */
  mark(late: ReadonlySet<string>, alarmed: ReadonlySet<string>): void {
    this.late = late;
    this.alarmed = alarmed;
    this.move();
  }

  select(vehicle: string | null): void {
    if (vehicle === this.selected) return;
    this.selected = vehicle;
    this.work();
    this.move();
    const van = vehicle ? this.fleet.vehicles.get(vehicle) : undefined;
    if (van) this.lookAt(van);
  }

  /** Where the vans are now. */
  move(): void {
    const { fleet, vans } = this;
    vans.begin(fleet.vehicles.size);
    for (const van of fleet.vehicles.values()) {
      const lat = fleet.value(van, "lat_deg");
      const lon = fleet.value(van, "lon_deg");
      if (lat !== null && lon !== null) vans.add(lat, lon, fleet.value(van, "heading_deg"), this.paint(van), van.vehicle === this.selected ? 1.5 : 1);
    }
    vans.show();
    this.name();
  }

  private paint(van: Vehicle): Paint {
    if (this.alarmed.has(van.vehicle)) return "alarm";
    if (van.duty === "off") return "off";
    if (this.fleet.stale(van)) return "silent";
    return this.late.has(van.vehicle) ? "late" : "ok";
  }

  /** Ways and stops. */
  work(): void {
    const { fleet } = this;
    const all = fleet.orders.size <= CARPET;
    const routes: GeoJSON.Feature[] = [];
    const stops: GeoJSON.Feature[] = [];
    for (const plan of fleet.plans.values()) {
      const chosen = plan.vehicle === this.selected;
      if ((!all && !chosen) || plan.route.length < 2 || fleet.stopsLeft(plan.vehicle).length === 0) continue;
      const properties = { colour: colourOf(fleet.vehicles.get(plan.vehicle)), selected: chosen, faint: this.selected !== null && !chosen };
      routes.push({ type: "Feature", properties, geometry: { type: "LineString", coordinates: plan.route } });
    }
    for (const order of fleet.orders.values()) {
      const alarm = order.state === "failed" || order.state === "unassigned";
      if (order.lat_deg === null || order.lon_deg === null || order.state === "cancelled" || (!all && !alarm && order.vehicle !== this.selected)) continue;
      stops.push(stopShape(order, fleet, this.selected, alarm));
    }
    (this.map.getSource("routes") as maplibregl.GeoJSONSource).setData({ type: "FeatureCollection", features: routes });
    (this.map.getSource("stops") as maplibregl.GeoJSONSource).setData({ type: "FeatureCollection", features: stops });
    if (!this.fitted && stops.length > 1) {
      this.fitted = true;
      const bounds = new maplibregl.LngLatBounds();
      for (const stop of stops) bounds.extend((stop.geometry as GeoJSON.Point).coordinates as [number, number]);
      this.map.fitBounds(bounds, { padding: 40, linear: true, duration: 0 });
    }
  }

  fences(): void {
    (this.map.getSource("fences") as maplibregl.GeoJSONSource).setData(fenceShapes(this.fleet.fences));
    showClosed(this.map, this.fleet);
  }

  /** Names beside the vans, where few enough are in view to be read. */
  private name(): void {
    const bounds = this.map.getBounds();
    const inView: [Vehicle, number, number][] = [];
    for (const van of this.fleet.vehicles.values()) {
      const lat = this.fleet.value(van, "lat_deg");
      const lon = this.fleet.value(van, "lon_deg");
      if (lat !== null && lon !== null && bounds.contains([lon, lat])) inView.push([van, lat, lon]);
      if (inView.length > NAMED) break;
    }
    const named = inView.length <= NAMED ? this.withRoom(inView) : inView.filter(([van]) => van.vehicle === this.selected);
    named.forEach(([van, lat, lon], at) => {
      this.names[at] ??= nameMarker();
      const marker = this.names[at]!;
      const element = marker.getElement();
      if (element.textContent !== van.name) element.textContent = van.name;
      element.classList.toggle("selected", van.vehicle === this.selected);
      marker.setLngLat([lon, lat]).addTo(this.map);
    });
    for (const marker of this.names.splice(named.length)) marker.remove();
  }

  /** Those whose names can be read: the selected van first, then those that need a person, then whoever still has room. */
  private withRoom(vans: readonly [Vehicle, number, number][]): [Vehicle, number, number][] {
    const rank = ({ vehicle }: Vehicle): number => (vehicle === this.selected ? 0 : this.alarmed.has(vehicle) ? 1 : this.late.has(vehicle) ? 2 : 3);
    const taken: [left: number, right: number, top: number, bottom: number][] = [];
    return [...vans].sort(([a], [b]) => rank(a) - rank(b)).filter(([van, lat, lon]) => {
      const { x, y } = this.map.project([lon, lat]);
      const [left, top] = [x + NAME.from, y - NAME.high / 2];
      const [right, bottom] = [left + van.name.length * NAME.letter + NAME.around, top + NAME.high];
      if (taken.some(([l, r, t, b]) => left < r && right > l && top < b && bottom > t)) return false;
      taken.push([left, right, top, bottom]);
      return true;
    });
  }

  private click(event: maplibregl.MapMouseEvent): void {
    const van = this.vanAt(event.point);
    if (van) return this.actions.van(van.vehicle);
    const order = this.map.queryRenderedFeatures(event.point, { layers: ["stops"] })[0]?.properties["order"] as string | undefined;
    if (order) this.actions.order(order);
  }

  private vanAt(point: maplibregl.Point): Vehicle | null {
    const reach = Math.max(10, sizePx(this.map.getZoom()) / 2);
    const [west, north] = this.map.unproject([point.x - reach, point.y - reach]).toArray();
    const [east, south] = this.map.unproject([point.x + reach, point.y + reach]).toArray();
    let nearest: Vehicle | null = null;
    let best = reach;
    for (const van of this.fleet.vehicles.values()) {
      const lat = this.fleet.value(van, "lat_deg");
      const lon = this.fleet.value(van, "lon_deg");
      if (lat === null || lon === null || lat < south || lat > north || lon < west || lon > east) continue;
      const away = this.map.project([lon, lat]).dist(point);
      if (away < best) [best, nearest] = [away, van];
    }
    return nearest;
  }

  /** The van, and the way that it still has. */
  private lookAt(van: Vehicle): void {
    const lat = this.fleet.value(van, "lat_deg");
    const lon = this.fleet.value(van, "lon_deg");
    const bounds = new maplibregl.LngLatBounds();
    if (lat !== null && lon !== null) bounds.extend([lon, lat]);
    for (const stop of this.fleet.stopsLeft(van.vehicle)) if (stop.lat_deg !== null && stop.lon_deg !== null) bounds.extend([stop.lon_deg, stop.lat_deg]);
    if (bounds.isEmpty()) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.map.fitBounds(bounds, { padding: { top: 60, bottom: 48, left: 48, right: 64 }, maxZoom: 15, duration: calm ? 0 : 400 });
  }
}

function nameMarker(): maplibregl.Marker {
  const element = document.createElement("div");
  element.className = "van-name";
  element.setAttribute("aria-hidden", "true"); // the list beside the map has the same
  return new maplibregl.Marker({ element, anchor: "left", offset: [14, 0] });
}

function stopShape(order: Order, fleet: Fleet, selected: string | null, alarm: boolean): GeoJSON.Feature {
  const mine = order.vehicle !== null && order.vehicle === selected;
  return {
    type: "Feature",
    properties: {
      order: order.order,
      colour: colourOf(order.vehicle ? fleet.vehicles.get(order.vehicle) : undefined),
      selected: mine,
      faint: selected !== null && !mine,
      open: order.state !== "delivered" && order.state !== "failed",
      next: order.state === "next" || order.state === "arrived",
      alarm: alarm || lateMs(order) > 0,
    },
    geometry: { type: "Point", coordinates: [order.lon_deg!, order.lat_deg!] },
  };
}

/** Closures and access zones: red where it is closed now, a dashed line where it will be. */
export function addClosed(map: maplibregl.Map, dark: boolean): void {
  const colour = dark ? "#ff98a2" : "#b3152c";
  map.addSource("closed", { type: "geojson", data: EMPTY });
  map.addLayer({ id: "closed-fill", type: "fill", source: "closed", paint: { "fill-color": colour, "fill-opacity": ["case", ["get", "holds"], 0.22, 0.06] } });
  map.addLayer({ id: "closed", type: "line", source: "closed", paint: { "line-color": colour, "line-width": 2, "line-dasharray": [1.5, 1.5] } });
}
export const showClosed = (map: maplibregl.Map, fleet: Fleet): void => {
  const features = closedShapes(fleet).map((one) => ({ ...fenceShape(one), properties: { name: one.name, holds: one.holds } }));
  void (map.getSource("closed") as maplibregl.GeoJSONSource | undefined)?.setData({ type: "FeatureCollection", features });
};

export const fenceShapes = (fences: readonly Fence[]): GeoJSON.FeatureCollection => ({ type: "FeatureCollection", features: fences.map(fenceShape) });

function fenceShape(fence: Fence): GeoJSON.Feature {
  let rings: [number, number][][];
  if (fence.circle) {
    const { lat_deg, lon_deg, radius_m } = fence.circle;
    const d_lat = radius_m / 111_195;
    const d_lon = d_lat / Math.cos((lat_deg * Math.PI) / 180);
    rings = [Array.from({ length: 49 }, (_, i) => [lon_deg + d_lon * Math.sin((i * Math.PI) / 24), lat_deg + d_lat * Math.cos((i * Math.PI) / 24)])];
  } else {
    rings = (fence.rings_deg ?? []).map((ring) => [...ring, ring[0]!].map(([lat, lon]) => [lon, lat] as [number, number]));
  }
  return { type: "Feature", properties: { name: fence.name }, geometry: { type: "Polygon", coordinates: rings } };
}

/** Can this browser draw a map at all? Asked once: a context costs. */
let drawable: boolean | null = null;
export function canDraw(): boolean {
  drawable ??= document.createElement("canvas").getContext("webgl2") !== null;
  return drawable;
}
