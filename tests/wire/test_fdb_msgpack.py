#!/usr/bin/python3
"""Our FoundationDB datagrams, decoded by python3-msgpack: what test_fdb writes is what somebody else reads.

Needs $TRACKWAY_BUILD (default build/) with tests/wire.test_fdb. Exit code 77 when that or msgpack is missing.
"""
import os
import subprocess
import sys
import tempfile

try:
    import msgpack
except ImportError:
    sys.exit(77)

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.environ.get("TRACKWAY_BUILD") or os.path.join(ROOT, "build")
PROGRAM = os.path.join(BUILD, "tests/wire.test_fdb")
TRACE_HIGH, TRACE_LOW = 0x6a00000001020304, 0x05060708090a0b0c


def decode(folder, name):
    """One value and nothing behind it, strict. Pairs of maps stay in order."""
    with open(os.path.join(folder, name), "rb") as file:
        return msgpack.unpackb(file.read(), raw=True, strict_map_key=False, object_pairs_hook=lambda pairs: pairs)


def vectors(folder):
    common = [0x0102030405060708, 0x1112131415161718, 1.5]
    assert decode(folder, "a1") == [b"127.0.0.1:4500", *common, 0.25, b"Transaction", []]
    assert decode(folder, "a2") == [b"127.0.0.1:4500", *common, 0.25, b"NAPI:getValue", [(b"key", b"\x15\xffk")], [0x2122232425262728]]
    assert decode(folder, "a3") == [b"[::1]:4500:tls", *common, 0.0, b"MP:commitBatch", [], list(range(1, 17))]
    assert decode(folder, "a5") == [b"127.0.0.1:4500", *common, 0.25, b"Transaction", [(b"key", b"k" * 300)]]
    ids = [0xa0a1a2a3a4a5a6a7, 0xb0b1b2b3b4b5b6b7, 0x1112131415161718, 0]
    assert decode(folder, "d1") == [*ids, b"Transaction", 1.5, 1.75, 2, 1, [], [], [(b"address", b"127.0.0.1:4500")]]
    assert decode(folder, "d2") == [*ids, b"GP:x", 1.5, 1.75, 2, 1, [1, 2, 3], [], [(b"address", b"h:1")]]


TAGS = [(b"items", b"-3"), (b"huge", b"18446744073709551615"), (b"ratio", b"0.1"), (b"cached", b"true"),
        (b"digest", b"\x00\xff\x80"), (b"user.id", b"caf\xc3\xa9 \xff"), (b"", b"no key")]


def the_story_in_seven(folder):
    source, trace, span, start, duration, name, tags, parents = decode(folder, "story7")
    assert (source, trace, span, name) == (b"[::1]:4500", TRACE_LOW, 0x1112131415161718, b"load cart")
    assert abs(start - 1795225832.5) < 1e-6 and abs(duration - 0.250000001) < 1e-12
    assert tags == TAGS + [(b"span.kind", b"client"), (b"otel.status_code", b"ERROR"), (b"otel.status_description", b"cart not found")]
    assert parents == [0x2122232425262728, 0x31, 0x32]


def the_story_in_twelve(folder):
    high, low, span, parent, name, begin, end, kind, status, links, events, attributes = decode(folder, "story12")
    assert (high, low, span, parent) == (TRACE_HIGH, TRACE_LOW, 0x1112131415161718, 0x2122232425262728)
    assert (name, kind, status) == (b"load cart", 1, 2)
    assert abs(begin - 1795225832.5) < 1e-6 and abs(end - 1795225832.75) < 1e-6
    assert links == [TRACE_HIGH, TRACE_LOW, 0x31, 0x6a000000ffffffff, 0xffffffffffffffff, 0x32]
    assert events == [b"cache.miss", 1795225832.6, [(b"attempt", b"2"), (b"host", b"h1")],
                      b"here", 1795225832.65, [(b"trackway.kind", b"mark")],
                      b"send", 1795225832.7, [(b"id", b"99"), (b"size", b"1000"), (b"trackway.kind", b"send")]]
    assert attributes == [(b"address", b"[::1]:4500")] + TAGS + [(b"otel.status_description", b"cart not found")]


def shortened_ones_are_whole_values(folder):
    seven, twelve = decode(folder, "large7"), decode(folder, "large12")
    for tags in (seven[6], twelve[11][1:]):
        assert [key for key, _ in tags] == [b"short", b"l1", b"l2", b"l3", b"long"], tags
        assert tags[0][1] == b"whole" and all(value == b"v" * 4096 for _, value in tags[1:])
    assert len(decode(folder, "least7")) in (7, 8) and len(decode(folder, "least12")) == 12


def main():
    if not os.path.exists(PROGRAM):
        return 77
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([PROGRAM], env=dict(os.environ, TRACKWAY_WIRE_DUMP=folder), check=True, capture_output=True)
        for test in (vectors, the_story_in_seven, the_story_in_twelve, shortened_ones_are_whole_values):
            test(folder)
            print("passed", test.__name__)
    return 0


if __name__ == "__main__":
    sys.exit(main())
