/* waterfall: a trace on a canvas. Only the rows that can be seen are drawn, whatever the trace's size.
 *
 *     names                 | bars: begin and duration to scale
 *     v GET /cart  front    |  ==================================  5 ms
 *       > SELECT x 40       |     | || ||| |  | ||
 *       commit              |     `---> ==           an arc from every further parent
 *
 * State (trace, rows, view, choices) is the owner's; this draws it, and says what is where. Times are ns from the trace's begin. */
import { isDark, palette, serviceColor } from "./color.js";
import * as format from "./format.js";
import { CRITICAL, ERROR, EVENTS, OPEN, ORPHAN, groupKey, groupNumbers } from "./rows.js";

export const ROW = 24;
const INDENT = 13,
  DEEP = 18,
  NAME = 96 /* of a name at any depth, with its caret */,
  BAR = 12,
  ARCS_MAX = 3000;
const FONT = "12px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";

export const namesWidth = (width) => Math.round(Math.max(130, Math.min(420, width * 0.36)));

/* ns -> x and back, for a part [from, to] of time over bars that begin at left. */
export function scale(view, left, right) {
  const perNs = (right - left) / Math.max(1e-6, view.to - view.from);
  return { x: (ns) => left + (ns - view.from) * perNs, ns: (x) => view.from + (x - left) / perNs, perNs };
}

/* Levels that are set in: fewer where names have little room. */
const deepest = (left) => Math.max(2, Math.min(DEEP, Math.floor((left - 8 - NAME) / INDENT)));

/* A canvas, empty, as sharp as the screen is; its context counts in CSS pixels. */
export function blank(canvas, width, height) {
  const ratio = devicePixelRatio || 1,
    g = canvas.getContext("2d");
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  g.scale(ratio, ratio);
  g.font = "11px system-ui, sans-serif";
  g.textBaseline = "middle";
  return g;
}

export class Waterfall {
  constructor(canvas) {
    this.canvas = canvas;
    this.texts = new Map(); /* widths of what was measured */
  }

  size(width, height) {
    const ratio = devicePixelRatio || 1;
    if (this.width === width && this.height === height && this.ratio === ratio) return;
    Object.assign(this, { width, height, ratio });
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
  }

  widthOf(text) {
    let width = this.texts.get(text);
    if (width === undefined) {
      width = this.g.measureText(text).width;
      if (this.texts.size > 20000) this.texts.clear();
      this.texts.set(text, width);
    }
    return width;
  }

  /* text, cut with an ellipsis where it would be wider than room. */
  put(text, x, y, room) {
    if (room < 8) return 0;
    let shown = text.length > 200 ? text.slice(0, 200) : text;
    if (this.widthOf(shown) > room) {
      let low = 0,
        high = shown.length;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (this.g.measureText(`${shown.slice(0, middle)}…`).width <= room) low = middle;
        else high = middle - 1;
      }
      if (!low) return 0;
      shown = `${shown.slice(0, low)}…`;
    }
    this.g.fillText(shown, x, y);
    return this.widthOf(shown);
  }

  /* state: {trace, rows, view, top, chosen, hover, choices, path, ticks}; top: pixels scrolled. */
  draw(state) {
    const g = (this.g = this.canvas.getContext("2d"));
    const { rows, top } = state;
    this.state = state;
    this.colors = palette();
    this.left = namesWidth(this.width);
    this.right = this.width - 14;
    this.scale = scale(state.view, this.left + 8, this.right);
    g.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    g.fillStyle = this.colors.panel;
    g.fillRect(0, 0, this.width, this.height);
    g.font = FONT;
    g.textBaseline = "middle";
    const first = Math.max(0, Math.floor(top / ROW)),
      last = Math.min(rows.count - 1, Math.floor((top + this.height) / ROW));
    this.grid();
    for (let row = first; row <= last; row++) this.background(row, row * ROW - top);
    g.save();
    g.beginPath();
    g.rect(this.left, 0, this.width - this.left, this.height);
    g.clip();
    for (let row = first; row <= last; row++) this.bars(row, row * ROW - top);
    this.arcs(first, last);
    g.restore();
    for (let row = first; row <= last; row++) this.label(row, row * ROW - top);
    g.fillStyle = this.colors.line;
    g.fillRect(this.left, 0, 1, this.height);
    return [first, last];
  }

  grid() {
    const { view } = this.state,
      step = format.steps(view.to - view.from, (this.right - this.left) / 110);
    this.g.fillStyle = this.colors.faint;
    for (let t = Math.ceil(view.from / step) * step; t <= view.to; t += step) this.g.fillRect(Math.round(this.scale.x(t)), 0, 1, this.height);
  }

  background(row, y) {
    const { chosen, hover } = this.state;
    if (row !== chosen && row !== hover) return;
    this.g.fillStyle = row === chosen ? this.colors.chosen : this.colors.hover;
    this.g.fillRect(0, y, this.width, ROW);
    if (row !== chosen) return;
    this.g.fillStyle = this.colors.accent;
    this.g.fillRect(0, y, 3, ROW);
  }

  indent(depth) {
    return 8 + INDENT * Math.min(depth, deepest(this.left));
  }

  label(row, y) {
    const { trace, rows, choices } = this.state,
      g = this.g,
      i = rows.span[row],
      members = rows.groups[row],
      x = this.indent(rows.depth[row]),
      middle = y + ROW / 2 + 0.5;
    const parents = members || trace.size[i] > 1,
      closed = members ? !choices.opened.has(groupKey(trace, members)) : choices.collapsed.has(i);
    g.fillStyle = this.colors.faint; /* where the ancestors are */
    for (let d = Math.min(rows.depth[row], deepest(this.left)); d > 0; d--) g.fillRect(this.indent(d - 1) + 4, y, 1, ROW);
    if (parents) {
      g.fillStyle = this.colors.muted;
      g.beginPath();
      if (closed) g.moveTo(x + 2, middle - 4.5), g.lineTo(x + 7, middle), g.lineTo(x + 2, middle + 4.5);
      else g.moveTo(x, middle - 2.5), g.lineTo(x + 9, middle - 2.5), g.lineTo(x + 4.5, middle + 3);
      g.fill();
    }
    g.fillStyle = serviceColor(trace.services[trace.service[i]]);
    g.fillRect(x + 13, middle - 6, 3, 12);
    const error = members ? groupNumbers(trace, members).errors : trace.flags[i] & ERROR;
    g.fillStyle = error ? this.colors.error : this.colors.ink;
    const room = this.left - x - 24;
    let at = x + 21 + this.put(`${error ? "! " : ""}${trace.names[trace.name[i]] || "(no name)"}`, x + 21, middle, room);
    g.fillStyle = this.colors.muted;
    const notes = [];
    if (members) notes.push(`× ${format.count(members.length)}`);
    if (!members && closed) notes.push(`+ ${format.count(trace.size[i] - 1)}`);
    if (trace.flags[i] & ORPHAN) notes.push("parent missing");
    if (trace.parent[i] < 0 || trace.service[i] !== trace.service[trace.parent[i]]) notes.push(trace.services[trace.service[i]]);
    for (const note of notes) at += 8 + this.put(note, at + 8, middle, this.left - at - 14);
  }

  bars(row, y) {
    const { trace, rows } = this.state,
      members = rows.groups[row],
      i = rows.span[row];
    if (!members) return this.bar(i, row, y);
    const g = this.g,
      top = y + (ROW - BAR) / 2,
      color = serviceColor(trace.services[trace.service[i]]);
    let painted = -Infinity; /* thousands in one row: what would fall onto the same pixel is left out */
    let end = 0;
    g.fillStyle = color;
    g.globalAlpha = 0.75;
    for (const m of members) {
      const x = this.scale.x(trace.begin[m]),
        right = Math.max(x + 1.5, this.scale.x(trace.begin[m] + trace.length[m]));
      end = Math.max(end, right);
      if (right < this.left || x > this.width || (right <= painted + 0.5 && !(trace.flags[m] & ERROR))) continue;
      g.fillStyle = trace.flags[m] & ERROR ? this.colors.error : color;
      g.fillRect(Math.max(x, this.left), top + 2, Math.min(right, this.width) - Math.max(x, this.left), BAR - 4);
      painted = Math.max(painted, right);
    }
    g.globalAlpha = 1;
    const numbers = groupNumbers(trace, members);
    if (numbers.critical && this.state.path) this.under(members, y);
    const total = format.duration(numbers.total),
      all = `${total}, median ${format.duration(numbers.median)}${numbers.errors ? `, ${format.plural(numbers.errors, "error")}` : ""}`,
      x = this.scale.x(trace.begin[i]),
      room = Math.max(this.width - Math.max(end, this.left), x - this.left) - 10;
    this.beside(this.widthOf(all) < room ? all : total, x, end, y, true);
  }

  under(members, y) {
    const { trace } = this.state;
    let painted = this.left;
    this.g.fillStyle = this.colors.path;
    for (const m of members) {
      if (!(trace.flags[m] & CRITICAL)) continue;
      const x = Math.max(painted, this.scale.x(trace.begin[m])),
        right = Math.min(this.width, Math.max(x + 1, this.scale.x(trace.begin[m] + trace.length[m])));
      if (x >= this.width || right <= painted + 0.5) continue;
      this.g.fillRect(x, y + ROW - 4, right - x, 2);
      painted = right;
    }
  }

  bar(i, row, y) {
    const { trace } = this.state,
      g = this.g,
      flags = trace.flags[i],
      top = y + (ROW - BAR) / 2;
    const x = this.scale.x(trace.begin[i]),
      end = this.scale.x(trace.begin[i] + trace.length[i]);
    const from = Math.max(x, this.left - 4),
      to = Math.min(Math.max(end, x + 2), this.width + 4);
    if (to >= this.left && from <= this.width) {
      g.fillStyle = flags & ERROR ? this.colors.error : serviceColor(trace.services[trace.service[i]]);
      g.beginPath();
      if (flags & OPEN) this.ragged(from, to, top);
      else if (to - from > 5) g.roundRect(from, top, to - from, BAR, 2.5);
      else g.rect(from, top, to - from, BAR);
      g.fill();
      if (flags & CRITICAL && this.state.path) {
        g.fillStyle = this.colors.path;
        g.fillRect(from, top + BAR + 1.5, to - from, 2);
      }
      this.ticks(i, top);
    } else {
      /* out of sight: which way */
      g.fillStyle = this.colors.muted;
      const left = to < this.left,
        edge = left ? this.left + 5 : this.width - 5;
      g.beginPath();
      g.moveTo(edge, top + 2);
      g.lineTo(edge + (left ? -4 : 4), top + BAR / 2);
      g.lineTo(edge, top + BAR - 2);
      g.fill();
      return;
    }
    this.beside(flags & OPEN ? `open, > ${format.duration(trace.length[i])}   ` : format.duration(trace.length[i]), x, end, y);
  }

  /* An end that nobody saw: teeth. */
  ragged(from, to, top) {
    const g = this.g,
      teeth = 3,
      bite = Math.min(9, (to - from) / 2);
    g.moveTo(from, top);
    for (let t = 0; t < teeth; t++) {
      g.lineTo(to, top + (BAR * t) / teeth);
      g.lineTo(to - bite, top + (BAR * (t + 0.5)) / teeth);
    }
    g.lineTo(to, top + BAR);
    g.lineTo(from, top + BAR);
    g.closePath();
  }

  /* Right of the bar, else left of it, else inside; plate: on a ground of its own there. */
  beside(text, x, end, y, plate = false) {
    const g = this.g,
      width = this.widthOf(text),
      middle = y + ROW / 2 + 0.5;
    g.fillStyle = this.colors.muted;
    if (Math.max(end, this.left) + 6 + width < this.width - 4) g.fillText(text, Math.max(end, this.left) + 6, middle);
    else if (x - 6 - width > this.left) g.fillText(text, x - 6 - width, middle);
    else if (plate) {
      const at = Math.max(this.left + 2, Math.min(end, this.width) - width - 16);
      g.fillStyle = this.colors.panel;
      g.fillRect(at, y + 4, width + 10, ROW - 9);
      g.fillStyle = this.colors.muted;
      g.fillText(text, at + 5, middle);
    } else {
      g.fillStyle = isDark() ? "#0d1014" : "#fff";
      if (Math.min(end, this.width) - Math.max(x, this.left) > width + 16) g.fillText(text, Math.min(end, this.width - 4) - width - 7, middle);
    }
  }

  /* Events are ticks through the bar, everything else (marks, messages) has a head. */
  ticks(i, top) {
    const { trace, ticks } = this.state,
      g = this.g;
    if (!(trace.flags[i] & EVENTS)) return;
    const list = ticks(i);
    if (!list) return;
    for (const tick of list) {
      const x = Math.round(this.scale.x(tick.at));
      if (x < this.left - 4 || x > this.width) continue;
      g.fillStyle = this.colors.ink;
      g.fillRect(x, top - 3, 1.5, BAR + 6);
      g.beginPath();
      if (tick.kind === "event") g.arc(x + 0.75, top - 3, 2.2, 0, 7);
      else g.moveTo(x - 3, top - 5), g.lineTo(x + 4.5, top - 5), g.lineTo(x + 0.75, top);
      g.fill();
    }
  }

  /* From where each further parent was done (or still going when this began) to where its effect began. */
  arcs(first, last) {
    const { trace, rows, top, chosen } = this.state,
      g = this.g,
      chosenSpan = chosen >= 0 ? rows.span[chosen] : -1;
    let drawn = 0;
    for (const [from, to] of trace.causes) {
      const a = rows.rowOf[from],
        b = rows.rowOf[to];
      if (a === b || (a < first && b < first) || (a > last && b > last)) continue;
      if (++drawn > ARCS_MAX) break;
      const strong = from === chosenSpan || to === chosenSpan;
      const x0 = this.scale.x(Math.min(trace.begin[from] + trace.length[from], Math.max(trace.begin[to], trace.begin[from]))),
        x1 = this.scale.x(trace.begin[to]),
        y0 = a * ROW - top + ROW / 2,
        y1 = b * ROW - top + ROW / 2 + (b > a ? -BAR / 2 : BAR / 2);
      const bow = Math.max(14, Math.min(60, Math.abs(y1 - y0) / 2));
      g.strokeStyle = g.fillStyle = this.colors.cause;
      g.globalAlpha = strong || chosenSpan < 0 ? 1 : 0.7;
      g.lineWidth = strong ? 2.2 : 1.4;
      const down = y1 > y0 ? 1 : -1;
      g.beginPath();
      g.moveTo(x0, y0 + (down * BAR) / 2);
      g.bezierCurveTo(x0 + 4, y0 + down * bow, x1 - 10, y1 - down * bow, x1 + 1, y1 - down * 4);
      g.stroke();
      g.beginPath();
      g.arc(x0, y0 + (down * BAR) / 2, strong ? 2.8 : 2.2, 0, 7);
      g.fill();
      g.beginPath();
      g.moveTo(x1 + 1, y1 + down);
      g.lineTo(x1 - 3.5, y1 - down * 6);
      g.lineTo(x1 + 5, y1 - down * 6);
      g.fill();
    }
    g.globalAlpha = 1;
    g.lineWidth = 1;
  }

  /* What is at a point of the canvas: {row, caret, bars}; row -1: nothing. */
  at(x, y) {
    const { rows, top, trace } = this.state,
      row = Math.floor((y + top) / ROW);
    if (row < 0 || row >= rows.count) return { row: -1, caret: false, bars: x > this.left };
    const from = this.indent(rows.depth[row]) - 4;
    return { row, caret: x >= from && x < from + 17 && (Boolean(rows.groups[row]) || trace.size[rows.span[row]] > 1), bars: x > this.left };
  }
}

/* The axis above, and the overview: how many spans are under way, and the part that is shown. */
export function drawAxis(canvas, trace, view, width) {
  const colors = palette(),
    g = blank(canvas, width, 26),
    left = namesWidth(width),
    at = scale(view, left + 8, width - 14),
    step = format.steps(view.to - view.from, (width - left) / 110);
  for (let t = Math.ceil(view.from / step) * step; t <= view.to * (1 + 1e-12); t += step) {
    const x = Math.round(at.x(t));
    g.fillStyle = colors.line;
    g.fillRect(x, 18, 1, 8);
    g.fillStyle = colors.muted;
    const text = t ? format.duration(t) : "0";
    const half = g.measureText(text).width / 2;
    g.fillText(text, Math.max(left + 4, Math.min(x - half, width - 4 - 2 * half)), 9);
  }
  g.fillStyle = colors.muted;
  g.fillText(view.from > 0 || view.to < trace.duration ? `${format.duration(view.to - view.from)} of ${format.duration(trace.duration)}` : "", 10, 12);
}

const BUCKETS = 400;
/* Spans under way and errors, in equal parts of the trace. */
export function overview(trace) {
  const under = new Float64Array(BUCKETS + 1),
    errors = new Uint8Array(BUCKETS),
    bucket = (ns) => Math.max(0, Math.min(BUCKETS - 1, Math.floor((ns / trace.duration) * BUCKETS)));
  for (let i = 0; i < trace.count; i++) {
    const from = bucket(trace.begin[i]),
      to = bucket(trace.begin[i] + trace.length[i]);
    under[from]++;
    under[to + 1]--;
    if (trace.flags[i] & ERROR) errors[to] = 1;
  }
  for (let b = 1; b < BUCKETS; b++) under[b] += under[b - 1];
  return { under, errors, most: under.subarray(0, BUCKETS).reduce((a, b) => Math.max(a, b), 1) };
}

export function drawOverview(canvas, data, trace, view, drag, width) {
  const height = 36,
    colors = palette(),
    g = blank(canvas, width, height),
    step = width / BUCKETS;
  for (let b = 0; b < BUCKETS; b++) {
    const tall = data.under[b] ? 3 + (height - 12) * (Math.log2(data.under[b] + 1) / Math.log2(data.most + 1)) : 0;
    const from = Math.round(b * step);
    g.fillStyle = colors.accent;
    g.globalAlpha = 0.45;
    g.fillRect(from, height - 5 - tall, Math.round((b + 1) * step) - from, tall);
    g.globalAlpha = 1;
    if (data.errors[b]) {
      g.fillStyle = colors.error;
      g.fillRect(b * step, height - 4, Math.max(2, step), 4);
    }
  }
  const [from, to] = drag ? drag.slice().sort((a, b) => a - b) : [(view.from / trace.duration) * width, (view.to / trace.duration) * width];
  g.fillStyle = colors.bg;
  g.globalAlpha = 0.72;
  g.fillRect(0, 0, from, height);
  g.fillRect(to, 0, width - to, height);
  g.globalAlpha = 1;
  g.fillStyle = colors.accent;
  if (from > 0.5 || to < width - 0.5) {
    g.fillRect(from - 1, 0, 2, height);
    g.fillRect(to - 1, 0, 2, height);
  }
}
