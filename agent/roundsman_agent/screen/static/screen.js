// The driver's screen: the unit's state on the glass, the driver's taps to the unit, and word of what was painted. No build step.
import { act, call, duty, onBusy, paintActions, settling, undo } from "./actions.js";
import { paintAlarm, paintBar, paintTools } from "./bar.js";
import { current, paintCard } from "./card.js";
import { el } from "./dom.js";
import { paintLight } from "./light.js";
import { dead, listen, post } from "./link.js";
import { offerLoading, openLoading } from "./loading.js";
import { paintMap } from "./map.js";
import { toggleMenu } from "./menu.js";
import { moving, planKey, state, take } from "./now.js";
import { tellNews } from "./news.js";
import { deliver, problem } from "./outcomes.js";
import { openDetails } from "./round.js";
import { paintSheet } from "./sheet.js";
import { offerPlan, openMessages, openWaiting } from "./talk.js";

let shownPlan = ""; // version and hash that the unit has been told are painted
let telling = "";

function heard(next) {
  take(next);
  paint();
  tellNews(openMessages);
  offerPlan();
  offerLoading();
  // Two frames later it is on the glass: only then is the plan shown.
  if (state.plan && planKey() !== shownPlan) requestAnimationFrame(() => requestAnimationFrame(tellShown));
}

async function tellShown() {
  const key = planKey();
  if (!key || key === shownPlan || key === telling || dead()) return;
  telling = key;
  try {
    const answer = await post("/api/shown", { version: state.plan.version, hash: state.plan.hash });
    // Not in force: a newer plan came while this one was being painted; the next state brings it.
    if (answer.ok && (await answer.json()).in_force) shownPlan = key;
  } catch {
    // The unit is away: the next state brings another try.
  } finally {
    telling = "";
  }
}

function paint() {
  paintAlarm();
  if (!state) return;
  document.body.toggleAttribute("data-moving", moving());
  const mapped = document.body.dataset.view === "map";
  paintLight();
  paintTools(mapped); // before the bar, which has the room that they leave
  paintBar();
  paintActions(current(), mapped);
  paintCard();
  paintSheet();
  paintMap();
}

const TAPS = {
  arrived: () => act("arrived"),
  delivered: deliver,
  failed: problem,
  loading: openLoading,
  loaded: () => call("loaded"),
  charged: () => call("charged"),
  undo,
  start: () => duty("on"),
  end: () => duty("off"),
};
el.actions.onclick = (event) => {
  const button = event.target.closest("button");
  if (button && state && !settling()) TAPS[button.dataset.act]();
};
el.back.onclick = undo;
el.waiting.onclick = () => state?.offer && openWaiting();
el.details.onclick = openDetails;
el.more.onclick = () => toggleMenu(paint);
el.look.onclick = () => {
  document.body.dataset.view = document.body.dataset.view === "map" ? "stop" : "map";
  paint();
};

onBusy(paint);
setInterval(paint, 1000);
listen(heard);
