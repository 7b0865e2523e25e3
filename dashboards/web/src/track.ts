/** The customer's page, kept fresh: the page itself is whole without this script. */

const EVERY_MS = 10_000;

interface State {
  stage: string;
  headline: string;
  detail: string;
  updated: string;
  place: { lat_deg: number; lon_deg: number } | null;
  van: { lat_deg: number; lon_deg: number } | null;
  van_heading_deg: number | null;
}

const STEPS: Record<string, number> = { taken: 0, planned: 1, next: 2, here: 2, done: 3 };
let shown: Promise<(state: State) => void> | null = null;

function say(id: string, text: string): void {
  const element = document.getElementById(id);
  if (element && element.textContent !== text) element.textContent = text; // unchanged text is not read out again
}

function show(state: State): void {
  say("headline", state.headline);
  say("detail", state.detail);
  say("updated", state.updated);
  document.title = state.headline;
  const reached = STEPS[state.stage];
  document.querySelectorAll("#steps li").forEach((step, at) => {
    step.classList.toggle("past", reached !== undefined && at <= reached);
    if (at === reached) step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
  });
  const box = document.getElementById("map");
  if (!box) return;
  box.hidden = state.van === null;
  if (state.van) {
    shown ??= import("./trackmap").then(({ open }) => open(box)); // the map's megabyte is loaded once the van may be seen
    void shown.then((move) => move(state));
  }
}

async function refresh(): Promise<void> {
  try {
    const answer = await fetch(`${location.pathname.replace(/\/$/, "")}/state`, { cache: "no-store" });
    if (answer.ok) show((await answer.json()) as State);
  } catch {
    // Offline: what is shown stays, with the time it is from.
  }
}

void refresh();
setInterval(() => {
  if (!document.hidden) void refresh();
}, EVERY_MS);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void refresh();
});
