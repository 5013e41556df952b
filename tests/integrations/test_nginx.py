#!/usr/bin/python3
"""The nginx module, end to end: in Debian's own nginx, with its own folder and port, in front of real servers.

Exit code 77 when nginx, nginx-dev or libpcre2-dev is not installed.
"""
import glob
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import webs
from webs import PARENT, TRACE, TRACEPARENT, await_true, free_port, get, records, span, spans

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
CONFIG = """
load_module MODULE;
env TRACKWAY_DIR; env TRACKWAY; env LD_PRELOAD; env ASAN_OPTIONS; env LSAN_OPTIONS;
daemon off; worker_processes 3; USER pid F/pid; error_log F/error.log info;
events { worker_connections 512; }
http {
    client_body_temp_path F/body; proxy_temp_path F/proxy; fastcgi_temp_path F/fastcgi; uwsgi_temp_path F/uwsgi; scgi_temp_path F/scgi;
    log_format ids '$request_uri $status $trackway_trace_id $trackway_span_id $trackway_traceparent';
    access_log F/access.log ids;
    trackway on;
    trackway_service edge;
    trackway_skip /health* /metrics;
    upstream broken { server 127.0.0.1:DEAD max_fails=0; server 127.0.0.1:DEAD2 max_fails=0; }
    server {
        listen 127.0.0.1:PORT reuseport;
        root F/html;
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Forwarded-For;
        if ($arg_early) { return 301 /elsewhere; }
        location / { try_files $uri $uri/index.html =404; }
        location /front/ { proxy_pass FRONT/; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }
        location /mirror/ { proxy_pass MIRROR; }
        location /request-id/ { proxy_pass MIRROR; proxy_set_header X-Request-ID $request_id; }
        location /by-hand/ { trackway_inject off; proxy_pass MIRROR; proxy_set_header traceparent $trackway_traceparent; }
        location /both-ways/ { proxy_pass MIRROR; proxy_set_header traceparent $trackway_traceparent; }
        location /off/ { trackway off; proxy_pass MIRROR; }
        location /mine/ { trackway_skip /mine/secret; return 200; }
        location /bad/ { proxy_pass http://broken; }
        location /error/ { return 500; }
        location /caught/ { error_page 500 =503 /error.html; return 500; }
        location /health { error_page 500 =200 /index.html; return 500; }
        location /guarded/ { auth_request /auth; proxy_pass MIRROR; }
        location = /auth { internal; proxy_pass FRONT/status/200; proxy_pass_request_body off; }
        location /copied/ { mirror /copy; proxy_pass MIRROR; }
        location = /copy { internal; proxy_pass FRONT/item/9; }
        location ~ ^/match/[0-9]+$ { return 200; }
    }
}
"""
master, edge, error_log = None, "", ""


def configure(**changes):
    text = CONFIG
    for word, value in {**values, **changes}.items():
        text = re.sub(rf"\b{word}\b", lambda _: str(value), text)
    with open(os.path.join(webs.folder, "nginx.conf"), "w", encoding="utf-8") as file:
        file.write(text)


def nginx_environment(**more):
    if webs.SANITIZED:  # nginx itself is not: the runtime has to be there before it
        runtime = subprocess.run(["clang", "-print-file-name=libclang_rt.asan-x86_64.so"], capture_output=True, text=True, check=True).stdout.strip()
        more = dict(more, LD_PRELOAD=runtime, ASAN_OPTIONS="detect_leaks=0:detect_odr_violation=0")
    return more


def nginx(*arguments):
    return subprocess.run([NGINX, "-p", webs.folder, "-c", os.path.join(webs.folder, "nginx.conf"), *arguments], capture_output=True, text=True,
                          env=webs.environment(**nginx_environment()), timeout=30)


def children():
    return [int(pid) for pid in open(f"/proc/{master.pid}/task/{master.pid}/children", encoding="ascii").read().split()]


def workers():
    """Process ids of the workers that are not on their way out."""
    staying = set()
    for pid in children():
        try:
            if "worker process is shutting down" not in open(f"/proc/{pid}/cmdline", encoding="utf-8").read():
                staying.add(pid)
        except OSError:  # it has just gone
            pass
    return staying


def segment_pids():
    return {int(os.path.basename(path).split(".")[0]) for path in glob.glob(os.path.join(webs.segments, "*.segment"))}


def start_nginx():
    global master
    tested = nginx("-t")
    assert tested.returncode == 0, tested.stderr
    assert not segment_pids() - known, "nginx -t left a segment"
    master = webs.start(NGINX, "-p", webs.folder, "-c", os.path.join(webs.folder, "nginx.conf"), **nginx_environment())
    await_true(lambda: answers("/metrics"))


def answers(path):
    try:
        return get(edge + path)[0]
    except OSError:
        assert master.poll() is None, open(error_log, encoding="utf-8").read()
        return 0


def seen(path, headers=()):
    """What the upstream was sent: pairs."""
    status, text, _ = get(edge + path, headers=headers)
    assert status == 200, (status, text)
    return [tuple(pair) for pair in json.loads(text)]


def edge_span(path):
    return span(service="edge", tag_url__path=path)


def test_one_trace_from_the_client_through_nginx_and_front_to_back():
    status, text, _ = get(edge + "/front/call/echo", headers=[("traceparent", TRACEPARENT), ("tracestate", "a=b,c=d"), ("baggage", "user=7"),
                                                              ("X-Forwarded-For", "203.0.113.9")])
    assert status == 200
    await_true(lambda: len([s for s in spans() if s["trace_id"] == TRACE]) == 4)
    chain = [edge_span("/front/call/echo"), span(service="front", span_kind="server"), span(service="front", span_kind="client"), span(service="back")]
    assert [s["trace_id"] for s in chain] == [TRACE] * 4 and len({s["pid"] for s in chain}) == 3
    assert [s["parent_id"] for s in chain] == [PARENT] + [s["span_id"] for s in chain[:-1]]
    assert "traceparent: 00-" + TRACE + "-" + chain[2]["span_id"] in text and ",a=b,c=d" in text and "baggage: user=7" in text, text
    assert chain[0]["tags"]["client.address"] == chain[1]["tags"]["client.address"] == "203.0.113.9"
    begin, end = chain[0]["begin_ns"], chain[0]["end_ns"]
    assert all(begin <= s["begin_ns"] <= s["end_ns"] for s in chain) and chain[2]["end_ns"] <= end
    shown = subprocess.run([webs.TRACKWAY, "show", TRACE, "--json"], capture_output=True, env=webs.environment(), timeout=60)
    assert shown.returncode == 0 and all(s["span_id"] in shown.stdout.decode() for s in chain)


def test_the_tags_of_a_request():
    get(edge + "/mirror/tags?secret=1", headers=[("Host", "shop.example:99"), ("User-Agent", "tester/2")])
    s = edge_span("/mirror/tags")
    assert s["name"] == "GET /mirror/" and s["span_kind"] == "server" and s["status"] == "unset" and "parent_id" not in s
    wanted = {"http.request.method": "GET", "http.route": "/mirror/", "server.address": "shop.example", "server.port": 99,
              "client.address": "127.0.0.1", "user_agent.original": "tester/2", "http.response.status_code": 200, "nginx.upstream.status": 200,
              "nginx.upstream.address": values["MIRROR"].removeprefix("http://")}
    assert wanted.items() <= s["tags"].items(), s["tags"]
    assert {"nginx.upstream.response_time_ms", "nginx.upstream.header_time_ms", "nginx.upstream.connect_time_ms"} <= s["tags"].keys()
    assert s["tags"]["http.response.body.size"] > 50 and s["tags"]["http.request.size"] > 50 and "nginx.upstream.tries" not in s["tags"]
    assert "nginx.request_id" not in s["tags"] and "secret" not in json.dumps(s)


def test_the_upstream_gets_one_traceparent_and_it_is_ours():
    for n, headers in enumerate([[], [("traceparent", TRACEPARENT)], [("traceparent", "nonsense")], [("Traceparent", TRACEPARENT), ("TRACEPARENT", TRACEPARENT)],
                                 [("traceparent", TRACEPARENT)] + [("tracestate", f"k{i}=v") for i in range(5)] + [("X-After", "kept")]]):
        got = seen(f"/mirror/{n}", headers)
        s = edge_span(f"/mirror/{n}")
        assert [v for k, v in got if k == "traceparent"] == [f"00-{s['trace_id']}-{s['span_id']}-01"], got
        assert s.get("parent_id") == (PARENT if n in (1, 4) else None)
        states = [v for k, v in got if k == "tracestate"]
        # where a trace begins, and nobody has said anything beside it, ours would only repeat the traceparent
        assert states == [f"tw={s['span_id']}" + (",k0=v,k1=v,k2=v,k3=v,k4=v" if n == 4 else "")] * (n != 0), states
        assert n != 4 or ("x-after", "kept") in got and not [k for k, _ in got if k == "keep-alive"]


def test_many_headers_of_the_client_reach_the_upstream():
    sent = [(f"x-b-number-{i}", str(i)) for i in range(60)]  # more than one piece of nginx's list, and more than are looked at
    got = seen("/mirror/many", sent + [("traceparent", TRACEPARENT)])
    assert [pair for pair in got if pair[0].startswith("x-b-number-")] == sent and len([k for k, _ in got if k == "traceparent"]) == 1
    got = seen("/mirror/flood", [("tracestate", f"k{i}=v") for i in range(40)] + [("traceparent", TRACEPARENT)] * 3)
    assert len([k for k, _ in got if k == "traceparent"]) == len([k for k, _ in got if k == "tracestate"]) == 1, got


def test_a_caller_of_xray_or_b3_is_answered_in_its_format_too():
    root = "Root=1-5759e988-bd862e3fe1be46a994272793"
    for said, answer in (("?", root + ";Sampled=1"), ("1", None), ("0", None)):
        _, body, headers = get(edge + "/mirror/asked", headers=[("X-Amzn-Trace-Id", f"{root};Parent=53995c3f42cd8ad8;Sampled={said}")])
        assert headers["X-Amzn-Trace-Id"] == answer and dict(json.loads(body))["x-amzn-trace-id"].endswith(";Sampled=" + said.replace("?", "1")), (said, body)
    got = dict(seen("/mirror/xray", [("X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")]))
    s = edge_span("/mirror/xray")
    assert (s["trace_id"], s["parent_id"]) == ("5759e988bd862e3fe1be46a994272793", "53995c3f42cd8ad8")
    assert got["x-amzn-trace-id"] == f"Root=1-5759e988-bd862e3fe1be46a994272793;Parent={s['span_id']};Sampled=1" and s["span_id"] in got["traceparent"]
    got = dict(seen("/mirror/b3", [("B3", f"{TRACE}-{PARENT}-1")]))
    s = edge_span("/mirror/b3")
    assert s["parent_id"] == PARENT and s["span_id"] in got["b3"] and s["span_id"] in got["traceparent"], got


def test_a_decision_not_to_sample_is_handed_on():
    got = dict(seen("/mirror/unsampled", [("traceparent", TRACEPARENT[:-2] + "00")]))
    s = edge_span("/mirror/unsampled")
    assert got["traceparent"] == f"00-{TRACE}-{s['span_id']}-00" and s["sampled"] is False


def test_the_variable_can_be_set_by_hand():
    for path in ("/by-hand/1", "/both-ways/1"):
        got = seen(path, [("traceparent", TRACEPARENT), ("tracestate", "a=b")])
        s = edge_span(path)
        assert [v for k, v in got if k == "traceparent"] == [f"00-{TRACE}-{s['span_id']}-01"], got
        assert ("tracestate", "a=b" if "hand" in path else f"tw={s['span_id']},a=b") in got


def test_the_access_log_has_the_ids():
    get(edge + "/mirror/logged", headers=[("traceparent", TRACEPARENT)])
    get(edge + "/metrics")
    s = edge_span("/mirror/logged")
    log = open(os.path.join(webs.folder, "access.log"), encoding="utf-8").read()
    assert f"/mirror/logged 200 {TRACE} {s['span_id']} 00-{TRACE}-{s['span_id']}-01\n" in log
    assert re.search(r"^/metrics 404 - - -$", log, re.M)


def test_the_request_id_is_taken_along_when_it_is_used():
    got = dict(seen("/request-id/1"))
    assert edge_span("/request-id/1")["tags"]["nginx.request_id"] == got["x-request-id"]


def test_5xx_is_an_error_and_4xx_is_not():
    for path, code, name in (("/nothing-here", 404, "GET /"), ("/error/1", 500, "GET /error/"), ("/bad/1", 502, "GET /bad/"), ("/front/status/503", 503, "GET /front/"),
                             ("/front/status/429", 429, "GET /front/")):
        assert get(edge + path)[0] == code
        s = edge_span(path)
        assert (s["name"], s["status"], s["tags"]["http.response.status_code"]) == (name, "error" if code >= 500 else "unset", code)
        assert s["tags"].get("error.type") == (str(code) if code >= 500 else None)
    s = edge_span("/bad/1")
    assert s["tags"]["nginx.upstream.tries"] == 2 and s["tags"]["nginx.upstream.address"].startswith("127.0.0.1:")


def test_internal_redirects_are_one_span():
    get(edge + "/caught/1", headers=[("traceparent", TRACEPARENT)])
    s = edge_span("/caught/1")
    assert (s["parent_id"], s["name"], s["tags"]["http.response.status_code"], s["status"]) == (PARENT, "GET /caught/", 503, "error")
    assert get(edge + "/folder")[1] == "folder\n"
    assert edge_span("/folder")["tags"]["http.response.status_code"] == 200
    assert not spans(service="edge", tag_url__path="/error.html") and not spans(service="edge", tag_url__path="/folder/index.html")


def test_what_ends_before_it_has_a_location_is_traced_late():
    assert get(edge + "/early?early=1", headers=[("traceparent", TRACEPARENT)])[0] == 301
    s = edge_span("/early")
    assert (s["parent_id"], s["name"], s["tags"]["http.response.status_code"]) == (PARENT, "GET", 301)
    with socket.create_connection(("127.0.0.1", values["PORT"])) as raw:
        raw.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert b" 400 " in raw.recv(1000)
    await_true(lambda: spans(service="edge", tag_http__response__status_code=400))


def test_methods_and_routes():
    get(edge + "/match/123")
    assert edge_span("/match/123")["name"] == "GET ^/match/[0-9]+$"
    get(edge + "/error/head", "HEAD")
    assert edge_span("/error/head")["name"] == "HEAD /error/"
    get(edge + "/error/brew", "BREW")
    s = edge_span("/error/brew")
    assert s["name"] == "HTTP /error/" and s["tags"]["http.request.method"] == "_OTHER" and s["tags"]["http.request.method_original"] == "BREW"


def test_skip_and_off():
    assert get(edge + "/health")[:2] == (200, "index\n")  # by an internal redirect to a location that is traced
    get(edge + "/mine/secret")
    get(edge + "/mine/health")
    got = seen("/off/1", [("traceparent", TRACEPARENT)])
    assert ("traceparent", TRACEPARENT) in got
    edge_span("/mine/health")
    paths = [s["tags"].get("url.path") for s in spans(service="edge")]
    assert not {"/health", "/index.html", "/mine/secret", "/off/1", "/metrics"} & set(paths), paths


def test_subrequests_are_no_spans_of_their_own():
    got = dict(seen("/guarded/1", [("traceparent", TRACEPARENT)]))
    s = edge_span("/guarded/1")
    assert s["span_id"] in got["traceparent"]
    assert span(service="front", tag_url__path="/status/200", trace_id=TRACE)["parent_id"] == s["span_id"]
    assert get(edge + "/copied/1")[0] == 200
    s = edge_span("/copied/1")
    assert span(service="front", tag_url__path="/item/9")["parent_id"] == s["span_id"]
    assert not [r for r in spans(service="edge") if r["tags"].get("url.path") in ("/auth", "/copy")]


def test_requests_side_by_side_in_one_worker_keep_apart():
    def ask(n):
        get(f"{edge}/front/slow?{n}", headers=[("traceparent", f"00-{n:032x}-{PARENT}-01")])
    threads = [threading.Thread(target=ask, args=(n,)) for n in range(1, 41)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    await_true(lambda: len(spans(service="front", tag_url__path="/slow")) == 40 and len(spans(service="edge", tag_url__path="/front/slow")) == 40)
    edges = {s["span_id"]: s for s in spans(service="edge", tag_url__path="/front/slow")}
    assert sorted(int(s["trace_id"], 16) for s in edges.values()) == list(range(1, 41))
    for s in spans(service="front", tag_url__path="/slow"):
        assert edges[s["parent_id"]]["trace_id"] == s["trace_id"]
    assert len({s["pid"] for s in edges.values()}) > 1, "several workers take part"


def test_every_worker_records_and_the_master_does_not():
    now = workers()
    assert len(now) == 3 and now <= segment_pids() and master.pid not in segment_pids()
    ps = subprocess.run([webs.TRACKWAY, "ps", "--json"], capture_output=True, env=webs.environment(), check=True, text=True).stdout
    mine = [row for row in map(json.loads, ps.splitlines()) if row["service"] == "edge"]
    assert {row["pid"] for row in mine} == now and not any(row["lost"] or row["open_spans"] for row in mine), mine
    assert all("worker process" in row["command"] for row in mine)


def test_a_reload_under_load_loses_no_request_and_leaves_nothing():
    before, failures, count, done = workers(), [], [0], threading.Event()

    def load():
        while not done.is_set():
            try:
                got = get(edge + "/front/item/5", headers=[("traceparent", TRACEPARENT)])[0]
                if got != 200:
                    failures.append(got)
            except ConnectionResetError:  # reuseport: what waits in the queue of a worker that goes; with any module or none
                pass
            except Exception as error:
                failures.append(repr(error))
            count[0] += 1
    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(3):
        configure(edge=f"edge{n}")
        master.send_signal(signal.SIGHUP)
        await_true(lambda: len(workers()) == 3 and not workers() & before)
        before = workers()
        at = count[0]
        await_true(lambda: count[0] > at + 20)
    done.set()
    for thread in threads:
        thread.join()
    assert not failures and count[0] > 60, failures[:5]
    await_true(lambda: len(children()) == 3)
    assert segment_pids() - known == workers(), "the segments of the workers that went are gone"
    new = await_true(lambda: spans(service="edge2"))
    assert all(s["trace_id"] == TRACE and s["parent_id"] == PARENT and s["pid"] in workers() for s in new)


def test_a_killed_worker_leaves_its_open_request_to_be_read():
    asked = threading.Thread(target=lambda: answers_or_breaks(edge + "/front/hang"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        configure(edge="edge3", FRONT=f"http://127.0.0.1:{silent.getsockname()[1]}")
        master.send_signal(signal.SIGHUP)
        await_true(lambda: [r for r in json_ps() if r["service"] == "edge3"][2:])
        asked.start()
        hung = await_true(lambda: [r for r in records() if r.get("kind") == "open" and r.get("tags", {}).get("url.path") == "/front/hang"])[0]
        os.kill(hung["pid"], signal.SIGKILL)
        asked.join()
    dead = await_true(lambda: [r for r in records() if r.get("kind") == "open" and r["pid"] == hung["pid"] and r["process"] != "live"])
    assert dead[0]["span_id"] == hung["span_id"]
    await_true(lambda: len(workers()) == 3)  # the master has begun another in its place
    assert get(edge + "/error/again")[0] == 500 and edge_name("/error/again") == "edge3"


def answers_or_breaks(url):
    try:
        get(url)
    except (OSError, http.client.HTTPException):
        pass


def json_ps():
    done = subprocess.run([webs.TRACKWAY, "ps", "--json"], capture_output=True, env=webs.environment(), text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def edge_name(path):
    return span(tag_url__path=path)["service"]


def test_a_clean_end_leaves_no_segments_but_the_killed_workers():
    master.send_signal(signal.SIGQUIT)
    assert master.wait(60) == 0
    left = segment_pids() - known
    assert len(left) == 1, left


def test_with_recording_off_headers_pass_untouched():
    global master
    configure()
    master = webs.start(NGINX, "-p", webs.folder, "-c", os.path.join(webs.folder, "nginx.conf"), TRACKWAY="off", **nginx_environment())
    await_true(lambda: answers("/metrics"))
    before = segment_pids()
    assert ("traceparent", TRACEPARENT) in seen("/mirror/off", [("traceparent", TRACEPARENT)])
    assert segment_pids() == before and get(edge + "/bad/2")[0] == 502


def test_the_error_log_has_no_alarm():
    log = open(error_log, encoding="utf-8").read()
    found = [line for line in log.splitlines() if re.search(r"\[(alert|emerg|crit)\]|trackway", line) and "exited on signal 9" not in line]
    assert not found, found
    assert "exited on signal 11" not in log and "AddressSanitizer" not in log


if __name__ == "__main__":
    if not os.access(NGINX, os.X_OK):
        webs.skip("nginx is not installed")
    webs.set_up()
    built = subprocess.run([os.path.join(webs.ROOT, "integrations/nginx/build.sh"), webs.BUILD], capture_output=True, text=True)
    if built.returncode == 77:
        webs.skip(built.stderr.strip())
    assert built.returncode == 0, built.stderr
    os.makedirs(os.path.join(webs.folder, "html/folder"))
    for name in ("index", "error", "folder/index"):
        with open(os.path.join(webs.folder, f"html/{name}.html"), "w", encoding="utf-8") as page:
            page.write(name.split("/")[0] + "\n")
    os.chmod(webs.folder, 0o755)
    back, back_url = webs.web("pool", service="back")
    front, front_url = webs.web("pool", back_url, service="front")
    known = {back.pid, front.pid}
    values = {"MODULE": built.stdout.strip(), "F": webs.folder, "PORT": free_port(), "DEAD": webs.dead_port(), "DEAD2": webs.dead_port(), "FRONT": front_url,
              "MIRROR": webs.mirror(), "USER": "user root;" if os.getuid() == 0 else ""}
    edge, error_log = f"http://127.0.0.1:{values['PORT']}", os.path.join(webs.folder, "error.log")
    configure()
    start_nginx()
    webs.run_tests(globals())
