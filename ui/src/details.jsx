/* details: all that is known of one span; or, of a group, its numbers. */
import { serviceColor } from "./color.js";
import * as format from "./format.js";
import { address, follow } from "./link.js";
import { CRITICAL, ERROR, OPEN, ORPHAN, groupKey, groupNumbers } from "./rows.js";

const KINDS = { 0: "internal", 1: "server", 2: "client", 3: "producer", 4: "consumer" };
const SEVERE = ["error", "critical", "alert", "emergency"];

function Tags({ tags, prefix = "" }) {
  if (!tags.length) return <p class="muted">none</p>;
  return (
    <table class="tags">
      <tbody>
        {tags.map((tag, i) => (
          <tr key={i}>
            <th scope="row">{tag.key}</th>
            <td>
              {prefix === null || tag.type === "json" || tag.type === "bytes" || String(tag.value).length > 200 ? (
                String(tag.value)
              ) : (
                <a href={address(null, { where: format.condition(prefix + tag.key, tag.value, tag.type), range: "all" })} onClick={follow} title="Search for it">
                  {String(tag.value)}
                </a>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function SpanButton({ trace, index, goTo }) {
  return (
    <button class="span" onClick={() => goTo(index)}>
      <i style={{ background: serviceColor(trace.services[trace.service[index]]) }} />
      {trace.names[trace.name[index]] || "(no name)"} <span class="muted">{format.atLeast(trace.length[index], trace.flags[index] & OPEN)}</span>
    </button>
  );
}

function Family({ trace, span, goTo }) {
  const causes = [],
    effects = [];
  for (const [from, to] of trace.causes) {
    if (to === span) causes.push(from);
    if (from === span) effects.push(to);
  }
  const parts = [
    ["Parent", trace.parent[span] >= 0 ? [trace.parent[span]] : []],
    [causes.length === 1 ? "Further parent" : "Further parents", causes],
    ["Also caused", effects],
  ];
  return parts
    .filter(([, list]) => list.length)
    .map(([title, list]) => (
      <section key={title}>
        <h3>{title}</h3>
        {list.slice(0, 50).map((index) => (
          <SpanButton key={index} trace={trace} index={index} goTo={goTo} />
        ))}
        {list.length > 50 && <p class="muted">and {format.count(list.length - 50)} more</p>}
      </section>
    ));
}

/* A log line is its text: its event is called by the format, which all lines of a place in the source share. What came by OTLP
 * says in a tag what it is. An exception is its type and message. */
function reading(event) {
  const of = (key) => event.tags.find((tag) => tag.key === key)?.value,
    kind = event.kind === "event" ? of("trackway.kind") || "event" : event.kind,
    type = of("exception.type"),
    message = of("exception.message");
  if (kind === "log" && of("message") !== undefined)
    return { mark: of("level") || kind, text: of("message"), told: ["level", "message"], bad: SEVERE.includes(of("level")) };
  if (event.name === "exception" && (type || message))
    return { mark: "exception", text: [type, message].filter(Boolean).join(": "), told: ["exception.type", "exception.message"], bad: true };
  return { mark: kind === "event" ? "" : kind, text: event.name, told: [], bad: false };
}

function Event({ event }) {
  const { mark, text, told, bad } = reading(event),
    rest = event.tags.filter((tag) => tag.key !== "trackway.kind" && !told.includes(tag.key));
  return (
    <div>
      {mark && <span class={bad ? "mark bad" : "mark"}>{mark}</span>} <span title={event.name}>{text}</span>
      {rest.length > 0 && <Tags tags={rest} prefix={null} />}
    </div>
  );
}

function Events({ detail }) {
  if (!detail.events.length) return null;
  return (
    <section>
      <h3>Events</h3>
      <ol class="events">
        {detail.events.slice(0, 500).map((event, i) => (
          <li key={i}>
            <span class="muted mono">{format.duration(Number(BigInt(event.time_ns) - BigInt(detail.start_ns)))}</span>
            <Event event={event} />
          </li>
        ))}
      </ol>
      {detail.events.length > 500 && <p class="muted">and {format.count(detail.events.length - 500)} more</p>}
    </section>
  );
}

function Links({ detail, trace }) {
  const others = detail.links.filter((to) => to.trace_id !== trace.id);
  if (!others.length) return null;
  return (
    <section>
      <h3>Other traces</h3>
      {others.slice(0, 100).map((to, i) => (
        <p key={i}>
          <a class="mono" href={address(to.trace_id, { span: to.span_id })} onClick={follow}>
            {to.trace_id}
          </a>
        </p>
      ))}
    </section>
  );
}

function Group({ model, members, open }) {
  const { trace } = model,
    numbers = groupNumbers(trace, members);
  return (
    <>
      <dl class="facts-list">
        <dt>Times</dt>
        <dd>{format.count(members.length)}</dd>
        <dt>Median</dt>
        <dd>{format.duration(numbers.median)}</dd>
        <dt>Longest</dt>
        <dd>{format.duration(numbers.max)}</dd>
        <dt>Together</dt>
        <dd>{format.duration(numbers.total)}</dd>
        <dt>Errors</dt>
        <dd>{format.count(numbers.errors)}</dd>
      </dl>
      <button onClick={open}>{model.choices.opened.has(groupKey(trace, members)) ? "Fold them" : "Show each"}</button>
    </>
  );
}

function Facts({ trace, span, detail }) {
  const flags = trace.flags[span];
  return (
    <dl class="facts-list">
      <dt>Service</dt>
      <dd>{trace.services[trace.service[span]]}</dd>
      {KINDS[trace.kind[span]] && (
        <>
          <dt>Kind</dt>
          <dd>{KINDS[trace.kind[span]]}</dd>
        </>
      )}
      <dt>Status</dt>
      <dd class={flags & ERROR ? "bad" : ""}>{flags & ERROR ? `error${detail?.status_message ? `: ${detail.status_message}` : ""}` : detail?.status || "…"}</dd>
      <dt>Begin</dt>
      <dd>+ {format.duration(trace.begin[span])}</dd>
      <dt>Duration</dt>
      <dd>
        {flags & OPEN ? "still open, > " : ""}
        {format.duration(trace.length[span])}
      </dd>
      {flags & CRITICAL ? (
        <>
          <dt>Critical path</dt>
          <dd>{format.duration(trace.critical[span])} of it here</dd>
        </>
      ) : null}
      {flags & ORPHAN ? (
        <>
          <dt>Parent</dt>
          <dd>missing</dd>
        </>
      ) : null}
    </dl>
  );
}

export function Details({ model, goTo, close, open }) {
  const { trace, chosen, rows } = model,
    span = rows.span[chosen],
    members = rows.groups[chosen],
    detail = members ? null : model.detail(span);
  return (
    <aside class="details" aria-label="Details">
      <header>
        <h2>
          <i style={{ background: serviceColor(trace.services[trace.service[span]]) }} />
          {trace.names[trace.name[span]] || "(no name)"}
          {members ? ` × ${format.count(members.length)}` : ""}
        </h2>
        <button class="quiet" onClick={close} aria-label="Close the details" title="Close (Esc)">
          ×
        </button>
      </header>
      {members ? (
        <Group model={model} members={members} open={open} />
      ) : (
        <>
          <Facts trace={trace} span={span} detail={detail} />
          {detail ? (
            <>
              <section>
                <h3>Tags</h3>
                <Tags tags={detail.tags} />
              </section>
              <Events detail={detail} />
              <Family trace={trace} span={span} goTo={goTo} />
              <Links detail={detail} trace={trace} />
              <section>
                <h3>Process</h3>
                <Tags tags={detail.resource.tags} prefix="resource." />
              </section>
              <p class="muted mono small">
                span {detail.span_id}
                {detail.scope ? `, scope ${detail.scope}` : ""}, came by {detail.door}
              </p>
            </>
          ) : (
            <p class="muted">Loading…</p>
          )}
        </>
      )}
    </aside>
  );
}
