/** The dispatcher's map: depots, fences, each van's way and the stops that are left, and the vans themselves. */

import maplibregl from "maplibre-gl";
import { draw } from "./basemap";
import { colourOf, orders, plans, stopsLeft, vansInOrder } from "./state";
import type { Fence, Live, Vehicle } from "./types";

const EMPTY: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };
/** A van that was not heard of for this long (real time) is drawn as stale. */
export const STALE_S = 15;

export class FleetMap {
  private readonly vans = new Map<string, { marker: maplibregl.Marker; element: HTMLButtonElement }>();
  private fitted: boolean;

  private constructor(
    private readonly map: maplibregl.Map,
    private readonly select: (vehicle: string) => void,
    fitted: boolean,
  ) {
    this.fitted = fitted;
  }

  static async open(container: HTMLElement, live: Live, select: (vehicle: string) => void): Promise<FleetMap> {
    const { map, bounds } = await draw(container, { interactive: true });
    map.addSource("fences", { type: "geojson", data: { type: "FeatureCollection", features: live.fences.map(fenceShape) } });
    map.addSource("routes", { type: "geojson", data: EMPTY });
    map.addSource("stops", { type: "geojson", data: EMPTY });
    map.addLayer({ id: "fences", type: "line", source: "fences", paint: { "line-color": "#7a4a2b", "line-width": 1.5, "line-dasharray": [3, 2] } });
    map.addLayer({
      id: "routes", type: "line", source: "routes", layout: { "line-cap": "round", "line-join": "round" },
      paint: {
        "line-color": ["get", "colour"],
        "line-width": ["case", ["get", "selected"], 5, 2.5],
        "line-opacity": ["case", ["get", "selected"], 0.95, ["get", "faint"], 0.15, 0.55],
      },
    });
    map.addLayer({
      id: "stops", type: "circle", source: "stops",
      paint: {
        "circle-radius": ["case", ["get", "next"], 7, ["get", "selected"], 6, 4],
        "circle-color": ["case", ["get", "open"], ["get", "colour"], "#ffffff"],
        "circle-opacity": ["case", ["get", "faint"], 0.25, 1],
        "circle-stroke-color": ["case", ["get", "alarm"], "#b00020", ["get", "open"], "#ffffff", ["get", "colour"]],
        "circle-stroke-width": ["case", ["get", "alarm"], 3, 1.5],
        "circle-stroke-opacity": ["case", ["get", "faint"], 0.25, 1],
      },
    });
    for (const depot of live.depots) {
      const element = document.createElement("div");
      element.className = "depot-marker";
      element.setAttribute("role", "img");
      element.setAttribute("aria-label", `Depot ${depot.name}`);
      element.title = `Depot ${depot.name}`;
      new maplibregl.Marker({ element }).setLngLat([depot.lon_deg, depot.lat_deg]).addTo(map);
    }
    const popup = new maplibregl.Popup({ closeButton: false, closeOnClick: false, offset: 10 });
    map.on("mousemove", "stops", (event) => {
      const feature = event.features?.[0];
      if (feature) popup.setLngLat(event.lngLat).setText(String(feature.properties["title"])).addTo(map);
    });
    map.on("mouseleave", "stops", () => popup.remove());
    map.on("click", "stops", (event) => {
      const vehicle = event.features?.[0]?.properties["vehicle"] as string | undefined;
      if (vehicle) select(vehicle);
    });
    return new FleetMap(map, select, bounds !== null);
  }

  /** Ways and stops. `title` tells a stop in one line. */
  redraw(selected: string | null, title: (order: string) => string): void {
    const routes: GeoJSON.Feature[] = [];
    const stops: GeoJSON.Feature[] = [];
    for (const van of vansInOrder()) {
      const shared = { vehicle: van.vehicle, colour: colourOf(van.vehicle), selected: van.vehicle === selected, faint: selected !== null && van.vehicle !== selected };
      const route = plans.get(van.vehicle)?.route ?? [];
      if (route.length > 1 && stopsLeft(van.vehicle).length > 0) {
        routes.push({ type: "Feature", properties: shared, geometry: { type: "LineString", coordinates: route } });
      }
    }
    for (const order of orders.values()) {
      if (order.lat_deg === null || order.lon_deg === null || order.state === "cancelled") continue;
      stops.push({
        type: "Feature",
        properties: {
          vehicle: order.vehicle ?? "",
          colour: order.vehicle ? colourOf(order.vehicle) : "#555555",
          selected: order.vehicle !== null && order.vehicle === selected,
          faint: selected !== null && order.vehicle !== selected,
          open: !["delivered", "failed"].includes(order.state),
          next: order.state === "next" || order.state === "arrived",
          alarm: order.state === "failed" || order.state === "unassigned",
          title: title(order.order),
        },
        geometry: { type: "Point", coordinates: [order.lon_deg, order.lat_deg] },
      });
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

  /** The van's marker: turned to its heading, faded while nothing is heard of it. */
  move(van: Vehicle, selected: boolean, stale: boolean, label: string): void {
    if (van.lat_deg === null || van.lon_deg === null) return;
    let kept = this.vans.get(van.vehicle);
    if (!kept) {
      const element = document.createElement("button");
      element.type = "button";
      element.innerHTML = '<svg viewBox="0 0 36 36" aria-hidden="true"><path class="arrow" d="M18 -5 L28 11 H8 Z"/><circle cx="18" cy="18" r="11.5"/></svg><span></span>';
      element.addEventListener("click", (event) => {
        event.stopPropagation();
        this.select(van.vehicle);
      });
      kept = { marker: new maplibregl.Marker({ element }).setLngLat([van.lon_deg, van.lat_deg]).addTo(this.map), element };
      this.vans.set(van.vehicle, kept);
    }
    kept.marker.setLngLat([van.lon_deg, van.lat_deg]);
    kept.element.style.setProperty("--van", colourOf(van.vehicle));
    for (const [name, on] of Object.entries({ "van-marker": true, selected, stale, off: van.duty === "off" })) kept.element.classList.toggle(name, on);
    kept.element.setAttribute("aria-label", label);
    kept.element.title = label;
    kept.element.querySelector("span")!.textContent = van.name.match(/\d+/)?.[0] ?? van.name.slice(0, 2);
    const arrow = kept.element.querySelector<SVGElement>(".arrow")!;
    arrow.style.visibility = van.heading_deg === null ? "hidden" : "visible";
    arrow.style.rotate = `${van.heading_deg ?? 0}deg`;
  }

  forget(known: ReadonlySet<string>): void {
    for (const [vehicle, { marker }] of this.vans) {
      if (!known.has(vehicle)) {
        marker.remove();
        this.vans.delete(vehicle);
      }
    }
  }

  lookAt(van: Vehicle): void {
    if (van.lat_deg !== null && van.lon_deg !== null) {
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.map.easeTo({ center: [van.lon_deg, van.lat_deg], zoom: Math.max(this.map.getZoom(), 13), duration: calm ? 0 : 500 });
    }
  }
}

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
