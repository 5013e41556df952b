#!/usr/bin/python3
"""One trace through programs that are not ours: the OpenTelemetry SDK for JavaScript and the X-Ray SDKs for JavaScript and Python
call a C server of ours and are called by a C client of ours.

The JavaScript comes from npm, in the versions of package-lock.json, into the build folder; the Python from Debian. Everything
talks on loopback. Two sinks take what is sent: an X-Ray daemon's UDP port, and an OTLP/HTTP receiver that has protoc read the
protobuf (sinks.py). Each test is a way of a request through programs, as a chain of spans: every one has the one before as
its parent, all are of one trace, and there is no other span in it.
"""
import os
import shutil
import subprocess
import sys
import time
import types

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "../integrations"), os.path.join(HERE, "../wire"), HERE]
import install  # noqa: E402
import sinks  # noqa: E402
import test_xray_rules  # noqa: E402
import webs  # noqa: E402
from webs import BUILD, await_true, get, run_tests, start  # noqa: E402

WAIT_S = 120
OTEL, XRAY, PYTHON = "otel_peer.js", "xray_peer.js", "xray_peer.py"


def install_peers():
    """npm's packages into the build folder, and the peers beside them. Returns that folder."""
    folder = os.path.join(BUILD, "interop")
    install.install(folder)
    for name in ("peer.js", OTEL, XRAY):
        shutil.copyfile(os.path.join(HERE, name), os.path.join(folder, name))
    return folder


class Scene:
    """Sinks of its own, and the programs of one test."""

    def __init__(self, formats, **env):
        self.xray, self.xray_of_ours, self.processes = sinks.XRay(), sinks.XRay(), []
        self.otlp, self.otlp_of_ours = sinks.Otlp(), sinks.Otlp()
        webs.segments = os.path.join(os.path.dirname(webs.segments), "s%d" % time.monotonic_ns())
        self.env = dict(**({"OTEL_PROPAGATORS": formats} if formats else {}), OTEL_EXPORTER_OTLP_ENDPOINT=self.otlp.url, AWS_XRAY_DAEMON_ADDRESS=self.xray.address,
                        AWS_XRAY_LOG_LEVEL="silent", **env)

    def peer(self, program, mode, url, name):
        """Starts a program of theirs."""
        command = ["/usr/bin/python3", os.path.join(HERE, program)] if program == PYTHON else ["node", os.path.join(peers, program)]
        process = start(*command, mode, *([url] if url else []), **dict(self.env, OTEL_SERVICE_NAME=name, AWS_XRAY_TRACING_NAME=name))
        self.processes.append(process)
        return process

    def server(self, program, name, back=None):
        return "http://127.0.0.1:%d" % int(self.peer(program, "server", back, name).stdout.readline())

    def client(self, program, name, url):
        body, _ = self.peer(program, "client", url, name).communicate(timeout=WAIT_S)
        return body

    def env_of_ours(self, name, **more):
        return dict(self.env, TRACKWAY_SERVICE=name, AWS_XRAY_TRACING_NAME=name, AWS_XRAY_DAEMON_ADDRESS=self.xray_of_ours.address,
                    OTEL_EXPORTER_OTLP_ENDPOINT=self.otlp_of_ours.url, **more)

    def web(self, name, back=None):
        """Starts a C server."""
        process = start(webs.WEB, "pool", *([back] if back else []), **self.env_of_ours(name))
        self.processes.append(process)
        return "http://127.0.0.1:%d" % int(process.stdout.readline())

    def fetch(self, name, url):
        """Runs a C client. Returns the body of the traced request."""
        process = start(webs.FETCH, "easy", url, **self.env_of_ours(name, TRACKWAY_KEEP="1"))
        self.processes.append(process)
        body = "".join(iter(process.stdout.readline, "-- done\n"))
        process.stdin.close()
        assert process.wait(WAIT_S) == 0
        return body

    def ours(self):
        """What our programs recorded."""
        return [types.SimpleNamespace(name=r["name"], trace=r["trace_id"], id=r["span_id"], parent=r.get("parent_id", ""), kind=r["span_kind"],
                                      service=r["service"], raw=r) for r in webs.records() if r.get("kind") == "span"]

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.stdin.close()
        for process in self.processes:
            assert process.wait(WAIT_S) == 0, process.args
        for datagram in self.xray_of_ours.datagrams:
            test_xray_rules.document(datagram)


def is_like(span, expected):
    service, kind = expected
    return (span.service or span.name) == service and span.kind == kind


def assert_chain(collect, *expected):
    """Among the spans collected there is one trace that begins with the first expected, and it is exactly that chain."""
    def whole():
        spans = {span.id: span for span in collect()}
        roots = [span for span in spans.values() if not span.parent and is_like(span, expected[0])]
        return [span for span in spans.values() if span.trace == roots[0].trace] if len(roots) == 1 else []

    try:
        await_true(lambda: len(whole()) >= len(expected), WAIT_S)
    except AssertionError:
        raise AssertionError(f"expected {expected}, got {[vars(span) for span in collect()]}") from None
    time.sleep(0.1)  # for one too many
    trace = whole()
    said = [(span.service or span.name, span.kind, span.id, span.parent) for span in trace]
    assert len(trace) == len(expected), said
    parent = ""
    for link in expected:
        found = [span for span in trace if span.parent == parent]
        assert len(found) == 1 and is_like(found[0], link), (link, parent, said)
        parent = found[0].id
    return trace


def otel_calls_us_and_is_called_by_us(encoding, **env):
    scene = Scene("tracecontext,baggage", PEER_ENCODING=encoding, TRACKWAY_EXPORTER="otlp", TRACKWAY_OTLP_AGE="100ms", **env)
    behind = scene.server(OTEL, "behind")
    middle = scene.web("middle", behind)
    front = scene.server(OTEL, "front", middle)
    assert "traceparent: 00-" in scene.client(OTEL, "otel", middle + "/call/x")
    recorded = lambda: scene.otlp.spans() + scene.ours()
    sent = lambda: scene.otlp.spans() + scene.otlp_of_ours.spans()
    chain = (("otel", "internal"), ("otel", "client"), ("middle", "server"), ("middle", "client"), ("behind", "server"))
    assert_chain(recorded, *chain)
    assert_chain(sent, *chain)
    scene.fetch("ours", front + "/call/item/1")
    chain = (("ours", "internal"), ("ours", "client"), ("front", "server"), ("front", "client"), ("middle", "server"), ("middle", "internal"))
    assert_chain(recorded, *chain)
    assert_chain(sent, *chain)
    scene.close()


def test_opentelemetry_calls_us_and_is_called_by_us():
    otel_calls_us_and_is_called_by_us("proto")


def test_so_it_is_with_json_of_theirs_and_gzip_of_both():
    otel_calls_us_and_is_called_by_us("json", OTEL_EXPORTER_OTLP_COMPRESSION="gzip")


def xray_calls_us_and_is_called_by_us(program):
    scene = Scene("xray", TRACKWAY_EXPORTER="xray")
    behind = scene.server(program, "behind")
    middle = scene.web("middle", behind)
    front = scene.server(program, "front", middle)
    header = [line for line in scene.client(program, "xray", middle + "/call/x").splitlines() if line.startswith("x-amzn-trace-id: ")]
    assert len(header) == 1 and header[0].endswith(";Sampled=1"), header
    recorded = lambda: scene.xray.spans() + scene.ours()
    sent = lambda: scene.xray.spans() + scene.xray_of_ours.spans()
    assert_chain(recorded, ("xray", "segment"), ("127.0.0.1", "subsegment"), ("middle", "server"), ("middle", "client"), ("behind", "segment"))
    assert_chain(sent, ("xray", "segment"), ("127.0.0.1", "subsegment"), ("middle", "segment"), ("GET 127.0.0.1", "subsegment"), ("behind", "segment"))
    scene.fetch("ours", front + "/call/item/1")
    assert_chain(recorded, ("ours", "internal"), ("ours", "client"), ("front", "segment"), ("127.0.0.1", "subsegment"), ("middle", "server"),
                 ("middle", "internal"))
    trace = assert_chain(sent, ("ours", "segment"), ("GET 127.0.0.1", "subsegment"), ("front", "segment"), ("127.0.0.1", "subsegment"),
                         ("middle", "segment"), ("load item", "subsegment"))
    http = {span.name: span.raw["http"] for span in trace if "http" in span.raw}
    assert http["GET 127.0.0.1"]["request"]["method"] == http["middle"]["request"]["method"] == "GET"
    assert http["GET 127.0.0.1"]["response"]["status"] == http["middle"]["response"]["status"] == 200
    scene.close()


def test_the_x_ray_sdk_for_javascript_calls_us_and_is_called_by_us():
    xray_calls_us_and_is_called_by_us(XRAY)


def test_the_x_ray_sdk_for_python_calls_us_and_is_called_by_us():
    xray_calls_us_and_is_called_by_us(PYTHON)


def test_from_x_ray_to_opentelemetry_it_is_one_trace_without_a_word_of_configuration():
    scene = Scene(None, TRACKWAY_EXPORTER="otlp", TRACKWAY_OTLP_AGE="100ms")
    middle = scene.web("middle", scene.server(OTEL, "behind"))
    scene.client(XRAY, "front", middle + "/call/x")
    assert_chain(lambda: scene.xray.spans() + scene.otlp.spans() + scene.otlp_of_ours.spans(), ("front", "segment"), ("127.0.0.1", "subsegment"),
                 ("middle", "server"), ("middle", "client"), ("behind", "server"))
    scene.close()


def test_what_is_not_sampled_by_them_goes_through_us_and_is_sent_by_nobody():
    for formats, program, header in (("xray", XRAY, ";Sampled=0"), ("xray", PYTHON, ";Sampled=0"), ("tracecontext", OTEL, "-00")):
        scene = Scene(formats, PEER_SAMPLED="0", TRACKWAY_EXPORTER="xray,otlp", TRACKWAY_OTLP_AGE="100ms")
        middle = scene.web("middle", scene.server(program, "behind"))
        body = scene.client(program, "front", middle + "/call/x")
        lines = [line for line in body.splitlines() if line.startswith(("x-amzn-trace-id: ", "traceparent: "))]
        assert len(lines) == 1 and lines[0].endswith(header), (program, body)
        ours = await_true(lambda: [span for span in scene.ours() if span.kind == "server"])
        assert not ours[0].raw["sampled"] and len({span.trace for span in scene.ours()}) == 1  # recorded, but not to be sent
        scene.close()
        assert not scene.xray.datagrams and not scene.xray_of_ours.datagrams, program
        assert not scene.otlp.requests and not scene.otlp_of_ours.requests, program


def test_whose_fault_it_is_they_and_we_say_alike():
    scene = Scene("xray", TRACKWAY_EXPORTER="xray")
    theirs, ours = scene.server(XRAY, "theirs"), scene.web("ours")
    for status in (200, 404, 429, 500):
        get(f"{theirs}/status/{status}")
        get(f"{ours}/status/{status}")

    def flags(documents):
        return {d["http"]["response"]["status"]: {name for name in ("error", "throttle", "fault") if d.get(name)} for d in documents if "http" in d}
    await_true(lambda: len(scene.xray.documents()) == len(scene.xray_of_ours.documents()) == 4, WAIT_S)
    assert flags(scene.xray.documents()) == flags(scene.xray_of_ours.documents())
    scene.close()


def test_the_example_sends_what_it_says():
    scene = Scene("xray", TRACKWAY_EXPORTER="xray")
    example = os.path.join(BUILD, "examples/xray")
    env = webs.environment(TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS=scene.xray_of_ours.address)
    root, parent = "1-%08x-bd862e3fe1be46a994272793" % int(time.time()), "53995c3f42cd8ad8"
    done = subprocess.run([example, f"Root={root};Parent={parent};Sampled=0"], env=env, capture_output=True, text=True, check=True, timeout=WAIT_S)
    assert done.stdout.startswith("load_cart: out of trace\n") and done.stdout.rstrip().endswith(";Sampled=0"), done.stdout
    assert not scene.xray_of_ours.datagrams
    subprocess.run([example, f"Root={root};Parent={parent};Sampled=1;Lineage=a:1"], env=env, capture_output=True, check=True, timeout=WAIT_S)
    await_true(lambda: len(scene.xray_of_ours.documents()) == 6, WAIT_S)
    found = {document["name"]: document for document in scene.xray_of_ours.documents()}
    above = {"shop": parent, **{name: found[top]["id"] for name, top in
                                (("carts", "shop"), ("price", "shop"), ("enqueue mail", "shop"), ("mailer", "enqueue mail"), ("SES", "mailer"))}}
    assert {name: document["parent_id"] for name, document in found.items()} == above
    assert {document["trace_id"] for document in found.values()} == {root}
    assert found["carts"]["sql"]["preparation"] == "statement" and found["carts"]["namespace"] == "remote"
    assert found["price"]["annotations"] == {"currency": "EUR"} and found["price"]["metadata"] == {"price": {"rules": 3}}
    assert found["SES"]["throttle"] and found["SES"]["error"] and "fault" not in found["SES"] and found["SES"]["aws"]["operation"] == "SendEmail"
    scene.close()


def test_a_server_of_theirs_and_ours_agree_on_every_published_case():
    """The cases of the W3C trace-context test suite, with our server in the middle: what comes in, and whether the trace goes on."""
    trace, parent = "12345678901234567890123456789012", "1234567890123456"
    good = f"00-{trace}-{parent}-01"
    cases = [  # headers, whether the trace goes on, the members of other vendors that go on
        ([], False, ""), ([("traceparent", good)], True, ""), ([("TraceParent", good)], True, ""), ([("trace-parent", good)], False, ""),
        ([("trace.parent", good)], False, ""), ([("traceparent", good), ("traceparent", good)], False, ""), ([("traceparent", good + ".")], False, ""),
        ([("traceparent", good + "-what-the-future-will-be-like")], False, ""), ([("traceparent", "cc" + good[2:])], True, ""),
        ([("traceparent", "cc" + good[2:] + "-what-the-future-will-be-like")], True, ""),
        ([("traceparent", "cc" + good[2:] + ".what-the-future-will-be-like")], False, ""), ([("traceparent", "ff" + good[2:])], False, ""),
        ([("traceparent", "000" + good[2:])], False, ""), ([("traceparent", f"00-{'0' * 32}-{parent}-01")], False, ""),
        ([("traceparent", f"00-{trace}3-{parent}-01")], False, ""), ([("traceparent", f"00-{trace}-{'0' * 16}-01")], False, ""),
        ([("traceparent", f"00-{trace}-{parent}-1")], False, ""), ([("traceparent", f"  {good} ")], True, ""), ([("tracestate", "foo=1")], False, ""),
        ([("traceparent", good), ("tracestate", "foo=1,bar=2")], True, "foo=1,bar=2"), ([("traceparent", good), ("tracestate", "")], True, ""),
        ([("traceparent", good), ("tracestate", "foo=1"), ("tracestate", "bar=2,baz=3")], True, "foo=1,bar=2,baz=3"),
        ([("traceparent", good), ("tracestate", "foo=1,foo=2")], True, ""), ([("traceparent", good), ("tracestate", "foo=1 \t , \t bar=2")], True, "foo=1,bar=2"),
        ([("traceparent", good), ("tracestate", "foo@@bar=1,bar=2")], True, ""), ([("traceparent", good), ("tracestate", "foo=bar=baz")], True, ""),
        ([("traceparent", good), ("tracestate", "z" * 257 + "=1")], True, ""),
        ([("traceparent", good), ("tracestate", ",".join(f"bar{i:02}={i:02}" for i in range(33)))], True, ""),
    ]
    scene = Scene("tracecontext")
    middle = scene.web("middle", scene.server(OTEL, "behind"))
    seen = set()
    for headers, goes_on, members in cases:
        _, body, _ = get(middle + "/call/x", headers=headers)
        got = dict(line.split(": ", 1) for line in body.splitlines())
        version, id_, span, flags = got["traceparent"].split("-")
        assert version == "00" and len(id_) == 32 and len(span) == 16 and flags in ("00", "01", "02", "03"), got
        assert (id_ == trace) == goes_on and span != parent and span not in seen, (headers, got)
        assert got["tracestate"] == f"tw={span}" + ("," + members if members else ""), (headers, got)
        seen.add(span)
    scene.close()


if __name__ == "__main__":
    webs.set_up()
    peers = install_peers()
    run_tests(globals())
