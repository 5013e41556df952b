#!/usr/bin/python3
"""read_store FOLDER: the spans of a store as JSON lines, one a span, sorted; written from docs/format/store.md alone.

Copies are not folded, except that a journal's spans are left out where a partition has them. Needs python3-zstandard and
python3-xxhash; exit code 77 without them.
"""
import json
import os
import sqlite3
import struct
import sys
import time

try:
    import xxhash
    import zstandard
except ImportError:
    sys.exit(77)

MASK = (1 << 64) - 1
DAY, HOUR = 86400, 3600
NONE, INT, UINT, DOUBLE, BOOL, TEXT, BYTES, JSON_TEXT = range(8)


def low_hash(data, seed=0):
    return xxhash.xxh3_64_intdigest(data, seed=seed) & 0xFFFFFFFF


def unzigzag(code):
    return (code >> 1) ^ -(code & 1)


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        piece = self.data[self.at:self.at + n]
        assert len(piece) == n, "cut off"
        self.at += n
        return piece

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def packed(self, n):
        mode = self.u8()
        if mode == 0:
            return self.take(n)
        if mode == 1:
            return self.take(1) * n
        assert mode == 2, mode
        data = zstandard.ZstdDecompressor().decompress(self.take(self.u32()), max_output_size=max(n, 1))
        assert len(data) == n
        return data

    def numbers(self, n):
        width = self.u8()
        if width == 9:
            out = []
            for i, bits in enumerate(self.take((n + 63) // 64)):
                here = min(64, n - 64 * i)
                group = int.from_bytes(self.take((here * bits + 7) // 8), "little")
                out += [group >> bits * k & (1 << bits) - 1 for k in range(here)]
            return out
        assert width <= 8
        out = [0] * n
        for p in range(width):
            for i, byte in enumerate(self.packed(n)):
                out[i] |= byte << 8 * p
        return out

    def texts(self, n):
        lens = self.numbers(n)
        data, out, at = self.packed(sum(lens)), [], 0
        for length in lens:
            out.append(data[at:at + length])
            at += length
        return out

    def dictionary(self, n):
        texts = self.texts(self.u32())
        return [texts[i] for i in self.numbers(n)]


class Columns:
    def __init__(self, data):
        magic, count, check = struct.unpack("<4sII", data[:12])
        assert magic == b"TWB1" and low_hash(data[12:12 + 12 * count], count) == check
        self.columns, base, start, before = {}, 12 + 12 * count, 0, -1
        for i in range(count):
            number, end, check = struct.unpack("<III", data[12 + 12 * i:24 + 12 * i])
            piece = data[base + start:base + end]
            assert number > before and end >= start and low_hash(piece) == check
            self.columns[number], start, before = piece, end, number

    def get(self, ident, place=0):
        return Cursor(self.columns[ident << 24 | place])

    def has(self, ident):
        return ident << 24 in self.columns


def value_of(kind, number):
    if kind == INT:
        return number - (1 << 64) if number >> 63 else number
    return number


def tag(key, kind, cut, value, full):
    shown = value.hex() if isinstance(value, bytes) else value_of(kind, value)
    return [key.hex(), kind, shown] + ([full] if cut else [])


def read_tags(tail, base):
    if not tail.has(base):
        return []
    at = tail.get(base)
    shapes, fields = at.u32(), at.u32()
    lens, places = at.numbers(shapes), at.numbers(fields)
    at = tail.get(base + 1)
    count = at.u32()
    types, counts, keys = at.numbers(count), at.numbers(count), at.texts(count)
    streams = []
    for s in range(count):
        kind, cut, at, fulls = types[s] & 7, types[s] >> 3, tail.get(base + 3, 2 * s), None
        if kind < TEXT:
            least = at.u64()
            values = [(v + least) & MASK for v in at.numbers(counts[s])]
        else:
            different = at.u32()
            values = at.texts(different)
            at = tail.get(base + 3, 2 * s + 1)
            if different != counts[s]:
                values = [values[i] for i in at.numbers(counts[s])]
        if cut:
            fulls = at.numbers(counts[s])
        streams.append(iter([tag(keys[s], kind, cut, v, fulls[i] if cut else None) for i, v in enumerate(values)]))
    first = [sum(lens[:i]) for i in range(shapes)]
    at = tail.get(base + 2)
    out = [[next(streams[p]) for p in places[first[s]:first[s] + lens[s]]] for s in at.numbers(at.u32())]
    assert all(next(stream, None) is None for stream in streams)
    return out


def read_block(head_bytes, tail_bytes):
    head, tail = Columns(head_bytes), Columns(tail_bytes)
    at = head.get(10)
    rows, traces, classes, resources, scopes, names = (at.u32() for _ in range(6))
    base = at.u64()
    trace_ids, trace_rows = head.get(1), head.get(2).numbers(traces)
    firsts, others = head.get(3).numbers(traces), iter(head.get(4).numbers(rows - traces))
    durations, class_of = head.get(5).numbers(rows), head.get(6).numbers(rows)
    at = head.get(7)
    fields = list(zip(*(at.numbers(classes) for _ in range(8))))
    texts, services = head.get(8).texts(names), head.get(9).dictionary(resources)
    ids = [tail.get(1).data[8 * i:8 * i + 8] for i in range(rows)]
    at = tail.get(2)
    parents = at.numbers(rows)
    elsewhere = iter([at.take(8) for _ in range(at.u32())])
    messages, states = tail.get(3).dictionary(rows), tail.get(4).dictionary(rows)
    at = tail.get(5)
    dropped = [at.numbers(rows) for _ in range(3)]
    span_tags, event_tags, link_tags = (read_tags(tail, b) for b in (0x10, 0x20, 0x30))
    at = tail.get(8)
    schema, lost = at.dictionary(resources), at.numbers(resources)
    tags = read_tags(tail, 0x40)
    made_resources = [[services[i].hex(), schema[i].hex(), lost[i], tags[i]] for i in range(resources)]
    at = tail.get(9)
    schema, lost, scope_names, versions = at.dictionary(scopes), at.numbers(scopes), at.dictionary(scopes), at.dictionary(scopes)
    tags = read_tags(tail, 0x50)
    made_scopes = [[scope_names[i].hex(), versions[i].hex(), schema[i].hex(), lost[i], tags[i]] for i in range(scopes)]
    at = tail.get(6)
    event_counts = at.numbers(rows)
    if total := sum(event_counts):
        times, event_names, kinds, lost = at.numbers(total), at.dictionary(total), at.numbers(total), at.numbers(total)
        events = iter([list(e) for e in zip(map(unzigzag, times), (n.hex() for n in event_names), kinds, lost, event_tags)])
    at = tail.get(7)
    link_counts = at.numbers(rows)
    if total := sum(link_counts):
        both = [at.take(24).hex() for _ in range(total)]
        flags, link_states, lost = at.numbers(total), at.dictionary(total), at.numbers(total)
        links = iter([list(e) for e in zip(both, flags, (s.hex() for s in link_states), lost, link_tags)])
    row = 0
    for t in range(traces):
        trace_id, start = trace_ids.take(16), base + firsts[t]
        for i in range(trace_rows[t]):
            start = start + next(others) if i else start
            resource, scope, name, flag, kind, status, door, bits = fields[class_of[row]]
            code = parents[row]
            parent = bytes(8) if code == 0 else next(elsewhere) if code == 1 else ids[row - unzigzag(code - 2)]
            assert bool(bits & 4) == (parent == bytes(8))
            made_events = [next(events) for _ in range(event_counts[row])]
            for event in made_events:
                event[0] = (event[0] + start) & MASK
            yield {"trace": trace_id.hex(), "span": ids[row].hex(), "parent": parent.hex(), "start": start,
                   "end": 0 if bits & 2 else (start + durations[row]) & MASK, "name": texts[name].hex(),
                   "message": messages[row].hex(), "state": states[row].hex(), "flags": flag, "kind": kind, "status": status,
                   "door": door, "open": bits & 1, "dropped": [d[row] for d in dropped], "tags": span_tags[row],
                   "events": made_events, "links": [next(links) for _ in range(link_counts[row])],
                   "resource": made_resources[resource], "scope": made_scopes[scope]}
            row += 1
    assert row == rows


class Filter:
    def __init__(self, at, probes):
        self.bits, self.probes = at.u32(), probes
        self.bytes = at.take(self.bits // 8)

    def has(self, h):
        places = [((h & 0xFFFFFFFF) + k * (h >> 32 | 1)) % (1 << 32) % self.bits for k in range(self.probes)]
        return all(self.bytes[p // 8] >> p % 8 & 1 for p in places)


def check_index(info, spans):
    at = Cursor(info)
    services = {}
    for _ in range(at.u32()):
        name = at.take(at.u32()).hex()
        services[name] = [at.u32(), at.u32(), at.u64()]
    traces, values = Filter(at, 8), Filter(at, 5)
    assert at.u32() == low_hash(info[:-4]) and at.at == len(info)
    expected = {}
    for span in spans:
        entry = expected.setdefault(span["resource"][0], [0, 0, 0])
        entry[0] += 1
        entry[1] += span["status"] == 2
        if span["end"] > span["start"] and not span["open"]:
            entry[2] = max(entry[2], span["end"] - span["start"])
        assert traces.has(xxhash.xxh3_64_intdigest(bytes.fromhex(span["trace"])))
        for key, kind, value, *_ in span["tags"] + span["resource"][3]:
            h = xxhash.xxh3_64_intdigest(bytes.fromhex(key))
            text = kind >= TEXT
            assert values.has(xxhash.xxh3_64_intdigest(bytes.fromhex(value), seed=h) if text else h ^ 0x9E3779B97F4A7C15)
    assert services == expected, (services, expected)


def partition_filters(db):
    """Those of its traces; none: it may have any."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'traces'").fetchone():
        return []
    filters = []
    for (data,) in db.execute("SELECT data FROM traces"):
        if not data:
            return []
        at = Cursor(data)
        filters.append(Filter(at, 8))
        assert at.u32() == low_hash(data[:-4]) and at.at == len(data)
    return filters


def partition_of(start, opened):
    s, o = start // 10**9, opened // 10**9
    if s + DAY >= o and s <= o + DAY:
        return time.strftime("%Y-%m-%dT%H", time.gmtime(s))
    if s < o and s + 400 * DAY >= o:
        return time.strftime("%Y-%m-%d", time.gmtime(s))
    return time.strftime("odd-%Y-%m-%d", time.gmtime(o))


class Arrays:
    """What the records of a journal build up."""

    def __init__(self):
        self.strings, self.fields, self.shapes, self.values = [b""], [], [(0, 0)], []
        self.resources, self.events, self.links, self.rows = [], [], [], []
        self.scopes = [struct.pack("<6I", 0, 0, 0, 0, 0, 0)]

    def record(self, data):
        at = Cursor(data)
        counts = [at.u64() for _ in range(10)]
        lens = [at.u32() for _ in range(counts[0])]
        assert sum(lens) == counts[1]
        self.strings += [at.take(n) for n in lens]
        self.fields += [at.u32() for _ in range(counts[2])]
        self.shapes += [(at.u32(), at.u32()) for _ in range(counts[3])]
        self.values += [at.u64() for _ in range(counts[4])]
        for items, count, size in ((self.resources, counts[5], 24), (self.scopes, counts[6], 24), (self.events, counts[7], 32),
                                   (self.links, counts[8], 48), (self.rows, counts[9], 112)):
            items += [at.take(size) for _ in range(count)]
        assert at.at == len(data)

    def tags(self, shape, value):
        out, (first, count) = [], self.shapes[shape]
        for field in self.fields[first:first + count]:
            kind, cut = field & 7, field >> 3 & 1
            number = self.values[value]
            out.append(tag(self.strings[field >> 4], kind, cut, self.strings[number] if kind >= TEXT else number,
                           self.values[value + 1] if cut else None))
            value += 1 + cut
        return out

    def spans(self):
        text = lambda i: self.strings[i].hex()
        for row in self.rows:
            trace, span, parent, start, end, *n = struct.unpack("<16s8s8sQQ15I4B", row)
            (name, message, state, resource, scope, flags, shape, value, first_event, events, first_link, links,
             *dropped, kind, status, door, is_open) = n
            made_events, made_links = [], []
            for event in self.events[first_event:first_event + events]:
                at, event_name, s, v, lost, event_kind, _ = struct.unpack("<Q6I", event)
                made_events.append([at, text(event_name), event_kind, lost, self.tags(s, v)])
            for link in self.links[first_link:first_link + links]:
                both, link_flags, link_state, s, v, lost, _ = struct.unpack("<24s6I", link)
                made_links.append([both.hex(), link_flags, text(link_state), lost, self.tags(s, v)])
            service, _, schema, s, v, lost = struct.unpack("<6I", self.resources[resource])
            made_resource = [text(service), text(schema), lost, self.tags(s, v)]
            scope_name, version, schema, s, v, lost = struct.unpack("<6I", self.scopes[scope])
            yield {"trace": trace.hex(), "span": span.hex(), "parent": parent.hex(), "start": start, "end": end,
                   "name": text(name), "message": text(message), "state": text(state), "flags": flags, "kind": kind,
                   "status": status, "door": door, "open": is_open, "dropped": dropped, "tags": self.tags(shape, value),
                   "events": made_events, "links": made_links, "resource": made_resource,
                   "scope": [text(scope_name), text(version), text(schema), lost, self.tags(s, v)]}


def read_journal(data, seq):
    """Spans and the time in its head; None: no journal yet."""
    if len(data) < 32:
        return None, 0
    magic, version, zero, number = struct.unpack("<QIIQ", data[:24])
    if (magic, zero, number) != (0x314C4E524A575422, 0, seq):
        return None, 0
    assert version in (1, 2)
    seed = seq if version == 2 else 0
    opened, at, arrays = struct.unpack("<Q", data[24:32])[0], 32, Arrays()
    while len(data) - at >= 24:
        magic, _, length, check = struct.unpack("<4sIQQ", data[at:at + 24])
        body = data[at + 24:at + 24 + length]
        if magic != b"TREC" or len(body) != length or xxhash.xxh3_64_intdigest(body, seed=seed) != check:
            break
        arrays.record(body)
        at += 24 + length
    return arrays.spans(), opened


def read_store(folder):
    spans, sealed = [], {}
    for file in sorted(os.listdir(os.path.join(folder, "blocks"))):
        if not file.endswith(".sqlite"):
            continue
        db = sqlite3.connect(os.path.join(folder, "blocks", file))
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            continue
        assert db.execute("PRAGMA application_id").fetchone()[0] == 0x544C4F54
        assert db.execute("PRAGMA user_version").fetchone()[0] in (1, 2)
        sealed[file[:-7]] = {row[0] for row in db.execute("SELECT seq FROM journal")}
        filters = partition_filters(db)
        for ident, rows, low, high, info in db.execute("SELECT id, rows, min, max, info FROM block ORDER BY id").fetchall():
            head = db.execute("SELECT data FROM head WHERE id = ?", (ident,)).fetchone()[0]
            tail = db.execute("SELECT data FROM tail WHERE id = ?", (ident,)).fetchone()[0]
            block = list(read_block(head, tail))
            assert len(block) == rows
            assert min(s["start"] for s in block) == low & MASK and max(s["start"] for s in block) == high & MASK
            check_index(info, block)
            for span in block:
                trace = xxhash.xxh3_64_intdigest(bytes.fromhex(span["trace"]))
                assert not filters or any(f.has(trace) for f in filters), "no filter of the partition knows " + span["trace"]
            spans += block
        db.close()
    for file in sorted(os.listdir(os.path.join(folder, "journal"))):
        if not file.endswith(".journal"):
            continue
        seq = int(file.split(".")[0])
        with open(os.path.join(folder, "journal", file), "rb") as journal:
            found, opened = read_journal(journal.read(), seq)
        spans += [s for s in found or [] if seq not in sealed.get(partition_of(s["start"], opened), ())]
    return spans


def main():
    for line in sorted(json.dumps(span, sort_keys=True) for span in read_store(sys.argv[1])):
        print(line)


if __name__ == "__main__":
    main()
