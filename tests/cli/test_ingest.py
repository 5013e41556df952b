#!/usr/bin/python3
"""trackway ingest: lines of every form into a collector and into a data folder.

The oracle for records is the collector itself: what it read from the segments of a process, and what another one was given of the
same process as lines of dump, or of the exporter file, have to be the same spans.

Needs $TRACKWAY_BUILD with trackway, tests/prog_story and tests/prog_calls.
"""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../ingest"))
from _collector import BUILD, TRACKWAY, Collector, run_tests  # pylint: disable=wrong-import-position

STORY, CALLS = os.path.join(BUILD, "tests/prog_story"), os.path.join(BUILD, "tests/prog_calls")
TOKEN, READ = "write-token-1", "read-token-12"


def ingest(*arguments, stdin="", code=0, env=None):
    done = subprocess.run([TRACKWAY, "ingest", *arguments], input=stdin, capture_output=True, text=True, timeout=120, check=False,
                          env=dict(os.environ, **(env or {})))
    assert done.returncode == code, (arguments, done.returncode, done.stderr)
    return done


def counts(*arguments, stdin="", code=0):
    return json.loads(ingest(*arguments, "--json", stdin=stdin, code=code).stdout)


def exported(folder, of):
    """Every span of a store by trace and span id, as OpenTelemetry's JSON tells it."""
    text = subprocess.run([TRACKWAY, "store", "export", "--data", folder], capture_output=True, text=True, timeout=60, check=True).stdout
    spans = {}
    for line in text.splitlines():
        for resource in json.loads(line)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    if of in (None, span["traceId"]):
                        spans[span["traceId"], span["spanId"]] = dict(span, resource=resource["resource"])
    return spans


def without_time(span):
    """Each opening of a segment fits ticks to the wall clock again: times of two readers differ by some ns. Nor do lines tell
    whether a further parent was sampled."""
    rest = {key: value for key, value in span.items() if key not in ("startTimeUnixNano", "endTimeUnixNano", "events")}
    for event in span.get("events", []):
        attributes = sorted(json.dumps(one, sort_keys=True) for one in event.get("attributes", []))
        rest.setdefault("events", []).append((event["name"], attributes))
    rest["links"] = [(one["traceId"], one["spanId"]) for one in span.get("links", [])]
    return rest


class Story:
    """A process that has told its story and waits, with segments of its own."""

    def __init__(self, folder, program=STORY, **env):
        self.segments = os.path.join(folder, "segments")
        os.makedirs(self.segments, mode=0o700, exist_ok=True)
        self.env = dict(os.environ, TRACKWAY_DIR=self.segments, **env)
        self.traces = []
        self.process = subprocess.Popen([program] + (["wait"] if program == STORY else []), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=self.env)
        for line in iter(self.process.stdout.readline, "ready\n"):
            self.traces.append(line.split()[1])

    def dump(self):
        return subprocess.run([TRACKWAY, "dump"], capture_output=True, text=True, timeout=60, check=True, env=self.env).stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def a_dump_gives_the_spans_that_the_collector_reads_itself(folder):
    data = os.path.join(folder, "ingested")
    with Story(folder) as story:
        with Collector(folder, "none", "--segments", story.segments) as collector:
            collector.door = "segments"
            lines = story.dump()
            count = sum(json.loads(line)["kind"] == "span" for line in lines.splitlines())
            for _ in range(200):
                if collector.counters()["spans"] >= count:
                    break
        found = counts("-", "--data", data, stdin=lines)
    assert found["bad_lines"] == 0 and found["lost_events"] == 0 and found["spans"] >= count > 5, found
    read, taken = exported(os.path.join(folder, "data"), None), exported(data, None)
    assert len(read) >= count and set(read) <= set(taken), (len(read), len(taken))
    for key, span in read.items():
        other = taken[key]
        if int(span["endTimeUnixNano"]) == 0 or int(other["endTimeUnixNano"]) == 0:
            continue  # looked at while it was open
        assert without_time(span) == without_time(other), (span, other)
        assert abs(int(span["startTimeUnixNano"]) - int(other["startTimeUnixNano"])) < 1000000, (span, other)
    assert any(span.get("events") for span in read.values()) and any(span.get("links") for span in read.values())


def a_running_collector_takes_the_same(folder):
    data = os.path.join(folder, "ingested")
    with Story(folder) as story:
        lines = story.dump()
    path = os.path.join(folder, "lines.jsonl")
    with open(path, "w", encoding="utf-8") as file:
        file.write(lines)
    ingest(path, "--data", data)
    with Collector(folder, "none") as collector:
        ingest(path, "--server", collector.where["http"])
        again = ingest("-", stdin=lines, env={"TRACKWAY_SERVER": collector.where["http"]})
        assert "spans taken" in again.stderr, again.stderr
        show = subprocess.run([TRACKWAY, "show", story.traces[0], "--server", collector.where["http"]], capture_output=True, text=True,
                              timeout=60, check=True).stdout
        assert story.traces[0] in show
        held = subprocess.run([TRACKWAY, "ingest", path, "--data", collector.where["data"]], capture_output=True, text=True, timeout=60, check=False)
        assert held.returncode == 1 and "--server" in held.stderr, held.stderr
    into, sent = exported(data, None), exported(os.path.join(folder, "data"), None)
    assert set(into) == set(sent) and len(into) > 5, (len(into), len(sent))
    for key, span in into.items():
        assert span == sent[key], (span, sent[key])


def lines_of_the_exporter_file_are_understood(folder):
    path, data = os.path.join(folder, "spans.jsonl"), os.path.join(folder, "ingested")
    with Story(folder, TRACKWAY_EXPORTER="file", TRACKWAY_FILE=path) as story:
        story.process.stdin.close()
        dumped = [json.loads(line) for line in story.dump().splitlines()]
        for _ in range(300):
            if os.path.exists(path) and os.path.getsize(path) and sum(1 for _ in open(path, encoding="utf-8")) >= sum(one["kind"] == "span" for one in dumped):
                break
            subprocess.run(["sleep", "0.05"], check=True)
    found = counts(path, "--data", data)
    assert found["bad_lines"] == 0 and found["spans"] > 0, found
    spans = exported(data, None)
    for one in dumped:
        if one["kind"] == "span" and one["sampled"]:
            assert (one["trace_id"], one["span_id"]) in spans, one


def record(stage, service, name, call_id, stack, **more):
    return json.dumps(dict({"timestamp": "2026-11-27 12:00:00.500000", "hostname": "h", "service": service, "entrypoint_type": "Rpc",
                            "entrypoint_name": name, "context_data": {}, "call_id": call_id, "call_id_stack": stack, "stage": stage,
                            "call_args": {"a": [1, 2]}, "call_args_redacted": False}, **more))


def calls_of_both_profiles_are_paired_and_chains_join(folder):
    old = {"timestamp": "2026-11-27T12:00:01Z", "service": "cart", "provider": "Rpc", "provider_name": "items", "call_id": "b",
           "call_stack": ["a", "b"], "lifecycle_stage": "response", "return_args": [float("nan"), "b'x'"], "status": "success", "response_time": 0.5}
    lines = "\n".join([record("request", "web", "get", "a", ["a"]), json.dumps(old),
                       record("response", "web", "get", "a", ["a"], response_status="success", response=1, response_time=0.25),
                       record("request", "web", "late", "c", ["a", "c"])])
    found = counts("-", "--data", os.path.join(folder, "d"), stdin=lines)
    assert found["bad_lines"] == 0 and found["unanswered_requests"] == 1, found
    spans = {span["name"]: span for span in exported(os.path.join(folder, "d"), None).values()}
    assert set(spans) == {"web.get", "cart.items", "web.late"}, spans
    assert spans["cart.items"]["parentSpanId"] == spans["web.get"]["spanId"] == spans["web.late"]["parentSpanId"], spans
    assert int(spans["cart.items"]["endTimeUnixNano"]) - int(spans["cart.items"]["startTimeUnixNano"]) == 500000000
    assert spans["web.late"]["status"]["message"] == "no response", spans["web.late"]


def our_own_calls_are_understood(folder):
    with Story(folder, CALLS) as story:
        lines = subprocess.run([TRACKWAY, "calls"], capture_output=True, text=True, timeout=60, check=True, env=story.env).stdout
    found = counts("-", "--data", os.path.join(folder, "d"), stdin=lines)
    assert found["bad_lines"] == 0 and found["lines"] == len(lines.splitlines()) > 4, found


def what_calls_answered_is_shown_as_the_recording_shows_it(folder):
    data = os.path.join(folder, "data")
    run = lambda story, *words: subprocess.run([TRACKWAY, *words], capture_output=True, text=True, timeout=60, check=True, env=story.env).stdout
    answers = lambda text: [line.split(" response ", 1)[1] for line in text.splitlines() if " response " in line]
    with Story(folder, CALLS) as story:
        ingest("-", "--data", data, stdin=story.dump())
        found = []
        with Collector(folder, "none") as collector:
            for line in run(story, "traces", "--json").splitlines():
                trace = json.loads(line)["trace_id"]
                here, there = (answers(run(story, "show", trace, *more)) for more in ([], ["--server", collector.where["http"]]))
                assert here == there, (here, there)
                found += here
    assert any(answer.startswith('"Hello, ') for answer in found) and "null" in found, found


def what_store_export_writes_comes_in_again(folder):
    one, two = os.path.join(folder, "one"), os.path.join(folder, "two")
    with Story(folder) as story:
        ingest("-", "--data", one, stdin=story.dump())
    text = subprocess.run([TRACKWAY, "store", "export", "--data", one], capture_output=True, text=True, timeout=60, check=True).stdout
    ingest("-", "--data", two, stdin=text)
    assert exported(one, None) == exported(two, None)


def bad_lines_are_told_counted_and_harm_nothing(folder):
    good = record("request", "web", "get", "a", ["a"])
    lines = "\n".join(["", "{", "[]", '{"kind":"span"}', '{"x":1}', "\x00\x01", '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x"}]}]}]}', good, good[:40]])
    done = ingest("-", "--data", os.path.join(folder, "d"), stdin=lines, code=1)
    assert "line 2, byte 1: " in done.stderr and "line 3, byte 0: not a JSON object" in done.stderr and "line 4, byte 0: a record needs begin_ns or time_ns" in done.stderr, done.stderr
    assert "8 lines, 1 span taken, 6 lines not understood, 1 span rejected" in done.stderr, done.stderr
    assert len(exported(os.path.join(folder, "d"), None)) == 1
    done = ingest("-", "--data", os.path.join(folder, "e"), stdin="{\n" * 100, code=1)
    assert done.stderr.count("\n") == 12 and "100 lines not understood" in done.stderr, done.stderr
    forced = ingest("-", "--format", "records", "--data", os.path.join(folder, "e"), stdin=good, code=1)
    assert "a record needs a kind" in forced.stderr, forced.stderr


def the_token_for_writing_is_asked_for(folder):
    paths = {}
    for name, token in (("write", TOKEN), ("read", READ)):
        paths[name] = os.path.join(folder, name)
        with open(paths[name], "w", encoding="utf-8") as file:
            file.write(token + "\n")
    good = record("request", "web", "get", "a", ["a"])
    with Collector(folder, "none", "--write-token-file", paths["write"], "--read-token-file", paths["read"]) as collector:
        server = collector.where["http"]
        done = ingest("-", "--server", server, "--token-file", paths["read"], stdin=good, code=1)
        assert "the one for writing" in done.stderr, done.stderr
        ingest("-", "--server", server, "--token-file", paths["write"], stdin=good)
        ingest("-", "--server", server, stdin=good, env={"TRACKWAY_TOKEN": TOKEN})


def what_cannot_be_is_said(folder):
    assert "No such file" in ingest(os.path.join(folder, "none"), "--data", folder, code=1).stderr
    assert "nobody listens" in ingest("-", "--server", "127.0.0.1:1", stdin=record("request", "w", "g", "a", ["a"]), code=1).stderr
    assert "not both" in ingest("-", "--server", "127.0.0.1:1", "--data", folder, code=2).stderr
    assert "which FILE" in ingest(code=2).stderr
    assert "Is a directory" in ingest(folder, "--data", os.path.join(folder, "d"), code=1).stderr


if __name__ == "__main__":
    sys.exit(run_tests(a_dump_gives_the_spans_that_the_collector_reads_itself, a_running_collector_takes_the_same,
                       lines_of_the_exporter_file_are_understood, calls_of_both_profiles_are_paired_and_chains_join,
                       our_own_calls_are_understood, what_calls_answered_is_shown_as_the_recording_shows_it, what_store_export_writes_comes_in_again,
                       bad_lines_are_told_counted_and_harm_nothing, the_token_for_writing_is_asked_for, what_cannot_be_is_said))
