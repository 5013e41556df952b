/* format: numbers and times as people read them. */

const UNITS = [
  [86400e9, "d"],
  [3600e9, "h"],
  [60e9, "min"],
  [1e9, "s"],
  [1e6, "ms"],
  [1e3, "µs"],
];

/* Three digits are enough to compare, and fit. */
export function duration(ns) {
  for (const [size, unit] of UNITS) {
    if (ns < size * 0.9995) continue;
    const value = ns / size;
    return `${value >= 100 ? value.toFixed(0) : value >= 10 ? trim(value.toFixed(1)) : trim(value.toFixed(2))} ${unit}`;
  }
  return `${Math.round(ns)} ns`;
}

/* Of what has not ended, as far as is known. */
export const atLeast = (ns, open) => `${open ? "> " : ""}${duration(ns)}`;

const trim = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);

export const count = (n) => n.toLocaleString("en");

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/* So many in so many seconds, in the unit in which it is at least one, so that rare calls are no 0.0003. */
export function rate(n, seconds) {
  const [unit, each] = [["s", 1], ["min", 60], ["h", 3600]].find(([, size]) => (n * size) / seconds >= 1) || ["d", 86400];
  const value = (n * each) / seconds;
  return `${value >= 100 ? count(Math.round(value)) : trim(value.toFixed(value >= 10 ? 0 : 1))}/${unit}`;
}

/* A part of a whole; what is there is never 0 %, and what is not all never 100 %. */
export function share(part, whole) {
  const percent = whole ? (100 * part) / whole : 0;
  if (part && percent < 0.1) return "<0.1 %";
  if (part < whole && percent > 99.9) return ">99.9 %";
  return `${trim(percent.toFixed(percent < 10 || percent > 99 ? 1 : 0))} %`;
}

const two = (n) => String(n).padStart(2, "0");

/* Local time; the day only when it is not today. text: nanoseconds since 1970. */
export function clock(text) {
  const date = new Date(Number(BigInt(text) / 1000000n));
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  return date.toDateString() === new Date().toDateString() ? time : `${day(date)} ${time}`;
}

/* As exact as a part of span ms needs. */
export function clockShort(ms, span) {
  const date = new Date(ms);
  const seconds = span < 600e3 ? `:${two(date.getSeconds())}` : "",
    parts = span < 10e3 ? `.${String(date.getMilliseconds()).padStart(3, "0")}` : "";
  const time = `${two(date.getHours())}:${two(date.getMinutes())}${seconds}${parts}`;
  return span > 20 * 3600e3 ? `${day(date)} ${time}` : time;
}

export const day = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;

export const exact = (text) => {
  const date = new Date(Number(BigInt(text) / 1000000n));
  return `${day(date)} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(BigInt(text) % 1000000000n).padStart(9, "0")}`;
};

/* Round steps of an axis from 0 to span: about count of them. */
export function steps(span, about) {
  const raw = span / Math.max(1, about);
  const scale = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((m) => m * scale >= raw) * scale;
  return Math.max(1, step); /* there is nothing between two nanoseconds */
}

/* A condition of the filter language, quoted where it has to be. */
export function condition(key, value, type) {
  const plainKey = /^[A-Za-z_][\w.\-/:@$]*$/.test(key) ? key : JSON.stringify(key);
  const text = String(value);
  return `${plainKey}=${type === "string" || !/^[\w.+-]+$/.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : text}`;
}

/* Round times of the day, or days, as this place has them, about count of them in the span ms that begin at from: a list of ms. */
export function roundTimes(from, span, about) {
  const minute = 60e3,
    day = 1440 * minute,
    raw = span / Math.max(1, about);
  const sizes = [...[1, 2, 5, 10, 15, 30].map((n) => n * 1e3), ...[1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720].map((n) => n * minute), day, 2 * day, 7 * day];
  const step = raw < 1e3 ? steps(span * 1e6, about) / 1e6 : (sizes.find((size) => size >= raw) ?? Math.ceil(raw / day) * day);
  const shift = new Date(from).getTimezoneOffset() * minute;
  const list = [];
  for (let t = Math.ceil((from - shift) / step) * step + shift; t < from + span; t += step) list.push(t);
  return list;
}

/* Powers of ten between two durations, with twice and five times them where those are close together. */
export function roundDurations(low, high) {
  const list = [];
  for (let ten = 1; ten <= high; ten *= 10) list.push(...(high > 60 * low ? [ten] : [ten, 2 * ten, 5 * ten]));
  return list.filter((ns) => ns >= low && ns <= high);
}
