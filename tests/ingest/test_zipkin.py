#!/usr/bin/python3
"""Zipkin's door: OpenTelemetry's exporter for it, py_zipkin in both versions of JSON, protobuf by protoc, gzip, and what is refused.

Needs $TRACKWAY_BUILD (default build/).
"""
import gzip
import json
import os
import shutil
import subprocess
import sys

from _clients import install
from _collector import HERE, Collector, run_tests

JSON = {"Content-Type": "application/json"}
PROTOBUF = {"Content-Type": "application/x-protobuf"}


def span(trace, span_id, **more):
    return dict({"traceId": trace, "id": span_id, "name": "n", "timestamp": 1795225832000000, "duration": 1000,
                 "localEndpoint": {"serviceName": "s"}}, **more)


def opentelemetrys_exporter_is_understood(folder):
    with Collector(folder, "zipkin") as collector:
        done = subprocess.run(["node", "zipkin.js", f"http://{collector.where['zipkin']}/api/v2/spans", "40"], cwd=install(),
                              capture_output=True, text=True, timeout=60, check=False)
        traces = done.stdout.split()
        assert done.returncode == 0 and len(traces) == 40, done.stderr
        found = collector.wait(spans=120)
        assert found["bad"] == 0 and found["rejected_spans"] == 0, found
        for trace in traces:
            spans = {one["name"]: one for one in collector.trace(trace)}
            server, client, bad = spans["GET /cart"], spans["SELECT"], spans["pay"]
            assert client["parent_id"] == bad["parent_id"] == server["span_id"] and server["service"] == "otel-zipkin", spans
            assert client["tags"]["text"] == "caf\u00e9" and client["events"][0]["name"] == "cache.miss", client
            assert bad["status"] == "error" and bad["status_message"] == "no money" and "otel.status_code" not in bad["tags"], bad


def py_zipkin_is_understood_in_both_versions(folder):
    from py_zipkin import Encoding
    from py_zipkin.zipkin import zipkin_client_span, zipkin_span
    with Collector(folder, "zipkin") as collector:
        for encoding, path in ((Encoding.V2_JSON, "/api/v2/spans"), (Encoding.V1_JSON, "/api/v1/spans")):
            def transport(body, path=path):
                status, answer = collector.ask("zipkin", "POST", path, body, JSON)
                assert status == 202 and answer == b"", (status, answer)
            before = collector.counters()["spans"]
            with zipkin_span(service_name="web", span_name="get", transport_handler=transport, sample_rate=100, encoding=encoding,
                             binary_annotations={"k": "v"}, use_128bit_trace_id=True) as root:
                trace = root.zipkin_attrs.trace_id
                with zipkin_client_span(service_name="web", span_name="ask"):
                    pass
            collector.wait(spans=before + 2, bad=0)
            spans = {one["name"]: one for one in collector.trace(trace)}
            assert spans["ask"]["parent_id"] == spans["get"]["span_id"] and spans["get"]["tags"]["k"] == "v", spans
            assert spans["get"]["service"] == spans["ask"]["service"] == "web", spans


def a_shared_span_is_two(folder):
    trace = "463ac35c9f6413ad48485a3953bb6124"
    client = span(trace, "000000000000000b", parentId="000000000000000a", kind="CLIENT", localEndpoint={"serviceName": "front"})
    server = span(trace, "000000000000000b", parentId="000000000000000a", kind="SERVER", localEndpoint={"serviceName": "back"}, shared=True)
    child = span(trace, "000000000000000c", parentId="000000000000000b", kind="CLIENT", name="child", localEndpoint={"serviceName": "back"})
    with Collector(folder, "zipkin") as collector:
        for sent in ([server, child], [client], [server, child]):  # the last as a client does that got no answer
            assert collector.ask("zipkin", "POST", "/api/v2/spans", gzip.compress(json.dumps(sent).encode()),
                                 dict(JSON, **{"Content-Encoding": "gzip"})) == (202, b"")
        spans = {one["name"] + one["service"]: one for one in collector.trace(trace)}
        assert len(collector.trace(trace)) == 3, spans
        assert spans["nfront"]["span_id"] == "000000000000000b" == spans["nback"]["parent_id"], spans
        assert spans["childback"]["parent_id"] == spans["nback"]["span_id"] != "000000000000000b", spans


def protobuf_is_what_protoc_writes(folder):
    text = """spans { trace_id: "\\001\\002\\003\\004\\005\\006\\007\\010" id: "\\001\\001\\001\\001\\001\\001\\001\\001" kind: SERVER name: "get"
              timestamp: 1795225832000000 duration: 2000 local_endpoint { service_name: "pb" ipv4: "\\012\\000\\000\\001" port: 80 }
              annotations { timestamp: 1795225832000001 value: "step" } tags { key: "k" value: "v" } shared: false }"""
    encoded = subprocess.run(["protoc", "-I", os.path.join(HERE, "../wire/proto"), "--encode=zipkin.proto3.ListOfSpans", "zipkin.proto"],
                             input=text.encode(), capture_output=True, timeout=20, check=True).stdout
    with Collector(folder, "zipkin") as collector:
        assert collector.ask("zipkin", "POST", "/api/v2/spans", encoded, PROTOBUF)[0] == 202
        assert collector.ask("zipkin", "POST", "/api/v2/spans", encoded[:-1], PROTOBUF)[0] == 400
        (one,) = collector.trace("0" * 16 + "0102030405060708")
        assert one["service"] == "pb" and one["duration_ns"] == 2000000 and one["tags"]["k"] == "v", one
        assert one["events"][0]["time_ns"] == "1795225832000001000", one


def what_is_refused_is_answered_and_counted(folder):
    with Collector(folder, "zipkin") as collector:
        for body in (b"", b"{}", b"[{", b"nonsense", b"[" * 9000, os.urandom(900)):
            status, answer = collector.ask("zipkin", "POST", "/api/v2/spans", body, JSON)
            assert status == 400 and "error" in json.loads(answer), (body[:20], status, answer)
        assert collector.ask("zipkin", "POST", "/api/v1/spans", b"\x0c", {"Content-Type": "application/x-thrift"})[0] == 415
        for path, expected in (("/api/v2/spans", 405), ("/zipkin/", 404)):  # who looks for Zipkin's page
            status, answer = collector.ask("zipkin", "GET", path)
            assert status == expected and "--http" in json.loads(answer)["error"], answer
        assert collector.ask("zipkin", "POST", "/api/v2/spans", json.dumps([{}, span("1", "2")]), JSON)[0] == 202
        collector.wait(bad=7, spans=1, rejected_spans=1)


if __name__ == "__main__":
    if not shutil.which("npm"):
        sys.exit(77)
    sys.exit(run_tests(opentelemetrys_exporter_is_understood, py_zipkin_is_understood_in_both_versions, a_shared_span_is_two,
                       protobuf_is_what_protoc_writes, what_is_refused_is_answered_and_counted))
