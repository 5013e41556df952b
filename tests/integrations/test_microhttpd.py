#!/usr/bin/python3
"""trackway_microhttpd, end to end: a real libmicrohttpd server in each of its modes, asked by Python and by curl."""
import socket
import subprocess
import threading
import time

import webs
from webs import PARENT, TRACE, TRACEPARENT, await_true, get, records, span, spans, web


def test_a_span_per_request_with_what_http_says():
    status, _, _ = get(url + "/item/7?secret=1", headers=[("User-Agent", "tester/1"), ("Host", "shop.example:8080")])
    assert status == 200
    s = span(name="GET /item/{id}")
    assert s["span_kind"] == "server" and s["status"] == "unset" and "parent_id" not in s
    wanted = {"http.request.method": "GET", "url.path": "/item/7", "url.scheme": "http", "http.route": "/item/{id}", "server.address": "shop.example",
              "server.port": 8080, "client.address": "127.0.0.1", "network.peer.address": "127.0.0.1", "user_agent.original": "tester/1",
              "network.protocol.version": "1.1", "http.response.status_code": 200, "item.id": 7}
    assert wanted.items() <= s["tags"].items(), s["tags"]
    assert span(name="load item")["parent_id"] == s["span_id"]
    for n, (host, address, port) in enumerate([("[::1]:81", "::1", 81), ("[::1]", "::1", None), ("a", "a", None), ("a:x", "a", None), ("a:99999", "a", None)]):
        get(f"{url}/host/{n}", headers=[("Host", host)])
        tags = span(tag_url__path=f"/host/{n}")["tags"]
        assert (tags["server.address"], tags.get("server.port")) == (address, port), tags


def test_the_callers_trace_goes_on():
    get(url + "/status/201", headers=[("traceparent", TRACEPARENT)])
    s = span(tag_url__path="/status/201")
    assert (s["trace_id"], s["parent_id"], s["name"]) == (TRACE, PARENT, "GET")


def test_xray_and_b3_are_understood():
    get(url + "/status/202", headers=[("X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")])
    s = span(tag_url__path="/status/202")
    assert (s["trace_id"], s["parent_id"]) == ("5759e988bd862e3fe1be46a994272793", "53995c3f42cd8ad8")
    get(url + "/status/203", headers=[("b3", f"{TRACE}-{PARENT}-1")])
    assert span(tag_url__path="/status/203")["parent_id"] == PARENT


def test_a_traceparent_given_twice_begins_a_new_trace():
    get(url + "/status/206", headers=[("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)])
    assert span(tag_url__path="/status/206")["trace_id"] != TRACE


def test_5xx_is_an_error_and_4xx_is_not():
    for code, status in ((404, "unset"), (429, "unset"), (500, "error"), (503, "error")):
        get(f"{url}/status/{code}")
        s = span(tag_url__path=f"/status/{code}")
        assert (s["status"], s["tags"]["http.response.status_code"]) == (status, code)
        assert s["tags"].get("error.type") == (str(code) if status == "error" else None)


def test_the_client_is_the_first_that_is_forwarded():
    for n, (headers, address) in enumerate([([("X-Forwarded-For", "203.0.113.9, 10.0.0.1")], "203.0.113.9"), ([("X-Forwarded-For", " 2001:db8::7 ")], "2001:db8::7"),
                                            ([("X-Real-IP", "198.51.100.4"), ("X-Forwarded-For", "203.0.113.9")], "198.51.100.4"),
                                            ([("X-Forwarded-For", " ")], "127.0.0.1")]):
        get(f"{url}/client/{n}", headers=headers)
        tags = span(tag_url__path=f"/client/{n}")["tags"]
        assert tags["client.address"] == address and tags["network.peer.address"] == "127.0.0.1", tags
        assert ("aws.xray.x_forwarded_for" in tags) == (address != "127.0.0.1")


def test_what_is_skipped_leaves_no_span():
    for path, method in (("/health", "GET"), ("/healthz/live", "GET"), ("/echo", "POST")):
        assert get(url + path, method)[0] == 200
    get(url + "/echo?last")
    span(tag_url__path="/echo", tag_http__request__method="GET")
    assert not [s for s in spans() if s["tags"].get("url.path", "").startswith("/health") or s["tags"].get("http.request.method") == "POST"]


def test_a_method_nobody_knows_is_no_name():
    get(url + "/brewed", "BREW")
    s = span(tag_url__path="/brewed")
    assert s["name"] == "HTTP" and s["tags"]["http.request.method"] == "_OTHER" and s["tags"]["http.request.method_original"] == "BREW"


def test_a_body_in_pieces_is_one_request():
    before = len(spans(name="take a piece"))
    get(url + "/upload", "PUT", body=b"x" * 300000)
    s = span(name="PUT")
    assert s["tags"]["http.request.body.size"] == s["tags"]["uploaded"] == 300000
    pieces = spans(name="take a piece")[before:]
    assert pieces and all(p["parent_id"] == s["span_id"] for p in pieces)


def test_a_span_lives_through_suspend_and_resume_among_others():
    threads = [threading.Thread(target=get, args=(url + "/slow",)) for _ in range(24)] + \
              [threading.Thread(target=get, args=(url + "/item/1",)) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    await_true(lambda: len(spans(tag_url__path="/slow")) == 24)
    slow = {s["span_id"]: s for s in spans(tag_url__path="/slow")}
    assert len({s["trace_id"] for s in slow.values()}) == 24
    for name in ("wait", "after the wait"):
        below = spans(name=name)
        assert sorted(s["parent_id"] for s in below) == sorted(slow), name
        assert all(s["trace_id"] == slow[s["parent_id"]]["trace_id"] for s in below)
    assert all(s["tags"]["resumed"] in (1, True) and s["duration_ns"] >= 20000000 for s in slow.values())
    items = {s["span_id"] for s in spans(name="GET /item/{id}")}
    assert all(s["parent_id"] in items for s in spans(name="load item"))


def test_the_programs_own_callback_is_called_within_the_span():
    served = {s["span_id"] for s in spans(service="web") if s.get("span_kind") == "server"}
    done = [r["span_id"] for r in records() if r.get("kind") == "event" and r["name"] == "completed" and r.get("span_id")]
    assert served <= set(done) and len(set(done)) == len(done)


def test_a_connection_that_breaks_is_an_error():
    try:
        get(url + "/drop")
    except Exception:
        pass
    s = span(tag_url__path="/drop")
    assert s["status"] == "error" and s["tags"]["error.type"]
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as broken:
        broken.sendall(b"POST /broken HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
        time.sleep(0.2)
    assert span(tag_url__path="/broken")["status"] == "error"


def test_every_thread_model_works():
    for mode in ("thread", "poll"):
        process, other = webs.web(mode, service=mode)
        for n in range(8):
            get(f"{other}/item/{n}", headers=[("traceparent", TRACEPARENT)])
        await_true(lambda: len(spans(service=mode, name="GET /item/{id}")) == 8)
        assert all(s["parent_id"] == PARENT for s in spans(service=mode, name="GET /item/{id}"))
        if mode == "poll":
            get(other + "/slow")
            assert span(service=mode, name="after the wait")["parent_id"] == span(service=mode, tag_url__path="/slow")["span_id"]
        webs.stop(process)


def test_who_leaves_the_decision_to_us_is_told():
    root = "Root=1-5759e988-bd862e3fe1be46a994272793"
    for said, answer in ((";Sampled=?", root + ";Sampled=1"), ("", root + ";Sampled=1"), (";Sampled=1", None), (";Sampled=0", None)):
        _, _, headers = get(url + "/echo", headers=[("X-Amzn-Trace-Id", root + ";Parent=53995c3f42cd8ad8" + said)])
        assert headers["X-Amzn-Trace-Id"] == answer, (said, headers["X-Amzn-Trace-Id"])
    assert get(url + "/echo", headers=[("b3", f"{TRACE}-{PARENT}")])[2]["X-Amzn-Trace-Id"] is None


def test_what_we_have_decided_nobody_else_is_asked():
    for rate, sampled in (("0", "0"), ("1", "1")):
        server, front = web("pool", url, service=f"decides{rate}", TRACKWAY_SAMPLE_RATE=rate, TRACKWAY_PROPAGATORS="xray")
        _, body, _ = get(front + "/call/echo", headers=[("X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=?")])
        assert f";Sampled={sampled}\n" in body, body
        webs.stop(server)


def test_with_recording_off_it_serves_all_the_same():
    process = webs.start(webs.WEB, "pool", TRACKWAY="off")
    other = f"http://127.0.0.1:{int(process.stdout.readline())}"
    assert get(other + "/item/1")[0] == 200 and get(other + "/slow")[0] == 200
    webs.stop(process)


def test_nothing_is_left_open_and_nothing_was_lost():
    await_true(lambda: not [r for r in records() if r.get("kind") == "open"])
    ps = subprocess.run([webs.TRACKWAY, "ps", "--json"], capture_output=True, env=webs.environment(), check=True).stdout
    for line in ps.splitlines():
        row = webs.json.loads(line)
        assert not row.get("lost"), row
    webs.stop(server)


if __name__ == "__main__":
    webs.set_up()
    server, url = webs.web("pool")
    webs.run_tests(globals())
