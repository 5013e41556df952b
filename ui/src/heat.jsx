/* heat: how many spans took how long, over time. A drag chooses a part of time. Cells: four for each power of two of the
 * duration; the darker, the more, by the logarithm. Errors of a column stand below it. */
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "./api.js";
import { isDark, palette } from "./color.js";
import * as format from "./format.js";
import { go } from "./link.js";
import { parameters } from "./search.jsx";
import { blank } from "./waterfall.js";

const LEFT = 58,
  BELOW = 22,
  HEIGHT = 132,
  ERRORS = 5;

/* The API's cells begin at a power of two and its quarters: which one, and back. */
const place = (ns) => {
  const power = Math.floor(Math.log2(Math.max(1, ns)));
  return 4 * power + 4 * (Math.max(1, ns) / 2 ** power - 1);
};
const row = (ns) => Math.floor(place(ns));
const floor = (k) => 2 ** (k >> 2) * (1 + (k & 3) / 4);

function layout(heat, width) {
  const from = Number(BigInt(heat.from_ns) / 1000n) / 1e3; /* ms */
  const step = heat.step_ns / 1e6;
  let low = Infinity,
    high = -Infinity,
    most = 1;
  for (const column of heat.columns)
    for (const [ns, spans] of column.cells) {
      if (ns < 1 && column.cells.length > 1) continue; /* no duration at all: in the lowest row, wherever that is */
      low = Math.min(low, row(ns));
      high = Math.max(high, row(ns));
      most = Math.max(most, spans);
    }
  if (high - low < 11) {
    const more = 11 - (high - low);
    low -= Math.ceil(more / 2);
    high += Math.floor(more / 2);
  }
  const plot = HEIGHT - BELOW - ERRORS - 2;
  return { from, step, low, high, most, width: width - LEFT, plot, cell: plot / (high - low + 1), column: (width - LEFT) / heat.columns.length };
}

function draw(canvas, heat, drag) {
  const width = canvas.clientWidth,
    g = blank(canvas, width, HEIGHT),
    colors = palette(),
    at = layout(heat, width);
  /* axis of durations */
  g.fillStyle = colors.muted;
  g.textAlign = "right";
  let free = Infinity; /* above the last text */
  for (const ns of format.roundDurations(floor(Math.max(0, at.low)), floor(at.high + 1))) {
    const y = at.plot - (place(ns) - at.low) * at.cell;
    if (y > free || y < 6) continue;
    g.fillText(format.duration(ns), LEFT - 8, y);
    free = y - 16;
  }
  /* cells */
  heat.columns.forEach((column, c) => {
    const x = LEFT + c * at.column;
    for (const [ns, spans] of column.cells) {
      const y = at.plot - (Math.max(0, row(ns) - at.low) + 1) * at.cell;
      g.globalAlpha = 0.22 + 0.78 * (Math.log2(spans + 1) / Math.log2(at.most + 1));
      g.fillStyle = colors.accent;
      g.fillRect(x, y, Math.max(1, at.column - 1), Math.max(1, at.cell - 0.5));
    }
    g.globalAlpha = 1;
    if (column.errors) {
      g.fillStyle = colors.error;
      g.fillRect(x, at.plot + 2, Math.max(1, at.column - 1), ERRORS - 1);
    }
  });
  /* axis of time */
  g.fillStyle = colors.line;
  g.fillRect(LEFT, at.plot + ERRORS + 2, at.width, 1);
  g.fillStyle = colors.muted;
  g.textAlign = "center";
  const span = at.step * heat.columns.length;
  for (const t of format.roundTimes(at.from, span, at.width / 130)) {
    const x = LEFT + ((t - at.from) / span) * at.width,
      text = format.clockShort(t, span),
      half = g.measureText(text).width / 2;
    g.fillStyle = colors.line;
    g.fillRect(Math.round(x), at.plot + ERRORS + 2, 1, 5);
    g.fillStyle = colors.muted;
    if (x + half <= width) g.fillText(text, x, HEIGHT - 7);
  }
  if (drag) {
    g.fillStyle = colors.accent;
    g.globalAlpha = 0.18;
    g.fillRect(Math.min(...drag), 0, Math.abs(drag[1] - drag[0]), at.plot + ERRORS + 2);
    g.globalAlpha = 1;
  }
}

export function Heat({ query, info, turn }) {
  const canvas = useRef(null);
  const [heat, setHeat] = useState(null);
  const [drag, setDrag] = useState(null);
  const [tip, setTip] = useState("");
  const dark = isDark();
  const { where, service, name, since, until } = parameters(query);
  const all = !since && info?.spans ? [info.oldest_ns, String(BigInt(info.newest_ns) + 1000000n)] : [since, until];
  useEffect(() => {
    const stop = new AbortController();
    api.heatmap({ where, service, name, since: all[0], until: all[1], columns: 120 }, stop.signal).then(setHeat, (error) => error.name !== "AbortError" && setHeat(null));
    return () => stop.abort();
  }, [query, all[0], all[1], turn]);
  const empty = !heat || !heat.columns.some((column) => column.spans);
  useEffect(() => {
    if (empty) return;
    const paint = () => canvas.current && draw(canvas.current, heat, drag);
    paint();
    const watch = new ResizeObserver(paint);
    watch.observe(canvas.current);
    return () => watch.disconnect();
  }, [heat, drag, dark, empty]);
  if (empty) return null;
  const x = (event) => Math.max(LEFT, Math.min(event.offsetX, canvas.current.clientWidth));
  const time = (at) => BigInt(heat.from_ns) + BigInt(Math.round(((at - LEFT) / (canvas.current.clientWidth - LEFT)) * heat.step_ns * heat.columns.length));
  const hover = (event) => {
    const at = layout(heat, canvas.current.clientWidth);
    const column = heat.columns[Math.floor((event.offsetX - LEFT) / at.column)];
    const k = at.low + Math.floor((at.plot - event.offsetY) / at.cell);
    const cell = column?.cells.find(([ns]) => row(ns) === k);
    setTip(cell ? `${format.plural(cell[1], "span")} of about ${format.duration(cell[0])}` : column?.errors && event.offsetY > at.plot ? format.plural(column.errors, "error") : "");
    if (drag) setDrag([drag[0], x(event)]);
  };
  const spans = heat.columns.reduce((sum, column) => sum + column.spans, 0);
  return (
    <figure class="heat">
      <figcaption class="muted">
        <span>{format.plural(spans, "span")} by duration; drag to choose a time</span>
        <span>{tip}</span>
      </figcaption>
      <canvas
        ref={canvas}
        role="img"
        aria-label={`Heat map: ${format.plural(spans, "span")} by time and duration`}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag([x(event), x(event)]);
        }}
        onPointerMove={hover}
        onPointerLeave={() => setTip("")}
        onPointerUp={() => {
          if (drag && Math.abs(drag[1] - drag[0]) > 4) {
            const [from, to] = drag.slice().sort((a, b) => a - b);
            go(null, { ...query, range: "", since: String(time(from)), until: String(time(to)) });
          }
          setDrag(null);
        }}
        onPointerCancel={() => setDrag(null)}
      />
    </figure>
  );
}
