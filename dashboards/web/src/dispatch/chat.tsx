/** The talk about an order between customer, driver and office; the office joins, and carries out what was agreed. */

import { useState } from "preact/hooks";
import { told } from "../shared/api";
import { useFleet } from "./fleet";
import { Act, Empty, Field, Trouble } from "./parts";
import { f, t } from "./reader";
import { api, say, useAsked, useTurn } from "./session";

interface Lines {
  items: { said_by: "customer" | "driver" | "dispatch"; text: string; at: string | null }[];
}
interface Offer {
  offer: string;
  window_start: string;
  window_end: string;
  added_cents: number;
  green: boolean;
}

export function Chat({ order, open = true }: { order: string; open?: boolean }) {
  const [turn, again] = useTurn("chat");
  const door = `/v1/orders/${encodeURIComponent(order)}/chat`;
  const fleet = useFleet("message");
  const theirs = [...fleet.messages.values()].filter((line) => line.order === order).map((line) => `${line.message} ${line.state}`).join(); // the driver's part of the talk
  const { answer, error, loading } = useAsked<Lines>(door, `${turn} ${theirs}`);
  const [text, setText] = useState("");
  const [failed, setFailed] = useState("");
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    const words = text.trim();
    if (!words) return;
    setFailed("");
    try {
      await api.post(door, { text: words });
      setText("");
      say(t("chat.sent"));
      again();
    } catch (failure) {
      setFailed(t("talk.not_sent", { why: told(failure) }));
    }
  };
  return (
    <div class="sheet">
      <div class="talk">
        <Trouble>{error}</Trouble>
        {loading && <p role="status">{t("loading")}</p>}
        {answer && (answer.items.length === 0 ? <Empty>{t("chat.none")}</Empty> : (
          <ol class="lines" tabIndex={0} aria-label={t("chat.title")}>
            {answer.items.map((line, at) => <li key={at} class={line.said_by === "dispatch" ? "dispatch" : "driver"}><p>{line.text}</p><small>{t(line.said_by === "dispatch" ? "talk.dispatch" : line.said_by === "driver" ? "talk.driver" : "chat.customer")} · {f.dayClock(line.at)}</small></li>)}
          </ol>
        ))}
        <form onSubmit={(event) => void send(event)}>
          <input aria-label={t("chat.write")} placeholder={t("chat.write")} maxLength={400} autocomplete="off" value={text} onInput={(event) => setText(event.currentTarget.value)} />
          <button type="submit" class="button primary">{t("talk.send")}</button>
        </form>
        <Trouble>{failed}</Trouble>
      </div>
      {open && <Agree order={order} done={again} />}
    </div>
  );
}

/** A change that was agreed: checked against the living plan like a customer's own choice, with the talk kept beside it. */
function Agree({ order, done }: { order: string; done: () => void }) {
  const [offers, setOffers] = useState<Offer[] | null>(null);
  const [offer, setOffer] = useState("");
  const [wish, setWish] = useState({ address: "", safe_place: "", neighbour: "", note: "" });
  const [free, setFree] = useState("");
  const said = Object.fromEntries(Object.entries(wish).filter(([, text]) => text.trim()));
  const body = { ...said, ...(offer ? { offer } : {}), ...(free ? { contact_free: free === "yes" } : {}) };
  const ask = async (): Promise<void> => {
    const { items, later } = await api.post<{ items: Offer[]; later: Offer[] }>("/v1/windows", { order });
    setOffers(items.length ? items : later); // where today is full, the next days
  };
  const agree = (): Promise<unknown> => (Object.keys(body).length ? api.post(`/v1/orders/${encodeURIComponent(order)}/chat:agree`, body) : Promise.reject(new Error(t("agree.nothing"))));
  const clear = (): void => {
    setOffers(null);
    setOffer("");
    setWish({ address: "", safe_place: "", neighbour: "", note: "" });
    setFree("");
    done();
  };
  return (
    <details class="agree">
      <summary>{t("agree.title")}</summary>
      <div class="form">
        <p class="quiet">{t("agree.help")}</p>
        <div class="pair">
          {(["address", "safe_place", "neighbour", "note"] as const).map((name) => <Field key={name} label={t(`agree.${name}`)}>{(id) => <input id={id} maxLength={500} autocomplete="off" value={wish[name]} onInput={(event) => setWish({ ...wish, [name]: event.currentTarget.value })} />}</Field>)}
          <Field label={t("agree.contact_free")}>{(id) => <select id={id} value={free} onChange={(event) => setFree(event.currentTarget.value)}><option value="">{t("agree.as_is")}</option><option value="yes">{t("agree.yes")}</option><option value="no">{t("agree.no")}</option></select>}</Field>
        </div>
        {offers === null ? <div class="actions"><Act act={ask}>{t("agree.windows")}</Act></div> : offers.length === 0 ? <p role="status">{t("agree.no_windows")}</p> : (
          <Field label={t("agree.window")}>{(id) => <select id={id} value={offer} onChange={(event) => setOffer(event.currentTarget.value)}><option value="">{t("agree.as_is")}</option>{offers.map((one) => <option key={one.offer} value={one.offer}>{f.dayClock(one.window_start)} – {f.clock(one.window_end)} · +{f.money(one.added_cents)}{one.green ? ` · ${t("agree.green")}` : ""}</option>)}</select>}</Field>
        )}
        <div class="actions"><Act act={agree} done={t("agree.done")} tone="primary" after={clear}>{t("agree.do")}</Act></div>
      </div>
    </details>
  );
}
