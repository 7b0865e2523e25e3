/** An address as somebody types it, looked for among those that the fleet delivered to, and by the hub's geocoder. */

import { useEffect, useState } from "preact/hooks";
import { Field, Trouble } from "./parts";
import { t } from "./reader";
import { type Sentence, Told } from "./sentences";
import { useAsked } from "./session";

export interface FoundPlace {
  label: string;
  lat_deg: number;
  lon_deg: number;
}
interface Answer {
  items: FoundPlace[];
  reason: string;
  said?: Sentence[];
}

const ASKS_AFTER_MS = 300; // not at each letter
const SHORTEST = 3;

export function AddressSearch({ take }: { take: (place: FoundPlace) => void }) {
  const [text, setText] = useState("");
  const [wanted, setWanted] = useState("");
  useEffect(() => {
    const asks = setTimeout(() => setWanted(text.trim().length >= SHORTEST ? text.trim() : ""), ASKS_AFTER_MS);
    return () => clearTimeout(asks);
  }, [text]);
  const { answer, error, loading } = useAsked<Answer>(wanted ? `/v1/places?${new URLSearchParams({ address: wanted }).toString()}` : null);
  return (
    <>
      <Field label={t("place.search")}>{(id) => <input id={id} type="search" autocomplete="off" maxLength={200} value={text} onInput={(event) => setText(event.currentTarget.value)} />}</Field>
      <Trouble>{error}</Trouble>
      <div role="status">
        {loading && <p>{t("loading")}</p>}
        {answer && (answer.items.length === 0 || answer.reason) && <p class="quiet">{answer.reason ? <Told text={answer.reason} said={answer.said} /> : t("nothing_found")}</p>}
      </div>
      {answer && answer.items.length > 0 && (
        <ul class="list choices">
          {answer.items.map((one) => <li class="choice" key={one.label}><span class="grow">{one.label}</span><button type="button" class="button" aria-label={`${t("place.take")}: ${one.label}`} onClick={() => take(one)}>{t("place.take")}</button></li>)}
        </ul>
      )}
    </>
  );
}
