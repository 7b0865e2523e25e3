/** Measured speeds of streets from a file: what counts now, until when; taken in, and ended before their time. */

import { useEffect, useState } from "preact/hooks";
import { told } from "../shared/api";
import { Act, Empty, Field, Section, Trouble } from "./parts";
import { f, t, tn } from "./reader";
import { api, say, useAsked } from "./session";

interface Speeds {
  speeds: string;
  lines: number;
  from_utc: string;
  until_utc: string;
  used: boolean;
}

/** They end by themselves. */
const ASK_AGAIN_MS = 60_000;

export function ImportedSpeeds() {
  const [turn, setTurn] = useState(0);
  const again = (): void => setTurn((n) => n + 1);
  useEffect(() => {
    const timer = setInterval(again, ASK_AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  const { answer, error } = useAsked<{ items: Speeds[] }>("/v1/speeds", turn);
  const [hours, setHours] = useState("1");
  const [wrong, setWrong] = useState("");
  const take = async (file: File | undefined): Promise<void> => {
    if (!file) return;
    setWrong("");
    try {
      const headers = { "Content-Type": "text/csv", "Idempotency-Key": crypto.getRandomValues(new Uint32Array(4)).join("-") };
      const taken = (await (await api.open(`/v1/speeds:import?hours=${encodeURIComponent(hours)}`, { method: "POST", headers, body: file })).json()) as Speeds;
      say(tn("import.lines", taken.lines));
      again();
    } catch (failure) {
      setWrong(told(failure));
    }
  };
  return (
    <Section title={t("speeds.title")} count={answer?.items.length}>
      <Trouble>{error}</Trouble>
      {answer?.items.length === 0 && <Empty>{t("speeds.none")}</Empty>}
      {answer && answer.items.length > 0 && (
        <ul class="list choices">
          {answer.items.map((one) => <li class="choice" key={one.speeds}><span class="grow"><b>{tn("speeds.streets", one.lines)}</b><br /><span class="quiet">{t("closures.from_until", { from: f.dayClock(one.from_utc), until: f.dayClock(one.until_utc) })}{!one.used && ` · ${t("speeds.unused")}`}</span></span><Act act={() => api.remove(`/v1/speeds/${encodeURIComponent(one.speeds)}`)} done={t("speeds.ended")} tone="danger" after={again}>{t("speeds.end")}</Act></li>)}
        </ul>
      )}
      <div class="form">
        <div class="pair">
          <Field label={t("speeds.hours")}>{(id) => <input id={id} type="number" min={0.25} max={168} step={0.25} required value={hours} onInput={(event) => setHours(event.currentTarget.value)} />}</Field>
          <Field label={t("import.file")} help={t("speeds.help")}>{(id) => <input id={id} type="file" accept=".csv,text/csv" onChange={(event) => void take(event.currentTarget.files?.[0])} />}</Field>
        </div>
        <Trouble>{wrong}</Trouble>
      </div>
    </Section>
  );
}
