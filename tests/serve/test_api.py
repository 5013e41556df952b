#!/usr/bin/python3
"""The native query API: every example of docs/api.md is asked of a collector and compared; then what is wrong, and what is large.

The examples are about the spans of STORY, which are sent by OTLP first. Needs $TRACKWAY_BUILD (default build/).
"""
import json
import os
import re
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
from _run import run_tests  # noqa: E402
from _serve import ANY, Running  # noqa: E402

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.join(HERE, "../..")
T0 = 1795800000000000000
TRACE = "6b08b8a8000000000000000000000001"


def tag(key, value):
    kind = {str: "stringValue", int: "intValue", bool: "boolValue", float: "doubleValue"}[type(value)]
    return {"key": key, "value": {kind: value}}


def span(id, parent, name, start_us, end_us, kind=1, trace=TRACE, error=None, links=(), events=(), **tags):
    return {"traceId": trace, "spanId": f"{id:016x}", "parentSpanId": f"{parent:016x}" if parent else "", "name": name, "kind": kind,
            "startTimeUnixNano": str(T0 + start_us * 1000), "endTimeUnixNano": str(T0 + end_us * 1000),
            "attributes": [tag(key.replace("__", "."), value) for key, value in tags.items()],
            "status": {"code": 2, "message": error} if error else {},
            "links": [{"traceId": trace, "spanId": f"{link:016x}"} for link in links],
            "events": [{"timeUnixNano": str(T0 + at * 1000), "name": what} for at, what in events]}


def resource(service, *spans):
    return {"resource": {"attributes": [tag("service.name", service)]}, "scopeSpans": [{"spans": list(spans)}]}


STORY = {"resourceSpans": [
    resource("front", span(1, 0, "GET /cart", 0, 5000, 2, http__status_code=500, user__id="17"),
             span(2, 1, "call back", 100, 4800, 3)),
    resource("back", span(3, 2, "GET /items", 200, 4700, 2, error="no stock", events=[(300, "cache.miss")]),
             span(4, 3, "SELECT", 400, 4000, 3, db__system="sqlite"), span(5, 3, "INSERT", 4100, 4300, 3, db__system="sqlite"),
             span(6, 3, "commit", 4300, 4600, links=[4, 5]))]}


class Collector(Running):
    def __init__(self, folder):
        super().__init__(folder, "--keep-for", "0", http=ANY, otlp_http=ANY)

    def ask(self, path, body=None, door="http", **headers):
        return super().ask(door, "POST" if body is not None else "GET", path, body, headers)

    def get(self, path):
        status, text = self.ask(path)
        assert status == 200, (path, status, text)
        return json.loads(text)

    def send(self, request):
        status, text = self.ask("/v1/traces", json.dumps(request), "otlp-http", **{"Content-Type": "application/json"})
        assert status == 200 and text == b"{}", (status, text)


def examples():
    text = open(os.path.join(ROOT, "docs/api.md"), encoding="utf-8").read()
    for block in re.findall(r"^```\n(\$ curl .*?)^```", text, re.M | re.S):
        command, answer = block.split("\n", 1)
        found = re.match(r"\$ curl -sG? 'localhost:16686(/[^']*)'((?: --data-urlencode '[^']*')*)$", command)
        assert found, command
        query = [tuple(item.split("=", 1)) for item in re.findall(r"--data-urlencode '([^']*)'", found[2])]
        path = found[1]
        if query:
            path += "?" + urllib.parse.urlencode(query)
        yield path, json.loads(answer)


def every_example_of_the_docs_is_true(folder):
    with Collector(folder) as collector:
        collector.send(STORY)
        count = 0
        for path, expected in examples():
            answer = collector.get(path)
            for late in ("now_ns", "disk_bytes"):
                if late in answer:
                    answer[late] = expected[late]
            assert answer == expected, f"{path}\n{json.dumps(answer)}\ninstead of\n{json.dumps(expected)}"
            count += 1
        assert count >= 10, count


def what_is_not_understood_is_an_error_that_names_it(folder):
    with Collector(folder) as collector:
        for path, status, word in (("/api/tw/search?where=status%20=", 400, "where"), ("/api/tw/search?since=soon", 400, "since"),
                                   ("/api/tw/search?min_trace=5", 400, "min_trace"), ("/api/tw/search?order=oldest", 400, "order"),
                                   ("/api/tw/search?limit=many", 400, "limit"), ("/api/tw/traces/xyz", 400, "trace id"),
                                   ("/api/tw/traces/" + "1" * 32, 404, "no such trace"), ("/api/tw/traces/" + "1" * 32 + "/more", 404, "not found"),
                                   ("/api/tw/tags?scope=moon", 400, "scope"), ("/api/tw/heatmap?since=1s&until=2s", 400, "since"),
                                   ("/api/tw/heatmap?where=trace.spans%3E3", 400, "traces"), ("/api/tw/otlp/spans?min_trace=5ms", 400, "traces"),
                                   ("/api/tw/otlp/spans?where=trace.spans%3E3", 400, "traces")):
            code, text = collector.ask(path)
            assert code == status and word in json.loads(text)["error"], (path, code, text)
            assert b"xyz" not in text and b"moon" not in text, text  # nothing of the request comes back


def a_service_is_asked_for_beside_the_trace_that_it_is_in(folder):
    with Collector(folder) as collector:
        collector.send(STORY)
        for service, where, found in (("back", "trace.service=front", 1), ("back", "trace.service=back", 0), ("front", "trace.service=front", 1),
                                      ("back", 'trace.name="GET /cart"', 1), ("none", "trace.service=front", 0)):
            query = urllib.parse.urlencode({"service": service, "where": where})
            assert len(collector.get(f"/api/tw/search?{query}")["traces"]) == found, query
        assert len(collector.get("/api/tw/search?name=SELECT&where=trace.service%3Dfront")["traces"]) == 1


def unpacked(data):
    """The packed form, read from its description in docs/api.md: the head, and the same columns as in JSON."""
    length = int.from_bytes(data[:4], "little")
    head, at = json.loads(data[4:4 + length]), 4 + length
    names = ["parent", "start", "duration", "name", "service", "kind", "flags", "critical"]
    columns = {name: [] for name in names}
    start = 0
    for row in range(head["rows"]):
        numbers = []
        for _ in names:
            number = shift = 0
            while True:
                byte, at = data[at], at + 1
                number |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            numbers.append(number)
        numbers[0] = head["from"] + row - numbers[0] if numbers[0] else -1
        start += numbers[1] // 2 if numbers[1] % 2 == 0 else -(numbers[1] + 1) // 2
        numbers[1] = start
        for name, number in zip(names, numbers):
            columns[name].append(number)
    assert at == len(data)
    return head, columns


def a_skeleton_has_a_packed_form_and_pages(folder):
    with Collector(folder) as collector:
        collector.send(STORY)
        whole = collector.get(f"/api/tw/traces/{TRACE}")
        head, columns = unpacked(collector.ask(f"/api/tw/traces/{TRACE}?form=packed")[1])
        assert columns == whole["columns"] and head["names"] == whole["names"] and head["causes"] == whole["causes"], (head, columns)
        assert (head["from"], head["rows"], head["count"], head["start_ns"]) == (0, 6, 6, str(T0)), head
        part = collector.get(f"/api/tw/traces/{TRACE}?from=4&count=5")
        assert (part["from"], part["rows"], part["count"], part["causes"]) == (4, 2, 6, [[3, 5], [4, 5]]), part
        assert part["columns"]["start"] == whole["columns"]["start"][4:] and part["columns"]["parent"] == [2, 2] and part["names"] == ["INSERT", "commit"]
        head, columns = unpacked(collector.ask(f"/api/tw/traces/{TRACE}?form=packed&from=2&count=3")[1])
        assert columns["start"] == whole["columns"]["start"][2:5] and columns["parent"] == whole["columns"]["parent"][2:5], columns
        assert collector.get(f"/api/tw/traces/{TRACE}?from=6")["columns"]["parent"] == []
        assert collector.ask(f"/api/tw/traces/{TRACE}?form=xml")[0] == 400


def a_large_trace_is_a_skeleton_and_pages(folder):
    trace, count = "7b08b8a8000000000000000000000002", 120000  # beyond 100,000 the details of a page are read by themselves
    with Collector(folder) as collector:
        for first in range(0, count, 5000):
            collector.send({"resourceSpans": [resource("bulk", *(span(i + 1, 1 if i else 0, f"step {i % 7}", i, i + 5, trace=trace, n=i)
                                                                 for i in range(first, first + 5000)))]})
        began = time.monotonic()
        status, text = collector.ask(f"/api/tw/traces/{trace}")
        skeleton = json.loads(text)
        assert status == 200 and skeleton["count"] == count and len(text) < 60 * count, len(text)
        assert skeleton["columns"]["parent"][:3] == [-1, 0, 0] and len(skeleton["names"]) == 7
        page = collector.get(f"/api/tw/traces/{trace}/spans?from={count - 2}&count=100")
        assert [row["index"] for row in page["spans"]] == [count - 2, count - 1]
        assert page["spans"][1]["tags"][0] == {"key": "n", "type": "int", "value": str(count - 1)}
        assert [row["index"] for row in collector.get(f"/api/tw/traces/{trace}/spans?span={777:016x}&count=3")["spans"]] == [776, 777, 778]
        assert collector.get(f"/api/tw/traces/{trace}/spans?from={count}")["spans"] == []
        status, data = collector.ask(f"/api/tw/traces/{trace}?form=packed")
        assert status == 200 and len(data) < 20 * count and unpacked(data)[1] == skeleton["columns"], len(data)
        whole = collector.get(f"/api/tw/otlp/traces/{trace}")
        assert sum(len(scope["spans"]) for one in whole["resourceSpans"] for scope in one["scopeSpans"]) == count
        assert time.monotonic() - began < 120  # not a measurement: it ends


if __name__ == "__main__":
    sys.exit(run_tests(every_example_of_the_docs_is_true, what_is_not_understood_is_an_error_that_names_it,
                       a_service_is_asked_for_beside_the_trace_that_it_is_in,
                       a_skeleton_has_a_packed_form_and_pages, a_large_trace_is_a_skeleton_and_pages))
