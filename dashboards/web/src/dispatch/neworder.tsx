/** One order taken by a person at the desk: an urgent one is planned at once. */

import { useState } from "preact/hooks";
import { fleet } from "./fleet";
import { OrderTerms, saidOf, useOrderTerms } from "./orderterms";
import { Dialog, Field, Trouble } from "./parts";
import { f, t } from "./reader";
import { go } from "./route";
import { api, say, useAsked } from "./session";
import { NOTHING_WRONG, wrongOf } from "./termfields";

const HOUR_MS = 3_600_000;

export function NewOrderDialog({ close }: { close: () => void }) {
  const [wrong, setWrong] = useState(NOTHING_WRONG);
  const [busy, setBusy] = useState(false);
  const [level, setLevel] = useState("");
  const more = useOrderTerms();
  const levels = useAsked<{ items: { name: string }[] }>("/v1/service-levels").answer?.items ?? [];
  // Held once: a field that is not filled in must not change under the hand while the hub's clock goes on.
  const [quarter] = useState(() => Math.ceil(fleet.now / 900_000) * 900_000);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (busy) return;
    const values = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string): string => String(values.get(name) ?? "").trim();
    const instant = (name: string): string => new Date(f.instant(text(name))).toISOString();
    setBusy(true);
    setWrong(NOTHING_WRONG);
    try {
      const { needs, ...said } = saidOf(more.terms, values);
      const parcels = text("parcels");
      const body = {
        reference: text("reference"), kind: text("kind"), name: text("name"), phone: text("phone"), address: text("address"), instructions: text("instructions"),
        ...(level ? {} : { window_start: instant("window_start"), window_end: instant("window_end") }),
        ...(fleet.depots.length > 1 ? { depot: text("depot") } : {}),
        ...(parcels ? { parcels: Number(parcels) } : {}),
        ...said,
        ...(values.get("urgent") ? { priority: 9 } : {}),
        needs: { ...(needs as object | undefined), ...(level ? { service_level: level } : {}) },
      };
      const made = await api.post<{ order: string }>("/v1/orders", body);
      say(t("order.made"));
      close();
      go("orders", made.order);
    } catch (failure) {
      setWrong(wrongOf(more.terms, failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={t("orders.new")} close={close}>
      <form class="form" onSubmit={(event) => void submit(event as SubmitEvent)}>
        <div class="pair">
          <Field label={t("order.reference")}>{(id) => <input id={id} name="reference" maxLength={80} autocomplete="off" />}</Field>
          <Field label={t("order.kind")}>{(id) => <select id={id} name="kind"><option value="delivery">{t("order.delivery")}</option><option value="pickup">{t("order.pickup")}</option></select>}</Field>
        </div>
        <Field label={t("order.address")}>{(id) => <input id={id} name="address" maxLength={500} autocomplete="off" />}</Field>
        <div class="pair">
          <Field label={t("order.name")}>{(id) => <input id={id} name="name" maxLength={120} autocomplete="off" />}</Field>
          <Field label={t("driver.phone")}>{(id) => <input id={id} name="phone" type="tel" maxLength={40} autocomplete="off" />}</Field>
        </div>
        {levels.length > 0 && <Field label={t("term.service_level")}>{(id) => <select id={id} name="needs.service_level" value={level} onChange={(event) => setLevel(event.currentTarget.value)}><option value="">{t("order.own_window")}</option>{levels.map(({ name }) => <option key={name} value={name}>{name}</option>)}</select>}</Field>}
        {!level && (
          <div class="pair">
            <Field label={t("order.from")}>{(id) => <input id={id} name="window_start" type="datetime-local" required defaultValue={f.local(quarter)} />}</Field>
            <Field label={t("order.to")}>{(id) => <input id={id} name="window_end" type="datetime-local" required defaultValue={f.local(quarter + 2 * HOUR_MS)} />}</Field>
          </div>
        )}
        <div class="pair">
          <Field label={t("order.parcels")}>{(id) => <input id={id} name="parcels" type="number" min={1} max={1_000_000} placeholder="1" />}</Field>
          {fleet.depots.length > 1 && <Field label={t("settings.depot")}>{(id) => <select id={id} name="depot">{fleet.depots.map((depot) => <option key={depot.depot} value={depot.depot}>{depot.name}</option>)}</select>}</Field>}
        </div>
        <Field label={t("order.instructions")}>{(id) => <input id={id} name="instructions" maxLength={500} autocomplete="off" />}</Field>
        <OrderTerms {...more} wrong={wrong} />
        <label class="check"><input type="checkbox" name="urgent" /> {t("order.urgent_help")}</label>
        <Trouble>{wrong.else}</Trouble>
        <div class="actions"><button type="submit" class="button primary" aria-disabled={busy}>{t("order.make")}</button></div>
      </form>
    </Dialog>
  );
}
