#!/usr/bin/python3
"""The collector's own address: nothing that was sent stands in an answer that is an error, no path leads out, roles are kept apart;
and what is said when it cannot start. (tests/ingest/test_serve.py: tokens of doors, certificates, drain, systemd, root.)

Needs $TRACKWAY_BUILD (default build/).
"""
import http.client
import os
import socket
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
from _run import run_tests  # noqa: E402
from _serve import TRACKWAY  # noqa: E402
from test_api import STORY, TRACE, Collector  # noqa: E402

MARK = "zq<img src=x>zq"
OFF = [word for door in ("otlp-http", "otlp-grpc", "fdb", "xray", "zipkin", "segments") for word in ("--" + door, "off")]


def what_was_sent_is_not_in_an_error(folder):
    mark = urllib.parse.quote(MARK)
    paths = [f"/{mark}", f"/api/{mark}", f"/assets/{mark}", f"/api/tw/{mark}", f"/api/tw/traces/{mark}", f"/api/tw/traces/{TRACE}/{mark}",
             f"/api/tw/traces/{TRACE}?form={mark}", f"/api/tw/traces/{TRACE}/spans?span={mark}", f"/api/tw/otlp/traces/{mark}",
             f"/api/v2/traces/{mark}", f"/api/search?q={mark}", f"/api/search?tags={mark}", f"/api/v2/search/tag/{mark}",
             f"/api/metrics/query_range?q={mark}", f"/api/traces/{mark}", f"/api/traces?service={mark}&tags={mark}",
             f"/api/traces?service=a&tag={mark}", f"/api/services/{mark}", f"/api/v3/traces/{mark}", f"/api/v3/traces?query.service_name={mark}",
             f"/api/v3/operations?{mark}={mark}", f"/api/tw/tags/{mark}/values?limit={mark}"]
    paths += [f"/api/tw/{call}?{name}={mark}" for call in ("search", "heatmap", "map", "otlp/spans", "tags")
              for name in ("where", "since", "until", "limit", "order", "min_trace", "columns", mark)]
    paths += [f"/api/tw/search?where={urllib.parse.quote(text)}" for text in (f"status={MARK}", f'name~"{MARK}("', f"kind=({MARK}", f'"{MARK}', f"[{{{MARK},")]
    errors = 0
    with Collector(folder) as collector:
        collector.send(STORY)
        for path in paths:
            status, text = collector.ask(path, **{"X-Mark": MARK, "Accept": MARK})
            if status >= 400:
                errors += 1
                assert b"zq" not in text, (path, status, text)
        for path in ("/api/tw/otlp/spans", "/api/transform"):
            status, text = collector.ask(path, MARK.encode(), "http")
            assert status == 400 and b"zq" not in text, (path, status, text)
    assert errors > len(paths) // 2, errors


def paths_lead_nowhere_else(folder):
    with Collector(folder) as collector:
        for path in ("/../../etc/passwd", "/assets/../../../etc/passwd", "/assets/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd",
                     "/assets/%00", "/assets//etc/passwd", "/trace/../../etc/passwd%00"):
            status, text = collector.ask(path)
            assert b"root:" not in text and (status == 404 or b"<!doctype html" in text.lower()), (path, status, text[:80])


def started(folder, *options):
    done = subprocess.run([TRACKWAY, "serve", "--data", folder, *OFF, *options], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and done.stdout == "", (options, done)
    return done.stderr


def what_cannot_be_opened_is_told_with_what_to_do(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = started(os.path.join(folder, "a"), "--http", f"127.0.0.1:{port}")
        assert f"127.0.0.1:{port}" in said and "--http" in said and "another" in said, said
    file = os.path.join(folder, "file")
    with open(file, "w", encoding="utf-8"):
        pass
    for place in (file, os.path.join(file, "below")):
        said = started(place, "--http", "127.0.0.1:0")
        assert place in said and "Not a directory" in said and "--data" in said, said
    assert "--data DIR" in started("off", "--http", "127.0.0.1:0")
    with Collector(folder) as collector:
        said = started(collector.where["data"], "--http", "127.0.0.1:0")
        assert collector.where["data"] in said and "in use" in said and "--data" in said, said
    assert "reached from other machines" in started(os.path.join(folder, "b"), "--http", "0.0.0.0:0")


def spans_sent_to_the_address_of_the_page_are_told_where_to_go(folder):
    with Collector(folder) as collector:
        for path in ("/v1/traces", "/v1/logs", "/api/v2/spans"):
            connection = http.client.HTTPConnection(*collector.address_of("http"), timeout=60)
            connection.request("POST", path, b"{}", {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == 404 and b"--otlp-http" in answer.read(), path
            connection.close()


if __name__ == "__main__":
    sys.exit(run_tests(what_was_sent_is_not_in_an_error, paths_lead_nowhere_else, what_cannot_be_opened_is_told_with_what_to_do,
                       spans_sent_to_the_address_of_the_page_are_told_where_to_go))
