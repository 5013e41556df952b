#!/usr/bin/python3
"""Prints every record and every span in progress of a segment as JSON lines.

Written from docs/format/segment.md alone, as the oracle for our reader: it shares no code and no header with it.

    tools/decode_segment.py FILE          one JSON object per line, by ticket and offset; spans in progress last
    tools/decode_segment.py --raw FILE    the same; records TAGS are not joined to their spans, and those of open spans that
                                          have ended are shown too

Times are ticks; texts are UTF-8 with what is not shown as escapes; bytes are {"hex": ...}. The file is taken as it is: the page's
rules for a running process are obeyed as far as one process can that reads the file once.
"""

import json
import mmap
import os
import struct
import sys

SLOT_TAGS = 384


def u16(b, at):
    return struct.unpack_from("<H", b, at)[0]


def u32(b, at):
    return struct.unpack_from("<I", b, at)[0]


def u64(b, at):
    return struct.unpack_from("<Q", b, at)[0]


def text(b):
    return bytes(b).decode("utf-8", "backslashreplace")


class Bad(Exception):
    pass


class Segment:
    def __init__(self, data):
        self.data = data
        if len(data) < 4096 or data[:8] != b"TRACKWAY":
            raise Bad("not a segment: no magic")
        if u32(data, 8) > 2:
            raise Bad("a newer version")
        self.file_bytes = u64(data, 16)
        self.map_addr = u64(data, 24)
        self.dict_off, self.dict_bytes, self.blocks_off = u64(data, 32), u64(data, 40), u64(data, 48)
        self.block_max = u32(data, 60)
        self.arena_off = u64(data, 72)
        self.chunk_max = u32(data, 92)
        sizes = (u32(data, 8) in (1, 2), u32(data, 12), u32(data, 56), u32(data, 64), u32(data, 68), u32(data, 88))
        if sizes != (True, 4096, 16384, 512, 31, 8192):
            raise Bad("sizes are not those of this page")
        if self.file_bytes > len(data):
            raise Bad("file is too short")
        if (4096 > self.dict_off or self.dict_off + self.dict_bytes > self.blocks_off or
                self.blocks_off + self.block_max * 16384 > self.arena_off or
                self.arena_off + self.chunk_max * 8192 > self.file_bytes):
            raise Bad("parts do not fit")
        self.chunk_high = min(u32(data, 172), self.chunk_max)
        self.block_high = min(u32(data, 176), self.block_max)
        self.cleared = u64(data, 192)

    def entry(self, number):
        """(kind, payload), or None when there is no such entry."""
        at = number * 8
        if number == 0 or at + 8 > self.dict_bytes:
            return None
        head, units = u32(self.data, self.dict_off + at), u32(self.data, self.dict_off + at + 4)
        kind, length = head >> 24, head & 0xFFFFFF
        if kind not in (1, 2) or at + 8 * units > self.dict_bytes or 8 + length > 8 * units:
            return None
        begin = self.dict_off + at + 8
        return kind, self.data[begin:begin + length]

    def text_of(self, number):
        found = self.entry(number)
        return text(found[1]) if found and found[0] == 1 else "?"

    def site(self, number):
        """name, module, function, line"""
        found = self.entry(number)
        if not found:
            return "?", "", "", 0
        kind, payload = found
        if kind == 1:
            return text(payload), "", "", 0
        if len(payload) < 12:
            return "?", "", "", 0
        lens = [u16(payload, at) for at in (4, 6, 8)]
        if 12 + sum(lens) > len(payload):
            return "?", "", "", 0
        parts, at = [], 12
        for length in lens:
            parts.append(text(payload[at:at + length]))
            at += length
        return parts[0], parts[1], parts[2], u32(payload, 0)

    def add_tags(self, b, at, end, out):
        """Reads the list of tags in b[at:end] into out."""
        replaced = {10: "name", 11: "status_message", 12: "module", 13: "function"}
        while at + 8 <= end:
            head = u32(b, at)
            if head == 0:
                return
            key, kind, length = head & 0xFFFF, head >> 16 & 0xFF, head >> 24
            begin = at
            size = {1: 8, 2: 8, 3: 8, 4: 0, 8: 4, 9: 28, 14: 4, 15: 4, 16: 4, 17: 4 * (length % 4 + 1)}.get(kind, length)
            start = begin + (8 if kind in (1, 2, 3) else 4)
            if kind == 7:
                if begin + 12 > end:
                    return
                word = u32(b, begin + 4)
                size, kind = word & 0xFFFFFF, word >> 24
                if kind not in (5, 6, 10, 11):
                    return
                start = begin + 12
            if kind not in range(1, 18) or kind == 7 or start + size > end:
                return
            value = bytes(b[start:start + size])
            at = begin + (start + size - begin + 7) // 8 * 8
            if kind in replaced:
                out[replaced[kind]] = text(value)
            elif kind == 9:
                out["parents"].append({"trace_id": value[:16].hex(), "span_id": value[16:24].hex(),
                                       "flags": u32(value, 24) & 0xFF})
            elif kind == 14:
                out["line"] = u32(value, 0)
            else:
                parts = [(kind, value)]
                if kind == 17:
                    parts = [(16 if length >> 2 + i & 1 else 15, value[4 * i:4 * i + 4]) for i in range(length % 4 + 1)]
                for kind, value in parts:
                    if key == 0 and "args" in out and not out["tags"]:
                        out["args"].append(self.value(kind, length, value))
                    else:
                        out["tags"][self.text_of(key)] = self.value(kind, length, value)

    def value(self, kind, length, value):
        if kind == 1:
            return struct.unpack("<q", value)[0]
        if kind == 2:
            return u64(value, 0)
        if kind == 3:
            number = struct.unpack("<d", value)[0]
            return number if number == number and abs(number) != float("inf") else repr(number)
        if kind == 4:
            return length != 0
        if kind == 8:
            return self.text_of(u32(value, 0))
        if kind == 15:
            return struct.unpack("<i", value)[0]
        if kind == 16:
            return u32(value, 0)
        return {"hex": value.hex()} if kind == 6 else text(value)

    def fixed(self, b, at, kind):
        head, misc = u64(b, at), u64(b, at + 40)
        bits = head >> 24 & 0xFF
        name, module, function, line = self.site(head >> 32)
        span = (head >> 16 & 0xFF) == 1
        log, call = (head >> 16 & 0xFF) == 9, (head >> 16 & 0xFF) in (12, 13)
        more = {"level": bits & 7, "args": []} if log else {"args": []} if call else {}
        return {
            **more,
            "kind": kind, "time_tick": u64(b, at + 8), "end_tick": u64(b, at + 8),
            "trace_id": "%016x%016x" % (u64(b, at + 16), u64(b, at + 24)), "span_id": "%016x" % u64(b, at + 32),
            "parent_id": "%016x" % (u64(b, at + 48) if span else 0),
            "name": name, "module": module, "function": function, "line": line,
            "tid": misc & 0xFFFFFFFF, "flags": misc >> 32 & 0xFF,
            "status": min(bits >> 3 & 3, 3) % 3, "span_kind": bits & 7 if bits & 7 <= 4 and not log else 0,
            "status_message": "", "tags": {}, "parents": [],
        }

    def records(self):
        """Of each chunk with records: (ticket, offset, bytes of the record, tick when it was written)."""
        for number in range(self.chunk_high):
            chunk = self.arena_off + number * 8192
            word = u64(self.data, chunk)
            if word & 3 in (0, 3):
                continue
            end = u32(self.data, chunk + 12)
            if word & 3 == 1:
                end, owner = 64, u32(self.data, chunk + 8)
                if owner < self.block_high:
                    cursor = u64(self.data, self.blocks_off + owner * 16384 + 80)
                    end = (cursor - self.map_addr - chunk) % 2**64
            if not 64 <= end <= 8192 or end % 8:
                end = 64
            at, written, log = 64, u64(self.data, chunk + 16), None
            while at + 16 <= end:
                length, kind = u16(self.data, chunk + at), self.data[chunk + at + 2]
                if length % 8 or length < {1: 64, 14: 16}.get(kind, 48) or at + length > end or (kind == 14 and not log):
                    break
                if not self.data[chunk + at + 3] & 0x40:
                    written = u64(self.data, chunk + at + (56 if kind == 1 else 8))
                record = self.data[chunk + at:chunk + at + length]
                if kind == 9:
                    log = record
                if kind == 14:  # written out as the log that it stands for
                    record = struct.pack("<HB", length + 32, 9) + record[3:16] + log[16:48] + record[16:]
                yield word >> 16, at, record, written
                at += length

    def slots(self):
        for block in range(self.block_high):
            for slot in range(31):
                at = self.blocks_off + block * 16384 + 512 + slot * 512
                if u64(self.data, at + 32) % 2 and self.data[at + 2] == 1:
                    yield block * 31 + slot, self.data[at:at + 512]


def decode(segment, raw):
    kinds = {1: "span", 2: "event", 3: "mark", 4: "send", 5: "receive", 6: "created", 7: "exited", 8: "tags", 9: "log",
             10: "request", 11: "response", 12: "call", 13: "return"}
    result, more, finished = [], {}, set()
    found = sorted(segment.records(), key=lambda r: r[:2])
    for _, _, b, _ in found:
        key = b[16:40]
        if b[2] == 8:
            more.setdefault(bytes(key), []).append(b)
        if b[2] == 1:
            finished.add(bytes(key))

    for others in more.values():
        others.sort(key=lambda other: u64(other, 8))

    def join(out, b):
        for other in [] if raw else more.get(bytes(b[16:40]), []):
            segment.add_tags(other, 48, len(other), out)

    for ticket, offset, b, written in found:
        kind = b[2]
        if kind not in kinds or (kind == 8 and not raw):
            continue
        out = segment.fixed(b, 0, kinds[kind])
        if kind == 1:
            out["end_tick"] = u64(b, 56)
        if segment.cleared and written <= segment.cleared and not raw:
            continue
        out["ticket"], out["offset"] = ticket, offset
        if kind == 1:
            join(out, b)
        segment.add_tags(b, 64 if kind == 1 else 48, len(b), out)
        result.append(out)
    for number, b in segment.slots():
        if bytes(b[16:40]) in finished and not raw:
            continue
        out = segment.fixed(b, 0, "open")
        out["end_tick"], out["ticket"], out["offset"] = 0, 2**64 - 1, number
        join(out, b)
        end = 96 + min(u64(b, 72), SLOT_TAGS)
        times = u32(b, 484)
        in_record = times % 2 or any(1 <= (u64(other, 40) >> 40) - times // 2 & 0xFFFFFF < 1 << 23
                                     for other in more.get(bytes(b[16:40]), []))
        if raw or not in_record:
            segment.add_tags(b, 96, end, out)
        result.append(out)
    return result


def main(arguments):
    raw = arguments[:1] == ["--raw"]
    if len(arguments) != 1 + raw:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(arguments[-1], "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise Bad("not a segment: empty")
            segment = Segment(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))  # sparse: most of it is never touched
    except (OSError, Bad) as problem:
        print("%s: %s" % (arguments[-1], problem), file=sys.stderr)
        return 1
    for out in decode(segment, raw):
        print(json.dumps(out, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
