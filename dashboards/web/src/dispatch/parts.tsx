/** What all views are made of: chips, badges, dialogs, notes, a button that waits for its answer. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { told } from "../shared/api";
import { colourOf, fleet } from "./fleet";
import { t } from "./reader";
import { to } from "./route";
import { say } from "./session";

export type Tone = "bad" | "warn" | "good" | "info" | "plain";

export function VanChip({ vehicle, link = true }: { vehicle: string | null; link?: boolean }) {
  const van = vehicle ? fleet.vehicles.get(vehicle) : undefined;
  if (!van) return null;
  const inside = <><i class="dot" style={{ background: colourOf(van) }} aria-hidden="true" />{van.name}</>;
  return link ? <a class="van" href={to("vans", van.vehicle)}>{inside}</a> : <span class="van">{inside}</span>;
}

export const Badge = ({ tone = "plain", children }: { tone?: Tone; children: ComponentChildren }) => <span class={`badge ${tone}`}>{children}</span>;

export const Empty = ({ children }: { children: ComponentChildren }) => <p class="empty">{children}</p>;
/** Says so where times are not by streets: there are no road data there, or who has them is away. */
export const Straight = ({ basis }: { basis: string | null | undefined }) => (basis?.startsWith("great_circle") ? <small class="straight">{t("basis.straight")}</small> : null);
export const Trouble = ({ children }: { children: ComponentChildren }) => (children ? <p class="trouble" role="alert">{children}</p> : null);

/** A button that cannot be pressed twice, and says what went wrong beside it. `done` is said aloud. */
export function Act({ act, done, children, tone = "", label, after }: { act: () => Promise<unknown>; done?: string; children: ComponentChildren; tone?: string; label?: string; after?: () => void }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const press = async (): Promise<void> => {
    setBusy(true);
    setError("");
    try {
      await act();
      if (done) say(done);
      after?.();
    } catch (failure) {
      setError(told(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button type="button" class={`button ${tone}`} aria-disabled={busy} aria-label={label} onClick={() => void (busy || press())}>{children}</button>
      {error && <span class="trouble inline" role="alert">{error}</span>}
    </>
  );
}

export function Dialog({ title, close, children, wide = false }: { title: string; close: () => void; children: ComponentChildren; wide?: boolean }) {
  const box = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    box.current?.showModal();
    return () => before?.focus();
  }, []);
  return (
    <dialog ref={box} class={wide ? "wide" : ""} aria-labelledby={id} onClose={close} onClick={(event) => event.target === box.current && box.current?.close()}>
      <div class="dialog-inner">
        <header><h2 id={id}>{title}</h2><button type="button" class="button quiet" onClick={() => box.current?.close()}>{t("close")}</button></header>
        {children}
      </div>
    </dialog>
  );
}

/** `wrong`: what was said against it; its control is described by `{id}-wrong`. */
export function Field({ label, help, wrong, children }: { label: string; help?: string | undefined; wrong?: string | undefined; children: (id: string) => JSX.Element }) {
  const id = useId();
  return <div class="field"><label for={id}>{label}</label>{children(id)}{(help || wrong) && <small>{wrong && <b class="wrong" id={`${id}-wrong`}>{wrong} </b>}{help}</small>}</div>;
}

export function Section({ title, count, actions, children, id }: { title: string; count?: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren; id?: string }) {
  const own = useId();
  return (
    <section class="card" aria-labelledby={own} id={id}>
      <div class="card-head"><h2 id={own}>{title}{count !== undefined && <span class="count">{count}</span>}</h2>{actions}</div>
      {children}
    </section>
  );
}

/** A list that begins with its first rows and grows on demand: light with thousands, and a reader knows how many there are. */
export function useMore(total: number, first = 100): { shown: number; more: JSX.Element | null } {
  const [shown, set] = useState(first);
  const more = total > shown ? <p class="more"><button type="button" class="button" onClick={() => set(shown + first)}>{t("more", { shown, total })}</button></p> : null;
  return { shown, more };
}
