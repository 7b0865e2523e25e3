/** Settings: how this browser reads (language, zone, units, currency, look), and what holds for the whole fleet. */

import { useEffect, useState } from "preact/hooks";
import { told } from "../shared/api";
import { useFleet } from "./fleet";
import { ImportFile } from "./importdialog";
import { Act, Badge, Empty, Field, Section, Trouble } from "./parts";
import { type Choices, choices, f, type Key, type Language, LANGUAGES, settle, t, useReader } from "./reader";
import { api, say, useAsked } from "./session";
import { ChangeTerms, MakeNew, OwnTerms } from "./termsform";

const CURRENCIES = ["EUR", "GBP", "USD", "CHF", "SEK", "DKK", "NOK", "PLN", "CZK", "CAD", "AUD", "JPY"] as const;
const ZONES = Intl.supportedValuesOf("timeZone");

export function SettingsPage() {
  useReader();
  return (
    <>
      <Section title={t("settings.mine")}><Mine /></Section>
      <Section title={t("settings.fleet")}><OfFleet /></Section>
      <Rules />
      <Section title={t("settings.depots")}><OfDepots /></Section>
      <Section title={t("settings.units_all")}><OwnTerms owner="unit" path="/v1/unit-settings" /></Section>
      <Section title={t("settings.retention")}><Kept /></Section>
      <Section title={t("settings.keys")}><Keys /></Section>
    </>
  );
}

function Rules() {
  const [turn, setTurn] = useState(0);
  return <Section title={t("settings.planning")} actions={<ImportFile of="rules" after={() => setTurn(turn + 1)} />}><OwnTerms key={turn} owner="fleet" path="/v1/fleets/me" /></Section>;
}

function Mine() {
  const set = (change: Partial<Choices>): void => void settle(change).then(() => say(t("settings.kept")));
  return (
    <div class="form wide">
      <Field label={t("settings.language")}>{(id) => <select id={id} value={choices.language} onChange={(event) => set({ language: event.currentTarget.value as Language })}>{Object.entries(LANGUAGES).map(([code, name]) => <option key={code} value={code} lang={code}>{name}</option>)}</select>}</Field>
      <Field label={t("settings.zone")}>{(id) => <select id={id} value={choices.timeZone} onChange={(event) => set({ timeZone: event.currentTarget.value })}><option value="">{t("settings.zone_fleet")}</option>{ZONES.map((zone) => <option key={zone}>{zone}</option>)}</select>}</Field>
      <Field label={t("settings.units")}>{(id) => <select id={id} value={choices.miles ? "mi" : "km"} onChange={(event) => set({ miles: event.currentTarget.value === "mi" })}><option value="km">{t("settings.km")}</option><option value="mi">{t("settings.miles")}</option></select>}</Field>
      <Field label={t("settings.currency")}>{(id) => <select id={id} value={choices.currency} onChange={(event) => set({ currency: event.currentTarget.value })}>{CURRENCIES.map((code) => <option key={code}>{code}</option>)}</select>}</Field>
      <Field label={t("settings.theme")}>{(id) => <select id={id} value={choices.theme} onChange={(event) => set({ theme: event.currentTarget.value as Choices["theme"] })}>{(["auto", "light", "dark"] as const).map((theme) => <option key={theme} value={theme}>{t(`settings.${theme}`)}</option>)}</select>}</Field>
    </div>
  );
}

function OfFleet() {
  const fleet = useFleet("sites");
  const [name, setName] = useState(fleet.fleet.name);
  const [timezone, setZone] = useState(fleet.fleet.timezone);
  const save = async (): Promise<void> => {
    await api.patch("/v1/fleets/me", { name, timezone });
    await fleet.load(api);
    await settle();
  };
  return (
    <div class="form wide">
      <Field label={t("settings.name")}>{(id) => <input id={id} maxLength={120} value={name} onInput={(event) => setName(event.currentTarget.value)} />}</Field>
      <Field label={t("settings.zone")}>{(id) => <select id={id} value={timezone} onChange={(event) => setZone(event.currentTarget.value)}>{(ZONES.includes(timezone) ? ZONES : [timezone, ...ZONES]).map((zone) => <option key={zone}>{zone}</option>)}</select>}</Field>
      <div class="actions"><Act act={save} done={t("settings.kept")} tone="primary">{t("settings.save")}</Act></div>
    </div>
  );
}

function OfDepots() {
  const fleet = useFleet("sites");
  const [, draw] = useState(0);
  const again = (): void => void fleet.load(api).then(() => draw((n) => n + 1));
  return (
    <>
    <ul class="list">
      {fleet.depots.map(({ depot, name }) => (
        <li key={depot} class="choice"><span class="grow">{name}</span><ChangeTerms owner="depot" path={`/v1/depots/${encodeURIComponent(depot)}`} label={t("terms.change")} title={name} after={again} /></li>
      ))}
    </ul>
    <div class="tools"><MakeNew owner="depot" path="/v1/depots" label={t("settings.new_depot")} after={again} /><ImportFile of="depots" after={again} /></div>
    </>
  );
}

const KEPT_DAYS = ["raw_days", "track_days", "fact_days", "visit_days", "proof_days", "personal_days", "word_days", "notice_days"] as const;
type KeptDays = (typeof KEPT_DAYS)[number];
interface Retention {
  own: boolean;
  aged_through: string | null;
  keeps: { name: string; days: number | null; least: number; most: number; may_stay: boolean }[];
}

function Kept() {
  const [turn, setTurn] = useState(0);
  const { answer, error, loading } = useAsked<Retention>("/v1/retention", turn);
  const [days, setDays] = useState<Partial<Record<KeptDays, number | null>>>({});
  const keeps = (answer?.keeps ?? []).filter((one): one is typeof one & { name: KeptDays } => (KEPT_DAYS as readonly string[]).includes(one.name));
  useEffect(() => setDays(Object.fromEntries(keeps.map((one) => [one.name, one.days]))), [answer]);
  const set = (name: KeptDays, text: string): void => setDays({ ...days, [name]: text === "" ? null : Number(text) });
  return (
    <div class="form wide">
      <Trouble>{error}</Trouble>
      {loading && !answer && <p role="status">{t("loading")}</p>}
      {keeps.map(({ name, least, most, may_stay }) => <Field key={name} label={t(`settings.${name}`)} help={t(may_stay ? "settings.keep_or_stay" : "settings.keep_between", { least: f.count(least), most: f.count(most) })}>{(id) => <input id={id} type="number" min={least} max={most} value={days[name] ?? ""} onInput={(event) => set(name, event.currentTarget.value)} />}</Field>)}
      <p class="quiet">{t("settings.retention_help")} {answer && t(answer.own ? "settings.own_days" : "settings.usual_days")}{answer?.aged_through && ` ${t("settings.aged", { at: f.dayClock(answer.aged_through) })}`}</p>
      {answer && <div class="actions"><Act act={() => api.put("/v1/retention", days)} done={t("settings.kept")} tone="primary" after={() => setTurn(turn + 1)}>{t("settings.save")}</Act></div>}
    </div>
  );
}

interface ApiKey {
  key: string;
  name: string;
  role: "admin" | "dispatcher" | "shop" | "viewer";
  created_at: string;
  revoked_at: string | null;
  secret: string | null;
}
const ROLES = ["dispatcher", "viewer", "shop", "admin"] as const;

function Keys() {
  const [turn, setTurn] = useState(0);
  const { answer, error, loading } = useAsked<{ items: ApiKey[] }>("/v1/keys", turn);
  const [name, setName] = useState("");
  const [role, setRole] = useState<ApiKey["role"]>("dispatcher");
  const [made, setMade] = useState<ApiKey | null>(null);
  const [trouble, setTrouble] = useState("");
  const make = (event: Event): void => {
    event.preventDefault();
    setTrouble("");
    api.post<ApiKey>("/v1/keys", { name, role }).then((key) => { setMade(key); setName(""); setTurn(turn + 1); }, (failure: unknown) => setTrouble(told(failure)));
  };
  return (
    <>
      <Trouble>{error}</Trouble>
      <form class="tools" onSubmit={make}>
        <label>{t("keys.name")} <input required maxLength={120} autocomplete="off" value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
        <label>{t("keys.role")} <select value={role} onChange={(event) => setRole(event.currentTarget.value as ApiKey["role"])}>{ROLES.map((one) => <option key={one} value={one}>{t(`role.${one}` as Key)}</option>)}</select></label>
        <button type="submit" class="button primary">{t("keys.make")}</button>
      </form>
      <Trouble>{trouble}</Trouble>
      {made?.secret && <p class="secret" role="status">{t("keys.secret")} <code>{made.secret}</code></p>}
      {loading && !answer && <p class="pad" role="status">{t("loading")}</p>}
      {answer?.items.length === 0 && <Empty>{t("keys.none")}</Empty>}
      {answer && answer.items.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label={t("keys.name")}>
          <table class="cards"><thead><tr><th scope="col">{t("keys.name")}</th><th scope="col">{t("keys.role")}</th><th scope="col">{t("keys.made_at")}</th><th scope="col">{t("keys.state")}</th></tr></thead>
            <tbody>{answer.items.map((key) => <tr key={key.key}><th scope="row">{key.name}<small>rk_{key.key}_…</small></th><td>{t(`role.${key.role}` as Key)}</td><td>{f.dayClock(key.created_at)}</td><td>{key.revoked_at ? <Badge>{t("keys.revoked")}</Badge> : <Act act={() => api.post(`/v1/keys/${key.key}/revoke`)} done={t("keys.revoked")} tone="danger" label={`${t("keys.revoke")}: ${key.name}`} after={() => setTurn(turn + 1)}>{t("keys.revoke")}</Act>}</td></tr>)}</tbody>
          </table>
        </div>
      )}
    </>
  );
}
