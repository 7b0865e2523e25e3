/** The map both pages draw on: streets and water from the hub itself. No tile server, no fonts, no other address. */

import maplibregl, { type GeoJSONSourceSpecification, type LngLatBoundsLike, type StyleSpecification } from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";

interface Basemap extends GeoJSON.FeatureCollection {
  attribution?: string;
  bbox?: [number, number, number, number];
}

const INKS = {
  dark: { ground: "#151b18", water: "#1d3440", major: "#5b6a63", medium: "#47554e", minor: "#343f3a", casing: "#000000" },
  light: { ground: "#eef0ec", water: "#b9d6e4", major: "#ffffff", medium: "#ffffff", minor: "#ffffff", casing: "#c9cec9" },
} as const;

const width = (near: number, far: number): maplibregl.ExpressionSpecification => ["interpolate", ["exponential", 1.6], ["zoom"], 10, far, 17, near];
const ofClass = (...names: string[]): maplibregl.FilterSpecification => ["in", ["get", "class"], ["literal", names]];

/** A map in `container`; `bounds` of the extract, if there is one. `dark`: as the page is, where it is not as the system wants it. */
export async function draw(container: HTMLElement, options: { interactive: boolean; dark?: boolean }): Promise<{ map: maplibregl.Map; bounds: LngLatBoundsLike | null }> {
  const INK = INKS[(options.dark ?? matchMedia("(prefers-color-scheme: dark)").matches) ? "dark" : "light"];
  const CASING = INK.casing;
  const answer = await fetch("/basemap.geojson");
  const ground = answer.ok ? ((await answer.json()) as Basemap) : ({ type: "FeatureCollection", features: [] } as Basemap);
  const source: GeoJSONSourceSpecification = { type: "geojson", data: ground, tolerance: 0.3 };
  if (ground.attribution) source.attribution = ground.attribution;
  const line = (id: string, classes: string[], color: string, near: number, far: number): StyleSpecification["layers"][number] => ({
    id, type: "line", source: "ground", filter: ofClass(...classes),
    layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": color, "line-width": width(near, far) },
  });
  const bounds = ground.bbox ?? null;
  const map = new maplibregl.Map({
    container,
    interactive: options.interactive,
    attributionControl: { compact: false },
    ...(bounds ? { bounds: bounds as LngLatBoundsLike, fitBoundsOptions: { padding: 24 } } : {}),
    style: {
      version: 8,
      sources: { ground: source },
      layers: [
        { id: "paper", type: "background", paint: { "background-color": INK.ground } },
        { id: "water", type: "fill", source: "ground", filter: ofClass("water"), paint: { "fill-color": INK.water } },
        line("waterway", ["waterway"], INK.water, 8, 1),
        line("minor-casing", ["minor", "service", "path"], CASING, 11, 0.6),
        line("medium-casing", ["medium"], CASING, 16, 1.4),
        line("major-casing", ["major"], CASING, 20, 2.4),
        line("minor", ["minor", "service", "path"], INK.minor, 8, 0.4),
        line("medium", ["medium"], INK.medium, 13, 1),
        line("major", ["major"], INK.major, 17, 1.8),
      ],
    },
  });
  if (options.interactive) map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  await new Promise<void>((resolve) => map.once("load", () => resolve()));
  return { map, bounds: bounds as LngLatBoundsLike | null };
}
