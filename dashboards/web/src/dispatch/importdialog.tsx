/** A CSV file of orders, vans, drivers, depots or the fleet's rules: good lines are taken, every bad line is told with its number, its field and why. */

import { useState } from "preact/hooks";
import { told } from "../shared/api";
import { Dialog, Field, Trouble } from "./parts";
import { type Counted, type Key, t, tn } from "./reader";
import { type Sentence, Told } from "./sentences";
import { api } from "./session";

interface Report {
  imported: number;
  waiting_for_place?: number;
  bad: { line: number; field: string; detail: string; said?: Sentence[] }[];
}

/** What a file may be of: its door, and how it may begin. */
const FILES = {
  orders: ["orders", "reference,name,address,window_start,window_end,parcels"],
  vehicles: ["vehicles", "name,depot,driver,capacity,shift_start,shift_end,skills,breaks"],
  drivers: ["drivers", "name,phone,skills,strange,hours"],
  depots: ["depots", "name,address,lat_deg,lon_deg,reload_s,windows"],
  rules: ["fleets/me", "max_wait_s,fair_cents_per_hour,profiles,chargers"],
} as const satisfies Record<string, readonly [door: string, example: string]>;
export type FileOf = keyof typeof FILES;

export function ImportDialog({ of, close, after }: { of: FileOf; close: () => void; after?: (() => void) | undefined }) {
  const [report, setReport] = useState<Report | null>(null);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const [door, example] = FILES[of];
  const take = async (file: File | undefined): Promise<void> => {
    if (!file) return;
    setBusy(true);
    setError("");
    setReport(null);
    try {
      const headers = { "Content-Type": "text/csv", "Idempotency-Key": crypto.getRandomValues(new Uint32Array(4)).join("-") };
      const found = (await (await api.open(`/v1/${door}:import`, { method: "POST", headers, body: file })).json()) as Report;
      setReport(found);
      if (found.imported) after?.();
    } catch (failure) {
      setError(told(failure));
    } finally {
      setBusy(false);
    }
  };
  const taken: Counted = of === "orders" ? "import.taken" : "import.lines";
  const waiting = report?.waiting_for_place ?? 0;
  return (
    <Dialog title={of === "orders" ? t("import.title") : `${t("import.any")}: ${t(`import.${of}` as Key)}`} close={close} wide>
      <p class="quiet">{t("import.help")} <code>{example}</code></p>
      <Field label={t("import.file")}>{(id) => <input id={id} type="file" accept=".csv,text/csv" disabled={busy} onChange={(event) => void take(event.currentTarget.files?.[0])} />}</Field>
      {busy && <p role="status">{t("loading")}</p>}
      <Trouble>{error}</Trouble>
      {report && (
        <div role="status">
          <p><b>{tn(taken, report.imported)}</b>{waiting > 0 && <> · {tn("import.waiting", waiting)}</>}{report.bad.length > 0 && <> · <span class="late">{tn("import.bad", report.bad.length)}</span></>}</p>
          {report.bad.length > 0 && (
            <div class="scroll short" tabIndex={0} role="region" aria-label={t("import.bad_lines")}>
              <table><thead><tr><th scope="col">{t("import.line")}</th><th scope="col">{t("import.field")}</th><th scope="col">{t("import.why")}</th></tr></thead>
                <tbody>{report.bad.map((bad) => <tr key={`${bad.line} ${bad.field}`}><th scope="row">{bad.line}</th><td>{bad.field}</td><td><Told text={bad.detail} said={bad.said} /></td></tr>)}</tbody>
              </table>
            </div>
          )}
        </div>
      )}
    </Dialog>
  );
}

/** A button that opens it. */
export function ImportFile({ of, after }: { of: Exclude<FileOf, "orders">; after?: () => void }) {
  const [opened, open] = useState(false);
  return (
    <>
      <button type="button" class="button" aria-label={`${t("import.any")}: ${t(`import.${of}` as Key)}`} onClick={() => open(true)}>{t("import.any")}</button>
      {opened && <ImportDialog of={of} close={() => open(false)} after={after} />}
    </>
  );
}
