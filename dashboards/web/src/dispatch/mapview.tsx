/** The live map in the page; where WebGL is missing it says so, and the lists beside it have everything. */

import { useEffect, useRef, useState } from "preact/hooks";
import { fleet } from "./fleet";
import { canDraw, FleetMap } from "./map";
import { Empty } from "./parts";
import { isDark, t, useReader } from "./reader";
import { go } from "./route";

/** Ways and stops change seldom, and cost more than the vans: they are drawn at most this often. */
const WORK_MS = 2_000;

interface Shown {
  selected: string | null;
  late: ReadonlySet<string>;
  alarmed: ReadonlySet<string>;
}

export function MapView({ selected, late, alarmed }: Shown) {
  useReader();
  const box = useRef<HTMLDivElement>(null);
  const [map, setMap] = useState<FleetMap | null>(null);
  const dark = isDark();
  const drawable = canDraw();
  useEffect(() => {
    if (!drawable || !box.current) return;
    let opened: FleetMap | null = null;
    let gone = false;
    let working = 0;
    const options = { dark, label: t("map.label"), depot: (name: string) => t("map.depot", { name }) };
    const open = FleetMap.open(box.current, fleet, { van: (vehicle) => go("now", vehicle), order: (order) => go("orders", order) }, options);
    void open.then((found) => {
      if (gone) return found.end();
      opened = found;
      found.work();
      found.fences();
      found.move();
      setMap(found);
      document.body.dataset["map"] = "ready";
    });
    const quiet = fleet.listen((parts) => {
      if (!opened) return;
      if (parts.has("moved") || parts.has("vehicle")) opened.move();
      if (parts.has("sites")) opened.fences();
      if ((parts.has("order") || parts.has("plan")) && !working) {
        working = setTimeout(() => {
          working = 0;
          opened?.work();
        }, WORK_MS);
      }
    });
    return () => {
      gone = true;
      quiet();
      clearTimeout(working);
      opened?.end();
      setMap(null);
      delete document.body.dataset["map"];
    };
  }, [drawable, dark]);
  useEffect(() => map?.select(selected), [map, selected]);
  useEffect(() => map?.mark(late, alarmed), [map, late, alarmed]);
  if (!drawable) return <Empty>{t("map.none")}</Empty>;
  return (
    <div class="map-frame">
      <div class="map" ref={box} />
      <ul class="legend" aria-label={t("map.legend")}>
        <li><i class="key ok" />{t("map.ok")}</li><li><i class="key late" />{t("map.late")}</li><li><i class="key alarm" />{t("map.alarm")}</li><li><i class="key silent" />{t("map.silent")}</li>
      </ul>
    </div>
  );
}
