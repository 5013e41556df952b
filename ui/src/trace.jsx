/* trace: one trace: what it is, the overview, the waterfall, and the details of the span that was chosen.
 *
 * What is drawn lives in one object (a Model), outside of Preact's state: a scroll or a zoom of a large trace repaints canvases
 * and renders no component. The skeleton is loaded whole, details by pages of PAGE spans, when they come into sight. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import * as api from "./api.js";
import { isDark } from "./color.js";
import { Details } from "./details.jsx";
import * as format from "./format.js";
import { address, amend, follow, link } from "./link.js";
import { CRITICAL, ERROR, EVENTS, OPEN, build, groupKey, groupNumbers, prepare, reveal } from "./rows.js";
import { Chips, lastSearch } from "./search.jsx";
import { ROW, Waterfall, drawAxis, drawOverview, namesWidth, overview, scale } from "./waterfall.js";

const PAGE = 100,
  PAGES_KEPT = 400,
  PAGES_AT_ONCE = 3;

class Model {
  constructor(trace, changed) {
    this.trace = trace;
    this.changed = changed; /* tells the component that something beside the canvas is different */
    this.choices = { fold: link.value.query.fold !== "0", collapsed: new Set(), opened: new Set() };
    this.view = { from: 0, to: trace.duration };
    this.chosen = -1;
    this.hover = -1;
    this.path = link.value.query.path !== "0";
    this.pages = new Map(); /* page -> details, or null while they are under way */
    this.waiting = [];
    this.underWay = 0;
    this.overview = overview(trace);
    this.rebuild();
  }

  rebuild() {
    const span = this.chosen >= 0 ? this.rows.span[this.chosen] : -1,
      group = this.chosen >= 0 && Boolean(this.rows.groups[this.chosen]);
    this.rows = build(this.trace, this.choices);
    if (span < 0) return;
    this.chosen = this.rows.rowOf[span];
    if (group && this.chosen > 0 && this.rows.groups[this.chosen - 1]?.[0] === span) this.chosen--;
  }

  get span() {
    return this.chosen >= 0 ? this.rows.span[this.chosen] : -1;
  }

  toggle(row, open = undefined) {
    const i = this.rows.span[row],
      members = this.rows.groups[row];
    if (!members && this.trace.size[i] < 2) return false;
    const set = members ? this.choices.opened : this.choices.collapsed,
      key = members ? groupKey(this.trace, members) : i,
      isOpen = members ? set.has(key) : !set.has(key);
    if (open === isOpen) return false;
    if (set.has(key)) set.delete(key);
    else set.add(key);
    this.rebuild();
    return true;
  }

  detail(i) {
    return this.pages.get(Math.floor(i / PAGE))?.[i % PAGE];
  }

  ticks = (i) => {
    const detail = this.detail(i);
    if (!detail) return null;
    detail.ticks ??= detail.events.map((event) => ({ at: Number(BigInt(event.time_ns) - BigInt(this.trace.start)), kind: event.kind }));
    return detail.ticks;
  };

  /* Details of spans that are wanted now: older wishes that were not begun are forgotten. */
  want(spans) {
    this.waiting = [...new Set(spans.map((i) => Math.floor(i / PAGE)))].filter((page) => !this.pages.has(page));
    this.load();
  }

  load() {
    while (this.underWay < PAGES_AT_ONCE && this.waiting.length) {
      const page = this.waiting.shift();
      if (this.pages.has(page)) continue;
      this.pages.set(page, null);
      this.underWay++;
      api
        .spans(this.trace.id, page * PAGE, PAGE)
        .then(
          (answer) => this.pages.set(page, answer.spans),
          () => this.pages.delete(page),
        )
        .then(() => {
          this.underWay--;
          if (this.pages.size > PAGES_KEPT) this.pages.delete(this.pages.keys().next().value);
          this.changed();
          this.load();
        });
    }
  }

  zoom(factor, at) {
    const { view, trace } = this,
      least = Math.min(100, trace.duration),
      span = Math.max(least, Math.min(trace.duration, (view.to - view.from) * factor)),
      share = (at - view.from) / (view.to - view.from);
    this.look(at - share * span, at - share * span + span);
  }

  pan(ns) {
    this.look(this.view.from + ns, this.view.to + ns);
  }

  look(from, to) {
    const span = Math.max(1, Math.min(to - from, this.trace.duration)),
      begin = Math.max(0, Math.min(from, this.trace.duration - span));
    this.view = { from: begin, to: begin + span };
  }

  /* Where the keyboard zooms: the chosen span when it is in sight, else the middle. */
  focus() {
    const { view, trace, span } = this,
      middle = (view.from + view.to) / 2;
    if (span < 0) return middle;
    const at = trace.begin[span] + trace.length[span] / 2;
    return at > view.from && at < view.to ? at : middle;
  }
}

function Head({ model, act }) {
  const { trace } = model,
    services = useMemo(() => {
      const count = trace.services.map((name) => ({ name, spans: 0, errors: 0, open: 0 }));
      for (let i = 0; i < trace.count; i++) {
        count[trace.service[i]].spans++;
        if (trace.flags[i] & ERROR) count[trace.service[i]].errors++;
        if (trace.flags[i] & OPEN) count[trace.service[i]].open++;
      }
      return count;
    }, [trace]);
  const errors = services.reduce((sum, service) => sum + service.errors, 0),
    open = services.reduce((sum, service) => sum + service.open, 0);
  return (
    <div class="head">
      <div class="line">
        <h1 title={trace.names[trace.name[0]]}>
          {trace.names[trace.name[0]] || "(no name)"} <span class="muted">{trace.services[trace.service[0]]}</span>
        </h1>
        <a href={address(null, lastSearch())} onClick={follow}>
          All traces
        </a>
      </div>
      <p class="facts">
        <b>{format.atLeast(trace.exact, open)}</b> <span>{format.plural(trace.count, "span")}</span>
        {errors > 0 && <span class="mark bad">{format.plural(errors, "error")}</span>}
        {open > 0 && <span class="mark">{format.plural(open, "span")} open</span>}
        {trace.causes.length > 0 && <span>{format.plural(trace.causes.length, "further parent")}</span>}
        <span title={`${trace.start} ns`}>{format.exact(trace.start)}</span>
        <code>{trace.id}</code>
        <a href={`/api/tw/otlp/traces/${trace.id}`} download={`${trace.id}.json`} title="The whole trace as OpenTelemetry's JSON; trackway ingest takes it">
          Save
        </a>
      </p>
      <div class="line small">
        <Chips services={services} total={14} />
        <span class="tools" role="toolbar" aria-label="View">
          <button aria-pressed={model.choices.fold} onClick={() => act("f")} title="One row for repeated children (f)">
            Fold repeated
          </button>
          <button aria-pressed={model.path} onClick={() => act("c")} title="Underline what the duration is made of (c)">
            Critical path
          </button>
          {errors > 0 && (
            <button onClick={() => act("e")} title="Next error (e)">
              Next error
            </button>
          )}
          <button onClick={() => act("+")} title="Zoom in (+)" aria-label="Zoom in">
            +
          </button>
          <button onClick={() => act("-")} title="Zoom out (-)" aria-label="Zoom out">
            −
          </button>
          <button onClick={() => act("0")} title="The whole trace (0)">
            All
          </button>
        </span>
      </div>
    </div>
  );
}

function Overview({ model, repaint, painters }) {
  const canvas = useRef(null),
    drag = useRef(null);
  useEffect(() => {
    painters.current.overview = () => canvas.current && drawOverview(canvas.current, model.overview, model.trace, model.view, drag.current, canvas.current.clientWidth);
    return () => delete painters.current.overview;
  }, [model]);
  const x = (event) => Math.max(0, Math.min(event.offsetX, canvas.current.clientWidth));
  return (
    <canvas
      ref={canvas}
      class="overview"
      aria-hidden="true"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        drag.current = [x(event), x(event)];
      }}
      onPointerMove={(event) => {
        if (!drag.current) return;
        drag.current[1] = x(event);
        repaint();
      }}
      onPointerUp={() => {
        if (!drag.current) return;
        const [a, b] = drag.current,
          perPixel = model.trace.duration / canvas.current.clientWidth;
        if (Math.abs(a - b) > 3) model.look(Math.min(a, b) * perPixel, Math.max(a, b) * perPixel);
        else model.pan(a * perPixel - (model.view.from + model.view.to) / 2);
        drag.current = null;
        repaint(true);
      }}
    />
  );
}

/* What a screen reader hears of the chosen row. */
function spoken(model) {
  if (model.chosen < 0) return "";
  const { trace, rows, chosen } = model,
    i = rows.span[chosen],
    members = rows.groups[chosen],
    flags = trace.flags[i];
  const what = `${trace.names[trace.name[i]]}, ${trace.services[trace.service[i]]}, level ${rows.depth[chosen] + 1}, row ${chosen + 1} of ${rows.count}`;
  if (members) return `${what}, ${members.length} times, median ${format.duration(groupNumbers(trace, members).median)}`;
  return `${what}, ${format.duration(trace.length[i])}${flags & ERROR ? ", error" : ""}${flags & OPEN ? ", open" : ""}${flags & CRITICAL ? ", on the critical path" : ""}`;
}

function Rows({ model, repaint, painters, act, choose, scroller }) {
  const canvas = useRef(null),
    axis = useRef(null),
    drag = useRef(null),
    wanted = useRef(0);
  useEffect(() => {
    const fall = new Waterfall(canvas.current);
    model.fall = fall;
    painters.current.rows = () => {
      const box = scroller.current;
      if (!box) return;
      fall.size(box.clientWidth, Math.max(1, box.clientHeight));
      drawAxis(axis.current, model.trace, model.view, box.clientWidth);
      const [first, last] = fall.draw({ ...model, ticks: model.ticks, top: box.scrollTop });
      clearTimeout(wanted.current);
      wanted.current = setTimeout(() => {
        const wish = model.span >= 0 && !model.rows.groups[model.chosen] ? [model.span] : [];
        for (let row = first; row <= last; row++) if (!model.rows.groups[row] && model.trace.flags[model.rows.span[row]] & EVENTS) wish.push(model.rows.span[row]);
        model.want(wish);
      }, 60);
    };
    const watch = new ResizeObserver(() => repaint());
    watch.observe(scroller.current);
    const wheel = (event) => {
      if (!event.ctrlKey && !event.shiftKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
      event.preventDefault();
      const at = scale(model.view, namesWidth(scroller.current.clientWidth) + 8, scroller.current.clientWidth - 14);
      if (event.ctrlKey) model.zoom(Math.exp(event.deltaY * 0.002), Math.max(model.view.from, Math.min(model.view.to, at.ns(event.clientX - scroller.current.getBoundingClientRect().left))));
      else model.pan((event.deltaX || event.deltaY) / at.perNs);
      repaint(true);
    };
    scroller.current.addEventListener("wheel", wheel, { passive: false });
    const box = scroller.current;
    return () => {
      watch.disconnect();
      box.removeEventListener("wheel", wheel);
      clearTimeout(wanted.current);
      delete painters.current.rows;
    };
  }, [model]);
  const where = (event) => {
    const box = scroller.current.getBoundingClientRect();
    return model.fall.at(event.clientX - box.left, event.clientY - box.top);
  };
  return (
    <div class="fall">
      <canvas ref={axis} class="axis" aria-hidden="true" />
      <div
        class="scroller"
        ref={scroller}
        tabIndex={0}
        role="application"
        aria-label="Waterfall. Arrow keys move, Enter shows details, question mark lists all keys."
        aria-describedby="spoken"
        onScroll={() => repaint()}
        onPointerDown={(event) => {
          if (event.button) return;
          drag.current = { x: event.clientX, from: model.view, moved: false, bars: where(event).bars };
        }}
        onPointerMove={(event) => {
          const going = drag.current;
          if (going && going.bars && event.buttons & 1 && (going.moved || Math.abs(event.clientX - going.x) > 3)) {
            going.moved = true;
            const width = scroller.current.clientWidth,
              at = scale(going.from, namesWidth(width) + 8, width - 14),
              by = (going.x - event.clientX) / at.perNs;
            model.look(going.from.from + by, going.from.to + by);
            return repaint(true);
          }
          const { row } = where(event);
          if (row === model.hover) return;
          model.hover = row;
          repaint();
        }}
        onPointerLeave={() => {
          model.hover = -1;
          drag.current = null;
          repaint();
        }}
        onClick={(event) => {
          if (drag.current?.moved) return (drag.current = null);
          drag.current = null;
          const { row, caret } = where(event);
          if (row < 0) return;
          if (caret || (model.rows.groups[row] && row === model.chosen)) {
            model.toggle(row);
            repaint(true);
          } else choose(row, true);
        }}
        onDblClick={(event) => where(event).bars && act("z")}
      >
        <canvas ref={canvas} class="rows" aria-hidden="true" />
        <div class="tall" style={{ height: `${model.rows.count * ROW}px` }} />
      </div>
      <p id="spoken" class="sr" role="status" aria-live="polite">
        {spoken(model)}
      </p>
    </div>
  );
}

function useModel(id) {
  const [state, setState] = useState({});
  const [, render] = useState(0);
  const changed = useRef(() => {});
  useEffect(() => {
    const stop = new AbortController();
    api.skeleton(id, stop.signal).then(
      (skeleton) => setState({ model: new Model(prepare(skeleton), () => changed.current()) }),
      (error) => error.name !== "AbortError" && setState({ error }),
    );
    return () => stop.abort();
  }, [id]);
  return { ...state, changed, render: () => render((n) => n + 1) };
}

export function TraceView({ id }) {
  const { model, error, changed, render } = useModel(id);
  const painters = useRef({}),
    scroller = useRef(null),
    frame = useRef(0),
    saving = useRef(0);
  const [shown, setShown] = useState(false);
  const dark = isDark();

  /* One painting a frame, whatever happened since the last. whole: components too, and the address. */
  const repaint = (whole = false) => {
    if (whole) {
      render();
      clearTimeout(saving.current);
      saving.current = setTimeout(save, 250);
    }
    frame.current ||= requestAnimationFrame(() => {
      frame.current = 0;
      Object.values(painters.current).forEach((paint) => paint());
    });
  };
  changed.current = () => {
    repaint();
    render();
    if (model && model.detail(model.span) && link.value.query.span !== model.detail(model.span).span_id) save();
  };
  const save = () => {
    if (link.value.trace !== id) return;
    const whole = model.view.from <= 0 && model.view.to >= model.trace.duration,
      detail = model.span >= 0 && !model.rows.groups[model.chosen] ? model.detail(model.span) : null;
    amend({
      span: detail ? detail.span_id : model.chosen >= 0 ? link.value.query.span : "",
      from: whole ? "" : Math.round(model.view.from),
      to: whole ? "" : Math.round(model.view.to),
      fold: model.choices.fold ? "" : "0",
      path: model.path ? "" : "0",
    });
  };
  const intoSight = () => {
    const box = scroller.current,
      y = model.chosen * ROW;
    if (!box || model.chosen < 0) return;
    if (y < box.scrollTop + ROW) box.scrollTop = Math.max(0, y - 2 * ROW);
    else if (y > box.scrollTop + box.clientHeight - 2 * ROW) box.scrollTop = y - box.clientHeight + 3 * ROW;
  };
  const choose = (row, open = shown) => {
    model.chosen = Math.max(0, Math.min(model.rows.count - 1, row));
    setShown(open);
    intoSight();
    if (!model.rows.groups[model.chosen]) model.want([model.span]);
    repaint(true);
  };
  const goTo = (span) => {
    reveal(model.trace, model.choices, span);
    model.rebuild();
    render();
    /* the scroller has its new height after the next rendering */
    setTimeout(() => choose(model.rows.rowOf[span], true));
  };
  const act = (key) => {
    const { trace, rows, chosen, view } = model;
    const width = view.to - view.from;
    if (key === "f") model.choices.fold = !model.choices.fold;
    else if (key === "c") model.path = !model.path;
    else if (key === "+" || key === "=") model.zoom(1 / 1.5, model.focus());
    else if (key === "-") model.zoom(1.5, model.focus());
    else if (key === "0") model.look(0, trace.duration);
    else if (key === "h") model.pan(-width / 5);
    else if (key === "l") model.pan(width / 5);
    else if (key === "z" && chosen >= 0) {
      const pad = Math.max(50, trace.length[rows.span[chosen]] * 0.06);
      model.look(trace.begin[rows.span[chosen]] - pad, trace.begin[rows.span[chosen]] + trace.length[rows.span[chosen]] + pad);
    } else if (key === "e") {
      for (let step = 1; step <= trace.count; step++) {
        const i = (Math.max(-1, model.span) + step) % trace.count;
        if (trace.flags[i] & ERROR) return goTo(i);
      }
    }
    if (key === "f") {
      model.rebuild();
      intoSight();
    }
    repaint(true);
  };
  const onKey = (event) => {
    if (!model || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, dialog")) return;
    if (event.target.closest("button, a") && (event.key === "Enter" || event.key === " ")) return;
    const { rows, chosen, trace } = model,
      page = Math.max(1, Math.floor((scroller.current?.clientHeight || 0) / ROW) - 2);
    const key = event.shiftKey && event.key === "ArrowLeft" ? "h" : event.shiftKey && event.key === "ArrowRight" ? "l" : event.key;
    const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -rows.count, End: rows.count }[key];
    if (step) choose(chosen + step);
    else if ("fc+=-0hlze".includes(key)) act(key);
    else if (key === "Enter") choose(Math.max(0, chosen), true);
    else if (key === " " && chosen >= 0) model.toggle(chosen) && repaint(true);
    else if (key === "Escape") setShown(false);
    else if (key === "ArrowRight" && chosen >= 0) model.toggle(chosen, true) ? repaint(true) : choose(chosen + 1);
    else if (key === "ArrowLeft" && chosen >= 0) {
      if (model.toggle(chosen, false)) repaint(true);
      else if (trace.parent[model.span] >= 0 || rows.depth[chosen] > 0) {
        let row = chosen - 1;
        while (row > 0 && rows.depth[row] >= rows.depth[chosen]) row--;
        choose(row);
      }
    } else return;
    event.preventDefault();
  };
  const keys = useRef(onKey);
  keys.current = onKey;
  useEffect(() => {
    const listen = (event) => keys.current(event);
    addEventListener("keydown", listen);
    return () => {
      removeEventListener("keydown", listen);
      cancelAnimationFrame(frame.current);
      frame.current = 0;
      clearTimeout(saving.current);
    };
  }, []);
  useEffect(() => repaint(), [model, dark, shown]);
  useEffect(() => {
    if (!model) return;
    const { span, from, to } = link.value.query;
    document.title = `${model.trace.names[model.trace.name[0]]} ${format.duration(model.trace.duration)} · Trackway`;
    if (to) model.look(Number(from || 0), Number(to));
    if (span) api.spanOf(id, span).then((answer) => answer.spans[0] && goTo(answer.spans[0].index), () => {});
    scroller.current?.focus({ preventScroll: true });
  }, [model]);

  if (error)
    return (
      <main class="page">
        <div class="empty" role="alert">
          <h2>{error.status === 404 ? "No such trace" : "The trace cannot be shown"}</h2>
          <p>
            {error.status === 404 ? (
              <>
                <code>{id}</code> was never here, or is older than what is kept.
              </>
            ) : (
              error.message
            )}{" "}
            {error.status !== 404 && (
              <a href={location.href} onClick={(event) => (event.preventDefault(), location.reload())}>
                Try again
              </a>
            )}{" "}
            <a href={address(null, lastSearch())} onClick={follow}>
              All traces
            </a>
          </p>
        </div>
      </main>
    );
  if (!model) return <main class="page muted">Loading…</main>;
  return (
    <main class="trace">
      <Head model={model} act={act} />
      <Overview model={model} repaint={repaint} painters={painters} />
      <div class={shown && model.chosen >= 0 ? "split open" : "split"}>
        <Rows model={model} repaint={repaint} painters={painters} act={act} choose={choose} scroller={scroller} />
        {shown && model.chosen >= 0 && <Details model={model} goTo={goTo} close={() => (setShown(false), scroller.current.focus())} open={() => model.toggle(model.chosen) && repaint(true)} />}
      </div>
    </main>
  );
}
