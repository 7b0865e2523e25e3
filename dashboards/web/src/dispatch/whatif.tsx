/** What if: a depot's remaining day planned twice, as it is and changed (`POST /v1/whatif`). No van is told anything. */

import { useEffect, useRef, useState } from "preact/hooks";
import { told } from "../shared/api";
import { fleet, orderName } from "./fleet";
import { Act, Dialog, Field, Trouble } from "./parts";
import { f, t } from "./reader";
import { type Sentence, Told } from "./sentences";
import { api } from "./session";

interface Outlook {
  cost_cents: number;
  parts_cents: Record<string, number>;
  vehicles: number;
  distance_m: number;
  late_s: number;
  unassigned: Record<string, string>;
  unassigned_said: Record<string, Sentence[]>;
}
interface Answer {
  as_it_is: Outlook;
  if_so: Outlook;
  saves_cents: number;
}

const SEARCH_S = 1;
/** What a plan's price is made of, as the hub names it. */
const PARTS = ["fixed", "wage", "overtime", "distance", "fuel", "waiting", "idling", "lateness", "promises", "territory", "re-attempts", "left out", "fair", "churn"] as const;

/** A button that opens it. */
export function WhatIf() {
  const [opened, open] = useState(false);
  return (
    <>
      <button type="button" class="button" onClick={() => open(true)}>{t("whatif.open")}</button>
      {opened && <Dialog title={t("whatif.open")} close={() => open(false)} wide><Asking /></Dialog>}
    </>
  );
}

function Asking() {
  const [depot, setDepot] = useState((fleet.vansInOrder[0] ?? fleet.depots[0])?.depot ?? "");
  const [windows, setWindows] = useState([0]);
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const orders = [...fleet.orders.values()].filter((order) => ["new", "unassigned", "planned", "next"].includes(order.state) && order.depot === depot);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (busy) return;
    const values = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string): string => String(values.get(name) ?? "").trim();
    const instant = (name: string): string => new Date(f.instant(text(name))).toISOString();
    const others = windows.filter((row) => text(`order.${row}`) && text(`from.${row}`) && text(`to.${row}`)).map((row) => ({ order: text(`order.${row}`), window_start: instant(`from.${row}`), window_end: instant(`to.${row}`) }));
    const at = text("lat") && text("lon") ? { depot_at: { lat_deg: Number(text("lat")), lon_deg: Number(text("lon")) } } : {};
    setBusy(true);
    setError("");
    setAnswer(null);
    try {
      setAnswer(await api.post<Answer>("/v1/whatif", { depot, more_vans: Number(text("more_vans") || 0), windows: others, seconds: SEARCH_S, ...at }));
    } catch (failure) {
      setError(told(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <p class="quiet">{t("whatif.help")}</p>
      <form class="form" onSubmit={(event) => void submit(event as SubmitEvent)}>
        <div class="pair">
          {fleet.depots.length > 1 && <Field label={t("settings.depot")}>{(id) => <select id={id} value={depot} onChange={(event) => setDepot(event.currentTarget.value)}>{fleet.depots.map((one) => <option key={one.depot} value={one.depot}>{one.name}</option>)}</select>}</Field>}
          <Field label={t("whatif.more_vans")}>{(id) => <input id={id} name="more_vans" type="number" min={0} max={20} placeholder="0" />}</Field>
        </div>
        {windows.map((row) => (
          <fieldset key={row}>
            <legend>{t("whatif.window")}</legend>
            <Field label={t("order.order")}>{(id) => <select id={id} name={`order.${row}`}><option value=""></option>{orders.map((order) => <option key={order.order} value={order.order}>{orderName(order)}</option>)}</select>}</Field>
            <div class="pair">
              <Field label={t("order.from")}>{(id) => <input id={id} name={`from.${row}`} type="datetime-local" />}</Field>
              <Field label={t("order.to")}>{(id) => <input id={id} name={`to.${row}`} type="datetime-local" />}</Field>
            </div>
          </fieldset>
        ))}
        <div class="actions"><button type="button" class="button" onClick={() => setWindows([...windows, windows.length])}>{t("order.one_more")}</button></div>
        <fieldset>
          <legend>{t("whatif.depot_at")}</legend>
          <div class="pair">
            <Field label={t("term.lat_deg")}>{(id) => <input id={id} name="lat" type="number" min={-90} max={90} step="any" />}</Field>
            <Field label={t("term.lon_deg")}>{(id) => <input id={id} name="lon" type="number" min={-180} max={180} step="any" />}</Field>
          </div>
        </fieldset>
        <Trouble>{error}</Trouble>
        <div class="actions"><button type="submit" class="button primary" aria-disabled={busy}>{t("whatif.try")}</button></div>
      </form>
      {busy && <p role="status">{t("loading")}</p>}
      {answer && <Result answer={answer} />}
      <hr />
      <p class="quiet">{t("whatif.save_help")}</p>
      <div class="actions"><Act act={() => saved(depot)}>{t("whatif.save")}</Act></div>
    </>
  );
}

/** The depot's remaining day, as the browser keeps a file. */
async function saved(depot: string): Promise<void> {
  const answer = await api.open(`/v1/depots/${encodeURIComponent(depot)}/problem`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "problem.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

const saving = (cents: number): string => (cents === 0 ? t("whatif.same") : t(cents > 0 ? "whatif.saves" : "whatif.costs", { money: f.money(Math.abs(cents)) }));

function Result({ answer }: { answer: Answer }) {
  const both = [answer.as_it_is, answer.if_so];
  const rows: [string, (one: Outlook) => string][] = [
    [t("whatif.cost"), (one) => f.money(one.cost_cents)],
    ...PARTS.filter((part) => both.some((one) => one.parts_cents[part])).map((part): [string, (one: Outlook) => string] => [`– ${t(`part.${part}`)}`, (one) => f.money(one.parts_cents[part] ?? 0)]),
    [t("whatif.vans"), (one) => f.count(one.vehicles)],
    [t("whatif.distance"), (one) => f.distance(one.distance_m)],
    [t("whatif.late"), (one) => f.span(one.late_s)],
    [t("whatif.left_out"), (one) => f.count(Object.keys(one.unassigned).length)],
  ];
  const heads = [t("whatif.as_it_is"), t("whatif.if_so")];
  const left = Object.entries(answer.if_so.unassigned);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.scrollIntoView({ block: "nearest" }), [answer]);
  return (
    <div role="status" ref={box}>
      <p><b>{saving(answer.saves_cents)}</b></p>
      <div class="scroll" tabIndex={0} role="region" aria-label={t("whatif.result")}>
        <table class="cards">
          <thead><tr><td></td>{heads.map((head) => <th key={head} scope="col">{head}</th>)}</tr></thead>
          <tbody>{rows.map(([name, shown]) => <tr key={name}><th scope="row">{name}</th>{both.map((one, at) => <td key={at} data-label={heads[at]}>{shown(one)}</td>)}</tr>)}</tbody>
        </table>
      </div>
      {left.length > 0 && <ul class="plainlist">{left.map(([order, reason]) => {
        const found = fleet.orders.get(order);
        return <li key={order}>{found ? orderName(found) : order}: <Told text={reason} said={answer.if_so.unassigned_said[order]} /></li>;
      })}</ul>}
    </div>
  );
}
