/** What is said between the dispatcher and the selected van's driver: the day's lines, and a line to write. */

import { esc, fill, type Time } from "./lists";
import { messages, orderName, orders, vehicles } from "./state";
import { post } from "./stream";
import type { Message } from "./types";

const STATE_WORDS: Record<Message["state"], string> = {
  waiting: "not sent yet", sent: "sent", shown: "on the driver's screen", answered: "answered", expired: "never shown", said: "",
};
const $ = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

/** The day's lines with a van's driver, oldest first. */
export function linesWith(vehicle: string): Message[] {
  return [...messages.values()].filter((line) => line.vehicle === vehicle).sort((a, b) => Date.parse(a.at ?? "") - Date.parse(b.at ?? "") || a.message.localeCompare(b.message));
}

export function drawTalk(vehicle: string | null, time: Time): void {
  const van = vehicle ? vehicles.get(vehicle) : undefined;
  $("talk-box").hidden = !van;
  if (!van) return;
  const title = `Messages with ${van.driver ?? van.name}`;
  if ($("talk-title").textContent !== title) $("talk-title").textContent = title;
  const rows = linesWith(van.vehicle).map((line) => {
    const order = line.order ? orders.get(line.order) : undefined;
    const small = [time.clock(line.at), order ? esc(orderName(order)) : "", STATE_WORDS[line.state]].filter(Boolean).join(" · ");
    return { key: line.message, className: line.said_by, html: `<p>${line.said_by === "driver" ? "<b>Driver:</b> " : ""}${esc(line.text)}<small>${small}</small></p>` };
  });
  fill($("talk"), rows, "li", "Nothing was said today.");
}

/** Let the form send what is written to the van that `selected` names. */
export function listen(key: string, selected: () => string | null): void {
  const text = $<HTMLInputElement>("say-text");
  $("say").addEventListener("submit", (event) => {
    event.preventDefault();
    const vehicle = selected();
    const words = text.value.trim();
    if (!vehicle || !words) return;
    void send(vehicle, words);
  });
  const send = async (vehicle: string, words: string): Promise<void> => {
    $("say-error").textContent = "";
    try {
      await post(`/v1/vehicles/${encodeURIComponent(vehicle)}/messages`, key, { text: words });
      if (text.value.trim() === words) text.value = "";
    } catch (error) {
      $("say-error").textContent = `Not sent: ${error instanceof Error ? error.message : String(error)}`;
    }
  };
}
