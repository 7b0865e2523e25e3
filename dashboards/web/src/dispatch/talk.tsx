/** What is said between dispatcher and driver: the day's lines, and a line to write. */

import { useState } from "preact/hooks";
import { told } from "../shared/api";
import { orderName, useFleet } from "./fleet";
import { Dialog, Empty, Trouble } from "./parts";
import { f, t } from "./reader";
import { api, say } from "./session";

export function Talk({ vehicle, order = null }: { vehicle: string; order?: string | null }) {
  const fleet = useFleet("message", "vehicle");
  const van = fleet.vehicles.get(vehicle);
  const lines = [...fleet.messages.values()].filter((line) => line.vehicle === vehicle).sort((a, b) => (a.at ?? 0) - (b.at ?? 0) || a.message.localeCompare(b.message));
  const [text, setText] = useState("");
  const [error, setError] = useState("");
  const label = t("talk.to", { who: van?.driver ?? van?.name ?? "" });
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    const words = text.trim();
    if (!words) return;
    setError("");
    try {
      await api.post(`/v1/vehicles/${encodeURIComponent(vehicle)}/messages`, order ? { text: words, order } : { text: words });
      setText("");
      say(t("talk.sent"));
    } catch (failure) {
      setError(t("talk.not_sent", { why: told(failure) }));
    }
  };
  return (
    <div class="talk">
      {lines.length === 0 ? <Empty>{t("talk.none")}</Empty> : (
        <ol class="lines" tabIndex={0} aria-label={label}>
          {lines.map((line) => {
            const about = line.order ? fleet.orders.get(line.order) : undefined;
            return <li key={line.message} class={line.said_by}><p>{line.text}</p><small>{[line.said_by === "driver" ? (van?.driver ?? t("talk.driver")) : t("talk.dispatch"), f.clock(line.at), about && orderName(about), line.state === "said" ? "" : t(`talk.${line.state}`)].filter(Boolean).join(" · ")}</small></li>;
          })}
        </ol>
      )}
      <form onSubmit={(event) => void send(event)}>
        <input aria-label={label} placeholder={label} maxLength={500} autocomplete="off" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        <button type="submit" class="button primary">{t("talk.send")}</button>
      </form>
      <Trouble>{error}</Trouble>
    </div>
  );
}

export function TalkDialog({ vehicle, order, close }: { vehicle: string; order: string | null; close: () => void }) {
  const fleet = useFleet("vehicle");
  const van = fleet.vehicles.get(vehicle);
  return <Dialog title={t("talk.to", { who: van?.driver ?? van?.name ?? vehicle })} close={close}><Talk vehicle={vehicle} order={order} /></Dialog>;
}
