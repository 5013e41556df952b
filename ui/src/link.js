/* link: the address holds the whole view, so that it can be sent to somebody: what was searched, the map's part of time, or
 * the trace, its span and the part of time looked at. Everything else is derived from here. */
import { signal } from "@preact/signals";

const read = () => {
  const found = /^\/trace\/([^/]+)$/.exec(location.pathname);
  return { trace: found ? decodeURIComponent(found[1]) : null, map: location.pathname === "/map", query: Object.fromEntries(new URLSearchParams(location.search)) };
};

export const link = signal(read());

addEventListener("popstate", () => (link.value = read()));

function at(path, query) {
  const kept = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const search = new URLSearchParams(kept).toString();
  return path + (search ? `?${search}` : "");
}

export const address = (trace, query) => at(trace ? `/trace/${encodeURIComponent(trace)}` : "/", query);
export const mapAddress = (query) => at("/map", query);

/* The trace that a text names by itself: its id, in X-Ray's form too, or a traceparent, whose span is looked at. Else null. */
export function traceIn(text) {
  const [, trace, , span] = /^(?:00-)?([0-9a-f]{32}|1-[0-9a-f]{8}-[0-9a-f]{24})(-([0-9a-f]{16})-[0-9a-f]{2})?$/.exec(text.trim().toLowerCase()) || [];
  return trace ? { trace, query: { span } } : null;
}

export function visit(where) {
  history.pushState(null, "", where);
  link.value = read();
}

export const go = (trace, query) => visit(address(trace, query));

/* The same view, a detail of it: not a step of the history. */
export function amend(query) {
  history.replaceState(null, "", at(location.pathname, { ...link.value.query, ...query }));
  link.value = read();
}

/* For <a>: goes without loading the page again, unless another tab is asked for. */
export const follow = (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  visit(event.currentTarget.getAttribute("href")); /* .href of an SVG's <a> is no text */
};
