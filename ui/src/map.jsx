/* map: which service calls which, as a picture (layout says where) and as a table of the same. Calls are counted by the called
 * spans; a service's own numbers are those of the calls that came from others, and of the first callers those that they made.
 * Limits: the DRAWN most frequent connections are drawn, LISTED are in the table, and of services without
 * connections those among the first DRAWN are drawn; where more is left out, it is said. Everything in the picture is a link, so
 * that it is reached by keyboard and opens in another tab. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import * as api from "./api.js";
import { serviceColor } from "./color.js";
import * as format from "./format.js";
import { layout } from "./layout.js";
import { address, follow, link, mapAddress, visit } from "./link.js";
import { TimeChoice, keepTime, parameters, rangeSeconds } from "./search.jsx";

const DRAWN = 300,
  LISTED = 500,
  LABELLED = 24, /* more connections say their rates only when they are looked at */
  HEIGHT = 46,
  EDGE = 10; /* free around the picture, for focus and arrows */

const named = (service) => service || "(no name)";
const p95 = ({ p95_ns, calls }) => (calls ? format.duration(p95_ns) : "");

/* {services, edges, own}: services with sums of what came in and went out, edges between two, own by service within itself. */
function digest(found) {
  const services = new Map();
  const of = (name) => {
    const sum = () => ({ calls: 0, errors: 0, p95_ns: 0, callers: 0 });
    if (!services.has(name)) services.set(name, { name, in: sum(), out: sum(), own: sum() });
    return services.get(name);
  };
  const edges = found.edges.slice().sort((a, b) => b.calls - a.calls || (a.parent + a.child < b.parent + b.child ? -1 : 1));
  for (const edge of edges) {
    const from = of(edge.parent),
      to = of(edge.child);
    for (const sum of from === to ? [from.own] : [from.out, to.in]) {
      sum.calls += edge.calls;
      sum.errors += edge.errors;
      sum.callers++;
      sum.p95_ns = Math.max(sum.p95_ns, edge.p95_ns); /* of several: what the 95th percentile of all is not above */
    }
  }
  const between = edges.filter((edge) => edge.parent !== edge.child);
  return { services: [...services.values()], edges, between, calls: between.reduce((sum, edge) => sum + edge.calls, 0) };
}

/* What a service says of itself: [calls, their kind in short, and in words]. */
const own = (service) =>
  service.in.calls ? [service.in, "", "called"] : service.out.calls ? [service.out, " out", "nobody calls it; calls others"] : [service.own, " inside", "calls nobody; spans inside"];

const most = (sum) => (sum.callers > 1 ? "≤ " : "") + p95(sum);

function inWords(service, seconds) {
  const [sum, , how] = own(service);
  return `${named(service.name)}: ${how} ${format.rate(sum.calls, seconds)}, ${format.share(sum.errors, sum.calls)} errors, p95 ${most(sum).replace("≤", "at most")}`;
}

const edgeInWords = (edge, seconds) =>
  `${named(edge.parent)} → ${named(edge.child)}: ${format.rate(edge.calls, seconds)} (${format.plural(edge.calls, "call")}), ` +
  `${format.plural(edge.errors, "error")}${edge.errors ? ` (${format.share(edge.errors, edge.calls)})` : ""}, p95 ${p95(edge)}`;

/* The search knows no service without a name but by that. */
const spansOf = (service, where) => ({ service, where: [service ? "" : "!service", where].filter(Boolean).join(" ") });

const toService = (name, time) => address(null, { ...spansOf(name), ...time });

/* Both are in a trace that begins in one and has a span of the other. Of a caller that is called itself the search cannot say
 * that it is there. */
const toCall = ({ parent, child }, services, time) => {
  const caller = services.find((service) => service.name === parent);
  const began = parent && parent !== child && !caller.in.calls;
  return address(null, { ...spansOf(child, began && format.condition("trace.service", parent, "string")), ...time });
};

let pen; /* measures texts */
function cut(text, font, width) {
  pen ||= document.createElement("canvas").getContext("2d");
  pen.font = font;
  if (pen.measureText(text).width <= width) return text;
  let [fits, not] = [0, text.length];
  while (not - fits > 1) {
    const half = (fits + not) >> 1;
    if (pen.measureText(`${text.slice(0, half)}…`).width <= width) fits = half;
    else not = half;
  }
  return `${text.slice(0, fits)}…`;
}

/* Through the points: curves between layers, which begin and end along them, lines through them. */
function curve({ points, down }) {
  return points
    .map(([x, y], i) => {
      if (!i) return `M${x} ${y}`;
      if (i % 2 === 0) return `L${x} ${y}`;
      const [px, py] = points[i - 1];
      return down ? `C${px} ${(py + y) / 2} ${x} ${(py + y) / 2} ${x} ${y}` : `C${(px + x) / 2} ${py} ${(px + x) / 2} ${y} ${x} ${y}`;
    })
    .join("");
}

function arrow({ points, down }) {
  const [[px, py], [x, y]] = points.slice(-2),
    s = Math.sign(down ? y - py : x - px);
  return down ? `M${x} ${y}l-4.5 ${-9 * s}h9z` : `M${x} ${y}l${-9 * s} -4.5v9z`;
}

/* Where texts stand: on a curve, the last first, in its middle or near it, and on no other text. Those that find no place are
 * left out: what is looked at says it too. */
function label(texts, ways) {
  const taken = [];
  return texts.map((text, e) => {
    const half = 4 + 3.3 * text.length,
      { points, down } = ways[e];
    for (let i = points.length - 2; i >= 0; i -= 2)
      for (const t of [0.5, 0.64, 0.36]) {
        const [a, b] = points.slice(i, i + 2),
          /* the curve's Bézier, whose handles reach to the middle */
          long = 1.5 * t * (1 - t) + t ** 3,
          wide = t * t * (3 - 2 * t);
        const at = (k) => a[k] + (b[k] - a[k]) * (down === Boolean(k) ? long : wide);
        const [x, y] = [at(0), at(1)];
        if (taken.some((other) => Math.abs(other.x - x) < other.half + half && Math.abs(other.y - y) < 15)) continue;
        taken.push({ x, y, half });
        return { x, y, text };
      }
    return null;
  });
}

function Call({ edge, way, width, rate, text, ...more }) {
  const line = curve(way),
    failed = edge.errors / edge.calls,
    red = edge.errors ? Math.max(0.08, failed) : 0;
  return (
    <a {...more} aria-label={`${text}. Search`}>
      <path class="reach" d={line} />
      <path d={line} stroke-width={width} />
      {red > 0 && <path class="bad" d={line} stroke-width={width + 0.5} pathLength={1} stroke-dasharray={`${red} 1`} stroke-dashoffset={red - 1} />}
      <path class={red ? "tip bad" : "tip"} d={arrow(way)} />
      {rate && (
        <text x={rate.x} y={rate.y} dy="0.32em">
          {rate.text}
        </text>
      )}
    </a>
  );
}

function Service({ service, x, y, width, seconds, ...more }) {
  const [sum, kind] = own(service),
    family = getComputedStyle(document.body).fontFamily,
    calls = format.rate(sum.calls, seconds) + kind,
    errors = sum.errors ? format.share(sum.errors, sum.calls) : "",
    last = sum === service.out ? "" : most(sum);
  const numbers = [calls, errors, last].join("  ");
  return (
    <a {...more} transform={`translate(${x} ${y})`} aria-label={`${inWords(service, seconds)}. Search`}>
      <rect width={width} height={HEIGHT} rx="6" />
      <rect y="8" width="4" height={HEIGHT - 16} fill={serviceColor(service.name)} />
      <text x="12" y="19">
        {cut(named(service.name), `600 13px ${family}`, width - 20)}
      </text>
      <text class="numbers" x="12" y="36">
        {calls}
        {errors && (
          <tspan class="bad" dx="7">
            {errors}
          </tspan>
        )}
        {last && cut(numbers, `11.5px ${family}`, width - 22) === numbers && <tspan dx="7">{last}</tspan>}
      </text>
    </a>
  );
}

function Picture({ map, seconds, time }) {
  const box = useRef(null);
  const [room, setRoom] = useState(0);
  const [seen, setSeen] = useState(null); /* a service's name, or an edge */
  useLayoutEffect(() => {
    const watch = new ResizeObserver(() => setRoom(box.current.clientWidth - 2 * EDGE));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const edges = map.between.slice(0, DRAWN);
  const services = useMemo(() => {
    const linked = new Set(edges.flatMap((edge) => [edge.parent, edge.child]));
    return map.services.filter(({ name }, i) => linked.has(name) || i < DRAWN);
  }, [map]);
  const width = room < 600 ? 150 : 182,
    labelled = edges.length <= LABELLED;
  const places = useMemo(() => {
    const index = new Map(services.map((service, i) => [service.name, i]));
    const pairs = edges.map((edge) => [index.get(edge.parent), index.get(edge.child)]);
    const found = room > 0 && layout(services.length, pairs, { width, height: HEIGHT, gap: 14, between: labelled ? 66 : 44, room });
    if (found) found.rates = label(labelled ? edges.map((edge) => format.rate(edge.calls, seconds)) : [], found.ways);
    return found;
  }, [map, room]);
  const top = Math.log2(1 + (edges[0]?.calls || 1));
  const look = (what) => ({
    onPointerEnter: () => setSeen(what),
    onPointerLeave: () => setSeen(null),
    onFocus: () => setSeen(what),
    onBlur: () => setSeen(null),
    onClick: follow,
  });
  const near = (edge) => seen === edge || seen === edge.parent || seen === edge.child;
  const isNear = (name) => seen === name || seen?.parent === name || seen?.child === name || edges.some((edge) => near(edge) && (edge.parent === name || edge.child === name));
  const said = typeof seen === "string" ? inWords(services.find((service) => service.name === seen), seconds) : seen && edgeInWords(seen, seconds);
  return (
    <figure class="map">
      <figcaption>
        <span class="muted">
          {format.plural(map.services.length, "service")}, {map.calls ? `${format.plural(map.calls, "call")} between them` : "none calls another"} in {format.duration(seconds * 1e9)}
          {map.between.length > DRAWN && `; the ${DRAWN} most frequent of ${format.count(map.between.length)} connections are drawn`}
          {map.services.length > services.length && `; ${format.count(services.length)} services are`}
        </span>
        <span class="said">{said || "A service has calls to it, errors, 95th percentile; red is the share that failed"}</span>
      </figcaption>
      <div ref={box}>
        {places && (
          <svg class={seen === null ? "" : "looking"} width={places.width + 2 * EDGE} height={places.height + 2 * EDGE} role="group" aria-label="Map of services; the table below has the same">
            <g transform={`translate(${EDGE} ${EDGE})`}>
              {/* The order of the keyboard: each service, then its calls. */}
              {places.order.map((i) => {
                const service = services[i];
                return [
                  <Service
                    key={service.name}
                    class={seen !== null && isNear(service.name) ? "service near" : "service"}
                    {...{ service, width, seconds, x: places.nodes[i][0], y: places.nodes[i][1] }}
                    href={toService(service.name, time)}
                    {...look(service.name)}
                  />,
                  ...edges.map(
                    (edge, e) =>
                      edge.parent === service.name && (
                        <Call
                          key={`${e} ${edge.child}`}
                          class={seen !== null && near(edge) ? "call near" : "call"}
                          {...{ edge, way: places.ways[e], text: edgeInWords(edge, seconds) }}
                          width={1 + (2.5 * Math.log2(1 + edge.calls)) / top}
                          rate={places.rates[e]}
                          href={toCall(edge, services, time)}
                          {...look(edge)}
                        />
                      ),
                  ),
                ];
              })}
            </g>
          </svg>
        )}
      </div>
    </figure>
  );
}

function Table({ map, found, seconds, time }) {
  return (
    <>
      <table class="calls">
        <caption class="sr">Calls between services, most frequent first</caption>
        <thead>
          <tr>
            {["Caller", "Callee", "Calls", "Errors", "p95"].map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {map.edges.slice(0, LISTED).map((edge) => (
            <tr key={`${edge.parent}\n${edge.child}`}>
              <td>
                <a href={toService(edge.parent, time)} onClick={follow}>
                  {named(edge.parent)}
                </a>
              </td>
              <td>
                <a href={toCall(edge, map.services, time)} onClick={follow} class={edge.parent === edge.child ? "muted" : ""}>
                  {edge.parent === edge.child ? "itself" : named(edge.child)}
                </a>
              </td>
              <td title={format.plural(edge.calls, "call")}>{format.rate(edge.calls, seconds)}</td>
              <td class={edge.errors ? "bad" : "muted"} title={format.plural(edge.errors, "error")}>
                {format.share(edge.errors, edge.calls)}
              </td>
              <td>{p95(edge)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="muted small count">
        {map.edges.length > LISTED && `The ${LISTED} most frequent of ${format.count(map.edges.length)} are listed. `}
        {found.more && "There were more than the collector counts. "}
        {found.unknown_parents > 0 && `${format.plural(found.unknown_parents, "span")} came without the span that called.`}
      </p>
    </>
  );
}

/* Seconds that the calls were counted over: of a time in which nothing was kept yet there is no rate. */
function secondsOf({ range = "1h", since, until }, info) {
  const at = (ns) => Number(BigInt(ns || 0) / 1000000n) / 1e3;
  const end = until ? at(until) : at(info.now_ns),
    oldest = at(info.oldest_ns);
  const begin = since ? at(since) : range === "all" ? oldest : end - rangeSeconds(range);
  return Math.max(1, end - Math.max(begin, Math.min(oldest, end)));
}

function Nothing({ query, info }) {
  return (
    <div class="empty" role="status">
      <h2>No service called another</h2>
      {!info.spans ? (
        <p>Nothing has come yet.</p>
      ) : (
        <p>
          A call is a span whose parent is another service's, or its own; there was none in this time.{" "}
          {query.range !== "all" && (
            <a href={mapAddress({ range: "all" })} onClick={follow}>
              Look at all that is kept
            </a>
          )}
        </p>
      )}
    </div>
  );
}

export function MapView() {
  const { query } = link.value;
  const [state, setState] = useState({ busy: true });
  keepTime(query);
  useEffect(() => {
    document.title = "Map · Trackway";
    const stop = new AbortController();
    const { since, until } = parameters(query);
    setState((was) => ({ ...was, busy: true }));
    Promise.all([api.map({ since, until }, stop.signal), api.info()]).then(
      ([found, info]) => !stop.signal.aborted && setState({ found, info, map: digest(found), seconds: secondsOf(query, info) }),
      (error) => error.name !== "AbortError" && setState({ error }),
    );
    return () => stop.abort();
  }, [link.value]);
  const { range, since, until } = query,
    time = { range, since, until };
  return (
    <main class="page whole" aria-busy={Boolean(state.busy)}>
      <h1 class="sr">Map of services</h1>
      <div class="fields">
        <TimeChoice query={query} set={(part) => visit(mapAddress({ ...time, ...part }))} />
      </div>
      {state.error ? (
        <p class="trouble" role="alert">
          {state.error.message} <button onClick={() => visit(mapAddress(query))}>Try again</button>
        </p>
      ) : !state.map ? (
        <p class="muted count">Counting calls…</p>
      ) : !state.map.edges.length ? (
        <Nothing query={query} info={state.info} />
      ) : (
        <>
          <Picture map={state.map} seconds={state.seconds} time={time} />
          <Table map={state.map} found={state.found} seconds={state.seconds} time={time} />
        </>
      )}
    </main>
  );
}
