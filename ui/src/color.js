/* color: a service has one colour wherever it appears, in both themes. The canvas reads the theme's variables from here. */
import { effect, signal } from "@preact/signals";

/* Neither the red of errors nor the magenta of causes; neighbours differ, since one takes its neighbour's place. */
const HUES = [214, 36, 158, 280, 88, 190, 246, 128, 54];
const taken = new Map();

/* A service keeps the place its name gives it; a second one with that place takes the next that is free. */
function place(service) {
  let at = taken.get(service);
  if (at !== undefined) return at;
  let hash = 2166136261;
  for (let i = 0; i < service.length; i++) hash = Math.imul(hash ^ service.charCodeAt(i), 16777619);
  const used = new Set(taken.values());
  at = (hash >>> 0) % HUES.length;
  for (let i = 0; used.has(at) && i < HUES.length; i++) at = (at + 1) % HUES.length;
  taken.set(service, at);
  return at;
}

/* All services at once, so that the same ones have the same colours in every view. */
export const learn = (services) => services.slice().sort().forEach(place);

export const theme = signal(stored()); /* "auto", "dark", "light" */
const system = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
system.addEventListener("change", () => (systemDark.value = system.matches));

function stored() {
  try {
    return localStorage.getItem("theme") || "auto";
  } catch {
    return "auto";
  }
}

export const isDark = () => theme.value === "dark" || (theme.value === "auto" && systemDark.value);

effect(() => {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  try {
    localStorage.setItem("theme", theme.value);
  } catch {
    /* a browser that stores nothing: the choice lasts as long as the page */
  }
});

export const serviceColor = (service) => {
  const hue = HUES[place(service)];
  const bright = hue > 30 && hue < 200; /* yellow and green look lighter than they are: white text stands on them */
  return isDark() ? `hsl(${hue} 52% ${bright ? 56 : 66}%)` : `hsl(${hue} ${bright ? 70 : 55}% ${bright ? 32 : 46}%)`;
};

export function palette() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return Object.fromEntries(["bg", "panel", "ink", "muted", "faint", "line", "accent", "error", "hover", "chosen", "cause", "path"].map((name) => [name, of(name)]));
}
