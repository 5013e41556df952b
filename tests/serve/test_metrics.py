#!/usr/bin/python3
"""/metrics: rate, errors and duration of operations and of calls between services, against spans whose counts are known.

The page is read by a parser of our own that takes nothing but what Prometheus' text form 0.0.4 allows, and checks what scraping
checks: each series once, families in one piece, histograms cumulative and whole. Needs $TRACKWAY_BUILD (default build/).
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
from _run import run_tests  # noqa: E402
from test_api import Collector, resource, span  # noqa: E402  pylint: disable=wrong-import-position

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
VALUE = re.compile(r"[+-]?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|Inf)|NaN")
KINDS = ("counter", "gauge", "histogram", "summary", "untyped")


def labels_of(text):
    labels, at = {}, 0
    while at < len(text):
        found = LABEL.match(text, at)
        assert found, f"labels: {text!r} at {at}"
        assert found[1] not in labels, f"label twice: {text!r}"
        labels[found[1]] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], found[2])
        at = found.end()
    return labels


def parse(body):
    """{name: {labels as a sorted tuple: value}} of a page, and {family: type}."""
    text = body.decode("utf-8")
    assert text.endswith("\n") and "\r" not in text
    samples, types, helps, done, family = {}, {}, set(), set(), None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            assert NAME.fullmatch(name) and name not in helps, line
            helps.add(name)
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types and kind in KINDS, line
            assert (kind == "counter") == name.endswith("_total"), line
            types[name] = kind
            done.add(family)
            family = name
            assert family not in done, f"family in two pieces: {line}"
            continue
        assert line and not line.startswith("#"), f"neither comment nor sample: {line!r}"
        found = re.fullmatch(r"([^{ ]+)(?:\{(.*)\})? ([^ ]+)", line)
        assert found and NAME.fullmatch(found[1]) and VALUE.fullmatch(found[3]), line
        of_histogram = types[family] == "histogram" and found[1] in (family + "_bucket", family + "_sum", family + "_count")
        assert found[1] == family and types[family] != "histogram" or of_histogram, f"outside of its family: {line}"
        key = tuple(sorted(labels_of(found[2] or "").items()))
        assert key not in samples.setdefault(found[1], {}), f"series twice: {line}"
        samples[found[1]][key] = float(found[3])
    for name in (name for name, kind in types.items() if kind == "histogram" and name + "_count" in samples):
        rows = {}
        for key, value in samples[name + "_bucket"].items():
            le = dict(key)["le"]
            rows.setdefault(tuple(item for item in key if item[0] != "le"), []).append((float(le), value))
        assert rows.keys() == samples[name + "_count"].keys() == samples[name + "_sum"].keys(), name
        for key, buckets in rows.items():
            assert [le for le, _ in buckets] == sorted(le for le, _ in buckets) and buckets[-1][0] == float("inf"), (name, key)
            assert [n for _, n in buckets] == sorted(n for _, n in buckets), (name, key)
            assert buckets[-1][1] == samples[name + "_count"][key], (name, key)
    return samples, types


def scrape(collector):
    status, body = collector.ask("/metrics")
    assert status == 200, (status, body)
    return parse(body)[0]


def value(samples, name, **labels):
    return samples[name].get(tuple(sorted(labels.items())))


def operation(service, name, kind, status="UNSET"):
    return {"service": service, "span_name": name, "span_kind": f"SPAN_KIND_{kind}", "status_code": f"STATUS_CODE_{status}"}


def each_operation_has_its_rate_errors_and_durations(folder):
    with Collector(folder) as collector:
        spans = [span(i + 1, 0, "GET /cart", 0, 3000, 2) for i in range(10)]
        spans += [span(20, 0, "GET /cart", 0, 700000, 2, error="no stock"), span(21, 0, "tick", 0, 0)]
        collector.send({"resourceSpans": [resource("front", *spans)]})
        collector.send({"resourceSpans": [resource("front", span(22, 0, "GET /cart", 0, 120_000_000, 2, error="late"))]})
        samples = scrape(collector)
        assert value(samples, "traces_spanmetrics_calls_total", **operation("front", "GET /cart", "SERVER")) == 10
        assert value(samples, "traces_spanmetrics_calls_total", **operation("front", "GET /cart", "SERVER", "ERROR")) == 2
        assert value(samples, "traces_spanmetrics_calls_total", **operation("front", "tick", "INTERNAL")) == 1
        # In protobuf: two ids of 18 and 10 bytes, a name and its 2, a kind of 2, two times of 9.
        assert value(samples, "traces_spanmetrics_size_total", **operation("front", "tick", "INTERNAL")) == 18 + 10 + 2 + 4 + 2 + 18
        assert value(samples, "traces_spanmetrics_size_total", **operation("front", "GET /cart", "SERVER")) == 10 * (18 + 10 + 2 + 9 + 2 + 18)
        assert abs(value(samples, "traces_spanmetrics_latency_sum", **operation("front", "GET /cart", "SERVER")) - 0.03) < 1e-9
        failed = operation("front", "GET /cart", "SERVER", "ERROR")
        assert abs(value(samples, "traces_spanmetrics_latency_sum", **failed) - 120.7) < 1e-9
        for le, count in (("0.5", 0), ("1", 1), ("10", 1), ("+Inf", 2)):
            assert value(samples, "traces_spanmetrics_latency_bucket", le=le, **failed) == count, le
        for le, count in (("0.0025", 0), ("0.005", 10)):
            assert value(samples, "traces_spanmetrics_latency_bucket", le=le, **operation("front", "GET /cart", "SERVER")) == count
        assert value(samples, "traces_spanmetrics_latency_bucket", le="0.00001", **operation("front", "tick", "INTERNAL")) == 1
        assert value(samples, "traces_spanmetrics_calls_total", **operation("front", "nothing", "SERVER")) is None


def calls_between_services_are_counted_whichever_half_comes_first(folder):
    with Collector(folder) as collector:
        front = lambda i, **more: span(2 * i, 0, "call", 0, 5000, 3, trace=f"{i:032x}", **more)  # noqa: E731
        back = lambda i, **more: span(2 * i + 1, 2 * i, "GET", 1000, 4000, 2, trace=f"{i:032x}", **more)  # noqa: E731
        for i in range(1, 7):  # 1: caller first, 2: called first, 3: fails, 4: caller alone, 5: in one request, 6: called alone
            if i in (1, 3, 4):
                collector.send({"resourceSpans": [resource("front", front(i))]})
            if i in (1, 2, 3, 6):
                collector.send({"resourceSpans": [resource("back", back(i, error="no" if i == 3 else None))]})
            if i == 2:
                collector.send({"resourceSpans": [resource("front", front(i))]})
            if i == 5:
                collector.send({"resourceSpans": [resource("back", back(i)), resource("front", front(i))]})
        # One message, two receivers; the sender comes between them.
        told = {"trace": f"{9:032x}"}
        collector.send({"resourceSpans": [resource("mail", span(91, 90, "take", 9, 10, 5, **told))]})
        collector.send({"resourceSpans": [resource("front", span(90, 0, "publish", 0, 1, 4, **told))]})
        collector.send({"resourceSpans": [resource("audit", span(92, 90, "take", 9, 10, 5, **told))]})
        samples = scrape(collector)
        edge = {"client": "front", "server": "back"}
        assert value(samples, "traces_service_graph_request_total", **edge) == 4
        assert value(samples, "traces_service_graph_request_failed_total", **edge) == 1
        assert value(samples, "traces_service_graph_request_server_seconds_count", **edge) == 4
        assert abs(value(samples, "traces_service_graph_request_server_seconds_sum", **edge) - 0.012) < 1e-9
        assert abs(value(samples, "traces_service_graph_request_client_seconds_sum", **edge) - 0.02) < 1e-9
        for server in ("mail", "audit"):
            assert value(samples, "traces_service_graph_request_total", client="front", server=server) == 1
        assert len(samples["traces_service_graph_request_total"]) == 3


def names_of_any_bytes_leave_the_page_readable(folder):
    with Collector(folder) as collector:
        names = ['say "hi"\\n', "two\nlines", "two\tlines", "two lines", "Grüße 日本", "x" * 500, "x" * 300, "é" * 100, "", "{}", "a,b=\"c\""]
        collector.send({"resourceSpans": [resource("o\"dd\n", *(span(i + 1, 0, name, 0, 1) for i, name in enumerate(names)))]})
        samples = scrape(collector)
        found = {dict(key)["span_name"]: count for key, count in samples["traces_spanmetrics_calls_total"].items()}
        assert found == {'say "hi"\\n': 1, "two?lines": 2, "two lines": 1, "Grüße 日本": 1, "x" * 128: 2, "é" * 64: 1, "": 1, "{}": 1,
                         "a,b=\"c\"": 1}, found
        assert {dict(key)["service"] for key in samples["traces_spanmetrics_calls_total"]} == {'o"dd?'}


def operations_have_a_bound_and_what_is_beyond_it_is_counted(folder):
    most, sent = 2048, 3000
    with Collector(folder) as collector:
        for _ in range(2):
            collector.send({"resourceSpans": [resource("bulk", *(span(i + 1, 0, f"GET /user/{i}", 0, 1) for i in range(sent)))]})
        samples = scrape(collector)
        assert len(samples["traces_spanmetrics_calls_total"]) == most
        assert set(samples["traces_spanmetrics_calls_total"].values()) == {2}
        assert value(samples, "trackway_spanmetrics_left_out_spans_total") == 2 * (sent - most)
        assert value(samples, "trackway_spanmetrics_operations") == most


TESTS = (each_operation_has_its_rate_errors_and_durations, calls_between_services_are_counted_whichever_half_comes_first,
         names_of_any_bytes_leave_the_page_readable, operations_have_a_bound_and_what_is_beyond_it_is_counted)


if __name__ == "__main__":
    sys.exit(run_tests(*TESTS))
