/** What was written to customers and to the shop: waiting, sent, or dead until a person says that it is to be tried again. */

import { useState } from "preact/hooks";
import { Act, Badge, Empty, Section, type Tone, Trouble } from "./parts";
import { f, t, tn } from "./reader";
import { to } from "./route";
import { api, useAsked, useTurn } from "./session";

type State = "waiting" | "sending" | "sent" | "dead";
interface Notice {
  notice: string; order: string | null; kind: string; channel: string; address: string; subject: string; state: State; tries: number; last_error: string;
  written_at: string; not_before: string; sent_at: string | null;
}
const TONES: Record<State, Tone> = { waiting: "plain", sending: "info", sent: "good", dead: "bad" };

export function Outbox({ order }: { order?: string }) {
  const [turn, again] = useTurn("notices");
  const [state, setState] = useState<State | "">("");
  const query = new URLSearchParams({ limit: "500", ...(state ? { state } : {}), ...(order ? { order } : {}) });
  const { answer, error, loading } = useAsked<{ items: Notice[] }>(`/v1/notices?${query}`, turn);
  const found = answer?.items ?? [];
  const dead = found.filter((one) => one.state === "dead").map((one) => one.notice);
  const replay = (notices: string[]): Promise<unknown> => api.post("/v1/notices:replay", { notices });
  return (
    <Section title={t("notices.title")} count={answer?.items.length} actions={dead.length > 1 && <Act act={() => replay(dead)} done={t("notices.replayed")} after={again}>{tn("notices.replay_all", dead.length)}</Act>}>
      <div class="tools"><label>{t("order.state")} <select value={state} onChange={(event) => setState(event.currentTarget.value as State | "")}><option value="">{t("all")}</option>{(["waiting", "sending", "sent", "dead"] as const).map((one) => <option key={one} value={one}>{t(`notice.${one}`)}</option>)}</select></label></div>
      <Trouble>{error}</Trouble>
      {loading && <p class="pad" role="status">{t("loading")}</p>}
      {answer && (found.length === 0 ? <Empty>{t("notices.none")}</Empty> : (
        <ul class="list notices">
          {found.map((one) => (
            <li key={one.notice}>
              <p><b>{one.subject || one.kind}</b> <Badge tone={TONES[one.state]}>{t(`notice.${one.state}`)}</Badge>{one.state === "dead" && <> <Act act={() => replay([one.notice])} done={t("notices.replayed")} after={again} label={`${t("notices.replay")}: ${one.subject || one.kind}, ${one.address}`}>{t("notices.replay")}</Act></>}</p>
              <small>{[one.channel, one.address].filter(Boolean).join(" · ")} · {f.dayClock(one.sent_at ?? one.written_at)}{one.tries > 0 && ` · ${tn("notices.tries", one.tries)}`}{one.order && !order && <> · <a href={to("orders", one.order)}>{t("case.order")}</a></>}</small>
              {one.last_error && one.state !== "sent" && <p class="trouble inline" lang="en">{one.last_error}</p>}
            </li>
          ))}
        </ul>
      ))}
    </Section>
  );
}
