/* layout: where the services of a map stand. Callers before callees, in layers by the longest way from one that nobody calls;
 * of a circle, the call that closes it runs backwards. In a layer, the order is that of the means of their neighbours (the best
 * of some sweeps, by crossings), and each stands as near to that mean as order and size allow. A call over several layers has
 * a bend in each, so that it runs between services and never below one. What is not connected stands
 * below each other, each with its layers side by side, or one below the other where only that fits; what is connected to nothing
 * in rows at the end. No DOM; about E log E of bends for each sweep. */

const SWEEPS = 12,
  THIN = 8, /* of a bend */
  PORT = 9; /* between two calls at the same side of a service */

/* Eighths of a pixel: short in the page, and sums of them are exact. */
const round = (x) => Math.round(8 * x) / 8;
const mean = (list) => list.reduce((sum, n) => sum + n, 0) / list.length;

/* For each of edges whether it closes a circle, and all vertices in an order in which the others lead forward. */
export function forward(count, edges) {
  const out = Array.from({ length: count }, () => []),
    surplus = new Array(count).fill(0),
    called = new Array(count).fill(0),
    state = new Array(count).fill(0), /* 1: on the way, 2: done */
    back = new Array(edges.length).fill(false),
    order = [];
  edges.forEach(([from, to], e) => {
    out[from].push(e);
    called[to]++;
    surplus[from]++;
    surplus[to]--;
  });
  const visit = (v) => {
    state[v] = 1;
    for (const e of out[v]) {
      const to = edges[e][1];
      if (state[to] === 1) back[e] = true;
      else if (!state[to]) visit(to);
    }
    state[v] = 2;
    order.push(v);
  };
  const first = [...out.keys()].sort((a, b) => Boolean(called[a]) - Boolean(called[b]) || surplus[b] - surplus[a] || a - b);
  for (const v of first) if (!state[v]) visit(v);
  return { back, order: order.reverse() };
}

/* The graph with bends: vertices from count on are bends; ways: for each edge its vertices, from the earlier layer on. */
function bend(count, edges) {
  const { back, order } = forward(count, edges),
    layer = new Array(count).fill(0),
    next = Array.from({ length: count }, () => []);
  edges.forEach(([from, to], e) => (back[e] ? next[to].push(from) : next[from].push(to)));
  for (const v of order) for (const to of next[v]) layer[to] = Math.max(layer[to], layer[v] + 1);
  const graph = { count, back, layer, up: [], down: [], layers: [] };
  const add = (v) => {
    graph.up[v] = [];
    graph.down[v] = [];
    (graph.layers[layer[v]] ||= []).push(v);
  };
  order.forEach(add);
  graph.ways = edges.map(([from, to], e) => {
    const [a, b] = back[e] ? [to, from] : [from, to],
      way = [a];
    for (let l = layer[a] + 1; l < layer[b]; l++) {
      way.push(layer.length);
      layer.push(l);
      add(layer.length - 1);
    }
    way.push(b);
    for (let i = 1; i < way.length; i++) {
      graph.down[way[i - 1]].push(way[i]);
      graph.up[way[i]].push(way[i - 1]);
    }
    return way;
  });
  return graph;
}

/* How many lines cross, by a Fenwick tree over each pair of layers. */
export function crossings(layers, down) {
  let sum = 0;
  for (let l = 0; l + 1 < layers.length; l++) {
    const at = new Map(layers[l + 1].map((v, i) => [v, i + 1])),
      tree = new Array(at.size + 1).fill(0);
    let seen = 0;
    for (const v of layers[l]) {
      const ends = down[v].map((to) => at.get(to));
      for (const end of ends) {
        let before = 0;
        for (let i = end; i > 0; i -= i & -i) before += tree[i];
        sum += seen - before;
      }
      for (const end of ends) for (let i = end; i < tree.length; i += i & -i) tree[i]++;
      seen += ends.length;
    }
  }
  return sum;
}

function sort(graph) {
  const { layers, up, down } = graph,
    place = [];
  const number = (layer) => layer.forEach((v, i) => (place[v] = i));
  layers.forEach(number);
  let best = layers.map((layer) => layer.slice()),
    least = crossings(layers, down);
  for (let sweep = 0; sweep < SWEEPS && least; sweep++) {
    const falling = sweep % 2 === 0,
      near = falling ? up : down;
    for (const layer of falling ? layers : layers.slice().reverse()) {
      const middle = new Map(layer.map((v) => [v, near[v].length ? mean(near[v].map((other) => place[other])) : place[v]]));
      layer.sort((a, b) => middle.get(a) - middle.get(b));
      number(layer);
    }
    const now = crossings(layers, down);
    if (now < least) {
      least = now;
      best = layers.map((layer) => layer.slice());
    }
  }
  graph.layers = best;
}

/* The places nearest to those wanted (least squares) that keep the distances: offset[i] - offset[i - 1] or more. */
export function settle(wanted, offset) {
  const blocks = [];
  wanted.forEach((want, i) => {
    let block = { sum: want - offset[i], of: 1 };
    for (let last; (last = blocks.at(-1)) && last.sum / last.of > block.sum / block.of; blocks.pop()) block = { sum: block.sum + last.sum, of: block.of + last.of };
    blocks.push(block);
  });
  return blocks.flatMap(({ sum, of }) => new Array(of).fill(sum / of)).map((x, i) => x + offset[i]);
}

/* Across the layers: the middle of each vertex. */
function across(graph, size, gap) {
  const { layers, up, down, count } = graph,
    at = [];
  const wide = (v) => (v < count ? size : THIN);
  const offsets = layers.map((layer) => {
    let sum = 0;
    return layer.map((v, i) => (i ? (sum += (wide(layer[i - 1]) + wide(v)) / 2 + (v < count || layer[i - 1] < count ? gap : 4)) : 0));
  });
  layers.forEach((layer, l) => layer.forEach((v, i) => (at[v] = offsets[l][i] - offsets[l].at(-1) / 2)));
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const falling = sweep % 2 === 0;
    for (let i = 0; i < layers.length; i++) {
      const l = falling ? i : layers.length - 1 - i;
      const wanted = layers[l].map((v) => {
        const near = sweep > SWEEPS - 3 ? [...up[v], ...down[v]] : falling ? up[v] : down[v];
        return near.length ? mean(near.map((other) => at[other])) : at[v];
      });
      settle(wanted, offsets[l]).forEach((x, k) => (at[layers[l][k]] = x));
    }
  }
  const least = Math.min(...layers.flat().map((v) => at[v] - wide(v) / 2));
  return at.map((x) => round(x - least));
}

/* How far from the middle of its service each way begins and ends, so that none lies on another. */
function ports(graph, at, size) {
  const begins = [],
    ends = [],
    sides = new Map();
  graph.ways.forEach((way, e) => {
    for (const [list, v, other] of [[begins, way[0], way[1]], [ends, way.at(-1), way.at(-2)]]) {
      const key = list === begins ? v : ~v;
      sides.set(key, [...(sides.get(key) || []), { list, e, to: at[other] }]);
    }
  });
  for (const side of sides.values()) {
    const step = Math.min(PORT, (size - 14) / Math.max(1, side.length - 1));
    side.sort((a, b) => a.to - b.to || a.e - b.e).forEach(({ list, e }, i) => (list[e] = round((i - (side.length - 1) / 2) * step)));
  }
  return { begins, ends };
}

/* One direction: box is a service, [along, across] the layers. Points of a way: [along, across] where it leaves and enters each. */
function stand(graph, [length, breadth], gap, between) {
  const at = across(graph, breadth, gap),
    { begins, ends } = ports(graph, at, breadth),
    from = [0];
  for (let l = 1; l < graph.layers.length; l++) {
    const steep = Math.max(...graph.layers[l].flatMap((v) => graph.up[v].map((other) => Math.abs(at[v] - at[other]))));
    from[l] = from[l - 1] + length + round(between * (1 + Math.min(1, steep / 400)));
  }
  const ways = graph.ways.map((way, e) => {
    const points = way.flatMap((v, i) => {
      const x = from[graph.layer[v]],
        y = at[v] + (i === 0 ? begins[e] : i === way.length - 1 ? ends[e] : 0);
      return [...(i ? [[x, y]] : []), ...(i < way.length - 1 ? [[x + length, y]] : [])];
    });
    return graph.back[e] ? points.reverse() : points;
  });
  return {
    along: from.at(-1) + length,
    across: Math.max(...graph.layers.flat().map((v) => at[v] + (v < graph.count ? breadth : THIN) / 2)),
    nodes: at.slice(0, graph.count).map((y, v) => [from[graph.layer[v]], y - breadth / 2]),
    ways,
  };
}

/* The edges by what is connected: a list of lists of their numbers, the largest first. */
function parts(count, edges) {
  const above = [...Array(count).keys()];
  const top = (v) => {
    while (above[v] !== v) v = above[v] = above[above[v]];
    return v;
  };
  for (const [from, to] of edges) above[top(from)] = top(to);
  const found = new Map();
  edges.forEach(([from], e) => found.set(top(from), [...(found.get(top(from)) || []), e]));
  return [...found.values()].sort((a, b) => b.length - a.length);
}

/* edges: [caller, callee] of each, numbers below count, no service with itself. gap: in a layer; between: layers, where lines
 * are flat; up to twice that where they are steep. room: how wide the map may be; it is wider where that is too little.
 * {width, height, order: the services as one reads them, nodes: [x, y] of each, its upper left; ways: of each edge {down, points},
 * points from the caller on: to an odd one leads a curve, to an even one a line}. */
export function layout(count, edges, { width, height, gap, between, room }) {
  const result = { width: 0, height: 0, order: [], nodes: [], ways: [] };
  for (const part of parts(count, edges)) {
    const own = [...new Set(part.flatMap((e) => edges[e]))].sort((a, b) => a - b),
      number = new Map(own.map((v, i) => [v, i])),
      graph = bend(own.length, part.map((e) => edges[e].map((v) => number.get(v)))),
      top = result.height && result.height + 2 * gap;
    sort(graph);
    let found = stand(graph, [width, height], gap, between),
      down = false;
    if (found.along > room) {
      const other = stand(graph, [height, width], gap, between);
      if (other.across <= room) [found, down] = [other, true];
    }
    const turn = ([along, across]) => (down ? [across, top + along] : [along, top + across]);
    const [right, bottom] = turn([found.along, found.across]);
    result.width = Math.max(result.width, right);
    result.height = bottom;
    found.ways.forEach((points, i) => (result.ways[part[i]] = { down, points: points.map(turn) }));
    found.nodes.forEach((node, i) => (result.nodes[own[i]] = turn(node)));
    result.order.push(...graph.layers.flat().filter((v) => v < own.length).map((v) => own[v]));
  }
  const columns = Math.max(1, Math.floor((Math.max(room, result.width) + gap) / (width + gap)));
  const top = result.height && result.height + 2 * gap;
  let alone = 0;
  for (let v = 0; v < count; v++) {
    if (result.nodes[v]) continue;
    const x = (alone % columns) * (width + gap),
      y = top + Math.floor(alone++ / columns) * (height + gap);
    result.nodes[v] = [x, y];
    result.order.push(v);
    result.width = Math.max(result.width, x + width);
    result.height = y + height;
  }
  return result;
}
