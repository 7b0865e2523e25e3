// What is always visible: the link, the receiver, how old the plan is, the time; and the alarm above everything.
import { attribute, el, icon, text } from "./dom.js";
import { link as driveLink } from "./handoff.js";
import { dead } from "./link.js";
import { postponed } from "./talk.js";
import { format, moving, say, state, working } from "./now.js";

export function paintAlarm() {
  const lost = dead();
  document.body.dataset.unit = lost ? "dead" : "well";
  const words = lost ? say("noUnit") : state?.plan?.expired && state.duty !== "off" ? say("expired") : "";
  attribute(el.alarm, "class", lost ? "dead" : "");
  text(el.alarm, words);
  el.alarm.hidden = words === "";
}

export function paintBar() {
  const online = state.link.state === "online";
  attribute(el.link, "class", online ? "chip" : "chip bad");
  text(el.link, online ? say("online") : say("offline", format.span((state.now_utc_ms - state.link.since_utc_ms) / 1000)));
  const lost = state.duty !== "off" && state.fix.state !== "ok";
  attribute(el.gps, "class", "chip bad");
  text(el.gps, !lost ? "" : state.fix.state === "none" ? say("noFix") : say("staleFix", format.span(state.fix.age_s)));
  text(el.count, state.plan && state.next?.position && state.duty !== "off" ? say("of", state.next.position, state.plan.stops_total) : "");
  text(el.age, state.plan ? say(state.plan.expired ? "planExpired" : "planAge", format.span(state.plan.age_s)) : "");
  const unread = state.messages.filter((message) => !message.answered).length;
  text(el.mail, unread ? say("mail", unread) : "");
  // A plan that was put off until later stays in sight, with its age; a tap puts the question again.
  const age = postponed() ? format.span((state.now_utc_ms - state.offer.issued_utc_ms) / 1000) : "";
  text(el.waiting, age);
  attribute(el.waiting, "aria-label", `${say("newPlan")} ${age}`);
  el.waiting.hidden = age === "";
  text(el.clock, format.clock(state.now_utc_ms));
  tighten();
}

// Where not everything has room, the count of stops goes first, then words beside signs, then size, the mail, at last how old a waiting plan is: link, plan's age and time stay.
let measured = "";
function tighten() {
  const wanted = [el.bar.textContent.replace(/\d/g, "0"), innerWidth, el.call.hidden, el.drive.hidden].join("|");
  if (wanted === measured) return;
  measured = wanted;
  for (const level of ["0", "1", "2", "3", "4", "5", "6"]) {
    attribute(el.bar, "data-tight", level);
    if (el.bar.scrollWidth <= el.bar.clientWidth) return;
  }
}

// Buttons whose word stands below their picture where there is room for it.
function tool(node, picture, word) {
  if (node.dataset.word === word) return;
  node.dataset.word = word;
  const label = document.createElement("span");
  label.textContent = word;
  node.replaceChildren(icon(picture), label);
  node.setAttribute("aria-label", word);
}

export function paintTools(mapped) {
  tool(el.look, mapped ? "card" : "map", say(mapped ? "card" : "map"));
  attribute(el.look, "aria-pressed", String(mapped));
  tool(el.more, "menu", say("more"));
  const stop = working() ? state.next : null;
  const drive = stop && driveLink(stop);
  el.drive.hidden = !drive;
  if (drive) {
    tool(el.drive, "drive", say("drive"));
    attribute(el.drive, "href", drive);
  }
  const phone = stop?.phone.replace(/[^\d+]/g, "");
  el.call.hidden = !phone || moving();
  if (phone) {
    tool(el.call, "call", say("call"));
    attribute(el.call, "href", `tel:${phone}`);
  }
}
