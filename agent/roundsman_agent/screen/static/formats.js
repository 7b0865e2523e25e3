// Times in the unit's time zone, distances in its unit, spans as a person says them.
const METRES_A_MILE = 1609.344;
const METRES_A_YARD = 0.9144;

export function formats(language, timeZone, unit, say) {
  const shape = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  let times;
  try {
    times = new Intl.DateTimeFormat(language, { ...shape, timeZone: timeZone || undefined });
  } catch {
    times = new Intl.DateTimeFormat(language, shape); // a zone that this browser does not know
  }
  const digits = [0, 1].map((count) => new Intl.NumberFormat(language, { minimumFractionDigits: count, maximumFractionDigits: count }));
  const long = (value, name) => `${digits[value < 9.95 ? 1 : 0].format(value)} ${name}`;
  const clock = (ms) => times.format(ms);
  return {
    clock,
    between: (start, end) => (start && end ? `${clock(start)}–${clock(end)}` : end ? say("by", clock(end)) : start ? say("from", clock(start)) : ""),
    span: (s) => (s < 90 ? `${Math.max(0, Math.round(s))} s` : s < 5400 ? `${Math.round(s / 60)} min` : s < 172800 ? `${Math.round(s / 3600)} h` : say("days", Math.round(s / 86400))),
    far: (m) => {
      if (m === null || m === undefined) return "";
      if (unit === "mi") return m < 300 ? `${Math.round(m / METRES_A_YARD / 10) * 10} yd` : long(m / METRES_A_MILE, "mi");
      return m < 950 ? `${Math.round(m / 10) * 10} m` : long(m / 1000, "km");
    },
    weight: (g) => (g === null || g === undefined ? "" : `${digits[g < 9950 ? 1 : 0].format(g / 1000)} kg`),
  };
}
