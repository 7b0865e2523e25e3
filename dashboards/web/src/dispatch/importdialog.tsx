/** Orders from a CSV file: good lines are taken, every bad line is told with its number, its field and why. */

import { useState } from "preact/hooks";
import { told } from "../shared/api";
import { Dialog, Field, Trouble } from "./parts";
import { t, tn } from "./reader";
import { type Sentence, Told } from "./sentences";
import { api } from "./session";

interface Report {
  imported: number;
  waiting_for_place: number;
  bad: { line: number; field: string; detail: string; said?: Sentence[] }[];
}

const EXAMPLE = "reference,name,address,window_start,window_end,parcels";

export function ImportDialog({ close }: { close: () => void }) {
  const [report, setReport] = useState<Report | null>(null);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const take = async (file: File | undefined): Promise<void> => {
    if (!file) return;
    setBusy(true);
    setError("");
    setReport(null);
    try {
      const headers = { "Content-Type": "text/csv", "Idempotency-Key": crypto.getRandomValues(new Uint32Array(4)).join("-") };
      setReport((await (await api.open("/v1/orders:import", { method: "POST", headers, body: file })).json()) as Report);
    } catch (failure) {
      setError(told(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={t("import.title")} close={close} wide>
      <p class="quiet">{t("import.help")} <code>{EXAMPLE}</code></p>
      <Field label={t("import.file")}>{(id) => <input id={id} type="file" accept=".csv,text/csv" disabled={busy} onChange={(event) => void take(event.currentTarget.files?.[0])} />}</Field>
      {busy && <p role="status">{t("loading")}</p>}
      <Trouble>{error}</Trouble>
      {report && (
        <div role="status">
          <p><b>{tn("import.taken", report.imported)}</b>{report.waiting_for_place > 0 && <> · {tn("import.waiting", report.waiting_for_place)}</>}{report.bad.length > 0 && <> · <span class="late">{tn("import.bad", report.bad.length)}</span></>}</p>
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
