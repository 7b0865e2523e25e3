/** A picture that needs the key: fetched, shown, and let go again when it leaves the page. */

import { useEffect, useState } from "preact/hooks";
import { told } from "../shared/api";
import { t } from "./reader";
import { api } from "./session";

function Picture({ path, alt }: { path: string; alt: string }) {
  const [shown, set] = useState<{ url: string; error: string }>({ url: "", error: "" });
  useEffect(() => {
    let url = "";
    const stop = new AbortController();
    api.open(path, { signal: stop.signal }).then((answer) => answer.blob()).then(
      (blob) => !stop.signal.aborted && set({ url: (url = URL.createObjectURL(blob)), error: "" }),
      (failure: unknown) => stop.signal.aborted || set({ url: "", error: told(failure) }),
    );
    return () => {
      stop.abort();
      if (url) URL.revokeObjectURL(url);
    };
  }, [path]);
  if (shown.error) return <p class="quiet">{alt}: <span lang="en">{shown.error}</span></p>;
  return shown.url ? <img src={shown.url} alt={alt} /> : <p role="status">{t("loading")}</p>;
}

export const ProofPicture = ({ sha256, kind }: { sha256: string; kind?: "photo" | "signature" }) => <Picture path={`/v1/proofs/${encodeURIComponent(sha256)}`} alt={t(kind ? `proof.${kind}` : "case.proof")} />;
export const CasePicture = ({ path }: { path: string }) => <Picture path={path} alt={t("case.photo")} />;
