/* search: what is asked, the heat of it, and the traces found. The address holds the question; the fields are a draft of the next. */
import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import * as api from "./api.js";
import { serviceColor } from "./color.js";
import * as format from "./format.js";
import { Heat } from "./heat.jsx";
import { address, follow, go, link, traceIn } from "./link.js";

const RANGES = [
  ["5m", "last 5 minutes"],
  ["15m", "last 15 minutes"],
  ["1h", "last hour"],
  ["6h", "last 6 hours"],
  ["1d", "last day"],
  ["7d", "last 7 days"],
  ["all", "everything kept"],
];
const ORDERS = [
  ["newest", "newest first"],
  ["slowest", "slowest first"],
];

/* How long a range is. */
export const rangeSeconds = (range) => parseInt(range, 10) * { m: 60, h: 3600, d: 86400 }[range.slice(-1)];

const known = signal({ services: [], info: null });
let last = {};
export const lastSearch = () => last;
/* The map has the same part of time. */
export const keepTime = ({ range, since, until }) => (last = { ...last, range, since, until });

/* The question in the address as the API's parameters. */
export function parameters(query) {
  const { where, service, name, order, limit, min_trace, range = "1h", since, until } = query;
  const time = since || until ? { since, until } : range === "all" ? {} : { since: range };
  return { where, service, name, order, min_trace, limit: limit || 50, ...time };
}

const FOLLOW_MS = 2000;
/* A part of time that has been chosen stays as it is. */
const isFollowing = (query) => query.follow === "1" && !query.since && !query.until;

function Field({ label, children }) {
  return (
    <label class="field">
      <span>{label}</span>
      {children}
    </label>
  );
}

/* options: [value, text] of each. */
function Choice({ label, options, ...more }) {
  return (
    <Field label={label}>
      <select {...more}>
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </Field>
  );
}

/* set: called with what changes in the address. */
export const TimeChoice = ({ query, set }) => (
  <Choice
    label="Time"
    options={query.since ? [["part", part(query)], ...RANGES] : RANGES}
    value={query.since ? "part" : query.range || "1h"}
    onChange={(e) => e.currentTarget.value !== "part" && set({ range: e.currentTarget.value, since: "", until: "" })}
  />
);

const ANY = ["", "any"],
  itself = (text) => [text, text];

function Form({ query, error }) {
  const [draft, setDraft] = useState(query);
  const [operations, setOperations] = useState([]);
  /* Before the next key can come: an effect after the paint would take back what was typed meanwhile. */
  useLayoutEffect(() => setDraft(query), [query]);
  useEffect(() => {
    setOperations([]);
    if (!draft.service) return;
    let here = true;
    api.operations(draft.service).then((answer) => here && setOperations(answer.operations), () => {});
    return () => (here = false);
  }, [draft.service]);
  const submit = (next) => go(null, next);
  const set = (part) => {
    const next = { ...draft, ...part };
    setDraft(next);
    submit(next);
  };
  const names = [...new Set(operations.map((o) => o.name))];
  const services = known.value.services.map((s) => s.name);
  if (draft.service && !services.includes(draft.service)) services.unshift(draft.service);
  if (draft.name && !names.includes(draft.name)) names.unshift(draft.name);
  return (
    <form
      class="ask"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        const named = traceIn(draft.where || "");
        if (named) go(named.trace, named.query);
        else submit(draft);
      }}
    >
      <div class="where">
        <label class="sr" for="where">
          Query
        </label>
        <input
          id="where"
          class="mono"
          type="search"
          placeholder="status=error duration>200ms, or the id of a trace"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          maxLength={8192}
          aria-invalid={error?.at !== undefined}
          aria-describedby={error ? "where-error" : undefined}
          value={draft.where || ""}
          onInput={(event) => setDraft({ ...draft, where: event.currentTarget.value })}
          onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
        />
        <button class="main">Search</button>
      </div>
      {error && <Trouble error={error} text={query.where} />}
      <div class="fields">
        <Choice label="Service" options={[ANY, ...services.map(itself)]} value={draft.service || ""} onChange={(e) => set({ service: e.currentTarget.value, name: "" })} />
        <Choice
          label="Operation"
          options={[ANY, ...names.map(itself)]}
          value={draft.name || ""}
          disabled={!draft.service}
          onChange={(e) => set({ name: e.currentTarget.value })}
        />
        <TimeChoice query={draft} set={set} />
        <Field label="Trace takes at least">
          <input
            class="short"
            type="text"
            placeholder="200ms"
            value={draft.min_trace || ""}
            onInput={(e) => setDraft({ ...draft, min_trace: e.currentTarget.value })}
            onChange={(e) => e.currentTarget.value !== (query.min_trace || "") && set({ min_trace: e.currentTarget.value.trim() })}
          />
        </Field>
        <Choice label="Order" options={ORDERS} value={draft.order || "newest"} onChange={(e) => set({ order: e.currentTarget.value })} />
        <Choice label="At most" options={["20", "50", "200", "1000"].map(itself)} value={draft.limit || "50"} onChange={(e) => set({ limit: e.currentTarget.value })} />
        <button
          type="button"
          class="follow"
          aria-pressed={isFollowing(query)}
          disabled={Boolean(draft.since)}
          title="Look again every two seconds"
          onClick={() => set({ follow: isFollowing(query) ? "" : "1" })}
        >
          Follow
        </button>
      </div>
    </form>
  );
}

function part({ since, until }) {
  const from = Number(since) / 1e6,
    to = Number(until) / 1e6;
  return `${format.clockShort(from, to - from)} to ${format.clockShort(to, to - from)}`;
}

/* "where: at 14: why": the query again, a caret below the byte, and why. */
function Trouble({ error, text }) {
  const found = /^where: at (\d+): (.*)$/s.exec(error.message);
  if (!found || !text)
    return (
      <p id="where-error" class="trouble" role="alert">
        {error.message} {!error.status && <button onClick={() => go(null, link.value.query)}>Try again</button>}
      </p>
    );
  const before = new TextDecoder().decode(new TextEncoder().encode(text).slice(0, Number(found[1])));
  const from = before.length > 60 ? before.length - 50 : 0;
  return (
    <div id="where-error" class="trouble" role="alert">
      <pre>
        {`${from ? "…" : ""}${text.slice(from, from + 110).replace(/\s/g, " ")}\n${" ".repeat(before.length - from + (from ? 1 : 0))}`}
        <b>^</b>
      </pre>
      <p>{found[2]}</p>
    </div>
  );
}

export function Chips({ services, total }) {
  const shown = services.slice().sort((a, b) => b.spans - a.spans);
  return (
    <span class="chips">
      {shown.slice(0, total).map((service) => (
        <span class="chip" key={service.name}>
          <i style={{ background: serviceColor(service.name) }} />
          <span title={service.name}>{service.name}</span> <b>{format.count(service.spans)}</b>
          {service.errors > 0 && <em title={format.plural(service.errors, "error")}>{format.count(service.errors)}</em>}
        </span>
      ))}
      {shown.length > total && <span class="chip">and {shown.length - total} more</span>}
    </span>
  );
}

function Result({ trace, scale, chosen }) {
  const first = trace.spans[0];
  const query = first && trace.matched && first.name !== trace.name ? { span: first.span_id } : {};
  return (
    <li>
      <a class={`result${chosen ? " chosen" : ""}`} href={address(trace.trace_id, query)} onClick={follow}>
        <span class="line">
          <span class="name">
            <i style={{ background: serviceColor(trace.service) }} />
            <b title={trace.name}>{trace.name || "(no name)"}</b>{" "}
            <span class="muted" title={trace.service}>
              {trace.service}
            </span>
            {trace.rootless && <span class="mark">beginning missing</span>}
            {trace.open_count > 0 && <span class="mark">{trace.open_count} open</span>}
            {trace.error_count > 0 && <span class="mark bad">{format.plural(trace.error_count, "error")}</span>}
          </span>
          <time dateTime={new Date(Number(BigInt(trace.start_ns) / 1000000n)).toISOString()}>{format.clock(trace.start_ns)}</time>
        </span>
        <span class="line">
          <span class="scale">
            <span class={trace.error_count ? "bar bad" : "bar"} style={{ width: `${Math.max(0.3, (100 * trace.duration_ns) / scale)}%` }} />
            <span class="length">{format.atLeast(trace.duration_ns, trace.open_count)}</span>
          </span>
        </span>
        <span class="line small">
          <Chips services={trace.services} total={8} />
          <span class="muted">{format.plural(trace.span_count, "span")}{trace.matched > 0 && trace.matched < trace.span_count ? `, ${format.count(trace.matched)} match` : ""}</span>
        </span>
      </a>
    </li>
  );
}

function Results({ found, query }) {
  const [chosen, setChosen] = useState(-1);
  const list = useRef(null);
  useEffect(() => setChosen(-1), [found]);
  useEffect(() => {
    const onKey = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, dialog, button")) return;
      const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const items = list.current?.querySelectorAll("a.result") || [];
      const at = Math.max(0, Math.min(items.length - 1, [...items].indexOf(document.activeElement) + step));
      items[at]?.focus();
      setChosen(at);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  if (!found.traces.length) return <Nothing query={query} />;
  const scale = Math.max(...found.traces.map((t) => t.duration_ns), 1);
  return (
    <>
      <p class="muted count" role="status">
        {format.plural(found.traces.length, "trace")}
        {found.more ? ", and there are more" : ""}; bars to {format.duration(scale)}
      </p>
      <ol class="results" ref={list}>
        {found.traces.map((trace, i) => (
          <Result key={trace.trace_id} trace={trace} scale={scale} chosen={i === chosen} />
        ))}
      </ol>
    </>
  );
}

/* What is typed first into any field of this kind, and means something else here. */
function Word({ query }) {
  const word = query.where?.trim();
  if (!/^[A-Za-z_][\w/-]*$/.test(word || "")) return null;
  const other = (where) => (
    <a href={address(null, { ...query, where })} onClick={follow}>
      <code>{where}</code>
    </a>
  );
  return (
    <p>
      A word alone asks for a tag of that name. In names: {other(`name~${word}`)}, in services: {other(`service~${word}`)}.
    </p>
  );
}

function Nothing({ query }) {
  const { info } = known.value;
  if (info && !info.spans)
    return (
      <div class="empty" role="status">
        <h2>Nothing has come yet</h2>
        <p>Programs that link libtrackway are seen by themselves. OpenTelemetry's send to port 4318 (HTTP) or 4317 (gRPC) of this host.</p>
      </div>
    );
  return (
    <div class="empty" role="status">
      <h2>No trace is like that</h2>
      <Word query={query} />
      {info && query.range !== "all" && (
        <p>
          {format.plural(info.spans, "span")} kept, from {format.clock(info.oldest_ns)} to {format.clock(info.newest_ns)}.{" "}
          <a href={address(null, { ...query, range: "all", since: "", until: "" })} onClick={follow}>
            Look through all of it
          </a>
        </p>
      )}
    </div>
  );
}

export function SearchView() {
  const { query } = link.value;
  const [state, setState] = useState({ found: null, error: null, busy: true });
  const [turn, setTurn] = useState(0);
  last = query;
  useEffect(() => {
    document.title = query.where ? `${query.where} · Trackway` : "Trackway";
    const stop = new AbortController();
    setState((was) => ({ ...was, busy: true }));
    Promise.all([api.services(), api.info()]).then(([list, info]) => (known.value = { services: list.services, info }), () => {});
    api.search(parameters(query), stop.signal).then(
      (found) => setState({ found, error: null, busy: false }),
      (error) => {
        if (error.name === "AbortError") return;
        const at = /^where: at (\d+)/.exec(error.message);
        setState({ found: null, error: Object.assign(error, { at: at ? Number(at[1]) : undefined }), busy: false });
      },
    );
    return () => stop.abort();
  }, [link.value, turn]);
  /* The next look begins when the last has been answered and the page is seen. */
  useEffect(() => {
    if (!isFollowing(query) || state.busy) return;
    const again = () => (document.hidden ? (timer = setTimeout(again, FOLLOW_MS)) : setTurn((n) => n + 1));
    let timer = setTimeout(again, FOLLOW_MS);
    return () => clearTimeout(timer);
  }, [query, state.busy, turn]);
  return (
    <main class="page" aria-busy={state.busy}>
      <Form query={query} error={state.error} />
      {!state.error && <Heat query={query} info={known.value.info} turn={turn} />}
      {state.found ? <Results found={state.found} query={query} /> : !state.error && <p class="muted count">Searching…</p>}
    </main>
  );
}
