/** The customer's small map: their address, and the van to about 100 metres. */

import maplibregl from "maplibre-gl";
import { draw } from "./shared/basemap";
import "./markers.css";

interface Seen {
  place: { lat_deg: number; lon_deg: number } | null;
  van: { lat_deg: number; lon_deg: number } | null;
}

export async function open(box: HTMLElement): Promise<(seen: Seen) => void> {
  const { map } = await draw(box, { interactive: false });
  const home = document.createElement("div");
  home.className = "home-marker";
  const van = document.createElement("div");
  van.className = "near-marker";
  const homeMarker = new maplibregl.Marker({ element: home, anchor: "bottom" }).setLngLat([0, 0]);
  const vanMarker = new maplibregl.Marker({ element: van }).setLngLat([0, 0]);
  return (seen) => {
    if (!seen.place || !seen.van) return;
    const at: [number, number] = [seen.place.lon_deg, seen.place.lat_deg];
    const near: [number, number] = [seen.van.lon_deg, seen.van.lat_deg];
    homeMarker.setLngLat(at).addTo(map);
    vanMarker.setLngLat(near).addTo(map);
    map.fitBounds(new maplibregl.LngLatBounds(at, at).extend(near), { padding: 60, maxZoom: 15, linear: true, duration: 0 });
  };
}
