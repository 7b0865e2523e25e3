/** How long to wait before the hub is tried again. Pure. */

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;

/** Doubled each time, and anywhere in its half, so that a restarted hub does not meet all pages in one moment. */
export const pauseMs = (failures: number, random: () => number = Math.random): number =>
  Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures) * (0.5 + random() / 2);
