#!/usr/bin/python3
"""trackway_curl, end to end: a real libcurl against real servers."""
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading

import webs
from webs import await_true, dead_port, records, span, spans


def fetch(*arguments, **env):
    """Runs fetch until it is done; returns what it printed and its process, which stays until stop()."""
    process = webs.start(webs.FETCH, *arguments, TRACKWAY_SERVICE="fetch", **env)
    text = ""
    for line in process.stdout:
        if line == "-- done\n":
            break
        text += line
    return text, process


class Redirecting(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(302 if self.path.startswith("/from") else 200)
        self.send_header("Location", "/to?token=hidden")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_):
        pass


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def test_the_server_continues_the_clients_trace_and_keeps_the_users_headers():
    text, process = fetch("easy", "-H", "X-Own: mine", f"{url}/echo")
    visit, call = span(service="fetch", name="visit"), span(service="fetch", span_kind="client")
    served = [s for s in spans(service="web") if s["trace_id"] == visit["trace_id"]]
    assert call["parent_id"] == visit["span_id"] and [s["parent_id"] for s in served] == [call["span_id"]]
    first, second = text.split("traceparent: ", 1)[1].split("x-own: mine\n", 1)
    assert first.startswith(f"00-{call['trace_id']}-{call['span_id']}-01\n"), text
    assert second == "x-own: mine\n", "afterwards the handle has its own headers and no others"
    assert call["name"] == "GET 127.0.0.1" and call["status"] == "unset"
    tags = call["tags"]
    wanted = {"http.request.method": "GET", "url.full": f"{url}/echo", "server.address": "127.0.0.1", "server.port": port,
              "http.response.status_code": 200, "network.peer.address": "127.0.0.1", "network.protocol.version": "1.1", "curl.connects": 1}
    assert wanted.items() <= tags.items() and tags["http.response.body.size"] > 50, tags
    assert "curl.tls_ns" not in tags and "http.request.resend_count" not in tags
    assert 0 < tags["curl.connect_ns"] + tags["curl.first_byte_ns"] <= tags["curl.total_ns"] <= call["duration_ns"], (tags, call)
    events = [r for r in records() if r.get("kind") == "event" and r["name"] == "bytes"]
    assert call["span_id"] in [r.get("span_id") for r in events], "curl's callbacks run within the span"
    webs.stop(process)


def test_x_rays_daemon_and_the_server_hear_of_a_call_that_is_traced():
    daemon = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    daemon.bind(("127.0.0.1", 0))
    daemon.settimeout(60)
    for option, traced in (("-t", True), ("-HX-Own: mine", None)):
        text, process = fetch("easy", option, f"{url}/echo", TRACKWAY_EXPORTER="xray", TRACKWAY_PROPAGATORS="xray",
                              AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{daemon.getsockname()[1]}")
        documents = [json.loads(daemon.recv(65535).split(b"\n", 1)[1]) for _ in range(2)]
        call = next(document for document in documents if document.get("type") == "subsegment")
        assert call["namespace"] == "remote" and call["http"]["request"].get("traced") == traced, call
        assert f"x-amzn-trace-id: Root={call['trace_id']};Parent={call['id']};Sampled=1\n" in text and "traceparent" not in text, text
        webs.stop(process)
    daemon.close()


def test_a_traceparent_of_the_users_own_is_not_doubled():
    text, process = fetch("easy", "-H", f"Traceparent: {webs.TRACEPARENT}", f"{url}/echo")
    assert text.count("traceparent:") == 2 and text.count(webs.TRACEPARENT) == 2, text  # the request, and the one after
    webs.stop(process)


def test_secrets_do_not_get_into_the_recording():
    secret = "hunter2"
    first = f"{url.replace('http://', f'http://me:{secret}@')}/echo?a=1&Sig={secret}&X-Amz-Signature={secret}&b=%20x&password={secret}&token#{secret}"
    second, third = f"me:{secret}@{url.removeprefix('http://')}/item/1", f"http://me:{secret}@[bad/"
    _, process = fetch("easy", "$FIRST", "$SECOND", "$THIRD", FIRST=first, SECOND=second, THIRD=third)
    calls = spans(service="fetch", span_kind="client", pid=process.pid)
    full = [s["tags"].get("url.full") for s in calls]
    assert full[0] == f"{url}/echo?a=1&Sig=REDACTED&X-Amz-Signature=REDACTED&b=%20x&password=REDACTED&token", full
    assert full[1] == f"{url}/item/1" and full[2] is None and calls[2]["status"] == "error"
    for place, _, files in os.walk(webs.segments):
        for file in files:
            if file.startswith(f"{process.pid}."):
                assert secret.encode() not in open(os.path.join(place, file), "rb").read(), "it is in the segment's file"
    webs.stop(process)


def test_400_and_above_and_failures_are_errors():
    nobody = f"http://127.0.0.1:{dead_port()}/"
    _, process = fetch("easy", f"{url}/status/404", f"{url}/status/503", nobody, f"{url}/drop", f"{url}/status/204")
    calls = spans(service="fetch", span_kind="client", pid=process.pid)
    assert [s["status"] for s in calls] == ["error"] * 4 + ["unset"]
    assert [s["tags"].get("http.response.status_code") for s in calls] == [404, 503, None, None, 204]
    assert [s["tags"].get("error.type") for s in calls[:3]] == ["404", "503", "Couldn't connect to server"]
    assert calls[2]["tags"]["curl.code"] == 7 and calls[2]["status_message"] == "Couldn't connect to server", calls[2]
    webs.stop(process)


def test_a_connection_used_again_has_no_connect_phase():
    _, process = fetch("easy", f"{url}/item/1", f"{url}/item/2")
    first, second = spans(service="fetch", span_kind="client", pid=process.pid)
    assert (first["tags"]["curl.connects"], second["tags"]["curl.connects"]) == (1, 0)
    assert "curl.connect_ns" in first["tags"] and "curl.connect_ns" not in second["tags"], second["tags"]
    webs.stop(process)


def test_the_method_is_the_one_that_was_sent():
    for method in ("POST", "DELETE"):
        _, process = fetch("easy", "-X", method, f"{url}/item/1")
        s = span(service="fetch", span_kind="client", pid=process.pid)
        assert s["name"] == f"{method} 127.0.0.1" and s["tags"]["http.request.method"] == method
        webs.stop(process)


def test_redirects_are_counted_in_one_span():
    server = serve(Redirecting)
    _, process = fetch("easy", f"http://127.0.0.1:{server.server_port}/from")
    s = span(service="fetch", span_kind="client", pid=process.pid)
    assert s["tags"]["http.request.resend_count"] == 1 and s["tags"]["http.response.status_code"] == 200
    assert s["tags"]["url.full"].endswith("/from") and s["tags"]["curl.redirected_to"].endswith("/to?token=REDACTED"), s["tags"]
    webs.stop(process)
    server.shutdown()


def test_tls_has_a_phase_of_its_own():
    pem = os.path.join(webs.folder, "pem")
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1", "-keyout", pem + ".key",
                           "-out", pem], capture_output=True)
    assert made.returncode == 0, made.stderr
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, pem + ".key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _, process = fetch("easy", f"https://127.0.0.1:{server.server_port}/to")
    s = span(service="fetch", span_kind="client", pid=process.pid)
    assert s["tags"]["http.response.status_code"] == 200 and s["tags"]["curl.tls_ns"] > 0, s["tags"]
    assert s["tags"]["url.full"].startswith("https://")
    webs.stop(process)
    server.shutdown()


def test_many_at_once_on_one_thread_are_siblings():
    urls = [f"{url}/slow", f"{url}/item/1", f"{url}/status/404", f"{url}/slow", f"{url}/item/2", f"{url}/slow"]
    _, process = fetch("multi", *urls)
    visit = span(service="fetch", name="visit", pid=process.pid)
    calls = sorted(spans(service="fetch", span_kind="client", pid=process.pid), key=lambda s: s["tags"]["number"])
    assert [s["tags"]["url.full"] for s in calls] == urls
    assert all(s["parent_id"] == visit["span_id"] for s in calls)
    assert [s["tags"].get("http.request.resend_count") for s in calls] == [None, 1, 2, 3, 4, 5], "attempts count as resends"
    await_true(lambda: len([s for s in spans(service="web", span_kind="server") if s["trace_id"] == visit["trace_id"]]) == 6)
    paths = {s["span_id"]: s["tags"]["url.full"].removeprefix(url) for s in calls}
    for s in spans(service="web", span_kind="server"):
        if s["trace_id"] == visit["trace_id"]:
            assert paths[s["parent_id"]] == s["tags"]["url.path"]
    webs.stop(process)


def test_with_recording_off_nothing_is_injected():
    process = webs.start(webs.FETCH, "easy", "-H", "X-Own: mine", f"{url}/echo", TRACKWAY="off")
    assert [process.stdout.readline() for _ in range(3)] == ["x-own: mine\n", "x-own: mine\n", "-- done\n"]
    webs.stop(process)


if __name__ == "__main__":
    webs.set_up()
    server, url = webs.web("pool")
    port = int(url.rsplit(":", 1)[1])
    webs.run_tests(globals())
