// A sheet lies over the stop, never over the bar: link, plan's age and alarm stay in sight. One is open at a time.
import { attribute, el, make, text } from "./dom.js";
import { moving, say, state } from "./now.js";

const KEPT_PX = 40; // of a page that is turned, so much is seen again
let open = null; // {repaint, parked, back, about}
let opener = null;

// A tile whose word in the catalogue is also what it is.
export const named = (key, then, look = "", note = "", more = {}) => tile(say(key), then, look, note, { ...more, key });

export const isOpen = () => open !== null;

// tile("word", then, "go", "note"): a large button. It closes the sheet before it acts, unless `stays`. `key`: what it is, in any language.
export function tile(word, then, look = "", note = "", { stays = false, off = false, key = null } = {}) {
  const onclick = () => {
    if (off) return;
    if (!stays) close();
    then();
  };
  return make("button", { type: "button", class: look || null, onclick, "aria-disabled": off ? "true" : null, "data-key": key }, word, note ? make("small", {}, note) : null);
}

// show({title, content, tiles, parked, back, repaint, about}). `parked`: covered while the van moves, and kept. `repaint`: called with each
// new state. `about`: the stop that it tells of, or that its tiles end: gone once another is next, so that nothing is told of the wrong one.
export function show({ title, content = [], tiles, parked = false, back = null, repaint = null, last = "back", about = null }) {
  if (!open) opener = document.activeElement;
  open = { repaint, parked, back, about };
  text(el.about, title);
  el.content.replaceChildren(...content);
  const leave = back ?? (() => {});
  el.tiles.replaceChildren(...(content.length ? [turner()] : []), ...tiles, ...(last ? [tile(say(last), leave, "plain", "", { key: "back" })] : []));
  attribute(el.sheet, "class", content.length ? "split" : "grid");
  el.tiles.dataset.count = el.tiles.children.length;
  el.content.hidden = content.length === 0;
  el.content.scrollTop = 0;
  el.content.tabIndex = content.length ? 0 : -1;
  attribute(el.content, "role", "group");
  attribute(el.content, "aria-labelledby", "about");
  el.sheet.hidden = false;
  el.main.inert = true;
  paintSheet();
  el.about.focus({ preventScroll: true });
}

export function close() {
  if (!open) return;
  open = null;
  el.sheet.hidden = true;
  el.content.replaceChildren();
  el.tiles.replaceChildren();
  el.main.inert = false;
  if (opener?.isConnected) opener.focus({ preventScroll: true });
}

export function paintSheet() {
  if (!open) return;
  if (open.about && state?.next?.stop !== open.about) return close();
  open.repaint?.();
  if (!open) return;
  const covered = open.parked && moving();
  text(el.wait, covered ? say("standFirst") : "");
  el.wait.hidden = !covered;
  el.content.inert = covered;
  for (const node of [...el.tiles.children].slice(0, -1)) node.inert = covered;
  paintTurner();
}

// What is longer than the glass is turned like a page: with gloves nobody drags a list.
function turner() {
  const turn = (key, sign, by) => make("button", { type: "button", "aria-label": say(key), onclick: () => el.content.scrollBy({ top: by * (el.content.clientHeight - KEPT_PX) }) }, sign);
  return make("div", { id: "turner", hidden: true }, turn("up", "▲", -1), turn("down", "▼", 1));
}

function paintTurner() {
  const pages = document.querySelector("#turner");
  if (!pages) return;
  const { scrollTop, scrollHeight, clientHeight } = el.content;
  pages.hidden = scrollHeight <= clientHeight + 1;
  attribute(pages.firstElementChild, "aria-disabled", String(scrollTop <= 0));
  attribute(pages.lastElementChild, "aria-disabled", String(scrollTop + clientHeight >= scrollHeight - 1));
}
el.content.onscroll = paintTurner;
new MutationObserver(paintTurner).observe(el.content, { childList: true, characterData: true, subtree: true });

function leave() {
  const back = open?.back;
  close();
  back?.();
}

addEventListener("keydown", (event) => {
  if (!open) return;
  if (event.key === "Escape") leave();
  if (event.key !== "Tab") return;
  // Focus goes round inside the sheet, through the tools above it: they stay usable.
  const stops = [...document.querySelectorAll("#tools :is(a, button), #sheet :is(a, button, input, [tabindex='0'])")].filter(
    (node) => !node.hidden && node.offsetParent !== null && !node.closest("[inert]"),
  );
  const edge = event.shiftKey ? stops[0] : stops.at(-1);
  if (document.activeElement === edge) {
    event.preventDefault();
    (event.shiftKey ? stops.at(-1) : stops[0]).focus();
  }
});
