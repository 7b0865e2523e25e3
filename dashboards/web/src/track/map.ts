/** The customer's small map: their address, and the van to about 100 metres. */

import maplibregl from "maplibre-gl";
import { draw } from "../shared/basemap";
import "../markers.css";

export async function open(box: HTMLElement): Promise<(home: [number, number], near: [number, number]) => void> {
  const { map } = await draw(box, { interactive: false });
  const home = document.createElement("div");
  home.className = "home-marker";
  const van = document.createElement("div");
  van.className = "near-marker";
  const homeMarker = new maplibregl.Marker({ element: home, anchor: "bottom" }).setLngLat([0, 0]);
  const vanMarker = new maplibregl.Marker({ element: van }).setLngLat([0, 0]);
  return (at, near) => {
    homeMarker.setLngLat(at).addTo(map);
    vanMarker.setLngLat(near).addTo(map);
    map.fitBounds(new maplibregl.LngLatBounds(at, at).extend(near), { padding: 60, maxZoom: 15, linear: true, duration: 0 });
  };
}
