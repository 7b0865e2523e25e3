/** The hub's API as the pages call it: a key in a header, JSON both ways, refusals as problem documents (RFC 9457). */

export interface FieldError {
  field: string;
  detail: string;
}

/** The hub said no, and what to do next. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    detail: string,
    readonly nextStep = "",
    readonly errors: readonly FieldError[] = [],
  ) {
    super(detail);
  }
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export class Api {
  /** What its refusals are to be told in. */
  language = "";

  constructor(readonly key: string) {}

  get = <T>(path: string, signal?: AbortSignal): Promise<T> => this.ask<T>("GET", path, undefined, signal);
  post = <T = unknown>(path: string, body?: unknown, signal?: AbortSignal): Promise<T> => this.ask<T>("POST", path, body, signal);
  put = <T = unknown>(path: string, body?: unknown): Promise<T> => this.ask<T>("PUT", path, body);
  patch = <T = unknown>(path: string, body?: unknown): Promise<T> => this.ask<T>("PATCH", path, body);
  remove = <T = unknown>(path: string): Promise<T> => this.ask<T>("DELETE", path);

  /** The answer itself, for what is not JSON. */
  async open(path: string, init: RequestInit = {}): Promise<Response> {
    const answer = await fetch(path, { ...init, headers: { ...(init.headers as Record<string, string>), Authorization: `Bearer ${this.key}`, ...(this.language ? { "Accept-Language": this.language } : {}) } }).catch(noAnswer);
    if (!answer.ok) throw await refusal(answer);
    return answer;
  }

  /** All pages of a list. */
  async all<T>(path: string): Promise<T[]> {
    const items: T[] = [];
    let cursor: string | null = "";
    do {
      const at: string = `${path}${path.includes("?") ? "&" : "?"}limit=500${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`;
      const page: { items: T[]; next_cursor: string | null } = await this.get(at);
      items.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor);
    return items;
  }

  private async ask<T>(method: Method, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const headers: Record<string, string> = body === undefined ? {} : { "Content-Type": "application/json" };
    if (method === "POST") headers["Idempotency-Key"] = crypto.getRandomValues(new Uint32Array(4)).join("-");
    const answer = await this.open(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }), ...(signal ? { signal } : {}) });
    return (answer.status === 204 ? undefined : await answer.json()) as T;
  }
}

async function refusal(answer: Response): Promise<Refused> {
  const problem = (await answer.json().catch(() => ({}))) as { detail?: string; next_step?: string; errors?: FieldError[] };
  return new Refused(answer.status, problem.detail ?? answer.statusText, problem.next_step, problem.errors);
}

/** No answer came at all. A browser's own words for it are English, and name no hub. */
class Unreached extends Error {}
let unreached = "";
export function sayUnreached(words: string): void {
  unreached = words;
}
const noAnswer = (error: unknown): never => {
  throw error instanceof TypeError ? new Unreached(unreached || error.message) : error; // an abort is none
};

/** One line for a person, whatever went wrong. */
export const told = (error: unknown): string =>
  error instanceof Refused ? [error.message, error.nextStep].filter(Boolean).join("; ") : error instanceof Error ? error.message : String(error);
