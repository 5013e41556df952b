#!/usr/bin/python3
"""Senders that are not ours, against the collector's doors: the OpenTelemetry SDK for JavaScript over HTTP (protobuf, JSON) and gRPC,
plain, in gzip, with a token, over and over. Every span they sent is in the store, once.

Exit code 77 without npm.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
import _clients  # noqa: E402
from test_serve import TRACKWAY, Collector  # noqa: E402

COUNT = 40


def send(folder, collector, form, compression, *more):
    door = "otlp-grpc" if form == "grpc" else "otlp-http"
    url = f"http://{collector.where[door]}" + ("" if form == "grpc" else "/v1/traces")
    done = subprocess.run(["node", "otel.js", form, compression, url, str(COUNT), *more], cwd=folder, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout.split(), done.stderr


def exported(data):
    """Every span in a store, as OTLP JSON."""
    done = subprocess.run([TRACKWAY, "store", "export", "--data", data], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        for group in json.loads(line)["resourceSpans"]:
            for scope in group["scopeSpans"]:
                for span in scope["spans"]:
                    yield {a["key"]: a["value"] for a in group["resource"]["attributes"]}, scope.get("scope", {}), span


def look(traces, data):
    """Three spans of each trace, with everything that otel.js put in."""
    spans = {}
    for resource, scope, span in exported(data):
        if span["traceId"] not in traces:
            continue
        assert (span["traceId"], span["name"]) not in spans, "a span came twice"
        spans[span["traceId"], span["name"]] = span
        assert resource["service.name"]["stringValue"].startswith("otel-") and scope["name"] == "clients", (resource, scope)
    assert len(spans) == 3 * len(traces), (len(spans), len(traces))
    for trace in traces:
        server, client, bad = (spans[trace, name] for name in ("GET /cart", "SELECT", "pay"))
        assert client["parentSpanId"] == bad["parentSpanId"] == server["spanId"] and not server.get("parentSpanId")
        assert (server["kind"], client["kind"]) == (2, 3)
        assert client["links"][0]["spanId"] == server["spanId"] and client["events"][0]["name"] == "cache.miss"
        tags = {a["key"]: a["value"] for a in client["attributes"]}
        assert tags["text"]["stringValue"] == "caf\u00e9 \U0001f600" and int(tags["large"]["intValue"]) == 9007199254740991
        assert tags["yes"]["boolValue"] is True and tags["int"]["intValue"] in (42, "42") and tags["half"]["doubleValue"] == 0.5
        assert "a" in json.dumps(tags["list"])
        assert bad["status"] == {"code": 2, "message": "no money"} and bad["events"][0]["name"] == "exception"


def main():
    if not shutil.which("npm"):
        return 77
    clients = _clients.install()
    can_look = subprocess.run([TRACKWAY, "store", "--help"], capture_output=True).returncode == 0
    for form in ("proto", "json", "grpc"):
        for compression in ("none", "gzip"):
            with tempfile.TemporaryDirectory() as folder:
                with Collector(folder) as collector:
                    code, traces, error = send(clients, collector, form, compression)
                    assert code == 0 and len(traces) == COUNT, (form, compression, error)
                    door = "otlp-grpc" if form == "grpc" else "otlp-http"
                    assert collector.counter("spans", door) == 3 * COUNT
                    assert collector.counter("bad", door) == collector.counter("rejected_spans", door) == 0
                    assert collector.end()[0] == 0
                if can_look:
                    look(set(traces), os.path.join(folder, "data"))
                print(f"passed {form} {compression}", flush=True)
    with tempfile.TemporaryDirectory() as folder, Collector(folder, env={"TRACKWAY_SERVE_WRITE_TOKEN": "a long secret"}) as collector:
        for form in ("proto", "grpc"):
            assert send(clients, collector, form, "none")[0] == 1, "sent without a token"
            assert send(clients, collector, form, "none", "a long secret")[0] == 0
        print("passed tokens", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
