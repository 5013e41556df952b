#!/usr/bin/python3
"""FoundationDB's datagrams through the door and past the doctor: published packets, our own exporter, and what harms nothing.

Needs $TRACKWAY_BUILD (default build/).
"""
import json
import os
import socket
import subprocess
import sys

import msgpack
from _collector import BUILD, TRACKWAY, Collector, run_tests

EXPORT = os.path.join(BUILD, "tests", "prog_export")
A1 = bytes.fromhex("97ae3132372e302e302e313a34353030cf0102030405060708cf1112131415161718cb3ff8000000000000cb3fd0000000000000"
                   "ab5472616e73616374696f6e80")
C2 = bytes.fromhex("9ccfa0a1a2a3a4a5a6a7cfb0b1b2b3b4b5b6b7cf1112131415161718cf0000000000000000a447503a78cb3ff8000000000000"
                   "cb3ffc000000000000cc02cc0191cf0000000000000001cf0000000000000002cf00000000000000039081a761646472657373a3683a31")


def every_layout_is_taken_and_bad_ones_harm_nothing(folder):
    with Collector(folder, "fdb") as collector, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        # A packet that a MessagePack library wrote, numbers shortened: layout A as documented, from somebody else's encoder.
        other = msgpack.packb(["10.0.0.1:4500", 7, 8, 1.5, 0.25, "TLog:x", {"a": "b"}, [9, 10]])
        for datagram in (A1, b"", b"foo", C2, A1[:20], other, b"\x97" * 2000, os.urandom(900)):
            sender.sendto(datagram, collector.address())
        found = collector.wait(spans=3, requests=8)
        assert found["bad"] == 5 and found["repaired"] == 1 and found["kernel_drops"] == 0, found


def a_sender_over_ipv6_is_taken(folder):
    with Collector(folder, "fdb", at="[::1]:0") as collector, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.sendto(A1, collector.address())
        collector.wait(spans=1)


def what_our_exporter_sends_arrives_whole(folder):
    with Collector(folder, "fdb") as collector:
        for layout in ("7", "12"):
            segments = os.path.join(folder, "segments-" + layout)
            done = subprocess.run([EXPORT, "500"], capture_output=True, text=True, timeout=60, check=True,
                                  env=dict(os.environ, TRACKWAY_DIR=segments, TRACKWAY_EXPORTER="network_lossy", TRACKWAY_FDB_LAYOUT=layout,
                                           TRACKWAY_FDB="%s:%d" % collector.address()))
            assert "diagnostic" not in done.stderr, done.stderr
        found = collector.wait(spans=2000)
        assert found["bad"] == 0 and found["rejected_spans"] == 0, found


def the_doctor_tells_who_sends_what(folder):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    doctor = subprocess.Popen([TRACKWAY, "doctor", "fdb", f"127.0.0.1:{port}", "--for", "3s", "--json"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
    assert "listening" in doctor.stderr.readline()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two:
        for _ in range(10):
            one.sendto(C2, ("127.0.0.1", port))
        two.sendto(b"GET / HTTP/1.1", ("127.0.0.1", port))
        out, _ = doctor.communicate(timeout=60)
        names = [f"127.0.0.1:{sock.getsockname()[1]}" for sock in (one, two)]
    rows = {row["sender"]: row for row in map(json.loads, out.splitlines())}
    assert doctor.returncode == 0 and set(rows) == set(names), out
    first, second = rows[names[0]], rows[names[1]]
    assert first["datagrams"] == 10 and first["repaired"] == 10 and first["bad"] == 0 and first["service"] == "fdb-GP", first
    assert "7.2 to 7.4" in first["layout"], first
    assert second["bad"] == 1 and "first byte 47" in second["why"], second


def the_doctor_tells_what_to_set_when_nothing_comes(folder):
    done = subprocess.run([TRACKWAY, "doctor", "fdb", "127.0.0.1:0", "--for", "300ms"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "--knob_tracing_sample_rate" in done.stdout, done
    with Collector(folder, "fdb") as collector:
        taken = subprocess.run([TRACKWAY, "doctor", "fdb", collector.where["fdb"], "--for", "300ms"], capture_output=True, text=True,
                               timeout=60)
        assert taken.returncode == 1 and "collector" in taken.stderr, taken
    assert subprocess.run([TRACKWAY, "doctor", "rabbit"], capture_output=True, timeout=60).returncode == 2


if __name__ == "__main__":
    sys.exit(run_tests(every_layout_is_taken_and_bad_ones_harm_nothing, a_sender_over_ipv6_is_taken, what_our_exporter_sends_arrives_whole,
                       the_doctor_tells_who_sends_what, the_doctor_tells_what_to_set_when_nothing_comes))
