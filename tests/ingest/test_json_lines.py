#!/usr/bin/python3
"""The door for JSON lines: nameko-tracer's records in both profiles and our own, over a Unix socket.

Needs $TRACKWAY_BUILD (default build/).
"""
import json
import os
import socket
import subprocess
import sys

from _collector import BUILD, Collector, run_tests

CALLS = os.path.join(BUILD, "tests", "prog_calls")
ROOT, CHILD = "web.get.1a2b", "cart.items.3c4d"


def record(stage, service, name, call_id, stack, **more):
    return dict({"timestamp": "2026-11-27 12:00:00.500000", "hostname": "h", "service": service, "entrypoint_type": "Rpc",
                 "entrypoint_name": name, "context_data": {"user_id": 7}, "call_id": call_id, "call_id_stack": stack, "stage": stage,
                 "call_args": {"a": [1, 2]}, "call_args_redacted": False}, **more)


class Sent:
    def __init__(self, collector):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(collector.where["json-socket"])

    def send(self, *records):
        self.socket.sendall(b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in records))


def collector_of(folder, *more):
    collector = Collector(folder, "json-socket", "--json-socket", os.path.join(folder, "lines"), *more)
    return collector


def traces(collector):
    _, body = collector.ask("http", "GET", "/api/tw/search?since=0")
    return [one["trace_id"] for one in json.loads(body)["traces"]]


def requests_and_responses_are_one_span_and_chains_join(folder):
    with collector_of(folder) as collector:
        sent = Sent(collector)
        response = {"response_status": "success", "response": {"n": float("nan"), "data": "b'x'"}, "response_time": 0.25}
        sent.send(record("request", "web", "get", ROOT, [ROOT]), record("request", "cart", "items", CHILD, [ROOT, CHILD]))
        collector.wait(spans=2)
        sent.send(record("response", "cart", "items", CHILD, [ROOT, CHILD], response_status="error", exception_type="Gone",
                         exception_path="shop.Gone", exception_value="no cart", exception_traceback="T", exception_args=[],
                         exception_expected=False, response_time=0.125), record("response", "web", "get", ROOT, [ROOT], **response))
        collector.wait(spans=4, bad=0)
        (trace,) = traces(collector)
        spans = {span["name"]: span for span in collector.trace(trace)}
        web, cart = spans["web.get"], spans["cart.items"]
        assert len(spans) == 2 and cart["parent_id"] == web["span_id"] and web["parent_id"] == "0" * 16, spans
        assert web["duration_ns"] == 250000000 and cart["duration_ns"] == 125000000 and web["service"] == "web", spans
        assert cart["status"] == "error" and cart["status_message"] == "no cart" and cart["events"][0]["name"] == "exception", cart
        assert web["tags"]["call.call_args"] == '{"a":[1,2]}' and web["tags"]["call.entrypoint_type"] == "Rpc", web
        assert web["resource"]["host.name"] == "h", web


def the_older_profile_is_understood(folder):
    old = {"timestamp": "2026-11-27T12:00:00Z", "service": "web", "provider": "Rpc", "provider_name": "get", "entrypoint": "web.get",
           "call_id": ROOT, "call_stack": [ROOT], "lifecycle_stage": "response", "return_args": [1], "status": "success", "response_time": 1}
    with collector_of(folder) as collector:
        Sent(collector).send(old)
        collector.wait(spans=1, bad=0)
        (span,) = collector.trace(traces(collector)[0])
        assert span["name"] == "web.get" and span["duration_ns"] == 1000000000 and span["tags"]["call.response"] == "[1]", span


def a_request_without_a_response_is_marked(folder):
    with collector_of(folder, "--json-timeout", "1s") as collector:
        Sent(collector).send(record("request", "web", "get", ROOT, [ROOT]))
        collector.wait(spans=2)
        (span,) = collector.trace(traces(collector)[0])
        assert span["status"] == "error" and span["status_message"] == "no response" and span["tags"]["call.no_response"] is True, span


def bad_lines_harm_nothing(folder):
    with collector_of(folder) as collector:
        sent = Sent(collector)
        sent.send(b"", b"{", b"[]", b"{}", b"x" * (2 << 20), b"\xff\xfe", record("other", "w", "g", "i", []), record("request", "w", "g", "i", ["i"]))
        found = collector.wait(spans=1, too_large=1)
        assert found["bad"] == 5, found


def our_own_lines_are_understood(folder):
    segments = os.path.join(folder, "segments")
    os.mkdir(segments, 0o700)
    env = dict(os.environ, TRACKWAY_DIR=segments)
    with subprocess.Popen([CALLS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as program:
        assert program.stdout.readline() == b"ready\n"
        lines = subprocess.run([os.path.join(BUILD, "trackway"), "calls"], capture_output=True, timeout=60, check=True, env=env).stdout.splitlines()
        program.kill()
    assert len(lines) > 4, lines
    with collector_of(folder) as collector:
        Sent(collector).send(*lines)
        found = collector.wait(requests=len(lines), bad=0)
        assert found["requests"] == len(lines), found


if __name__ == "__main__":
    sys.exit(run_tests(requests_and_responses_are_one_span_and_chains_join, the_older_profile_is_understood,
                       a_request_without_a_response_is_marked, bad_lines_harm_nothing, our_own_lines_are_understood))
