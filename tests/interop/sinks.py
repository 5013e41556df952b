"""What collects the spans that programs send: an X-Ray daemon's UDP port, and an OTLP/HTTP receiver.

Each keeps what came and gives it back as a list of simple objects, the same for both: name, trace, id, parent ("" for none),
kind, service, and raw, what it was made of.
"""
import gzip
import http.server
import json
import os
import re
import socket
import subprocess
import threading
import types

HERE = os.path.dirname(os.path.realpath(__file__))
PROTO = os.path.join(HERE, "../wire/proto")


class XRay:
    """The UDP port. A datagram that is not one, or a document that cannot be read, is kept in `wrong`."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.datagrams, self.wrong = [], []
        threading.Thread(target=self.receive, daemon=True).start()

    def receive(self):
        while True:
            datagram = self.socket.recv(65536)
            self.datagrams.append(datagram)

    def documents(self):
        """The last document of each id: an in-progress one gives way to the final one."""
        found = {}
        for datagram in list(self.datagrams):
            head, _, body = datagram.partition(b"\n")
            assert json.loads(head) == {"format": "json", "version": 1}, datagram
            document = json.loads(body)
            if document["id"] not in found or "in_progress" not in document:
                found[document["id"]] = document
        return list(found.values())

    def spans(self):
        spans = []

        def add(document, above):
            segment = document.get("type") != "subsegment" and above is None
            trace = document.get("trace_id") or above.trace
            span = types.SimpleNamespace(name=document["name"], trace=trace.replace("1-", "", 1).replace("-", ""), id=document["id"],
                                         parent=above.id if above else document.get("parent_id", ""), kind="segment" if segment else "subsegment",
                                         service=None, raw=document)
            spans.append(span)
            for child in document.get("subsegments", []):
                add(child, span)
        for document in self.documents():
            add(document, None)
        unique = {span.id: span for span in spans if "in_progress" not in span.raw or not span.raw["in_progress"]}
        return list(unique.values())


def parse_text_format(text):
    """protoc's text of a message as nested dictionaries of lists."""
    stack = [{}]
    for line in text.splitlines():
        line = line.strip()
        if line.endswith("{"):
            inner = {}
            stack[-1].setdefault(line[:-1].strip(), []).append(inner)
            stack.append(inner)
        elif line == "}":
            stack.pop()
        elif line:
            name, _, value = line.partition(": ")
            stack[-1].setdefault(name, []).append(value)
    assert len(stack) == 1
    return stack[0]


def unescape(value):
    """A quoted string of the text format as bytes."""
    assert value[0] == value[-1] == '"', value
    simple = {"n": 10, "r": 13, "t": 9, '"': 34, "'": 39, "\\": 92}
    out, at, body = bytearray(), 0, value[1:-1]
    while at < len(body):
        if body[at] != "\\":
            out += body[at].encode()
            at += 1
        elif body[at + 1] in simple:
            out.append(simple[body[at + 1]])
            at += 2
        else:
            octal = re.match("[0-7]{3}", body[at + 1:])
            out.append(int(octal[0], 8))
            at += 4
    return bytes(out)


KINDS = {"SPAN_KIND_INTERNAL": "internal", "SPAN_KIND_SERVER": "server", "SPAN_KIND_CLIENT": "client", 1: "internal", 2: "server", 3: "client"}


class Otlp:
    """POST /v1/traces, protobuf (read by protoc) or JSON, gzip or not."""

    def __init__(self):
        sink = self

        class Door(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = b""
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.requests.append((self.path, self.headers, body))
                self.send_response(200)
                self.send_header("Content-Type", self.headers["Content-Type"])
                answer = b"{}" if "json" in self.headers["Content-Type"] else b""
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.requests = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def spans(self):
        spans = []
        for path, headers, body in list(self.requests):
            assert path == "/v1/traces", path
            if headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            kind = headers["Content-Type"].partition(";")[0]
            assert kind in ("application/json", "application/x-protobuf"), kind
            spans += self.from_json(json.loads(body)) if kind == "application/json" else self.from_protobuf(body)
        return spans

    @staticmethod
    def from_json(body):
        for resource in body["resourceSpans"]:
            names = [a["value"]["stringValue"] for a in resource["resource"]["attributes"] if a["key"] == "service.name"]
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    yield types.SimpleNamespace(name=span["name"], trace=span["traceId"], id=span["spanId"], parent=span.get("parentSpanId") or "",
                                                kind=KINDS[span["kind"]], service=names[0] if names else None, raw=span)

    @staticmethod
    def from_protobuf(body):
        text = subprocess.run(["protoc", f"--proto_path={PROTO}", "--decode=otlp.ExportTraceServiceRequest", "trace.proto"], input=body,
                              capture_output=True, check=True).stdout.decode()
        for resource in parse_text_format(text).get("resource_spans", []):
            attributes = resource["resource"][0].get("attributes", [])
            names = [unescape(a["value"][0]["string_value"][0]).decode() for a in attributes if a["key"] == ['"service.name"']]
            for scope in resource["scope_spans"]:
                for span in scope["spans"]:
                    get = lambda name: unescape(span[name][0]) if name in span else b""
                    yield types.SimpleNamespace(name=get("name").decode(), trace=get("trace_id").hex(), id=get("span_id").hex(),
                                                parent=get("parent_span_id").hex(), kind=KINDS[span["kind"][0]],
                                                service=names[0] if names else None, raw=span)
