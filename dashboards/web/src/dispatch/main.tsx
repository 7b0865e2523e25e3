/** The dispatch page: a key, then the shell with its views. */

import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Refused } from "../shared/api";
import "./dispatch.css";
import { KeyEntry } from "./entry";
import { settle, t } from "./reader";
import { enter, keptKey } from "./session";
import { Shell } from "./shell";

function App() {
  const [state, set] = useState<{ at: "asking" | "opening" | "in"; error: string }>({ at: keptKey() ? "opening" : "asking", error: "" });
  const open = async (key: string): Promise<void> => {
    try {
      await enter(key, () => set({ at: "asking", error: t("entry.ended") }));
      set({ at: "in", error: "" });
    } catch (error) {
      if (error instanceof Refused) sessionStorage.removeItem("roundsman-key");
      set({ at: "asking", error: error instanceof Refused ? error.message : t("entry.no_hub") });
    }
  };
  useEffect(() => {
    const key = keptKey();
    if (key) void open(key);
  }, []);
  if (state.at === "in") return <Shell leave={() => set({ at: "asking", error: "" })} />;
  if (state.at === "opening") return <main class="entry" aria-busy="true"><h1>{t("entry.title")}</h1><p role="status">{t("entry.opening")}</p></main>;
  return <KeyEntry error={state.error} open={open} />;
}

void settle().then(() => render(<App />, document.getElementById("app")!));
