/* rows: which rows a trace is shown as. No DOM: node can run it.
 *
 * A row is a span, or a group: FOLD or more children of one parent with the same name and service, shown as one until it is
 * opened. Invariant: every span has exactly one row that stands for it (rowOf): its own, that of its group, or that of the nearest
 * ancestor that is shown. O(spans) for each change; nothing is done for each frame. */

export const FOLD = 5;
export const ERROR = 1,
  OPEN = 2,
  ORPHAN = 4,
  CRITICAL = 8,
  EVENTS = 16;

/* What skeleton.js unpacked; the columns are taken over. */
export function prepare(skeleton) {
  const { columns, count } = skeleton,
    { parent } = columns,
    size = new Int32Array(count).fill(1),
    depth = new Int32Array(count);
  for (let i = count - 1; i >= 0; i--) if (parent[i] >= 0) size[parent[i]] += size[i];
  for (let i = 0; i < count; i++) depth[i] = parent[i] >= 0 ? depth[parent[i]] + 1 : 0;
  return {
    id: skeleton.trace_id,
    start: skeleton.start_ns,
    duration: Math.max(1, skeleton.duration_ns), /* the axis needs a length */
    exact: skeleton.duration_ns,
    count,
    parent,
    size,
    depth,
    begin: columns.start,
    length: columns.duration,
    name: columns.name,
    service: columns.service,
    kind: columns.kind,
    flags: columns.flags,
    critical: columns.critical,
    names: skeleton.names,
    services: skeleton.services,
    causes: skeleton.causes,
  };
}

/* Children of a span (-1: the tops) as entries: a number is a span, an array a group. */
function entries(trace, span, fold) {
  const from = span + 1,
    end = span < 0 ? trace.count : span + trace.size[span],
    children = [];
  for (let i = from; i < end; i += trace.size[i]) children.push(i);
  if (!fold || children.length < FOLD) return children;
  const groups = new Map();
  const key = (i) => trace.name[i] * trace.services.length + trace.service[i];
  for (const i of children) {
    const group = groups.get(key(i));
    if (group) group.push(i);
    else groups.set(key(i), [i]);
  }
  const list = [];
  for (const i of children) {
    const group = groups.get(key(i));
    if (group.length < FOLD) list.push(i);
    else if (group[0] === i) list.push(group);
  }
  return list;
}

export const groupKey = (trace, members) => `${trace.parent[members[0]]}/${members[0]}`;

/* choices: {fold, collapsed: Set of spans, opened: Set of group keys}. Returns {count, span, depth, groups, rowOf}: span is the
 * span of a row or the first of its group, groups[row] the members or undefined. */
export function build(trace, { fold, collapsed, opened }) {
  const span = [],
    depth = [],
    groups = [],
    rowOf = new Int32Array(trace.count);
  const stack = [{ list: entries(trace, -1, fold), at: 0, depth: 0 }];
  while (stack.length) {
    const frame = stack[stack.length - 1];
    if (frame.at === frame.list.length) {
      stack.pop();
      continue;
    }
    const entry = frame.list[frame.at++],
      row = span.length;
    depth.push(frame.depth);
    if (typeof entry !== "number") {
      span.push(entry[0]);
      groups.push(entry);
      if (opened.has(groupKey(trace, entry))) stack.push({ list: entry, at: 0, depth: frame.depth + 1 });
      else for (const i of entry) rowOf.fill(row, i, i + trace.size[i]);
      continue;
    }
    span.push(entry);
    groups.push(undefined);
    rowOf.fill(row, entry, collapsed.has(entry) ? entry + trace.size[entry] : entry + 1);
    if (trace.size[entry] > 1 && !collapsed.has(entry)) stack.push({ list: entries(trace, entry, fold), at: 0, depth: frame.depth + 1 });
  }
  return { count: span.length, span: Int32Array.from(span), depth: Int32Array.from(depth), groups, rowOf };
}

/* Opens whatever hides a span. */
export function reveal(trace, choices, target) {
  for (let i = target; i >= 0; i = trace.parent[i]) {
    if (i !== target) choices.collapsed.delete(i);
    if (!choices.fold) continue;
    for (const entry of entries(trace, trace.parent[i], true)) if (typeof entry !== "number" && entry.includes(i)) choices.opened.add(groupKey(trace, entry));
  }
}

/* Numbers of a group: {errors, critical, total, median, max}. Asked for in every frame, found once. */
const numbers = new WeakMap();
export function groupNumbers(trace, members) {
  let known = numbers.get(members);
  if (!known) numbers.set(members, (known = count(trace, members)));
  return known;
}

function count(trace, members) {
  const lengths = Float64Array.from(members, (i) => trace.length[i]).sort();
  let errors = 0,
    critical = 0,
    total = 0;
  for (const i of members) {
    if (trace.flags[i] & ERROR) errors++;
    if (trace.flags[i] & CRITICAL) critical++;
    total += trace.length[i];
  }
  return { errors, critical, total, median: lengths[lengths.length >> 1], max: lengths[lengths.length - 1] };
}
