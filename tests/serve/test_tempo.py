#!/usr/bin/python3
"""Tempo's API: the requests of Grafana's data source, its drill-down included, and the shapes that it reads.

Needs $TRACKWAY_BUILD (default build/); protoc decodes what is protobuf.
"""
import copy
import json
import os
import re
import subprocess
import sys
import urllib.parse

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from _run import run_tests  # noqa: E402
from test_api import STORY, T0, TRACE, Collector, resource, span  # noqa: E402

SECOND = T0 // 10**9
WINDOW = f"start={SECOND - 10}&end={SECOND + 10}"


def decoded(message, text):
    proto = os.path.join(HERE, "../wire/proto")
    return subprocess.run(["protoc", f"--proto_path={proto}", f"--decode=trackway.oracle.{message}" if message else "--decode_raw", "trace.proto"]
                          if message else ["protoc", "--decode_raw"], input=text, capture_output=True, check=True, timeout=30).stdout.decode()


def quoted(**query):
    return urllib.parse.urlencode(query)


def a_trace_by_id_is_protobuf_or_json(folder):
    with Collector(folder) as collector:
        collector.send(STORY)
        assert collector.ask("/api/echo") == (200, b"echo")
        assert "version" in collector.get("/api/status/buildinfo")
        status, v2 = collector.ask(f"/api/v2/traces/{TRACE}?{WINDOW}", Accept="application/protobuf")
        status_1, v1 = collector.ask(f"/api/traces/{TRACE}", Accept="application/protobuf")
        assert status == status_1 == 200 and v2.endswith(v1) and v2[0] == 0x0a, (status, v2[:20])
        raw = decoded("", v1)
        for name in ("GET /cart", "call back", "GET /items", "SELECT", "INSERT", "commit", "no stock", "cache.miss", "front", "back"):
            assert f'"{name}"' in raw, name
        # What was written is what our own reader, and so any of OTLP, takes: sent again, it is the same trace.
        status, text = collector.ask("/v1/traces", v1, "otlp-http", **{"Content-Type": "application/x-protobuf"})
        assert (status, text) == (200, b""), (status, text)
        assert collector.ask(f"/api/traces/{TRACE}", Accept="application/protobuf")[1] == v1
        assert collector.get(f"/api/v2/traces/{TRACE}")["trace"]["resourceSpans"]
        assert collector.ask("/api/v2/traces/" + "1" * 32)[0] == 404
        assert collector.get(f"/api/traces/{TRACE}")["data"][0]["traceID"] == TRACE  # Jaeger's, without the header


def searches_of_grafana_find_by_traceql(folder):
    with Collector(folder) as collector:
        collector.send(STORY)
        for q, count in (('{}', 1), ('{ resource.service.name = "front" && name = "GET /cart" }', 1), ('{ status = error }', 1),
                         ('{ span.http.status_code >= 500 && duration > 1ms } | select(status, resource.service.name)', 1),
                         ('{ .db.system =~ "sql.*" } | count() > 1', 1), ('{ .db.system =~ "sql.*" } | count() > 2', 0),
                         ('{ .db.system =~ "sql" }', 0), ('{ name =~ `GET \\Wcart` }', 1),
                         ('{ name =~ "GET \\\\Wcart" && name !~ `no \\"W` }', 1), ('{ name =~ "GET \\\\wcart" }', 0),
                         ('{ nestedSetParent < 0 && !(kind = client) }', 1), ('{ span.user.id != nil }', 1),
                         ('{ traceDuration > 1s }', 0), ('{ name = `commit` || name = "none" }', 1), ('{ .service.name = "back" && kind = server }', 1),
                         ('{ span:name = "SELECT" && trace:duration >= 5ms } with (most_recent=true)', 1),
                         ('{ rootName = "GET /cart" && rootServiceName = "front" }', 1), ('{ rootName = "SELECT" }', 0),
                         ('{ trace:rootName =~ "GET.*" && trace:rootService != "back" && status = error }', 1),
                         ('{ rootServiceName = "back" || traceDuration < 1ms }', 0), ('{ rootName != nil }', 1),
                         ('{ rootServiceName = "front" } | count() > 5', 1), ('{ rootServiceName = "front" } | count() > 6', 0),
                         ('{ nestedSetParent < 0 && rootName = "GET /cart" }', 1), ('{ nestedSetParent = -1 && kind = server }', 1),
                         ('{} | count() < 1', 0), ('{} | count() = 6', 1),
                         ('{} | count() >= 6.5', 0), ('{} | count() > 5.5', 1), ('{} | count() = 5.5', 0), ('{} | count() < 6.5', 1),
                         ('{} | count() < 5.5', 0), ('{} | count() <= 5.5', 0), ('{} | count() > 6 | count() > 1', 0)):
            found = collector.get(f"/api/search?{WINDOW}&" + quoted(q=q, limit=20, spss=3))["traces"]
            assert len(found) == count, (q, found)
        one = collector.get("/api/search?" + quoted(q="{ status = error }"))["traces"][0]
        assert (one["traceID"], one["rootServiceName"], one["rootTraceName"], one["startTimeUnixNano"], one["durationMs"]) == \
            (TRACE, "front", "GET /cart", str(T0), 5), one
        assert one["spanSets"][0]["matched"] == 1 and one["spanSets"][0]["spans"][0]["durationNanos"] == "4500000", one
        selected = collector.get("/api/search?" + quoted(q='{ span.http.status_code = 500 && .db.system = nil } | select(status, resource.service.name, rootName, kind)'))
        attributes = selected["traces"][0]["spanSets"][0]["spans"][0]["attributes"]
        assert attributes == [{"key": "http.status_code", "value": {"intValue": "500"}}, {"key": "status", "value": {"stringValue": "unset"}},
                              {"key": "service.name", "value": {"stringValue": "front"}}, {"key": "rootName", "value": {"stringValue": "GET /cart"}},
                              {"key": "kind", "value": {"stringValue": "server"}}], attributes
        assert len(collector.get("/api/search?" + quoted(tags='service.name=front http.status_code=500', minDuration="1ms"))["traces"]) == 1
        for tags, count in (("http.status_code=500 user.id=17", 1), ("user.id=1.2.3", 0), ("user.id=17.0", 0), ("user.id=0x11", 0), ("db.system=sqlite", 1), ('name="GET /cart"', 1)):
            assert len(collector.get("/api/search?" + quoted(tags=tags))["traces"]) == count, tags
        for q in ("{ name = }", "{ name = 1", "{ nothing = 1 }", "{} | max(duration)", "{} >> ", "{ (name=`a` }", "{} | count() > 1.2.3"):
            status, text = collector.ask("/api/search?" + quoted(q=q))
            assert status == 400 and b"invalid TraceQL query: at" in text, (q, status, text)
        for q, why in (("{ kind = sever }", b"no such kind; there are internal"), ("{ duration > 5 }", b"of which unit?"), ('{ name =~ "a(" }', b"expression")):
            status, text = collector.ask("/api/search?" + quoted(q=q))
            assert status == 400 and b"invalid TraceQL query: " in text and why in text and b"where" not in text, (q, status, text)


def what_grafana_asks_of_the_structure_and_of_events_is_answered(folder):
    """The queries of Traces Drilldown: its structure of services, its exceptions."""
    with Collector(folder) as collector:
        failed = copy.deepcopy(STORY)
        told = failed["resourceSpans"][1]["scopeSpans"][0]["spans"][0]["events"]
        told += [{"timeUnixNano": told[0]["timeUnixNano"], "name": "exception", "attributes": [
            {"key": "exception.message", "value": {"stringValue": "no stock"}}, {"key": "exception.line", "value": {"intValue": "7"}}]}]
        collector.send(failed)
        spans = lambda q, **more: collector.get("/api/search?" + quoted(q=q, **more))["traces"][0]["spanSets"][0]["spans"]
        attributes = lambda span: {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}
        found = spans("({nestedSetParent<0 && true } &>> { kind = server }) || ({nestedSetParent<0 && true }) "
                      "| select(status, resource.service.name, name, nestedSetParent, nestedSetLeft, nestedSetRight)", spss=20, limit=200)
        places = {one["name"]: [int(attributes(one)["nestedSet" + which]) for which in ("Parent", "Left", "Right")] for one in found}
        # 1 GET /cart (2 call back (3 GET /items (4 SELECT 5) (6 INSERT 7) (8 commit 9) 10) 11) 12
        assert places == {"GET /cart": [-1, 1, 12], "GET /items": [2, 3, 10]}, places
        assert attributes(found[0])["service.name"] == "back" and attributes(found[1])["status"] == "unset", found
        assert len(spans("{}", spss=100)) == 6 and len(spans("{}", spss=2)) == 2
        one = spans("{true && true && status = error} | select(resource.service.name, resource.service.namespace, event.exception.message,"
                    "event.exception.stacktrace,event.exception.line, event:name) with(most_recent=true)")[0]
        assert attributes(one) == {"status": "error", "service.name": "back", "exception.message": "no stock", "exception.line": "7", "event:name": "cache.miss"}, one
        groups = collector.get("/api/search?" + quoted(q="{} | by(resource.service.name) | by(span.http.status_code)", spss=2))["traces"][0]["spanSets"]
        assert [(one["matched"], len(one["spans"]), [(by["key"], by["value"]) for by in one["attributes"]]) for one in groups] == [
            (1, 1, [("by(resource.service.name)", {"stringValue": "front"}), ("by(span.http.status_code)", {"intValue": "500"})]),
            (1, 1, [("by(resource.service.name)", {"stringValue": "front"}), ("by(span.http.status_code)", {"stringValue": "nil"})]),
            (4, 2, [("by(resource.service.name)", {"stringValue": "back"}), ("by(span.http.status_code)", {"stringValue": "nil"})])], groups
        one = spans("{ link:spanID != nil } | select(link:traceID)")[0]
        assert attributes(one)["link:traceID"] == TRACE, one


def every_example_of_the_docs_is_answered_or_refused(folder):
    text = open(os.path.join(HERE, "../../docs/traceql.md"), encoding="utf-8").read()
    blocks = lambda kind: [line for block in re.findall(r"^```" + kind + r"\n(.*?)^```", text, re.M | re.S) for line in block.splitlines()]
    with Collector(folder) as collector:
        collector.send(STORY)
        counts = {"traceql": 0, "refused": 0}
        for kind, expected in (("traceql", 200), ("refused", 400)):
            for q in blocks(kind):
                metric = "_over_time(" in q or "rate()" in q or "compare(" in q
                status, answer = collector.ask(("/api/metrics/query_range?step=1s&" + WINDOW + "&" if metric else "/api/search?") + quoted(q=q))
                assert status == expected, (q, status, answer)
                counts[kind] += 1
        assert counts["traceql"] > 15 and counts["refused"] > 5, counts


def tags_and_values_complete_a_query(folder):
    with Collector(folder) as collector:
        collector.send(STORY)
        scopes = {scope["name"]: scope["tags"] for scope in collector.get("/api/v2/search/tags?limit=5000")["scopes"]}
        assert scopes["span"] == ["db.system", "http.status_code", "user.id"] and scopes["resource"] == ["service.name"], scopes
        assert "status" in scopes["intrinsic"]
        assert collector.get("/api/v2/search/tags?scope=link") == {"scopes": []}
        status, text = collector.ask("/api/v2/search/tags?scope=bogus")
        assert status == 400 and "instrumentation" in json.loads(text)["error"], (status, text)
        for tag, expected in (("resource.service.name", ["back", "front"]), ("span.db.system", ["sqlite"]), (".db.system", ["sqlite"]),
                              ("status", ["error", "ok", "unset"]), ("rootServiceName", ["back", "front"]),
                              ("trace:rootService", ["back", "front"]), ("span:kind", ["client", "consumer", "internal", "producer", "server", "unspecified"])):
            answer = collector.get("/api/v2/search/tag/" + urllib.parse.quote(tag, safe="") + "/values?limit=10")
            assert [value["value"] for value in answer["tagValues"]] == expected, (tag, answer)
        assert collector.get("/api/search/tag/service.name/values") == {"tagValues": ["back", "front"]}


def values_have_types_and_are_those_that_the_query_leaves(folder):
    """Grafana puts what is a string in quotes, and what it then asks for has to be found."""
    with Collector(folder) as collector:
        more = [span(20, 0, "mixed", 0, 5, share=0.5, vip=True, code="500", note="0.5s"), span(21, 20, "mixed", 1, 5, share=2.0, vip=False, code=500)]
        collector.send(STORY)
        collector.send({"resourceSpans": [resource("other", *more)]})
        values = lambda tag, **query: [(value["type"], value["value"]) for value in
                                       collector.get("/api/v2/search/tag/" + urllib.parse.quote(tag, safe="") + "/values?" + quoted(**query))["tagValues"]]
        assert values("span.http.status_code") == [("int", "500")]
        assert values("span.share") == [("float", "0.5"), ("float", "2")] and values(".vip") == [("bool", "false"), ("bool", "true")]
        assert values("event:name") == [("string", "cache.miss")] and values("event:name", q='{ resource.service.name = "front" }') == []
        assert values("statusMessage") == [("string", "no stock")] and values("instrumentation:name") == []
        assert values("link:spanID") == [("string", "0000000000000004"), ("string", "0000000000000005")] and values("link:nothing") == []
        assert values("span.note") == [("string", "0.5s")] and values("status")[0] == ("keyword", "error")
        front = '{resource.service.name="front"}'
        assert values("name", q=front) == [("string", "GET /cart"), ("string", "call back")]
        assert values("resource.service.name", q='{ name = "SELECT" }') == [("string", "back")]
        assert values("span.db.system", q=front) == [] and values("span.http.status_code", q=front) == [("int", "500")]
        assert values(".code", q='{ name = "mixed" }') == [("int", "500"), ("string", "500")]
        assert values("name", q='{ resource.service.name = "front" && name = "SELECT" }') == []
        # What is being typed counts as far as it goes.
        for typed in ('{ resource.service.name = "front" && name = ', '{resource.service.name="front" && name=}', '{resource.service.name="front" && (name="'):
            assert values("name", q=typed) == [("string", "GET /cart"), ("string", "call back")], typed
        # However much it is: what is too much for a filter narrows as far as a filter goes.
        for terms in (100, 3600):
            typed = '{ resource.service.name = "front" && ' + "".join(f".k{i % 10}=nil && " for i in range(terms)) + "name = "
            assert values("name", q=typed) == [("string", "GET /cart"), ("string", "call back")], terms
        assert len(values("name", q="{ name = ")) == 7 and len(values("name", q="{}")) == 7 and len(values("name", limit=2)) == 2
        assert len(values("name", q='{ kind = nonsense && name = "x" }')) == 7
        for attribute, labels in (("span.http.status_code", [{"intValue": "500"}]), ("span.vip", [{"boolValue": False}, {"boolValue": True}]),
                                  ("span.share", [{"doubleValue": 0.5}, {"doubleValue": 2}]), (".code", [{"intValue": "500"}, {"stringValue": "500"}])):
            query = quoted(q="{" + attribute + " != nil} | count_over_time() by(" + attribute + ")", start=T0 // 10**9 - 10, end=T0 // 10**9 + 10, step="20s")
            series = collector.get("/api/metrics/query_range?" + query)["series"]
            assert [s["labels"][0]["value"] for s in series] == labels, (attribute, series)
            assert all(sum(sample["value"] for sample in s["samples"]) == 1 for s in series), series


def doubles_that_json_has_no_numbers_for_are_told(folder):
    with Collector(folder) as collector:
        odd = span(40, 0, "odd", 0, 5)
        odd["attributes"] = [{"key": key, "value": {"doubleValue": key}} for key in ("NaN", "Infinity", "-Infinity")]
        collector.send({"resourceSpans": [resource("other", odd)]})
        tags = collector.get(f"/api/tw/traces/{TRACE}/spans")["spans"][0]["tags"]
        assert [(tag["type"], tag["value"]) for tag in tags] == [("double", "nan"), ("double", "inf"), ("double", "-inf")], tags
        found = collector.get("/api/search?" + quoted(q="{} | select(span.NaN, span.Infinity, span.-Infinity)"))["traces"][0]
        assert found["spanSets"][0]["spans"][0]["attributes"] == odd["attributes"], found


def spans_of_no_kind_and_traces_in_every_form_are_found(folder):
    with Collector(folder) as collector:
        nameless = span(30, 0, "of no kind", 0, 5, kind=0, trace="00000000000000000000000000003039")
        collector.send(STORY)
        collector.send({"resourceSpans": [resource("other", nameless)]})
        found = lambda q: [trace["traceID"] for trace in collector.get("/api/search?" + quoted(q=q))["traces"]]
        assert found("{ kind = unspecified }") == ["00000000000000000000000000003039"]
        assert len(found("{ kind != server }")) == 2
        xray = f"1-{TRACE[:8]}-{TRACE[8:]}"
        for text, expected in ((TRACE, TRACE), (TRACE.upper(), TRACE), (xray, TRACE), ("12345", "00000000000000000000000000003039")):
            assert found('{ trace:id = "' + text + '" }') == [expected], text
            status, answer = collector.ask("/api/tw/search?" + quoted(where=f"trace_id={text}"))
            assert [trace["trace_id"] for trace in json.loads(answer)["traces"]] == [expected], (text, answer)
            assert [trace["traceID"] for trace in collector.get("/api/traces?" + quoted(traceID=text))["data"]] == [expected], text
        status, answer = collector.ask("/api/search?" + quoted(q='{ trace:id = "tx" }'))
        assert status == 400 and b"not a trace id" in answer, (status, answer)
        assert len(found("{ duration > 1m30s }")) == 0 and len(found("{ duration < 1m30s }")) == 2
        assert len(collector.get("/api/traces?" + quoted(service="front", maxDuration="1h2m3.5s"))["data"]) == 1


def metrics_are_counts_over_time(folder):
    with Collector(folder) as collector:
        collector.send(STORY)

        def series(q, **more):
            return collector.get("/api/metrics/query_range?" + quoted(q=q, start=SECOND - 60, end=SECOND + 60, step="60s", **more))["series"]

        assert [sample["value"] for sample in series("{} | rate()")[0]["samples"]] == [0, 0.1]
        assert [sample["value"] for sample in series("{ status = error } | count_over_time()")[0]["samples"]] == [0, 1]
        by = {one["labels"][0]["value"]["stringValue"]: one for one in series("{} | count_over_time() by(resource.service.name)")}
        assert {name: one["samples"][1]["value"] for name, one in by.items()} == {"front": 2, "back": 4}, by
        roots = series("{ nestedSetParent < 0 && true } | rate() by(rootName)")
        assert [one["labels"][0] for one in roots] == [{"key": "rootName", "value": {"stringValue": "GET /cart"}}], roots
        # What only whole traces tell: back's GET /items has three children, one span failed.
        for q, count in (('{ rootName = "GET /cart" }', 6), ("{ traceDuration > 1ms }", 6), ("{ traceDuration > 1s }", 0), ('{ rootName = "x" }', 0), ("{ status = error } > {}", 3),
                         ("{ status = error } !>> { kind = client }", 1), ("{} | count() > 6", 0), ("{} | by(resource.service.name) | count() > 2", 4), ("{ status = error } && { name = `commit` }", 2)):
            found = series(q + " | count_over_time()")
            assert sum(sample["value"] for one in found for sample in one["samples"]) == count, (q, found)
        by = {one["labels"][0]["value"]["stringValue"]: one["samples"][-1]["value"] for one in series("{ kind = client } | max_over_time(trace:duration) by(rootServiceName)")}
        assert by == {"front": 0.005}, by
        quantiles = series("{ resource.service.name = `back` } | quantile_over_time(duration, .5, .99)")
        assert [one["labels"][-1]["value"]["doubleValue"] for one in quantiles] == [0.5, 0.99], quantiles
        assert 0.0002 <= quantiles[0]["samples"][0]["value"] < quantiles[1]["samples"][0]["value"] <= 0.0056, quantiles  # a bin is a quarter of a power of two
        buckets = series("{} | histogram_over_time(duration)")
        assert sum(one["samples"][1]["value"] for one in buckets) == 6, buckets
        one = collector.get("/api/metrics/query?" + quoted(q="{} | count_over_time()", start=SECOND - 60, end=SECOND + 60))["series"]
        # What is counted lies in the time; what it needs beside it may have been before.
        for q, count in (('{ name = "GET /cart" } >> { kind = server }', 1), ('{ name = "GET /cart" } && { kind = server }', 1), ('{ kind = client } &< { name = "GET /cart" }', 1)):
            part = collector.get("/api/metrics/query?" + quoted(q=q + " | count_over_time()", start=T0 + 50000, end=T0 + 10**9))["series"]
            assert [one["value"] for one in part] == [count], (q, part)
        # Exactly what Tempo's InstantSeries has: Grafana decodes strictly.
        assert one == [{"labels": [{"key": "__name__", "value": {"stringValue": "count_over_time"}}], "promLabels": '{__name__="count_over_time"}', "value": 6}], one
        assert collector.get("/api/metrics/query?" + quoted(q="{} | max_over_time(span.nothing)", start=SECOND - 60, end=SECOND + 60))["series"] == []
        assert {tuple(one) for one in collector.get("/api/metrics/query?" + quoted(q="{} | compare({ status = error })", start=SECOND - 60, end=SECOND + 60))["series"]} == \
            {("labels", "promLabels", "value")}
        assert buckets[0]["exemplars"] == [], buckets
        assert quantiles[1]["promLabels"] == '{__name__="quantile_over_time", p="0.99"}', quantiles
        assert collector.ask("/ready") == (200, b"ready\n")
        # An error is one object of JSON and nothing behind it.
        for what in ({"q": "{}"}, {"q": "{"}, {"q": "{} | rate()", "step": "1ms"}, {"q": "{} | rate()", "start": 20, "end": 10}, {"q": "{} | rate()", "step": "x"},
                     {"q": "{ duration > 5 } | rate()"}, {"q": "{ rootName = `a` } | compare({ true })"}, {"q": "{} | compare({ rootName = `a` })"}):
            for path in ("query_range", "query"):
                status, text = collector.ask(f"/api/metrics/{path}?" + quoted(**what))
                assert (path, what.get("step")) == ("query", "1ms") or status == 400 and json.loads(text)["error"], (what, status, text)


def metrics_have_a_limit_and_say_when_they_reach_it(folder):
    """100 names with 12 buckets each, in 968 steps, are more than a million samples."""
    with Collector(folder) as collector:
        collector.send({"resourceSpans": [resource("many", *(span(100 + i, 0, f"name {i // 12:03}", i, i + 2 ** (i % 12), 1) for i in range(1200)))]})
        asked = "/api/metrics/query_range?" + quoted(q="{} | histogram_over_time(duration) by(name)", start=SECOND - 484, end=SECOND + 484, step="1s")
        status, text = collector.ask(asked)
        assert status == 200 and len(text) < 80e6, (status, len(text))
        answer = json.loads(text)
        assert answer["status"] == "PARTIAL" and "larger step" in answer["message"], answer["message"]
        names = [one["labels"][0]["value"]["stringValue"] for one in answer["series"]]
        assert {names.count(name) for name in names} == {12} and 960 < len(names) <= 1000000 // 968, names
        assert "status" not in collector.get(asked.replace("step=1s", "step=2s"))


def labels_are_as_different_as_their_values(folder):
    with Collector(folder) as collector:
        values = (0.1, 0.1000000001, 1234567.0, 1234568.0, 1.7e308)
        collector.send({"resourceSpans": [resource("r", *(span(220 + i, 0, 'a "b"\n\\', i, i + 1, 1, share=value) for i, value in enumerate((*values, 1.7e308))))]})
        series = lambda q: collector.get("/api/metrics/query?" + quoted(q=q, start=SECOND - 60, end=SECOND + 60))["series"]
        assert {one["promLabels"] for one in series("{} | count_over_time() by(span.share)")} == \
            {'{span.share="' + text + '"}' for text in ("0.1", "0.1000000001", "1234567", "1234568", "1.7e+308")}
        assert series("{} | count_over_time() by(name)")[0]["promLabels"] == '{name="a \\"b\\"\\n\\\\"}'
        # More than a double holds is not nothing.
        assert series("{} | sum_over_time(span.share)")[0]["value"] == "Infinity"


def numbers_of_any_size_and_sign_have_quantiles_and_buckets(folder):
    with Collector(folder) as collector:
        wide = [-3e12, -7, -0.25, 0, 1e-6, 5, 3e10, 7e10, 9e17]
        collector.send({"resourceSpans": [resource("wide", *(span(200 + i, 0, "wide", i, i + 1, 1, wide=float(value)) for i, value in enumerate(wide)))]})
        series = lambda q: collector.get("/api/metrics/query?" + quoted(q=q, start=SECOND - 60, end=SECOND + 60))["series"]
        for share, least, most in ((0, -3.3e12, -2.7e12), (0.3, -0.3, -0.2), (0.4, 0, 0), (0.5, 0.9e-6, 1.2e-6), (0.75, 2.7e10, 3.5e10), (0.85, 6e10, 8.6e10), (1, 8e17, 1.1e18)):
            (found,) = series(f"{{}} | quantile_over_time(span.wide, {share})")
            assert least <= found["value"] <= most, (share, found)
        buckets = {one["labels"][-1]["value"]["doubleValue"]: one["value"] for one in series("{} | histogram_over_time(span.wide)")}
        ends = sorted(buckets)
        assert sum(buckets.values()) == len(wide) and ends[:4] == [-(2 ** 41), -4, -0.25, 0] and ends[5:] == [8, 2 ** 35, 2 ** 37, 2 ** 60], buckets


def metrics_are_apart_by_several_attributes_and_of_any_number(folder):
    """What is expected was computed here from what was sent."""
    with Collector(folder) as collector:
        sent = [(name, kind, size, length) for name in ("read", "write", "seek") for kind in (1, 2, 3) for size, length in ((10 * kind, 5), (100 * kind, 7 * kind))]
        collector.send({"resourceSpans": [resource("disk", *(span(60 + i, 0, name, i, i + length * 1000, kind, size=size, half=size / 2) for i, (name, kind, size, length) in enumerate(sent)))]})

        def series(q, path="query_range", **more):
            return collector.get(f"/api/metrics/{path}?" + quoted(q=q, start=SECOND - 60, end=SECOND + 60, step="60s", **more))["series"]

        def values(q):
            """What stands in the labels: the value in the second minute."""
            return {tuple(str(next(iter(label["value"].values()))) for label in one["labels"]): one["samples"][-1]["value"] for one in series(q)}

        kinds = {1: "internal", 2: "server", 3: "client"}
        cells = {}
        for name, kind, size, length in sent:
            cells.setdefault((name, kinds[kind]), []).append((size, length))
        close = lambda found, expected: found.keys() == expected.keys() and all(abs(found[key] - value) < 1e-9 * max(1, abs(value)) for key, value in expected.items())
        for q, expected in (("count_over_time()", lambda of: len(of)), ("sum_over_time(span.size)", lambda of: sum(s for s, _ in of)), ("min_over_time(.size)", lambda of: min(s for s, _ in of)),
                            ("max_over_time(duration)", lambda of: max(length for _, length in of) / 1000), ("avg_over_time(span.half)", lambda of: sum(s for s, _ in of) / 2 / len(of)),
                            ("rate()", lambda of: len(of) / 60)):
            found = values("{} | " + q + " by(name, kind)")
            assert close(found, {key: expected(of) for key, of in cells.items()}), (q, found)
        assert values("{ name = `seek` } | max_over_time(span.size)") == {("max_over_time",): 300}
        assert values("{} | sum_over_time(span.nothing)") == {} and values("{} | count_over_time() by(span.nothing)") == {("nil",): 18}
        top = values("{} | sum_over_time(span.size) by(name, kind) | topk(4)")
        assert close(top, {("read", "client"): 330, ("seek", "client"): 330, ("write", "client"): 330, ("read", "server"): 220}), top
        assert set(values("{} | sum_over_time(span.size) by(kind) | bottomk(1)")) == {("internal",)}
        quantile = values("{} | quantile_over_time(span.size, 1) by(kind)")
        assert all(300 <= value <= 380 for key, value in quantile.items() if key[0] == "client"), quantile  # a bin is a quarter of a power of two
        assert sum(one["samples"][-1]["value"] for one in series("{} | histogram_over_time(span.size) by(name)")) == 18
        for q, word in (("{} | rate() > 5", b"threshold"), ("{} | compare({ traceDuration > 1s })", b"selection"), ("{} >> {} | compare({})", b"one spanset")):
            status, text = collector.ask("/api/metrics/query_range?" + quoted(q=q, start=SECOND - 60, end=SECOND + 60))
            assert status == 400 and word in text, (q, status, text)
        # A selection beside the rest, as the drill-down compares.
        for path in ("query", "query_range"):
            compared = {}
            for one in series("{} | compare({ kind = client && span.size > 100 }, 2)", path):
                label = {label["key"]: next(iter(label["value"].values())) for label in one["labels"]}
                meta = label.pop("__meta_type", None) or label.pop("__meta_error")
                (name, value), = label.items()
                compared[meta, name, str(value)] = one["value"] if path == "query" else one["samples"][-1]["value"] if one["samples"] else None
            assert compared["selection", "name", "read"] == 1 and compared["baseline", "name", "read"] == 5, compared
            assert compared["selection_total", "name", "nil"] == 3 and compared["baseline_total", "span.size", "nil"] == 15, compared
            assert compared["selection", "span.size", "300"] == 3 and ("baseline", "span.size", "300") not in compared, compared
            assert compared["selection", "resource.service.name", "disk"] == 3 and compared["baseline", "status", "unset"] == 15, compared
            assert ("__too_many_values__", "span.size", "nil") in compared and ("__too_many_values__", "kind", "nil") in compared and ("__too_many_values__", "status", "nil") not in compared, compared
            assert sum(key[:2] == ("baseline", "name") for key in compared) == 2, compared
        window = series(f"{{}} | compare({{ true }}, 10, {T0}, {T0 + 3000})", "query")
        of_names = {(one["labels"][0]["value"]["stringValue"], one["labels"][1]["value"]["stringValue"]): one["value"] for one in window if one["labels"][1]["key"] == "name"}
        assert of_names == {("selection", "read"): 3, ("baseline", "read"): 3, ("baseline", "write"): 6, ("baseline", "seek"): 6, ("selection_total", "nil"): 3, ("baseline_total", "nil"): 15}, of_names


if __name__ == "__main__":
    sys.exit(run_tests(a_trace_by_id_is_protobuf_or_json, searches_of_grafana_find_by_traceql,
                       what_grafana_asks_of_the_structure_and_of_events_is_answered, every_example_of_the_docs_is_answered_or_refused, tags_and_values_complete_a_query, values_have_types_and_are_those_that_the_query_leaves,
                       doubles_that_json_has_no_numbers_for_are_told, spans_of_no_kind_and_traces_in_every_form_are_found,
                       metrics_are_counts_over_time, metrics_have_a_limit_and_say_when_they_reach_it,
                       labels_are_as_different_as_their_values, numbers_of_any_size_and_sign_have_quantiles_and_buckets, metrics_are_apart_by_several_attributes_and_of_any_number))
