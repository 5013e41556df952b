#!/usr/bin/python3
"""X-Ray's door: what the SDKs for JavaScript and Python and our own exporter send, and what SDKs ask about sampling.

Needs $TRACKWAY_BUILD (default build/). The SDK for JavaScript is the one of tests/interop.
"""
import json
import os
import socket
import subprocess
import sys

from _collector import BUILD, HERE, Collector, run_tests

sys.path.insert(0, os.path.join(HERE, "../interop"))
EXPORT = os.path.join(BUILD, "tests", "prog_export")
HEAD = b'{"format": "json", "version": 1}\n'
RULES = {"version": 2, "default": {"fixed_target": 1, "rate": 0},
         "rules": [{"description": "carts", "host": "*", "http_method": "*", "url_path": "/cart/*", "fixed_target": 3, "rate": 0}]}


def hexed(trace_id):
    return trace_id[2:].replace("-", "")


def javascript(collector, *arguments):
    import test_interop
    env = dict(os.environ, NODE_PATH=os.path.join(test_interop.install_peers(), "node_modules"), AWS_XRAY_LOG_LEVEL="silent",
               AWS_XRAY_DAEMON_ADDRESS="%s:%d" % collector.address())
    done = subprocess.run(["node", os.path.join(HERE, "xray_client.js"), *arguments], env=env, capture_output=True, text=True,
                          timeout=60, check=True)
    return json.loads(done.stdout)


def the_sdk_for_javascript_is_understood(folder):
    with Collector(folder, "xray") as collector:
        told = javascript(collector, "documents")
        collector.wait(spans=8, bad=0, rejected_spans=0)
        for name in ("whole", "pieces"):
            spans = {span["name"]: span for span in collector.trace(hexed(told[name]))}
            assert set(spans) == {name, "db", "inside", "bad"}, spans
            top, db = spans[name], spans["db"]
            assert spans["inside"]["parent_id"] == db["span_id"] and db["parent_id"] == top["span_id"] == spans["bad"]["parent_id"]
            assert top["tags"]["http.response.status_code"] == "503" and top["tags"]["k"] == "1" and top["tags"]["b"] is True, top
            assert json.loads(top["tags"]["m"]) == {"a": [1, 2]}, top
            assert top["status"] == "error" and top["tags"]["fault"] is True and top["tags"]["enduser.id"] == "u1", top
            assert db["tags"]["db.query.text"] == "select ?" and db["tags"]["aws.xray.namespace"] == "remote", db
            assert spans["bad"]["status_message"] == "bad thing", spans["bad"]
            event = spans["bad"]["events"][0]
            assert event["name"] == "exception" and any("xray_client.js" in str(tag["value"]) for tag in event["tags"]), event
            assert top["service"] == name, top
        assert spans["bad"]["service"] in ("pieces", "whole", "xray"), spans["bad"]  # whether its segment was sent first


def the_sdk_for_python_is_understood(folder):
    from aws_xray_sdk.core import xray_recorder
    with Collector(folder, "xray") as collector:
        xray_recorder.configure(service="py", sampling=False, daemon_address="%s:%d" % collector.address())
        segment = xray_recorder.begin_segment("py")
        subsegment = xray_recorder.begin_subsegment("work", namespace="remote")
        subsegment.put_annotation("answer", 42)
        subsegment.put_metadata("rows", [1, 2], "cart")
        xray_recorder.end_subsegment()
        trace_id = segment.trace_id
        xray_recorder.end_segment()
        collector.wait(spans=2, bad=0)
        spans = {span["name"]: span for span in collector.trace(hexed(trace_id))}
        assert spans["work"]["parent_id"] == spans["py"]["span_id"] and spans["work"]["tags"]["answer"] == "42", spans
        assert "aws.xray.metadata.cart.rows" in spans["work"]["tags"] and spans["work"]["service"] == "py", spans


def our_own_exporter_arrives_whole(folder):
    with Collector(folder, "xray") as collector:
        for children in ("alone", "embedded"):
            more = {"TRACKWAY_XRAY_CHILDREN": "embedded"} if children == "embedded" else {}
            done = subprocess.run([EXPORT, "200"], capture_output=True, text=True, timeout=60, check=True,
                                  env=dict(os.environ, TRACKWAY_DIR=os.path.join(folder, children), TRACKWAY_EXPORTER="xray",
                                           TRACKWAY_SERVICE="ours", AWS_XRAY_DAEMON_ADDRESS="%s:%d" % collector.address(), **more))
            assert "diagnostic" not in done.stderr, done.stderr
        found = collector.wait(spans=800)
        assert found["bad"] == 0 and found["rejected_spans"] == 0, found
        _, body = collector.ask("http", "GET", "/api/tw/services")
        names = {service["name"] for service in json.loads(body)["services"]}
        assert "ours" in names and names <= {"ours", "xray"}, body  # xray: a child that went ahead of the first segment


def in_progress_gives_way_to_final_and_children_come_first(folder):
    trace = "1-5759e988-bd862e3fe1be46a994272793"
    segment = {"trace_id": trace, "id": "00000000000000aa", "name": "late", "start_time": 1795225832.5}
    child = {"trace_id": trace, "id": "00000000000000bb", "parent_id": "00000000000000aa", "type": "subsegment", "name": "child",
             "start_time": 1795225832.6, "end_time": 1795225832.7}
    with Collector(folder, "xray") as collector, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(collector.address())
        for sent, document in enumerate([child, dict(segment, in_progress=True), dict(segment, end_time=1795225833)], 1):
            sender.send(HEAD + json.dumps(document).encode())
            collector.wait(spans=sent)
            spans = {span["name"]: span for span in collector.trace(hexed(trace))}
            assert len(spans) == min(sent, 2), spans
        assert spans["late"]["duration_ns"] == 500000000 and spans["child"]["parent_id"] == spans["late"]["span_id"], spans


def bad_datagrams_harm_nothing(folder):
    good = HEAD + json.dumps({"trace_id": "1-5759e988-bd862e3fe1be46a994272793", "id": "00000000000000aa", "name": "n",
                              "start_time": 1, "end_time": 2}).encode()
    bad = [b"", b"\n", HEAD, HEAD + b"{", HEAD + b"[" * 9000, b'{"format":"xml","version":1}\n{}', os.urandom(900), good[:-1]]
    with Collector(folder, "xray") as collector, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in bad + [good]:
            sender.sendto(datagram, collector.address())
        found = collector.wait(spans=1, requests=len(bad) + 1)
        assert found["bad"] + found["too_large"] == len(bad), found


def bad_datagrams_take_no_memory(folder):
    with Collector(folder, "xray") as collector, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        taken = []
        for requests in (1000, 4000):
            while collector.counters()["requests"] < requests:
                for _ in range(100):
                    sender.sendto(b"x" * 60000, collector.address())
            with open(f"/proc/{collector.process.pid}/statm", encoding="ascii") as file:
                taken.append(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
        assert taken[1] - taken[0] < 64 << 20, taken


def documents_are_taken_over_http_too(folder):
    good = json.dumps({"trace_id": "1-5759e988-bd862e3fe1be46a994272793", "id": "00000000000000aa", "name": 'n"1', "start_time": 1,
                       "end_time": 2})
    with Collector(folder, "xray") as collector:
        status, body = collector.ask("xray", "POST", "/TraceSegments", json.dumps({"TraceSegmentDocuments": [good, "{", good]}))
        refused = json.loads(body)["UnprocessedTraceSegments"]
        assert status == 200 and [item["ErrorCode"] for item in refused] == ["ParseError"], body
        collector.wait(spans=2)
        for body in ("", "{}", "[]", '{"TraceSegmentDocuments":["'):
            status, _ = collector.ask("xray", "POST", "/TraceSegments", body)
            assert status == 400, body
        assert collector.ask("xray", "GET", "/GetSamplingRules")[0] == 405
        assert collector.ask("xray", "POST", "/other", "{}")[0] == 404


def the_sdk_for_javascript_samples_by_our_rules(folder):
    path = os.path.join(folder, "rules.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(RULES, file)
    with Collector(folder, "xray", "--xray-rules", path) as collector:
        decided = javascript(collector, "sampling", "20")
        assert len(decided) == 20 and decided[0] == "rule-1" and decided.count("rule-1") <= 2, decided  # borrows one a second
        found = collector.counters()
        assert found["requests"] >= 2 and found["bad"] == 0, found


def wrong_rules_are_told_at_the_start(folder):
    path = os.path.join(folder, "rules.json")
    with open(path, "w", encoding="utf-8") as file:
        file.write('{"version": 3}')
    done = subprocess.run([os.path.join(BUILD, "trackway"), "serve", "--data", folder, "--http", "127.0.0.1:0", "--otlp-http", "off",
                           "--otlp-grpc", "off", "--fdb", "off", "--zipkin", "off", "--segments", "off", "--xray", "127.0.0.1:0",
                           "--xray-rules", path], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0 and "version" in done.stderr and "rules.json" in done.stderr, done


if __name__ == "__main__":
    sys.exit(run_tests(the_sdk_for_javascript_is_understood, the_sdk_for_python_is_understood, our_own_exporter_arrives_whole,
                       in_progress_gives_way_to_final_and_children_come_first, bad_datagrams_harm_nothing,
                       bad_datagrams_take_no_memory, documents_are_taken_over_http_too, the_sdk_for_javascript_samples_by_our_rules,
                       wrong_rules_are_told_at_the_start))
