#!/usr/bin/python3
"""The otlp exporter of a real program against a receiver that shares nothing with it: Python's http.server, protobuf's own decoder,
Python's gzip and TLS, certificates made by openssl."""
import gzip
import http.server
import importlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import common

try:
    import google.protobuf  # noqa: F401  pylint: disable=unused-import
except ImportError:
    print("python3-protobuf is not installed")
    sys.exit(77)

PROTO = os.path.join(common.HERE, "../wire/proto")
ROOT = os.path.join(common.HERE, "../..")


def load_trace():
    folder = tempfile.mkdtemp()
    subprocess.run(["protoc", f"--proto_path={PROTO}", f"--python_out={folder}", "trace.proto"], check=True)
    sys.path.insert(0, folder)
    module = importlib.import_module("trace_pb2")
    shutil.rmtree(folder)
    return module


pb = load_trace()


class Receiver:
    """Answers requests as the script says, then with 200. script: (status, headers, body), or a function of the handler."""

    def __init__(self, script=(), context=None, host="127.0.0.1"):
        self.script, self.requests, self.lock = list(script), [], threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
                request = pb.ExportTraceServiceRequest.FromString(plain)
                with outer.lock:
                    answer = outer.script.pop(0) if outer.script else (200, {}, b"")
                    outer.requests.append({"time": time.monotonic(), "path": self.path, "headers": dict(self.headers), "request": request, "len": len(body),
                                           "plain": len(plain), "status": answer[0] if isinstance(answer, tuple) else 0,
                                           "peer": self.connection.getpeercert() if context else None})
                if callable(answer):
                    answer(self)
                    return
                status, headers, text = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server((host, 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, scheme="http", host="127.0.0.1"):
        return f"{scheme}://{host}:{self.port}"

    def spans(self, accepted_only=True):
        return [span for r in self.requests if not accepted_only or r["status"] == 200 for resource in r["request"].resource_spans
                for scope in resource.scope_spans for span in scope.spans]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def send(receiver, *words, scheme="http", **variables):
    return common.run(*words, TRACKWAY_EXPORTER="otlp", **dict({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url(scheme)}, **variables))


def value(attributes, key):
    found = [a.value for a in attributes if a.key == key]
    assert len(found) == 1, (key, len(found))
    return getattr(found[0], found[0].WhichOneof("value"))


def spans_arrive_with_their_tree_their_events_and_their_resource(folder):
    receiver = Receiver()
    counters, told = send(receiver, "30", OTEL_SERVICE_NAME="shop", OTEL_RESOURCE_ATTRIBUTES="deployment.environment=a%20b,service.name=other,zone=1")
    spans = receiver.spans()
    assert len(spans) == 60 and counters[0]["sent"] == 60 and counters[0]["dropped"] == 0 and told == "", (len(spans), counters, told)
    by_id = {span.span_id: span for span in spans}
    children = [span for span in spans if span.name == "child"]
    assert all(by_id[span.parent_span_id].name == "parent" and by_id[span.parent_span_id].trace_id == span.trace_id for span in children)
    assert all([event.name for event in span.events] == ["step"] for span in children)
    assert sum(span.status.code == 2 and span.status.message == "every tenth" for span in children) == 3
    resource = receiver.requests[0]["request"].resource_spans[0].resource.attributes
    assert value(resource, "service.name") == "shop" and value(resource, "deployment.environment") == "a b" and value(resource, "zone") == "1"
    assert value(resource, "process.pid") > 0 and value(resource, "telemetry.sdk.name") == "trackway"
    headers = receiver.requests[0]["headers"]
    assert headers["Content-Type"] == "application/x-protobuf" and headers["User-Agent"].startswith("OTel-OTLP-Exporter-"), headers
    assert receiver.requests[0]["path"] == "/v1/traces" and "Expect" not in headers


def logs_are_events_with_level_and_text(folder):
    receiver = Receiver()
    send(receiver, "0", "logs")
    events = [span for span in receiver.spans() if span.name == "logged"][0].events
    assert [event.name for event in events] == ["%s has %d items, %.1f kg", "plain"], events
    told = [[value(event.attributes, key) for key in ("trackway.kind", "level", "message")] for event in events]
    assert told == [["log", "warning", "ann has 3 items, 2.5 kg"], ["log", "debug", "plain"]], told
    assert value(events[0].attributes, "zone") == "west"


def an_event_long_before_the_end_of_its_span_is_in_it(folder):
    receiver = Receiver()
    send(receiver, "0", "slow")
    slow = [span for span in receiver.spans() if span.name == "slow"]
    assert [event.name for event in slow[0].events] == ["begun", "nearly done"], slow


def headers_and_endpoints_are_those_of_the_environment(folder):
    receiver = Receiver()
    send(receiver, "1", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url() + "/prefix/", OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20abc,x-tenant = 7")
    send(receiver, "1", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=receiver.url() + "/own", OTEL_EXPORTER_OTLP_HEADERS="a=1", OTEL_EXPORTER_OTLP_TRACES_HEADERS="b=2")
    send(receiver, "1", TRACKWAY_OTLP_ENDPOINT=receiver.url() + "/ours", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://127.0.0.1:1/")
    first, second, third = receiver.requests
    assert first["path"] == "/prefix/v1/traces" and first["headers"]["authorization"] == "Bearer abc" and first["headers"]["x-tenant"] == "7"
    assert second["path"] == "/own" and second["headers"].get("b") == "2" and "a" not in second["headers"]
    assert third["path"] == "/ours"


def gzip_is_gzip(folder):
    receiver = Receiver()
    counters, _ = send(receiver, "500", OTEL_EXPORTER_OTLP_COMPRESSION="gzip")
    assert len(receiver.spans()) == 1000 and receiver.requests[0]["headers"]["Content-Encoding"] == "gzip"
    assert sum(r["len"] for r in receiver.requests) * 3 < sum(r["plain"] for r in receiver.requests)
    assert counters[0]["bytes"] == sum(r["len"] for r in receiver.requests), counters


def requests_are_no_larger_than_asked_and_hold_every_span_once(folder):
    receiver = Receiver()
    counters, _ = send(receiver, "3000", TRACKWAY_OTLP_BATCH="16K")
    ids = [span.span_id for span in receiver.spans()]
    assert len(ids) == len(set(ids)) == 6000 == counters[0]["sent"], (len(ids), counters)
    assert len(receiver.requests) > 20 and max(r["plain"] for r in receiver.requests) <= 16384


def a_span_larger_than_a_request_gets_its_own(folder):
    receiver = Receiver()
    counters, _ = send(receiver, "1", "huge", TRACKWAY_OTLP_BATCH="16K", TRACKWAY_ARENA="32M")
    assert sorted(span.name for span in receiver.spans()) == ["child", "huge one", "parent"] and counters[0]["dropped"] == 0, counters


def a_request_that_is_not_full_is_sent_when_it_is_old(folder):
    receiver = Receiver()
    began = time.monotonic()
    program = subprocess.Popen([common.PROGRAM, "2", "rate"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               env=dict(os.environ, TRACKWAY_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url(), TRACKWAY_OTLP_AGE="200ms"))
    while not receiver.requests and time.monotonic() - began < 60:
        time.sleep(0.01)
    assert len(receiver.spans()) == 4
    program.communicate(b"")


def what_asks_for_patience_is_sent_again_and_nothing_twice(folder):
    for status in (429, 502, 503, 504):
        receiver = Receiver([(status, {}, b"")])
        counters, told = send(receiver, "10")
        first, second = receiver.requests
        assert second["time"] - first["time"] > 0.2, second["time"] - first["time"]
        assert len(receiver.spans()) == 20 == counters[0]["sent"] and counters[0]["dropped"] == 0 and counters[0]["flushed"] == 0, counters
        assert str(status) in told and told.count("diagnostic") == 1, told


def retry_after_is_obeyed(folder):
    receiver = Receiver([(503, {"Retry-After": "2"}, b"")])
    counters, _ = send(receiver, "10")
    first, second = receiver.requests
    assert 1.9 < second["time"] - first["time"] < 4 and counters[0]["sent"] == 20, (second["time"] - first["time"], counters)
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3))
    receiver = Receiver([(429, {"Retry-After": date}, b"")])
    send(receiver, "10")
    first, second = receiver.requests
    assert 1.5 < second["time"] - first["time"] < 5, second["time"] - first["time"]


def other_refusals_are_final_and_say_why(folder):
    text = pb.RpcStatus(code=3, message="no such tenant").SerializeToString()
    for status in (400, 401, 404, 413, 500, 501, 307):
        receiver = Receiver([(status, {"Content-Type": "application/x-protobuf", "Location": "/elsewhere", "Retry-After": "1"}, text)])
        counters, told = send(receiver, "10")
        assert len(receiver.requests) == 1 and counters[0]["sent"] == 0 and counters[0]["dropped"] == 20, (status, counters, len(receiver.requests))
        assert "no such tenant" in counters[0]["problem"] and str(status) in told, (counters, told)


def partial_success_is_reported_and_not_sent_again(folder):
    text = pb.ExportTraceServiceResponse(partial_success=pb.ExportTracePartialSuccess(rejected_spans=7, error_message="too old")).SerializeToString()
    receiver = Receiver([(200, {}, text)])
    counters, told = send(receiver, "10")
    assert len(receiver.requests) == 1 and counters[0]["sent"] == 13 and counters[0]["dropped"] == 7, counters
    assert "7 of 20 spans rejected: too old" in told, told
    text = pb.ExportTraceServiceResponse(partial_success=pb.ExportTracePartialSuccess(error_message="old protocol")).SerializeToString()
    receiver = Receiver([(200, {}, text)])
    counters, told = send(receiver, "10")
    assert counters[0]["sent"] == 20 and counters[0]["dropped"] == 0 and "old protocol" in told, (counters, told)


def nonsense_in_an_answer_harms_nobody(folder):
    for text in (b"\xff" * 100, b"{}", b"x" * 100000):
        receiver = Receiver([(200, {}, text)])
        counters, _ = send(receiver, "10")
        assert counters[0]["sent"] == 20, counters


def without_a_receiver_a_flush_ends_in_time_and_so_does_the_program(folder):
    began = time.monotonic()
    counters, told = common.run("10", "flush=300", TRACKWAY_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert counters[0]["flushed"] < 0 and counters[0]["sent"] == 0 and "no answer" in told, (counters, told)
    assert time.monotonic() - began < 30  # not a measurement: for ever would be longer


def a_receiver_that_never_answers_holds_nobody(folder):
    receiver = Receiver([lambda handler: time.sleep(60)] * 9)
    began = time.monotonic()
    counters, _ = send(receiver, "10", "flush=300")
    assert counters[0]["flushed"] < 0 and time.monotonic() - began < 40, (counters, time.monotonic() - began)
    counters, told = send(receiver, "10", "flush=1500", OTEL_EXPORTER_OTLP_TIMEOUT="200")
    assert len(receiver.requests) >= 3 and "no answer" in told, (len(receiver.requests), told)


def while_the_receiver_is_away_memory_is_bounded_and_the_rest_is_counted(folder):
    if "asan" in common.BUILD:
        return  # its memory is another
    import resource  # pylint: disable=import-outside-toplevel
    for flush in ("3000", "30000"):  # on a busy machine the exporter has seen nothing after three seconds
        counters, _ = common.run("150000", f"flush={flush}", TRACKWAY_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", TRACKWAY_ARENA="128M")
        one = counters[0]
        if one["dropped"]:
            break
    assert one["sent"] == 0 and one["backing_off"] == one["dropped"] > 0, one
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    assert most < 800, f"{most} MiB"  # the arena of 128, what was read at once, and 16 of requests


def a_clean_exit_sends_what_is_there(folder):
    receiver = Receiver()
    send(receiver, "10", "exit")
    assert len(receiver.spans()) == 20


def a_child_process_sends_its_own(folder):
    receiver = Receiver()
    send(receiver, "10", "fork")
    names = [span.name for span in receiver.spans()]
    assert names.count("in the child") == 10 and names.count("parent") % 10 == 0 and names.count("parent"), names


def authority(folder):
    """A certificate authority, a server's certificate for localhost, and a client's."""
    openssl = lambda *words: subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem")
    for name, subject in (("server", "subjectAltName=DNS:localhost,IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")):
        with open(os.path.join(folder, name + ".ext"), "w", encoding="ascii") as file:
            file.write(subject + "\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", name + ".key", "-out", name + ".csr")
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", name + ".ext",
                "-out", name + ".pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))
    context.load_verify_locations(os.path.join(folder, "ca.pem"))
    return context


def tls_checks_the_receiver_and_shows_a_certificate(folder):
    context = authority(folder)
    path = lambda name: os.path.join(folder, name)
    receiver = Receiver(context=context)
    counters, told = send(receiver, "10", scheme="https", OTEL_EXPORTER_OTLP_CERTIFICATE=path("ca.pem"))
    assert len(receiver.spans()) == 20 == counters[0]["sent"], (counters, told)
    counters, told = send(receiver, "10", "flush=400", scheme="https")
    assert counters[0]["sent"] == 0 and "certificate" in told, (counters, told)
    context.verify_mode = ssl.CERT_REQUIRED
    strict = Receiver(context=context)
    counters, told = send(strict, "10", "flush=400", scheme="https", OTEL_EXPORTER_OTLP_CERTIFICATE=path("ca.pem"))
    assert counters[0]["sent"] == 0 and counters[0]["errors"] > 0, (counters, told)
    counters, told = send(strict, "10", scheme="https", OTEL_EXPORTER_OTLP_CERTIFICATE=path("ca.pem"), OTEL_EXPORTER_OTLP_CLIENT_KEY=path("client.key"),
                          OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=path("client.pem"))
    assert counters[0]["sent"] == 20, (counters, told)
    assert strict.requests[0]["peer"]["subject"] == ((("commonName", "client"),),), strict.requests[0]["peer"]


def what_cannot_be_configured_is_told(folder):
    for variables, word in (({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"), ({"OTEL_EXPORTER_OTLP_COMPRESSION": "zip"}, "gzip"),
                            ({"OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://x"}, "no URL"), ({"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "timeout")):
        counters, told = common.run("1", TRACKWAY_EXPORTER="otlp", **variables)
        assert counters == [] and word in told and told.count("diagnostic") == 1, (variables, told)


def the_standard_switches_are_honoured(folder):
    receiver = Receiver()
    send(receiver, "10", OTEL_SDK_DISABLED="true")
    assert receiver.requests == []
    send(receiver, "10", OTEL_SDK_DISABLED="true", TRACKWAY="on")
    assert len(receiver.spans()) == 20
    common.run("10", OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url())
    assert len(receiver.spans()) == 40
    common.run("400", OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url(), OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.5")
    assert 40 + 200 < len(receiver.spans()) < 40 + 600, len(receiver.spans())


def without_the_library_it_is_told_and_the_rest_goes_on(folder):
    if "asan" in common.BUILD:
        return  # its dlopen looks where the program does, and so finds it
    shutil.copy(os.path.join(common.BUILD, "libtrackway.so.0"), folder)
    path = os.path.join(folder, "spans.jsonl")
    counters, told = common.run("1", TRACKWAY_EXPORTER="otlp,file", TRACKWAY_FILE=path, LD_LIBRARY_PATH=folder)
    assert "otlp cannot be loaded" in told and [c["name"] for c in counters] == ["file"] and os.path.getsize(path) > 0, (counters, told)


def a_program_that_links_both_archives_says_so_and_sends(folder):
    if "asan" in common.BUILD:
        return  # such archives want their sanitizer
    source = os.path.join(folder, "program.c")
    with open(source, "w", encoding="ascii") as file:
        file.write('#include <trackway/otlp.h>\n#include <trackway/trackway.h>\nint main(void)\n{\n    if (tw_exporter_register(tw_otlp_exporter()) < 0) return 2;\n'
                   '    TW_SCOPE(span, "linked");\n    tw_span_end(span);\n    return tw_flush(5000000000u) == 0 ? 0 : 1;\n}\n')
    program = os.path.join(folder, "program")
    subprocess.run(["cc", "-I", os.path.join(ROOT, "include"), source, "-o", program, os.path.join(common.BUILD, "libtrackway.a"),
                    os.path.join(common.BUILD, "libtrackway-otlp.a"), "-pthread", "-lcurl", "-lz"], check=True)
    receiver = Receiver()
    subprocess.run([program], check=True, env=dict(os.environ, TRACKWAY_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url()), timeout=30)
    assert [span.name for span in receiver.spans()] == ["linked"]


def main():
    if not os.path.exists(os.path.join(common.BUILD, "libtrackway-otlp.so")) or not shutil.which("protoc") or not shutil.which("openssl"):
        return 77
    helpers = {"main", "send", "value", "load_trace", "authority"}
    tests = [thing for name, thing in globals().items() if callable(thing) and getattr(thing, "__module__", "") == "__main__"
             and not isinstance(thing, type) and name not in helpers]
    return common.run_all([test for test in tests if len(sys.argv) < 2 or re.search(sys.argv[1], test.__name__)])


if __name__ == "__main__":
    sys.exit(main())
