#!/usr/bin/python3
"""Valid and hostile traffic at the same time, at every door: what is valid is taken to the last span, and nothing stops a door.

    test_hostile.py [SECONDS]         default 12; the long form is 600

Under ASan and UBSan when $TRACKWAY_BUILD is such a build: any report ends the collector, which fails the test.
"""
import gzip
import http.client
import json
import os
import random
import socket
import struct
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
from test_serve import JSON, PROTOBUF, TRACES, Collector, request, span, wire  # noqa: E402

CORPUS = os.path.join(HERE, "../../fuzz/corpus")


def corpus(name):
    folder = os.path.join(CORPUS, name)
    return [open(os.path.join(folder, file), "rb").read() for file in sorted(os.listdir(folder))] if os.path.isdir(folder) else []


def small(rng):
    return wire(1, wire(2, wire(2, wire(1, rng.randbytes(16)) + wire(2, rng.randbytes(8)) + wire(5, b"name"))))


def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        kind = rng.randrange(4)
        at = rng.randrange(len(data)) if data else 0
        if kind == 0 and data:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at:at] = rng.randbytes(rng.randint(1, 30))
        elif kind == 2:
            del data[at:at + rng.randint(1, 30)]
        else:
            del data[at:]
    return bytes(data)


class Soak:
    def __init__(self, collector, seconds):
        self.collector, self.until, self.problems = collector, time.monotonic() + seconds, []
        self.sent, self.hostile, self.lock = {"otlp-http": 0, "otlp-grpc": 0}, 0, threading.Lock()

    def address(self, door):
        return self.collector.address_of(door)

    def run(self, work, seed):
        rng = random.Random(seed)
        while time.monotonic() < self.until and not self.problems:
            try:
                work(rng)
            except (OSError, http.client.HTTPException):
                if self.collector.process.poll() is not None:
                    self.problems.append("the collector has ended")

    def count(self, door):
        with self.lock:
            self.sent[door] += 1

    # -- valid: each is taken

    def valid_http(self, rng):
        connection = self.collector.connect()
        for _ in range(rng.randint(1, 20)):
            body, type_, headers = small(rng), PROTOBUF, {}
            if rng.random() < 0.5:
                body, type_ = request(span(trace=rng.randbytes(16).hex(), id=rng.randbytes(8).hex())), JSON
            if rng.random() < 0.5:
                body, headers = gzip.compress(body), {"content_encoding": "gzip"}
            status, answer, _ = self.collector.ask("POST", TRACES, body, connection=connection, content_type=type_, **headers)
            if status != 200 or b"rejected" in answer:
                self.problems.append(f"a valid request was answered with {status} {answer!r}")
                break
            self.count("otlp-http")
        connection.close()

    def valid_grpc(self, rng):
        """A whole call by hand: no HPACK but literals, every frame answered by the server read to the end of the stream."""
        def literal(name, value):
            return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
        head = b"\x83\x86" + literal(b":path", b"/opentelemetry.proto.collector.trace.v1.TraceService/Export") + literal(b":authority", b"x") + \
            literal(b"content-type", b"application/grpc") + literal(b"te", b"trailers")
        body = small(rng)
        message = struct.pack(">BI", 0, len(body)) + body
        frame = lambda kind, flags, stream, content: struct.pack(">I", len(content))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + content
        with socket.create_connection(self.address("otlp-grpc"), 20) as peer:
            peer.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, head) + frame(0, 1, 1, message))
            data = b""
            while True:
                more = peer.recv(65536)
                if not more:
                    self.problems.append(f"a valid call was not answered: {data!r}")
                    return
                data += more
                at, ended, taken = 0, False, False
                while at + 9 <= len(data):
                    size, kind, flags = int.from_bytes(data[at:at + 3], "big"), data[at + 3], data[at + 4]
                    if at + 9 + size > len(data):
                        break
                    taken |= kind == 0 and size == 5
                    ended |= kind == 1 and bool(flags & 1)
                    at += 9 + size
                if ended:
                    if not taken:
                        self.problems.append("a valid call was refused")
                    self.count("otlp-grpc")
                    return

    # -- hostile: any answer will do

    def raw(self, rng, door, data, slow=False):
        with socket.create_connection(self.address(door), 5) as peer:
            peer.settimeout(0.3)
            if rng.random() < 0.2:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # ends with a reset
            for at in range(0, len(data), 7 if slow else max(1, len(data))):
                peer.sendall(data[at:at + (7 if slow else len(data))])
            if rng.random() < 0.7:
                peer.recv(65536)
        self.hostile += 1

    def bad_http(self, rng):
        body = mutate(rng, rng.choice([small(rng), request(span()), gzip.compress(request(span()))] + corpus("otlp_dec")))
        head = rng.choice([
            f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {rng.choice([JSON, PROTOBUF])}\r\n{rng.choice(['', 'Content-Encoding: gzip' + chr(13) + chr(10)])}"
            f"Content-Length: {len(body)}\r\n\r\n",
            "POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nffffffffffffffff\r\n",
            "POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
            "GET /" + "a" * rng.randint(1, 100000) + " HTTP/1.1\r\n\r\n",
            "GET /metrics HTTP/1.1\r\n" + "".join(f"H{i}: v\r\n" for i in range(rng.randint(1, 3000))) + "\r\n",
            "\0" * 100, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]).encode()
        self.raw(rng, rng.choice(["otlp-http", "http"]), head + body, slow=rng.random() < 0.05)

    def bad_gzip(self, rng):
        body = gzip.compress(b" " * rng.choice([1 << 10, 80 << 20])) if rng.random() < 0.3 else mutate(rng, gzip.compress(request(span())))
        self.collector.post(body, type=rng.choice([JSON, PROTOBUF]), content_encoding="gzip")
        self.hostile += 1

    def bad_grpc(self, rng):
        data = rng.choice(corpus("grpc_session"))[2:]
        if rng.random() < 0.2:  # streams opened and reset at once
            data = data[:33] + b"".join(b"\0\0\3\1\5" + struct.pack(">I", 2 * i + 1) + b"\x83\x86\x84" + b"\0\0\4\3\0" + struct.pack(">I", 2 * i + 1) +
                                        b"\0\0\0\x08" for i in range(rng.randint(1, 3000)))
        self.raw(rng, "otlp-grpc", data if rng.random() < 0.1 else mutate(rng, data), slow=rng.random() < 0.1)

    def crowd(self, rng):
        peers = []
        try:
            for _ in range(rng.randint(1, 100)):
                peers.append(socket.create_connection(self.address(rng.choice(["otlp-http", "otlp-grpc", "http"])), 2))
            time.sleep(0.2)
        finally:
            for peer in peers:
                peer.close()

    def bad_datagrams(self, rng):
        for door, name in (("fdb", "fdb_dec"), ("xray", "xray_dec")):
            if door not in self.collector.where:
                continue
            host, port = self.address(door)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
                for _ in range(50):
                    seeds = corpus(name)
                    out.sendto((mutate(rng, rng.choice(seeds)) if seeds and rng.random() < 0.8 else rng.randbytes(rng.randint(0, 1500)))[:65000], (host, port))
                    self.hostile += 1
        time.sleep(0.02)

    def bad_zipkin(self, rng):
        if "zipkin" not in self.collector.where:
            time.sleep(1)
            return
        seeds = corpus("zipkin_dec") + corpus("zipkin_json_dec") + [b'[{"traceId":"1","id":"1"}]']
        self.collector.ask("POST", rng.choice(["/api/v2/spans", "/api/v1/spans"]), mutate(rng, rng.choice(seeds)), door="zipkin",
                           content_type=rng.choice([JSON, PROTOBUF]))
        self.hostile += 1


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 12
    with tempfile.TemporaryDirectory() as folder, Collector(folder, "--fdb", "127.0.0.1:0", "--xray", "127.0.0.1:0", "--zipkin", "127.0.0.1:0",
                                                            "--source-connections", "0", "--waiting-max", "512MiB") as collector:
        soak = Soak(collector, seconds)
        work = [soak.valid_http, soak.valid_grpc, soak.bad_http, soak.bad_http, soak.bad_gzip, soak.bad_grpc, soak.crowd, soak.bad_datagrams, soak.bad_zipkin]
        threads = [threading.Thread(target=soak.run, args=(one, seed)) for seed, one in enumerate(work)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for door in soak.sent:
            before = collector.counter("spans", door) if not soak.problems else 0
            if before < soak.sent[door]:
                soak.problems.append(f"{door}: {soak.sent[door]} spans were acknowledged, {before} stored")
        code, took, _, error = collector.end()
        if code != 0 or took > 30 or "ERROR" in error:
            soak.problems.append(f"it ended with {code} after {took:.1f} s: {error[-3000:]}")
        print(f"{sum(soak.sent.values())} valid requests, {soak.hostile} hostile ones", json.dumps(soak.sent))
        for problem in soak.problems:
            print("FAILED", problem)
        assert all(soak.sent.values()) and soak.hostile, "no traffic"
        return 1 if soak.problems else 0


if __name__ == "__main__":
    sys.exit(main())
