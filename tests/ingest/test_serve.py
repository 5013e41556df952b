#!/usr/bin/python3
"""trackway serve from outside: its settings, doors over HTTP, limits, tokens, TLS, its beginning and its end.

Needs $TRACKWAY_BUILD (default build/).
"""
import base64
import gzip
import http.client
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from _run import run_tests  # noqa: E402
from _serve import ANY, TRACKWAY, Running  # noqa: E402

TRACES, METRICS = "/v1/traces", "/v1/metrics"
JSON, PROTOBUF = "application/json", "application/x-protobuf"


def span(trace="5b8efff798038103d269b633813fc60c", id="eee19b7ec3c1b174", **more):
    return dict({"traceId": trace, "spanId": id, "name": "x", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}, **more)


def request(*spans):
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}).encode()


class Collector(Running):
    """With its output kept; killed when a test has not ended it."""

    def __init__(self, folder, *arguments, env=None, expect_ready=True, pass_fds=(), preexec=None):
        super().__init__(folder, *arguments, expect_ready=expect_ready, **{
            door: ANY for door in ("http", "otlp_http", "otlp_grpc") if "--" + door.replace("_", "-") not in arguments},
            popen={"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": dict(os.environ, **(env or {})), "pass_fds": pass_fds,
                   "preexec_fn": preexec})

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def connect(self, door="otlp-http", context=None):
        host, port = self.address_of(door)
        return http.client.HTTPSConnection(host, port, timeout=60, context=context) if context else \
            http.client.HTTPConnection(host, port, timeout=60)

    def ask(self, method, path, body=None, door="otlp-http", connection=None, **headers):
        own = connection or self.connect(door)
        try:
            own.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has refused what it did not want to read to the end, and says so
        answer = own.getresponse()
        text = answer.read()
        if not connection:
            own.close()
        return answer.status, text, answer.headers

    def post(self, body, path=TRACES, type=JSON, **headers):
        return self.ask("POST", path, body, content_type=type, **headers)

    def counter(self, name, door="otlp-http"):
        series = f'trackway_door_{name}_total{{door="{door}"}} '
        text = self.ask("GET", "/metrics", door="http")[1].decode()
        return int([line for line in text.splitlines() if line.startswith(series)][0][len(series):])

    def end(self):
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        out, error = self.process.communicate(timeout=60)
        return self.process.returncode, time.monotonic() - began, out.decode(), error.decode()


def spans_are_taken_in_every_encoding(folder):
    with Collector(folder) as collector:
        status, body, headers = collector.post(request(span()))
        assert (status, body, headers["Content-Type"]) == (200, b"{}", JSON)
        assert collector.post(gzip.compress(request(span())), content_encoding="gzip")[0] == 200
        # resource_spans { scope_spans { spans { trace_id span_id } } }
        small = wire(1, wire(2, wire(2, wire(1, b"\1" * 16) + wire(2, b"\2" * 8))))
        status, body, headers = collector.post(small, type=PROTOBUF)
        assert (status, body, headers["Content-Type"]) == (200, b"", PROTOBUF)
        assert collector.post(b"", type=PROTOBUF)[0] == 200
        assert collector.counter("spans") == 3
        code, seconds, out, error = collector.end()
        assert code == 0 and seconds < 20 and not error, (code, seconds, error)
        assert len(out.splitlines()) == 5, out


def a_span_without_an_end_is_in_progress_until_it_has_one(folder):
    began = time.time_ns() - 5_000_000_000
    with Collector(folder) as collector:
        def open_count():
            answer = json.loads(collector.ask("GET", "/api/tw/search?since=1h", door="http")[1])["traces"][0]
            return answer["open_count"], answer["duration_ns"]

        def command(*arguments):
            done = subprocess.run([TRACKWAY, *arguments, "--server", collector.where["http"]], capture_output=True, text=True, timeout=30)
            return done.stdout

        for body, type in ((request(span(startTimeUnixNano=str(began), endTimeUnixNano="0")), JSON),
                           (wire(1, wire(2, wire(2, wire(1, b"\1" * 16) + wire(2, b"\2" * 8) + wire(5, b"y")))), PROTOBUF)):
            assert collector.post(body, type=type)[0] == 200
        assert open_count()[0] == 1
        assert "OPEN" in command("show", span()["traceId"])
        assert "eee19b7ec3c1b174" in command("open", "--json")
        assert collector.post(request(span(startTimeUnixNano=str(began), endTimeUnixNano=str(began + 250_000_000))))[0] == 200
        assert open_count() == (0, 250_000_000)
        assert "eee19b7ec3c1b174" not in command("open", "--json")
        assert collector.end()[0] == 0


def wire(field, content):
    return bytes([field << 3 | 2, len(content)]) + content


def spans_without_ids_are_rejected_and_the_others_kept(folder):
    with Collector(folder) as collector:
        status, body, _ = collector.post(request(span(), span(trace="00" * 16), span(id="abc")))
        partial = json.loads(body)["partialSuccess"]
        assert status == 200 and partial["rejectedSpans"] == "2" and "trace id" in partial["errorMessage"], body
        assert (collector.counter("spans"), collector.counter("rejected_spans")) == (1, 2)
        bad = wire(1, wire(2, wire(2, wire(1, b"\0" * 16) + wire(2, b"\2" * 8))))
        status, body, _ = collector.post(bad, type=PROTOBUF)
        assert status == 200 and body[:4] == bytes([0x0a, len(body) - 2, 0x08, 1]), body


def errors_come_in_the_encoding_of_the_request(folder):
    with Collector(folder) as collector:
        status, body, headers = collector.post(b'{"resourceSpans":[')
        assert status == 400 and json.loads(body)["code"] == 3 and headers["Content-Type"] == JSON, body
        status, body, headers = collector.post(b"\x0a\xff", type=PROTOBUF)
        assert status == 400 and body[:2] == b"\x08\x03" and headers["Content-Type"] == PROTOBUF, body
        assert collector.post(b"x", type="text/plain")[0] == 415
        assert collector.post(b"x", content_encoding="br")[0] == 415
        assert collector.post(b"not gzip at all", content_encoding="gzip")[0] == 400
        status, _, headers = collector.ask("GET", TRACES)
        assert status == 405 and headers["Allow"] == "POST"
        status, body, _ = collector.ask("POST", "/", b"{}")
        assert status == 404 and json.loads(body)["code"] == 5 and b"/v1/traces" in body, body
        for path in ("/../etc/passwd", "/%2e%2e/etc/passwd", "/v1/traces/../../x", "/<script>"):
            status, body, _ = collector.ask("POST", path, b"")
            assert status == 404 and b"passwd" not in body and b"script" not in body
        assert collector.post(request(), path=METRICS)[0] == 200
        assert collector.counter("bad") == 4


def bodies_beyond_the_limit_are_refused_before_and_after_decompression(folder):
    with Collector(folder, "--body-max", "1MiB") as collector:
        assert collector.post(b" " * (1 << 20) + b"{}")[0] == 413
        bomb = gzip.compress(b" " * (64 << 20))
        assert len(bomb) < 1 << 20
        status, body, _ = collector.post(bomb, content_encoding="gzip")
        assert status == 413 and b"decompressed" in body
        connection = collector.connect()
        try:
            connection.request("POST", TRACES, (b" " * 65536 for _ in range(64)), {"Content-Type": JSON}, encode_chunked=True)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert connection.getresponse().status == 413
        connection.close()
        assert collector.counter("too_large") == 3
        assert collector.post(request(span()))[0] == 200


def a_connection_is_used_again_after_a_refusal(folder):
    with Collector(folder) as collector:
        connection = collector.connect()
        for body, expected in ((b"{", 400), (request(span()), 200), (b"[]", 400), (request(span()), 200)):
            assert collector.ask("POST", TRACES, body, connection=connection, content_type=JSON)[0] == expected
        connection.close()
        assert collector.counter("connections") == 1


def pages_of_others_and_other_names_are_refused(folder):
    with Collector(folder) as collector:
        assert collector.post(request(span()), origin="http://evil.example")[0] == 403
        assert collector.post(request(span()), host="evil.example")[0] == 403
        assert collector.post(request(span()), host="localhost:1")[0] == 200
        status, _, headers = collector.ask("GET", "/healthz", door="http", origin="http://evil.example")
        assert status == 200 and "Access-Control-Allow-Origin" not in headers
        assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["X-Content-Type-Options"] == "nosniff"


def others_reach_it_only_with_a_token(folder):
    with Collector(folder, "--otlp-http", "0.0.0.0:0", expect_ready=False) as collector:
        assert collector.process.wait(60) == 1 and b"token" in collector.process.stderr.read()
    with Collector(folder, "--otlp-http", "0.0.0.0:0", "--insecure-listen") as collector:
        assert collector.where["otlp-http"].startswith("0.0.0.0:")
    token = os.path.join(folder, "token")
    with open(token, "w", encoding="utf-8") as file:
        file.write("a long secret\n")
    with Collector(folder, "--otlp-http", "0.0.0.0:0", "--write-token-file", token, env={"TRACKWAY_SERVE_READ_TOKEN": "for reading"}) as collector:
        assert collector.post(request(span()))[0] == 401
        assert collector.post(request(span()), authorization="Bearer a long secre")[0] == 401
        assert collector.post(request(span()), authorization="Bearer for reading")[0] == 401
        assert collector.post(request(span()), authorization="Bearer a long secret")[0] == 200
        basic = "Basic " + base64.b64encode(b"anybody:for reading").decode()
        assert collector.ask("GET", "/metrics", door="http")[0] == 401
        assert collector.ask("GET", "/metrics", door="http", authorization=basic)[0] == 200
        assert collector.ask("GET", "/healthz", door="http")[0] == 200


def make_certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{folder}/key", "-out", f"{folder}/cert", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)


def subject(collector, door, alpn=None):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols([alpn])
    with socket.create_connection(collector.address_of(door), 20) as plain, context.wrap_socket(plain) as secure:
        pem = ssl.DER_cert_to_PEM_cert(secure.getpeercert(True))
        chosen = secure.selected_alpn_protocol()
    text = subprocess.run(["openssl", "x509", "-noout", "-subject"], input=pem, capture_output=True, text=True, check=True).stdout
    return text.split("=")[-1].strip(), chosen


def certificates_are_replaced_while_it_runs(folder):
    make_certificate(folder, "first")
    with Collector(folder, "--tls-cert", f"{folder}/cert", "--tls-key", f"{folder}/key") as collector:
        assert subject(collector, "otlp-http")[0] == "first"
        assert subject(collector, "otlp-grpc", "h2") == ("first", "h2")
        context = ssl.create_default_context(cafile=f"{folder}/cert")
        connection = collector.connect(context=context)
        assert collector.ask("POST", TRACES, request(span()), connection=connection, content_type=JSON)[0] == 200
        make_certificate(folder, "second")
        collector.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 60
        while time.monotonic() < until and (subject(collector, "otlp-http")[0], subject(collector, "otlp-grpc", "h2")[0]) != ("second", "second"):
            time.sleep(0.05)
        assert subject(collector, "otlp-http")[0] == "second"
        assert collector.ask("POST", TRACES, request(span()), connection=connection, content_type=JSON)[0] == 200
        connection.close()
        assert collector.end()[0] == 0


def settings_come_from_flag_environment_and_file_in_that_order(folder):
    config = os.path.join(folder, "serve.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write("# a comment\nkeep-for = 1d\nthreads=3\n\nbody-max = 2MiB\n")
    env = {"TRACKWAY_SERVE_CONFIG": config, "TRACKWAY_SERVE_THREADS": "4", "TRACKWAY_SERVE_BODY_MAX": "3MiB"}
    done = subprocess.run([TRACKWAY, "serve", "--check", "--body-max", "4MiB"], capture_output=True, text=True, env=dict(os.environ, **env))
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert done.returncode == 0, done.stderr
    assert (rows["keep-for"], rows["threads"], rows["body-max"]) == (["1d", "file"], ["4", "environment"], ["4MiB", "flag"]), done.stdout
    for arguments, word in ((["--keep-for", "soon"], "keep-for"), (["--http", "here"], "http"), (["--write-token", "x" * 9], "write-token"),
                            (["--nonsense"], "nonsense"), (["--drop", "duration>"], "drop"), (["--tls-cert", "x"], "tls-key"),
                            (["--tls-cert", config, "--tls-key", "/nowhere/key"], "tls-key: /nowhere/key"), (["--user", "no-such-user"], "no-such-user"),
                            (["--xray-rules", "/nowhere/rules"], "xray-rules: /nowhere/rules"), (["--body-max", "0"], "body-max"),
                            (["--connections", "0"], "connections"), (["--zipkin", "127.0.0.1:4318"], "otlp-http and zipkin are both at 127.0.0.1:4318"),
                            (["--http", ":2000", "--insecure-listen"], "http and xray")):
        done = subprocess.run([TRACKWAY, "serve", "--check", *arguments], capture_output=True, text=True)
        assert done.returncode == 2 and word in done.stderr, (arguments, done.stderr)
    for arguments in (["--fdb", "127.0.0.1:4318"], ["--zipkin", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0"], ["--zipkin", "127.0.0.2:4318"],
                      ["--xray", "off", "--xray-rules", "/nowhere/rules"]):
        done = subprocess.run([TRACKWAY, "serve", "--check", *arguments], capture_output=True, text=True)
        assert done.returncode == 0, (arguments, done.stderr)
    for arguments in (["--durability", "sometimes"], ["--drop", "duration>"], ["--body-max", "0"]):
        done = subprocess.run([TRACKWAY, "serve", "--data", folder, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2, (arguments, done.stderr)


def a_drain_answers_what_is_under_way(folder):
    with Collector(folder) as collector:
        body = request(span())
        connection = collector.connect()
        connection.putrequest("POST", TRACES)
        connection.putheader("Content-Type", JSON)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        connection.send(body[:10])
        until = time.monotonic() + 60
        while collector.counter("connections") < 1 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.3)  # that it has the head, too; without it the drain has a connection of which nothing has come
        collector.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.send(body[10:])
        answer = connection.getresponse()
        assert answer.status == 200 and answer.headers["Connection"] == "close"
        answer.read()
        assert collector.process.wait(60) == 0


def a_drain_does_not_wait_for_who_sends_half_a_request(folder):
    with Collector(folder) as collector:
        half = collector.connect()
        half.putrequest("POST", TRACES)
        half.putheader("Content-Type", JSON)
        half.putheader("Content-Length", "1000")
        half.endheaders()
        half.send(b"[")
        call = socket.create_connection(collector.address_of("otlp-grpc"), 60)
        # Settings and the head of a call (POST, http, and literals), and no message.
        head = b"\x83\x86" + b"".join(b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in (
            (b":path", b"/opentelemetry.proto.collector.trace.v1.TraceService/Export"), (b":authority", b"x"),
            (b"content-type", b"application/grpc"), (b"te", b"trailers")))
        call.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]) +
                     bytes([0, 0, len(head), 1, 4, 0, 0, 0, 1]) + head)
        until = time.monotonic() + 60
        while min(collector.counter("connections", door) for door in ("otlp-http", "otlp-grpc")) < 1 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.3)
        code, _, _, error = collector.end()
        assert code == 0 and not error, (code, error)  # it tells of what was not done in time
        call.close()


def a_service_manager_hands_over_sockets_and_is_told(folder):
    listening = socket.create_server(("127.0.0.1", 0))
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(f"{folder}/notify")
    notify.settimeout(60)
    os.set_inheritable(listening.fileno(), True)

    def hand_over():
        os.dup2(listening.fileno(), 3)
        os.environ["LISTEN_PID"] = str(os.getpid())

    script = 'LISTEN_PID=$$ exec "$0" "$@"'
    env = {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "otlp-http", "NOTIFY_SOCKET": f"{folder}/notify"}
    command = ["sh", "-c", script, TRACKWAY, "serve", "--data", f"{folder}/data", "--http", "off", "--otlp-grpc", "off", "--fdb", "off", "--xray", "off",
               "--zipkin", "off", "--segments", "off", "--otlp-http", "127.0.0.1:1"]
    process = subprocess.Popen(command, env=dict(os.environ, **env), preexec_fn=hand_over, close_fds=False, stdout=subprocess.DEVNULL)
    try:
        assert notify.recv(4096).startswith(b"READY=1")
        port = listening.getsockname()[1]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", TRACES, request(span()), {"Content-Type": JSON})
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(signal.SIGTERM)
        assert notify.recv(4096).startswith(b"STOPPING=1")
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        listening.close()
        notify.close()


def root_gives_up_its_powers(folder):
    if os.getuid() != 0:
        return
    with Collector(folder) as collector:
        status = open(f"/proc/{collector.process.pid}/status", encoding="utf-8").read()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert int(fields["CapEff"], 16) == 0 and fields["NoNewPrivs"] == "1", status
    with Collector(folder, "--segments", f"{folder}/none", "--user", "nobody", preexec=lambda: os.chmod(folder, 0o777)) as collector:
        status = open(f"/proc/{collector.process.pid}/status", encoding="utf-8").read()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["Uid"].split()[0] == "65534" and int(fields["CapEff"], 16) == 4, status


def a_source_that_sends_too_fast_is_told_to_wait(folder):
    with Collector(folder, "--source-rate", "1000") as collector:
        body = request(*(span() for _ in range(50)))
        assert collector.post(body)[0] == 200
        status, answer, headers = collector.post(body)
        assert status == 429 and headers["Retry-After"] == "1" and json.loads(answer)["code"] == 8
        assert collector.counter("refused_rate") == 1


def exported(place):
    """Every span in the store: id, name, whether it is open."""
    done = subprocess.run([TRACKWAY, "store", "export", "--data", f"{place}/data"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [(one["spanId"], one["name"], one) for line in done.stdout.splitlines() for group in json.loads(line)["resourceSpans"]
            for scope in group["scopeSpans"] for one in scope["spans"]]


def what_was_acknowledged_survives_a_kill(folder):
    acknowledged = set()
    for round in range(3):
        with Collector(folder) as collector:
            connection, until = collector.connect(), time.monotonic() + 0.4 + round * 0.3
            while time.monotonic() < until:
                ids = [os.urandom(8).hex() for _ in range(20)]
                body = request(*(span(trace=os.urandom(16).hex(), id=id) for id in ids))
                assert collector.ask("POST", TRACES, body, connection=connection, content_type=JSON)[0] == 200
                acknowledged.update(ids)
            collector.process.kill()
            collector.process.wait()
            connection.close()
    with Collector(folder) as collector:
        assert collector.end()[0] == 0
    found = [id for id, _, _ in exported(folder)]
    assert len(found) == len(set(found)), "a span came twice"
    assert set(found) == acknowledged, (len(found), len(acknowledged))


def processes_of_this_host_are_found_live_and_dead(folder):
    env = {"TRACKWAY_DIR": f"{folder}/recordings", "TRACKWAY_KEEP": "1", "TRACKWAY_ARENA": "1M"}
    run = lambda name, *command: subprocess.Popen([TRACKWAY, "run", "--name", name, "--", *command], env=dict(os.environ, **env), start_new_session=True)
    before = run("before", "true")
    assert before.wait(60) == 0
    with Collector(folder, "--segments", f"{folder}/recordings") as collector:
        killed = run("killed", "sleep", "60")
        during = run("during", "true")
        assert during.wait(60) == 0
        until = time.monotonic() + 60
        while time.monotonic() < until and collector.counter("spans", "segments") < 2:
            time.sleep(0.05)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        while time.monotonic() < until and collector.counter("spans", "segments") < 3:
            time.sleep(0.05)
        assert collector.end()[0] == 0
    for _ in range(2):  # and nothing again
        with Collector(folder, "--segments", f"{folder}/recordings") as collector:
            time.sleep(0.3)
            assert collector.counter("spans", "segments") == 0
            assert collector.end()[0] == 0
    names = sorted(name for _, name, _ in exported(folder))
    assert names == ["before", "during", "killed"], names
    died = [one for _, name, one in exported(folder) if name == "killed"][0]
    assert any(tag["key"] == "trackway.open_at_death" for tag in died["attributes"]), died


def grpc_frame(body, compressed=False):
    data = gzip.compress(body) if compressed else body
    return struct.pack(">BI", int(compressed), len(data)) + data


def nghttp(collector, folder, data, *headers, path="/opentelemetry.proto.collector.trace.v1.TraceService/Export"):
    with open(f"{folder}/body", "wb") as file:
        file.write(data)
    command = ["nghttp", "-v", "-n", "-d", f"{folder}/body", "-H", "content-type: application/grpc", "-H", "te: trailers"]
    for header in headers:
        command += ["-H", header]
    done = subprocess.run([*command, f"http://{collector.where['otlp-grpc']}{path}"], capture_output=True, timeout=60)
    found = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if ") grpc-status: " in line]
    return int(found[-1].split("grpc-status: ")[1]) if found else None


def grpc_calls_are_answered_with_their_status(folder):
    small = wire(1, wire(2, wire(2, wire(1, b"\1" * 16) + wire(2, b"\2" * 8))))
    with Collector(folder, "--body-max", "1MiB") as collector:
        assert nghttp(collector, folder, grpc_frame(small)) == 0
        assert nghttp(collector, folder, grpc_frame(small, True), "grpc-encoding: gzip") == 0
        assert nghttp(collector, folder, grpc_frame(b"")) == 0
        assert nghttp(collector, folder, grpc_frame(b"\x0a\xff")) == 3
        assert nghttp(collector, folder, grpc_frame(b" " * (2 << 20))) == 8
        assert nghttp(collector, folder, grpc_frame(b" " * (2 << 20), True), "grpc-encoding: gzip") == 8
        assert nghttp(collector, folder, grpc_frame(small), "grpc-encoding: snappy") == 12
        assert nghttp(collector, folder, grpc_frame(small)[:-1]) == 3
        assert nghttp(collector, folder, grpc_frame(small), "grpc-timeout: 0n") == 4
        assert nghttp(collector, folder, grpc_frame(small), path="/nothing/here") == 12
        assert collector.counter("spans", "otlp-grpc") == 2
        assert collector.end()[0] == 0


def many_streams_over_many_connections(folder):
    small = wire(1, wire(2, wire(2, wire(1, b"\1" * 16) + wire(2, b"\2" * 8))))
    with Collector(folder) as collector:
        with open(f"{folder}/body", "wb") as file:
            file.write(grpc_frame(small))
        done = subprocess.run(["h2load", "-n", "3000", "-c", "10", "-m", "100", "-d", f"{folder}/body", "-H", "content-type: application/grpc",
                               f"http://{collector.where['otlp-grpc']}/opentelemetry.proto.collector.trace.v1.TraceService/Export"],
                              capture_output=True, text=True, timeout=60)
        assert "3000 succeeded, 0 failed, 0 errored" in done.stdout, done.stdout
        assert collector.counter("spans", "otlp-grpc") == 3000
        assert collector.end()[0] == 0


if __name__ == "__main__":
    sys.exit(run_tests(*(value for value in list(globals().values()) if getattr(value, "__code__", None)
                         and value.__code__.co_varnames[:1] == ("folder",) and value.__code__.co_argcount == 1)))
