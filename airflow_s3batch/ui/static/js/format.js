/** Numbers, sizes, times and spans as people read them; "–" for what is not known. */

const NONE = "–";
const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const ONE_PLACE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });
const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
const ZONE = zone();
const MOMENT = new Intl.DateTimeFormat("sv-SE", {
  timeZone: ZONE, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const CLOCK = new Intl.DateTimeFormat("sv-SE", { timeZone: ZONE, hour: "2-digit", minute: "2-digit", second: "2-digit" });
const ZONE_NAME = new Intl.DateTimeFormat("en-GB", { timeZone: ZONE, timeZoneName: "short" });

/** The time zone chosen in Airflow, or the browser's own. */
function zone() {
  try {
    const chosen = (localStorage.getItem("timezone") ?? "").replaceAll('"', "");
    return new Intl.DateTimeFormat("en", { timeZone: chosen || undefined }).resolvedOptions().timeZone;
  } catch {
    return new Intl.DateTimeFormat().resolvedOptions().timeZone;
  }
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

const MOST = 1e15;

export const number = (value) => (isNumber(value) ? (value < MOST ? WHOLE.format(value) : value.toExponential(1)) : NONE);

export const rate = (value) => (isNumber(value) ? `${(value < 10 ? ONE_PLACE : WHOLE).format(value)}/s` : NONE);

export function bytes(value) {
  if (!isNumber(value)) return NONE;
  let unit = 0;
  for (; value >= 1024 && unit < UNITS.length - 1; unit += 1) value /= 1024;
  return `${unit ? ONE_PLACE.format(value) : WHOLE.format(value)} ${UNITS[unit]}`;
}

/** Return *part* of 1 in percent, rounded. */
export const share = (part) => (isNumber(part) && part < 0.001 && part > 0 ? "< 0.1 %" : `${ONE_PLACE.format(100 * part)} %`);

/** Return a number of an axis. */
export const tick = (value) => (value < 10 ? ONE_PLACE : WHOLE).format(value);

/** Return *part* of 1 in percent; never 100 % (or 0 %) before it really is. */
export function percent(part) {
  if (!isNumber(part)) return NONE;
  if (part > 0 && part < 0.001) return "< 0.1 %";
  if (part < 0.1) return `${ONE_PLACE.format(Math.floor(part * 1000) / 10)} %`;
  return part < 1 ? `${ONE_PLACE.format(Math.min(99.9, Math.floor(part * 1000) / 10))} %` : "100 %";
}

export function duration(seconds) {
  if (!isNumber(seconds)) return NONE;
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, "0")} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(hours / 24)} days ${hours % 24} h`;
}

/** Return how long ago, roughly: one unit is enough. */
export function ago(iso, now) {
  const then = Date.parse(iso ?? "");
  if (Number.isNaN(then)) return NONE;
  const seconds = Math.max(0, (now - then) / 1000);
  for (const [size, unit] of [[86400, "day"], [3600, "hour"], [60, "minute"]]) {
    const count = Math.floor(seconds / size);
    if (count) return `${count} ${unit}${count > 1 ? "s" : ""} ago`;
  }
  return "just now";
}

/** Return the ISO time (or epoch in ms) with date and zone. */
export function moment(when) {
  const date = new Date(when ?? NaN);
  return Number.isNaN(date.getTime()) ? NONE : `${MOMENT.format(date)} ${zoneName(date)}`;
}

/** Return the time of day. */
export function clock(when) {
  const date = new Date(when ?? NaN);
  return Number.isNaN(date.getTime()) ? NONE : CLOCK.format(date);
}

export function zoneName(date = new Date()) {
  return ZONE_NAME.formatToParts(date).find((part) => part.type === "timeZoneName")?.value ?? ZONE;
}

export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}
