#!/usr/bin/python3
"""The page: how it is served, and, in Debian's Chromium driven by playwright-core (ui/package.json), what it does.

page.mjs has the tests of the browser; this starts collectors, sends them traces that are true now, and looks at the bytes. With
PAGE_SHOTS=FOLDER in the environment the pictures it takes stay there. Needs $TRACKWAY_BUILD (default build/); node, chromium.
"""
import gzip
import http.client
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.join(HERE, "../..")
FIRST_LOAD_MAX_BYTES = 120 * 1024
CHROMIUM = "/usr/bin/chromium"

spec = importlib.util.spec_from_file_location("test_api", os.path.join(ROOT, "tests/serve/test_api.py"))
api = importlib.util.module_from_spec(spec)
spec.loader.exec_module(api)
api.T0 = time.time_ns() - 60_000_000_000  # a minute ago: the page looks at the last hour
LARGE, LARGE_SPANS = "9c000000000000000000000000000003", 10000


def shop():
    """A request over four services: threads, a commit with two further parents, repeated children, an error, one that never ended."""
    trace = "8a0000000000000000000000000000aa"
    span = lambda *args, **more: api.span(*args, trace=trace, **more)
    lookups = [span(100 + i, 5, "GET item", 6200 + 700 * i, 6200 + 700 * i + 350 + 31 * (i % 7), 3, cache__hit=i % 3 == 0,
                    error="timeout" if i == 23 else None) for i in range(40)]
    open_one = span(9, 2, "audit", 36500, 36500, 1)
    open_one["endTimeUnixNano"] = "0"
    placed = span(2, 1, "POST /order", 900, 47100, 2, events=[(1200, "order.checked"), (36000, "order.placed"), (36100, "%d items left of %s"), (36200, "exception")])
    placed["events"][2]["attributes"] = [api.tag("trackway.kind", "log"), api.tag("level", "error"), api.tag("message", "2 items left of tea"),
                                         api.tag("zone", "west")]
    placed["events"][3]["attributes"] = [api.tag("exception.message", "no tea"), api.tag("exception.type", "TeaError"),
                                         api.tag("exception.stacktrace", "at pour\n  at main")]
    return {"resourceSpans": [
        api.resource("edge", span(1, 0, "POST /order", 0, 48000, 2, http__method="POST", url__path="/order", user__id="17", http__status_code=200)),
        api.resource("front", placed, span(3, 2, "check stock", 1500, 5200), span(4, 2, "check payment", 1600, 4100), open_one,
                     span(12, 2, "render", 44000, 46900)),
        api.resource("stock", span(5, 3, "GET /stock", 5400, 35900, 2), *lookups),
        api.resource("orders", span(6, 2, "insert order", 5300, 9000, 3, db__system="sqlite", db__statement="INSERT INTO orders VALUES (?, ?, ?)"),
                     span(7, 2, "insert lines", 9100, 14200, 3, db__system="sqlite"),
                     span(8, 2, "commit", 37000, 43500, 3, links=[6, 7, 5], events=[(38000, "wal.sync"), (41000, "wal.synced")]))]}


def large():
    """Deep and wide: 10,000 spans, so that only what is drawn can matter."""
    names = ["parse", "plan", "scan", "filter", "join"]
    for first in range(0, LARGE_SPANS, 5000):
        yield {"resourceSpans": [api.resource(f"worker-{service}", *(
            api.span(i + 1, i // 4 + (1 if i else 0), f"{names[i % 5]} {i % 50}", i * 20, i * 20 + 15 + (LARGE_SPANS - i) * 18, trace=LARGE,
                     error="lost" if i % 997 == 5 else None, n=i) for i in range(first, first + 5000) if i % 3 == service)) for service in range(3)]}


def long_names():
    """Names without a place to break them, and more levels than there is room for."""
    trace, name = "9d000000000000000000000000000004", "POST/" + "{organisation}/" * 12
    return {"resourceSpans": [
        api.resource("gateway-with-a-rather-long-name-" * 3, api.span(1, 0, name, 0, 9000, 2, trace=trace, error="no " * 200)),
        api.resource("worker", *(api.span(i, i - 1, name, 10 * i, 9000 - 10 * i, trace=trace) for i in range(2, 40)))]}


def fill(collector):
    api.STORY["resourceSpans"] = [
        api.resource("front", api.span(1, 0, "GET /cart", 0, 5000, 2, http__status_code=500, user__id="17"), api.span(2, 1, "call back", 100, 4800, 3)),
        api.resource("back", api.span(3, 2, "GET /items", 200, 4700, 2, error="no stock", events=[(300, "cache.miss")]),
                     api.span(4, 3, "SELECT", 400, 4000, 3, db__system="sqlite"), api.span(5, 3, "INSERT", 4100, 4300, 3, db__system="sqlite"),
                     api.span(6, 3, "commit", 4300, 4600, links=[4, 5]))]
    collector.send(api.STORY)
    collector.send(shop())
    collector.send(long_names())
    for request in large():
        collector.send(request)
    for i in range(60):  # something for the heat map, and a list of many
        at = -1000_000 * i - 7000 * (i * i % 13)
        trace = f"{0xab0000 + i:032x}"
        collector.send({"resourceSpans": [
            api.resource("front", api.span(1, 0, ("GET /", "GET /items", "POST /order")[i % 3], at, at + 900 + 4100 * (i * 7 % 11), 2, trace=trace,
                                           error="busy" if i % 17 == 3 else None)),
            api.resource(("orders", "stock")[i % 2], api.span(2, 1, "query", at + 200, at + 700 + 3000 * (i * 7 % 11), 3, trace=trace))]})


def get(collector, path, **headers):
    connection = http.client.HTTPConnection(*collector.address_of("http"), timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


def the_page_is_served_packed_small_and_cached(collector):
    status, headers, body = get(collector, "/", **{"Accept-Encoding": "gzip, br"})
    assert status == 200 and headers["content-encoding"] == "gzip" and headers["cache-control"] == "no-cache", headers
    text = gzip.decompress(body).decode()
    assert "/assets/" in text, "the plain page: was there no Node at the build?\n" + text
    total = len(body)
    for name in re.findall(r'(?:src|href)="(/[^"]+)"', text):
        status, headers, body = get(collector, name, **{"Accept-Encoding": "gzip"})
        assert status == 200 and "immutable" in headers["cache-control"] and re.search(r"-[\w-]{8}\.(js|css)$", name), (name, headers)
        assert headers["content-type"].startswith(("text/javascript", "text/css")) and headers["x-content-type-options"] == "nosniff"
        assert get(collector, name, **{"Accept-Encoding": "gzip", "If-None-Match": headers["etag"]})[0] == 304
        assert get(collector, name)[2] == gzip.decompress(body), "unpacked for who takes no gzip"
        assert get(collector, name, **{"Accept-Encoding": "br, gzip;q=0"})[2] == gzip.decompress(body)
        total += len(body)
    print(f"first load: {total} bytes", flush=True)
    assert total <= FIRST_LOAD_MAX_BYTES, total


def the_page_runs_nothing_inline_and_asks_nobody_else(collector):
    _, headers, body = get(collector, "/")
    text = body.decode()
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] in ("'none'", "'self'") and policy["script-src"] == "'self'" and policy["style-src"] == "'self'", policy
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", text), text
    assert not re.findall(r'(?:src|href)="(?!/|data:)', text), text


def views_have_addresses_and_other_paths_have_none(collector):
    for path, expected in (("/map", 200), ("/map/", 404), ("/trace/" + "1" * 32, 200), ("/assets/", 404), ("/assets/../../etc/passwd", 404), ("/assets/%2e%2e/x", 404), ("/none", 404)):
        assert get(collector, path)[0] == expected, path


def a_span_is_found_by_its_id(collector):
    where = f"/api/tw/traces/{api.TRACE}/spans"
    page = collector.get(f"{where}?span=0000000000000003&count=2")
    assert [row["span_id"] for row in page["spans"]] == ["0000000000000003", "0000000000000004"] and page["spans"][0]["index"] == 2, page
    for wrong, expected in (("00000000000000ff", 404), ("3", 400), ("000000000000000g", 400)):
        assert get(collector, f"{where}?span={wrong}")[0] == expected, wrong


def in_the_browser(collector, folder):
    """page.mjs, which prints a line for each of its tests. Returns how many failed."""
    shots = os.environ.get("PAGE_SHOTS") or os.path.join(folder, "shots")
    os.makedirs(shots, exist_ok=True)
    command = ["node", os.path.join(HERE, "page.mjs"), f"http://{collector.where['http']}", shots, os.path.join(folder, "profile"), CHROMIUM]
    done = subprocess.run(command, timeout=240, check=False)
    return done.returncode


def main():
    if not shutil.which("node") or not os.path.exists(CHROMIUM):
        print("skipped: no node or no chromium")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory() as folder, api.Collector(folder) as collector:
        fill(collector)
        for test in (the_page_is_served_packed_small_and_cached, the_page_runs_nothing_inline_and_asks_nobody_else,
                     views_have_addresses_and_other_paths_have_none, a_span_is_found_by_its_id):
            try:
                test(collector)
                print(f"passed {test.__name__}", flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failed += 1
                print(f"FAILED {test.__name__}: {type(error).__name__} {error}", flush=True)
        failed += in_the_browser(collector, folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
