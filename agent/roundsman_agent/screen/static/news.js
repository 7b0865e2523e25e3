// What changed and why, said once, when it is safe: a driver who is under way hears only that the next stop is another.
import { attribute, el, text } from "./dom.js";
import { post } from "./link.js";
import { moving, say, state, tell, title } from "./now.js";

const NEWS_MS = 12000;
let timer = 0;
let then = null;
let known = { version: null, stop: null, unread: "" };
let told = 0; // version whose notice was put up

export function announce(words, { bad = false, stays = false, onTap = null } = {}) {
  text(el.news, words);
  attribute(el.news, "class", bad ? "bad" : "");
  el.news.hidden = false;
  then = onTap;
  clearTimeout(timer);
  if (!stays) timer = setTimeout(() => (el.news.hidden = true), NEWS_MS);
  speak(words);
}

export function speak(words) {
  text(el.voice, words);
}

el.news.onclick = () => {
  el.news.hidden = true;
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
  const now = { version: state.plan?.version ?? null, stop: state.next?.stop ?? null, unread: unread()?.message ?? "" };
  const acted = state.last_action && state.now_utc_ms - (state.last_action.undo_until_utc_ms - 60000) < 5000;
  if (state.duty !== "off") {
    if (known.version !== null && now.version !== known.version && known.stop !== now.stop && state.next && !acted) {
      announce(say("planChangedNext", title(state.next)));
    }
    const notice = state.notice;
    if (notice && notice.version !== told && !moving()) {
      told = notice.version;
      const changes = notice.changes.slice(0, 2).map((words, at) => tell(notice.changes_said[at], words));
      const what = [...changes, tell(notice.reason_said, notice.reason)].filter(Boolean).join(" · ");
      announce(what ? say("planChangedWhat", what) : say("planChanged"), { stays: true, onTap: () => seen(notice.version) });
    } else if (now.unread && now.unread !== known.unread && !moving()) {
      announce(say("messageIs", unread().text), { stays: true, onTap: openMessage });
    }
    if (moving()) now.unread = known.unread; // it is told when the van stands
  }
  if (known.stop !== now.stop && state.next && state.duty === "on") speak(say("nowNext", title(state.next)));
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
