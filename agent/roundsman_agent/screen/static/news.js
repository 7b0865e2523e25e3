// What changed and why, said once, when it is safe: a driver who is under way hears only that the next stop is another.
import { attribute, el, text } from "./dom.js";
import { laterRisk } from "./card.js";
import { post } from "./link.js";
import { moving, say, state, tell, title } from "./now.js";

const NEWS_MS = 12000;
const TOLD = 2; // changes that a glance takes in; of the others how many
let timer = 0;
let shown = null; // {words, bad, stays, onTap, about}
let waits = []; // what asks for a tap, while something else stands over it
let known = { version: null, stop: null, unread: "", risk: "" };
let told = 0; // version whose notice was put up

// `onTap`: it asks for the driver's tap and waits for it; newer words `about` the same replace it.
export function announce(words, { bad = false, stays = false, onTap = null, about = null } = {}) {
  if (shown?.onTap) waits.push(shown);
  if (onTap) waits = waits.filter((older) => older.about !== about);
  put({ words, bad, stays, onTap, about });
  speak(words);
}

// Over, whether or not anybody has read it.
export function hush(words) {
  if (shown?.words === words) put(null);
}

function put(news) {
  news ??= waits.pop() ?? null;
  shown = news;
  clearTimeout(timer);
  el.news.hidden = !news;
  if (!news) return;
  text(el.told, news.words);
  attribute(el.news, "class", news.bad ? "bad" : news.onTap ? "asks" : "");
  if (!news.stays) timer = setTimeout(() => put(null), NEWS_MS);
}

export function speak(words) {
  text(el.voice, words);
}

el.news.onclick = () => {
  const then = shown?.onTap;
  put(null);
  then?.();
};

// Why something was not taken, in the driver's language where we know the case, and what to do next.
export function explain(answer, meant = {}) {
  if (answer.status === 0) return say("notSavedAgain");
  const known = meant[answer.status] ?? { 404: "planMoved", 409: "notNow", 413: "tooLarge", 507: "unitFull" }[answer.status];
  return `${say("notSaved")} ${known ? say(known) : (answer.body.detail ?? "")}`.trim();
}

// A plan whose next stop is another, although the driver tapped nothing: told at once even under way; everything else waits.
export function tellNews(openMessage) {
  const now = { version: state.plan?.version ?? null, stop: state.next?.stop ?? null, unread: unread()?.message ?? "", risk: laterRisk().replace(/\d/g, "") };
  const acted = state.last_action && state.now_utc_ms - (state.last_action.undo_until_utc_ms - 60000) < 5000;
  if (state.duty !== "off") {
    if (known.version !== null && now.version !== known.version && known.stop !== now.stop && state.next && !acted) {
      announce(say("planChangedNext", title(state.next)));
    }
    const notice = state.notice;
    if (notice && notice.version !== told && !moving()) {
      told = notice.version;
      const changes = notice.changes.slice(0, TOLD).map((words, at) => tell(notice.changes_said[at], words));
      const more = notice.changes.length > TOLD ? `+${notice.changes.length - TOLD}` : "";
      const what = [...changes, more, tell(notice.reason_said, notice.reason)].filter(Boolean).join(" · ");
      announce(what ? say("planChangedWhat", what) : say("planChanged"), { stays: true, onTap: () => seen(notice.version), about: "plan" });
    } else if (now.unread && now.unread !== known.unread && !moving()) {
      announce(say("messageIs", unread().text), { stays: true, onTap: openMessage, about: "message" });
    }
    if (moving()) now.unread = known.unread; // it is told when the van stands
  }
  if (known.stop !== now.stop && state.next && state.duty === "on") speak(say("nowNext", title(state.next)));
  else if (now.risk !== known.risk && now.risk) speak(laterRisk());
  known = now;
}

export const unread = () => state.messages.find((message) => !message.answered) ?? null;

async function seen(version) {
  try {
    await post(`/api/notices/${version}`, {});
  } catch {
    told = 0; // the unit is away: it is put up again
  }
}
