/** The page asks for a key before it shows anything. */

import { useEffect, useRef, useState } from "preact/hooks";
import { choices, type Language, LANGUAGES, settle, t, useReader } from "./reader";

export function KeyEntry({ error, open }: { error: string; open: (key: string) => Promise<void> }) {
  useReader();
  const input = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    document.title = `${t("entry.title")} · Roundsman`;
    input.current?.focus();
  }, [error]);
  const submit = (event: Event): void => {
    event.preventDefault();
    const key = input.current?.value.trim() ?? "";
    if (!key || busy) return;
    setBusy(true);
    void open(key).finally(() => setBusy(false));
  };
  return (
    <main class="entry">
      <form onSubmit={submit} aria-labelledby="entry-title">
        <p class="brand">Roundsman</p>
        <h1 id="entry-title">{t("entry.title")}</h1>
        <label for="key">{t("entry.key")}</label>
        <input id="key" ref={input} type="password" autocomplete="current-password" spellcheck={false} required aria-describedby="key-help key-error" />
        <p id="key-help" class="quiet">{t("entry.help")}</p>
        <p id="key-error" class="trouble" role="alert">{error}</p>
        <button type="submit" class="button primary" aria-disabled={busy}>{t("entry.open")}</button>
        <label class="quiet" for="entry-language">{t("settings.language")}</label>
        <select id="entry-language" value={choices.language} onChange={(event) => void settle({ language: event.currentTarget.value as Language })}>
          {Object.entries(LANGUAGES).map(([code, name]) => <option key={code} value={code} lang={code}>{name}</option>)}
        </select>
      </form>
    </main>
  );
}
