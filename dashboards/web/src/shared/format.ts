/** Instants, distances and money as the reader has them: their language, time zone, kilometres or miles, currency. */

export interface Reader {
  language: string;
  timeZone: string;
  miles: boolean;
  currency: string;
}

const KM_PER_MILE = 1.609344;
const M_PER_FOOT = 0.3048;

export class Format {
  private readonly hm: Intl.DateTimeFormat;
  private readonly dayHm: Intl.DateTimeFormat;
  private readonly dayOnly: Intl.DateTimeFormat;
  private readonly weekdayOf: Intl.DateTimeFormat;
  private readonly sortable: Intl.DateTimeFormat;
  private readonly moneyOf: Intl.NumberFormat;
  private readonly decimal: Intl.NumberFormat;
  private readonly hundredths: Intl.NumberFormat;
  /** The zone that the hub's times of day are in; there is one. */
  private there: Format | undefined;
  private readonly whole: Intl.NumberFormat;
  readonly plural: Intl.PluralRules;

  constructor(readonly reader: Reader) {
    const { language, timeZone } = reader;
    const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
    const tag = language === "en" ? "en-GB" : language;
    this.hm = new Intl.DateTimeFormat(tag, { ...clock, timeZone });
    this.dayHm = new Intl.DateTimeFormat(tag, { ...clock, timeZone, weekday: "short", day: "numeric", month: "short" });
    this.dayOnly = new Intl.DateTimeFormat(tag, { timeZone, weekday: "long", day: "numeric", month: "long" });
    this.weekdayOf = new Intl.DateTimeFormat(tag, { timeZone: "UTC", weekday: "short" });
    this.sortable = new Intl.DateTimeFormat("sv-SE", { timeZone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });
    this.moneyOf = new Intl.NumberFormat(tag, { style: "currency", currency: reader.currency, maximumFractionDigits: 2 });
    this.decimal = new Intl.NumberFormat(tag, { maximumFractionDigits: 1 });
    this.hundredths = new Intl.NumberFormat(tag, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    this.whole = new Intl.NumberFormat(tag, { maximumFractionDigits: 0 });
    this.plural = new Intl.PluralRules(tag);
  }

  clock = (at: string | number | null | undefined): string => (at === null || at === undefined ? "–" : this.hm.format(new Date(at)));
  /** A time of day that was written for another zone ("14:05"), in the reader's: by what the clocks of both say at `near`. */
  clockOf = (hm: string, zone: string, near: number): string => {
    if (zone === this.reader.timeZone) return hm;
    const there = (this.there ??= new Format({ ...this.reader, timeZone: zone }));
    return this.clock(there.instant(`${there.local(near).slice(0, 10)}T${hm}`));
  };
  dayClock = (at: string | number | null | undefined): string => (at === null || at === undefined ? "–" : this.dayHm.format(new Date(at)));
  /** A day of the week by its number, Monday first. */
  weekday = (n: number): string => this.weekdayOf.format(new Date(Date.UTC(2024, 0, 1 + n))); // 1 January 2024 was a Monday
  day = (at: string | number): string => this.dayOnly.format(new Date(at));
  money = (cents: number): string => this.moneyOf.format(cents / 100);
  count = (value: number): string => this.whole.format(value);
  /** Short ones in metres or feet: "0.1 km" tells nothing of a gate. */
  distance = (m: number): string => {
    if (this.reader.miles) return Math.abs(m) < 300 ? `${this.whole.format(m / M_PER_FOOT)} ft` : `${this.decimal.format(m / 1000 / KM_PER_MILE)} mi`;
    return Math.abs(m) < 950 ? `${this.whole.format(m)} m` : `${this.decimal.format(m / 1000)} km`;
  };
  fine = (value: number): string => this.hundredths.format(value);
  speed = (mps: number): string => (this.reader.miles ? `${this.whole.format((mps * 3.6) / KM_PER_MILE)} mph` : `${this.whole.format(mps * 3.6)} km/h`);
  percent = (share: number): string => `${this.whole.format(share * 100)} %`;

  /** A length of time, as short as it can be said. */
  span = (s: number): string => {
    const size = Math.abs(s);
    if (size < 90) return `${this.whole.format(s)} s`;
    if (size < 5_400) return `${this.whole.format(s / 60)} min`;
    return `${this.decimal.format(s / 3600)} h`;
  };

  /** For `<input type="datetime-local">`: the instant in the reader's zone. */
  local = (at: number): string => this.sortable.format(new Date(at)).replace(" ", "T");

  /** The instant that a `datetime-local` text means in the reader's zone. */
  instant = (local: string): number => {
    const guess = Date.parse(`${local}Z`);
    // The zone's offset there: what the guess reads as, less what it is. Asked twice, because clocks may change in between.
    const offset = (at: number): number => Date.parse(`${this.local(at)}Z`) - Math.floor(at / 60_000) * 60_000;
    return guess - offset(guess - offset(guess));
  };
}
