/* link: the address holds the whole view, so that it can be sent to somebody: what was searched, or the trace, its span and
 * the part of time looked at. Everything else is derived from here. */
import { signal } from "@preact/signals";

const read = () => {
  const found = /^\/trace\/([^/]+)$/.exec(location.pathname);
  return { trace: found ? decodeURIComponent(found[1]) : null, query: Object.fromEntries(new URLSearchParams(location.search)) };
};

export const link = signal(read());

addEventListener("popstate", () => (link.value = read()));

export function address(trace, query) {
  const kept = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const search = new URLSearchParams(kept).toString();
  return (trace ? `/trace/${encodeURIComponent(trace)}` : "/") + (search ? `?${search}` : "");
}

/* The trace that a text names by itself: its id, in X-Ray's form too, or a traceparent, whose span is looked at. Else null. */
export function traceIn(text) {
  const [, trace, , span] = /^(?:00-)?([0-9a-f]{32}|1-[0-9a-f]{8}-[0-9a-f]{24})(-([0-9a-f]{16})-[0-9a-f]{2})?$/.exec(text.trim().toLowerCase()) || [];
  return trace ? { trace, query: { span } } : null;
}

export function go(trace, query) {
  history.pushState(null, "", address(trace, query));
  link.value = read();
}

/* The same view, a detail of it: not a step of the history. */
export function amend(query) {
  history.replaceState(null, "", address(link.value.trace, { ...link.value.query, ...query }));
  link.value = read();
}

/* For <a>: goes without loading the page again, unless another tab is asked for. */
export const follow = (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const url = new URL(event.currentTarget.href);
  event.preventDefault();
  history.pushState(null, "", url.pathname + url.search);
  link.value = read();
};
