/** Moving an order to another van or place in its round: asked for first, then done (`/v1/candidates`, `/v1/moves`). */

import { fleet, orderName } from "./fleet";
import type { Tone } from "./parts";
import { f, t } from "./reader";
import { sentence, type Sentence } from "./sentences";
import { api } from "./session";

export interface Breaks {
  order: string;
  by_s: number;
}

/** What a move would do: more time, way and money, and whose windows it would break. */
export interface Effect {
  feasible: boolean;
  reasons?: string[];
  reason?: string | null;
  said?: Sentence[];
  added_s: number | null;
  added_m: number | null;
  cost_cents: number | null;
  breaks: Breaks[];
}

export interface Candidate extends Effect {
  vehicle: string;
  position: number | null;
  basis?: string;
}

export interface Move {
  order: string;
  vehicle: string;
  position: number | null;
}

export const itemsOf = <T>(answer: T[] | { items: T[] }): T[] => (Array.isArray(answer) ? answer : answer.items);
export const candidates = async (order: string): Promise<Candidate[]> => itemsOf(await api.get<Candidate[] | { items: Candidate[] }>(`/v1/candidates?order=${encodeURIComponent(order)}`));
export const preview = (move: Move, signal?: AbortSignal): Promise<Effect> => api.post<Effect>("/v1/moves:preview", move, signal);
export const apply = (move: Move): Promise<Effect> => api.post<Effect>("/v1/moves", move);

const signed = (text: string, value: number): string => (value > 0 ? `+${text}` : text);

/** An effect in words: for the eye beside the pointer, and for the ear. */
export function effectText(effect: Effect): { tone: Tone; text: string } {
  const why = sentence(effect.reasons?.length ? effect.reasons.join("; ") : effect.reason, effect.said);
  if (!effect.feasible) return { tone: "bad", text: why ? t("effect.impossible_why", { why }) : t("effect.impossible") };
  const parts = [
    effect.added_s === null ? "" : signed(f.span(effect.added_s), effect.added_s),
    effect.added_m === null ? "" : signed(f.distance(effect.added_m), effect.added_m),
    effect.cost_cents === null ? "" : signed(f.money(effect.cost_cents), effect.cost_cents),
  ].filter(Boolean);
  if (effect.breaks.length === 0) return { tone: "good", text: [...parts, t("effect.nobody_late")].join(" · ") };
  const names = effect.breaks.slice(0, 3).map(({ order, by_s }) => {
    const found = fleet.orders.get(order);
    return t("effect.late_by", { order: found ? orderName(found) : order, late: f.span(by_s) });
  });
  if (effect.breaks.length > 3) names.push(`+${effect.breaks.length - 3}`);
  return { tone: "warn", text: [...parts, ...names].join(" · ") };
}
