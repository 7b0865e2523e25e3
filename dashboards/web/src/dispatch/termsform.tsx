/** What binds plans of a vehicle, a driver, a depot or the fleet, and what their units are told: read, changed and sent back, on the spot or in a dialog. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { fleet } from "./fleet";
import { Dialog, Trouble } from "./parts";
import { t } from "./reader";
import { api, say, useAsked } from "./session";
import { NOTHING_WRONG, type People, TermFields, wrongOf } from "./termfields";
import { changesOf, type Owner, owned, type Row, type Term } from "./terms";

/** Addresses that take a change; units' settings are replaced whole, and a vehicle's stand before the fleet's. */
const partly = { held: (told: Row): Row => told, save: (path: string, _: Row, changes: Row): Promise<unknown> => api.patch(path, changes) };
const wholly = { held: (told: Row): Row => (told["own"] ?? told) as Row, save: (path: string, held: Row, changes: Row): Promise<unknown> => api.put(path, { ...held, ...changes }) };

interface Of {
  owner: Owner;
  path: string;
  /** Once it is kept. */
  after?: (() => void) | undefined;
}

interface New {
  owner: "vehicle" | "driver" | "depot";
  path: string;
  /** Once it is there: with its id. */
  after: (id: string) => void;
}

export function OwnTerms({ owner, path, after }: Of) {
  const [turn, setTurn] = useState(0);
  const told = useAsked<Row>(path, turn);
  const listed = useAsked<{ terms: Term[] }>("/v1/terms");
  const people = useAsked<{ items: People }>(owner === "vehicle" ? "/v1/drivers?limit=500" : null);
  const error = told.error || listed.error || people.error;
  if (error) return <Trouble>{error}</Trouble>;
  if (!told.answer || !listed.answer || people.loading) return <p class="pad" role="status">{t("loading")}</p>;
  const terms = owned(listed.answer.terms, owner).filter((term) => term.changeable);
  const { held, save } = owner === "unit" ? wholly : partly;
  const mine = held(told.answer);
  const usual = owner === "unit" ? ((told.answer["held"] ?? {}) as Row) : {};
  const kept = (): void => {
    setTurn(turn + 1);
    after?.();
  };
  return <Form key={JSON.stringify(told.answer)} terms={terms} held={mine} usual={usual} people={people.answer?.items ?? []} save={(changes) => save(path, mine, changes)} kept={kept} />;
}

/** A form for what is not there yet: everything that the API takes of it, also what cannot be changed later. */
function NewTerms({ owner, path, after }: New) {
  const listed = useAsked<{ terms: Term[] }>("/v1/terms");
  const people = useAsked<{ items: People }>(owner === "vehicle" ? "/v1/drivers?limit=500" : null);
  if (listed.error || people.error) return <Trouble>{listed.error || people.error}</Trouble>;
  if (!listed.answer || people.loading) return <p class="pad" role="status">{t("loading")}</p>;
  const only = fleet.depots.length === 1 && owner === "vehicle" ? { depot: fleet.depots[0]!.depot } : {};
  return <Form fresh terms={owned(listed.answer.terms, owner)} held={only} usual={{}} people={people.answer?.items ?? []} save={(said) => api.post<Row>(path, said)} kept={(made) => after(String((made as Row)[owner]))} />;
}

interface Drawn {
  /** Nothing of it is kept yet: all that is said is sent. */
  fresh?: boolean;
  terms: Term[];
  held: Row;
  usual: Row;
  people: People;
  save: (changes: Row) => Promise<unknown>;
  kept: (answer: unknown) => void;
}

function Form({ fresh = false, terms, held, usual, people, save, kept }: Drawn) {
  const form = useRef<HTMLFormElement>(null);
  const before = useRef(new FormData());
  const [wrong, setWrong] = useState(NOTHING_WRONG);
  const [busy, setBusy] = useState(false);
  // Before anybody can change a field: an effect after the paint took the first change on a slow machine for what was there.
  useLayoutEffect(() => {
    if (!fresh) before.current = new FormData(form.current!);
  }, []);
  useEffect(() => form.current?.querySelector<HTMLElement>("[aria-invalid], .wrong-field")?.focus(), [wrong]);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setWrong(NOTHING_WRONG);
    try {
      const changes = changesOf(terms, fresh ? {} : held, before.current, new FormData(form.current!));
      const answer = Object.keys(changes).length ? await save(changes) : undefined;
      say(t("settings.kept"));
      kept(answer);
    } catch (failure) {
      setWrong(wrongOf(terms, failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form ref={form} class="form wide" onSubmit={(event) => void submit(event)}>
      <TermFields terms={terms} held={held} usual={usual} people={people} wrong={wrong} />
      <Trouble>{wrong.else}</Trouble>
      <div class="actions"><button type="submit" class="button primary" aria-disabled={busy}>{t("settings.save")}</button></div>
    </form>
  );
}

/** A button that opens the form in a dialog. */
export function ChangeTerms({ label, title, after, ...of }: Of & { label: string; title: string }) {
  const [opened, open] = useState(false);
  const close = (): void => open(false);
  const kept = (): void => {
    close();
    after?.();
  };
  return (
    <>
      <button type="button" class="button" aria-label={`${label}: ${title}`} onClick={() => open(true)}>{label}</button>
      {opened && <Dialog title={`${label}: ${title}`} close={close} wide><OwnTerms {...of} after={kept} /></Dialog>}
    </>
  );
}

/** A button that opens an empty form in a dialog. */
export function MakeNew({ label, after, ...of }: New & { label: string }) {
  const [opened, open] = useState(false);
  const made = (id: string): void => {
    open(false);
    after(id);
  };
  return (
    <>
      <button type="button" class="button" onClick={() => open(true)}>{label}</button>
      {opened && <Dialog title={label} close={() => open(false)} wide><NewTerms {...of} after={made} /></Dialog>}
    </>
  );
}
