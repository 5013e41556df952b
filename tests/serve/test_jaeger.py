#!/usr/bin/python3
"""Jaeger's APIs: the requests that Grafana's data source and the Jaeger page make, in order, and the shapes that they read.

Needs $TRACKWAY_BUILD (default build/).
"""
import json
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
from _run import run_tests  # noqa: E402
from test_api import STORY, T0, TRACE, Collector, resource, span  # noqa: E402


def envelope(answer):
    assert set(answer) == {"data", "total", "limit", "offset", "errors"} and answer["errors"] is None, answer
    return answer["data"]


def the_sequence_of_grafana_finds_the_trace(folder):
    with Collector(folder) as collector:
        collector.send(STORY)
        assert envelope(collector.get("/api/services")) == ["back", "front"]
        assert envelope(collector.get("/api/services/front/operations")) == ["GET /cart", "call back"]
        start, end = T0 // 1000 - 1000000, T0 // 1000 + 1000000
        query = urllib.parse.urlencode({"service": "front", "operation": "GET /cart", "start": start, "end": end, "limit": 20,
                                        "minDuration": "1.5ms", "maxDuration": "10s", "tags": json.dumps({"http.status_code": "500"})})
        found = envelope(collector.get("/api/traces?" + query))
        assert len(found) == 1
        in_ms = query.replace(str(start), str(start // 1000)).replace(str(end), str(end // 1000))  # one Grafana sends milliseconds
        assert envelope(collector.get("/api/traces?" + in_ms)) == found
        assert envelope(collector.get(f"/api/traces/{TRACE}")) == found
        check_trace(found[0])
        edges = envelope(collector.get(f"/api/dependencies?endTs={end // 1000}&lookback=3600000"))
        assert edges == [{"parent": "front", "child": "back", "callCount": 1}], edges


def check_trace(trace):
    assert set(trace) == {"traceID", "spans", "processes", "warnings"} and trace["traceID"] == TRACE
    spans = {span["operationName"]: span for span in trace["spans"]}
    assert len(spans) == 6
    root, commit, items = spans["GET /cart"], spans["commit"], spans["GET /items"]
    assert set(root) == {"traceID", "spanID", "flags", "operationName", "references", "startTime", "duration", "tags", "logs", "processID",
                         "warnings"}, root
    assert (root["startTime"], root["duration"], root["references"]) == (T0 // 1000, 5000, [])
    tags = {tag["key"]: tag for tag in root["tags"]}
    assert tags["http.status_code"] == {"key": "http.status_code", "type": "int64", "value": 500}
    assert tags["span.kind"]["value"] == "server"
    references = [(ref["refType"], ref["spanID"][-1]) for ref in commit["references"]]
    assert references == [("CHILD_OF", "3"), ("FOLLOWS_FROM", "4"), ("FOLLOWS_FROM", "5")], references
    tags = {tag["key"]: tag["value"] for tag in items["tags"]}
    assert tags["error"] is True and tags["otel.status_code"] == "ERROR" and tags["otel.status_description"] == "no stock"
    assert items["logs"] == [{"timestamp": T0 // 1000 + 300, "fields": [{"key": "event", "type": "string", "value": "cache.miss"}]}]
    assert {process["serviceName"] for process in trace["processes"].values()} == {"front", "back"}
    assert trace["processes"][root["processID"]]["serviceName"] == "front"


def the_jaeger_page_asks_by_kind_tag_and_several_ids(folder):
    with Collector(folder) as collector:
        collector.send(STORY)
        assert envelope(collector.get("/api/operations?service=back&spanKind=server")) == [{"name": "GET /items", "spanKind": "server"}]
        assert len(envelope(collector.get("/api/traces?service=back&tag=error:true"))) == 1
        assert envelope(collector.get("/api/traces?service=front&tag=error:true")) == []
        assert envelope(collector.get("/api/traces?service=front&tag=http.status_code:404")) == []
        short = TRACE.lstrip("0")
        assert len(envelope(collector.get(f"/api/traces?traceID={short}&traceID={TRACE}"))) == 2
        for kind, count in (("client", 1), ("server", 1), ("sever", 0)):  # a word that is no kind finds nothing
            tags = urllib.parse.quote(json.dumps({"span.kind": kind}))
            assert len(envelope(collector.get(f"/api/traces?service=front&tags={tags}&start=0&end={2 * T0 // 1000}"))) == count, kind
        for path, status, words in (("/api/traces/" + "1" * 32, 404, "trace not found"), ("/api/traces?limit=5", 400, "'service'"),
                                    ("/api/traces?service=front&tag=novalue", 400, "key:value"),
                                    ("/api/traces?service=front&tags=%5B1%5D", 400, "JSON"), ("/api/operations", 400, "service")):
            code, text = collector.ask(path)
            answer = json.loads(text)
            assert code == status and answer["data"] is None and words in answer["errors"][0]["msg"], (path, code, text)


def a_file_is_transformed_and_not_stored(folder):
    with Collector(folder) as collector:
        other = {"resourceSpans": [resource("other", span(9, 0, "alone", 0, 5, trace="6b08b8a8000000000000000000000009"))]}
        status, text = collector.ask("/api/transform", json.dumps({"resourceSpans": STORY["resourceSpans"] + other["resourceSpans"]}).encode(), "http",
                                     **{"Content-Type": "application/json"})
        traces = envelope(json.loads(text))
        assert status == 200 and len(traces) == 2, text
        check_trace(traces[0])
        assert [one["operationName"] for one in traces[1]["spans"]] == ["alone"], traces[1]
        assert envelope(collector.get("/api/services")) == []
        status, text = collector.ask("/api/transform", b"{", "http", **{"Content-Type": "application/json"})
        assert status == 400 and json.loads(text)["errors"][0]["code"] == 400, text


def version_three_answers_in_otlp(folder):
    with Collector(folder) as collector:
        collector.send(STORY)
        assert collector.get("/api/v3/services") == {"services": ["back", "front"]}
        assert collector.get("/api/v3/operations?service=front&span_kind=client") == {"operations": [{"name": "call back", "spanKind": "client"}]}
        trace = collector.get(f"/api/v3/traces/{TRACE}")["result"]["resourceSpans"]
        names = {span["name"] for group in trace for scope in group["scopeSpans"] for span in scope["spans"]}
        assert len(names) == 6
        window = {"query.startTimeMin": "2026-11-27T00:00:00Z", "query.startTimeMax": "2026-11-28T20:00:00.5+01:00"}
        camel = dict(window, **{"query.serviceName": "front", "query.attributes": '{"http.status_code":"500"}', "query.searchDepth": "5"})
        snake = {"query.start_time_min": window["query.startTimeMin"], "query.start_time_max": window["query.startTimeMax"],
                 "query.service_name": "front", "query.duration_min": "1ms"}
        for query in (camel, snake):
            # Grafana does not encode times: a plus arrives as a space
            path = "/api/v3/traces?" + urllib.parse.urlencode(query, safe=":+")
            assert collector.get(path)["result"]["resourceSpans"] == trace, path
        for attributes, where, count in (('{"http.status_code":"500"}', "duration>1ms", 1), ('{"http.status_code":"500"}', "duration>1s", 0),
                                         ('{"http.status_code":"404"}', "duration>1ms", 0), ('{"span.kind":"server","error":false}', "", 1),
                                         ('{"error":true}', "", 0)):
            query = dict(window, **{"query.serviceName": "front", "query.attributes": attributes, "query.filter": where})
            found = collector.get("/api/v3/trace-summaries?" + urllib.parse.urlencode(query))["summaries"]
            assert len(found) == count, (attributes, where, found)
        one = collector.get("/api/v3/trace-summaries?" + urllib.parse.urlencode(camel))["summaries"][0]
        assert (one["traceId"], one["rootServiceName"], one["rootOperationName"], one["spanCount"], one["errorSpanCount"]) == \
            (TRACE, "front", "GET /cart", 6, 1), one
        assert (one["minStartTimeUnixNano"], one["maxEndTimeUnixNano"]) == (str(T0), str(T0 + 5000000)), one
        code, text = collector.ask("/api/v3/traces?query.serviceName=front")
        assert code == 400 and json.loads(text)["error"]["httpCode"] == 400, text


if __name__ == "__main__":
    sys.exit(run_tests(a_file_is_transformed_and_not_stored, the_sequence_of_grafana_finds_the_trace, the_jaeger_page_asks_by_kind_tag_and_several_ids,
                       version_three_answers_in_otlp))
