#!/usr/bin/python3
"""The exporters of a real program, received by readers that are not ours: json and python3-msgpack."""
import contextlib
import json
import os
import socket
import subprocess
import sys
import time

import common

try:
    import msgpack
except ImportError:
    print("python3-msgpack is not installed")
    sys.exit(77)


def until(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it does not become true")


def datagrams(door):
    return [msgpack.unpackb(bytes_, raw=False, strict_map_key=False) for bytes_ in common.datagrams(door)]


def file_gets_every_sampled_record_as_one_object_a_line(folder):
    path = os.path.join(folder, "spans.jsonl")
    counters, _ = common.run("50", TRACKWAY_EXPORTER="LogFile", TRACKWAY_FILE=path)
    rows = [json.loads(line) for line in open(path, encoding="utf-8")]
    assert len(rows) == 150 and counters[0]["sent"] == 150 and counters[0]["dropped"] == 0, (len(rows), counters)
    spans = {row["span_id"]: row for row in rows if row["kind"] == "span"}
    children = [row for row in spans.values() if row["name"] == "child"]
    assert len(children) == 50 and all(spans[row["parent_id"]]["name"] == "parent" for row in children)
    assert all(spans[row["parent_id"]]["trace_id"] == row["trace_id"] for row in children)
    assert sum(row["status"] == "error" for row in children) == 5
    assert all(row["duration_ns"] == row["end_ns"] - row["begin_ns"] if "end_ns" in row else True for row in rows)
    assert os.stat(path).st_mode & 0o777 == 0o600


def file_rotates_when_it_is_full_and_tears_no_line(folder):
    path = os.path.join(folder, "spans.jsonl")
    common.run("2000", TRACKWAY_EXPORTER="file", TRACKWAY_FILE=path, TRACKWAY_FILE_MAX="64k")
    assert os.path.exists(path + ".1")
    for name in (path, path + ".1"):
        lines = open(name, encoding="utf-8").readlines()
        for line in lines:
            json.loads(line)
        assert os.path.getsize(name) < (64 << 10) + (len(lines[-1]) if lines else 0), name


def several_processes_rotate_one_file_and_lose_none_of_the_newest_lines(folder):
    path, limit = os.path.join(folder, "spans.jsonl"), 64 << 10
    read = lambda name: open(name, encoding="utf-8").readlines() if os.path.exists(name) else []
    programs = [common.Program(20, TRACKWAY_EXPORTER="file", TRACKWAY_FILE=path, TRACKWAY_FILE_MAX="64k") for _ in range(3)]
    for turn in range(30):
        programs[turn % 3].go_on(f"turn {turn}")
        until(lambda: sum(f'"name":"turn {turn}"' in line for line in read(path + ".1") + read(path)) == 20)
    for program in programs:
        counters, _ = program.end()
        assert counters[0]["dropped"] == counters[0]["errors"] == 0, counters
    older, newer = read(path + ".1"), read(path)
    turns = [json.loads(line)["name"] for line in older + newer]
    assert limit <= sum(map(len, older)) < 2 * limit and sum(map(len, newer)) < limit, (len(older), len(newer))
    # Without a gap from the oldest that is kept to the newest; the first of them may have begun in the file before.
    numbers = [int(name[5:]) for name in turns if name.startswith("turn ")]
    assert numbers == sorted(numbers) and all(numbers.count(turn) == 20 for turn in range(numbers[0] + 1, 30)), numbers


def file_is_opened_again_when_the_program_asks(folder):
    path, old = os.path.join(folder, "spans.jsonl"), os.path.join(folder, "spans.jsonl.old")
    lines_of = lambda name, word: open(name, encoding="utf-8").read().count(f'"name":"{word}"')
    program = common.Program(5, TRACKWAY_EXPORTER="log_file", TRACKWAY_FILE=path)
    program.go_on("before")
    until(lambda: os.path.exists(path) and lines_of(path, "before") == 5)
    os.rename(path, old)
    program.go_on("between")  # nobody has asked: the file is the same, whatever its name
    until(lambda: lines_of(old, "between") == 5)
    program.go_on("reopen")
    until(lambda: os.path.exists(path))
    program.go_on("after")
    counters, _ = program.end()
    assert lines_of(path, "after") == 5 and lines_of(path, "between") == 0 and lines_of(old, "after") == 0
    assert counters[0]["dropped"] == counters[0]["errors"] == 0, counters


def a_full_disk_costs_records_and_nothing_else(folder):
    counters, _ = common.run("3", TRACKWAY_EXPORTER="file", TRACKWAY_FILE="/dev/full")
    assert counters[0]["sent"] == 0 and counters[0]["errors"] > 0, counters


def an_unknown_exporter_is_told_with_the_names_there_are(folder):
    counters, told = common.run("1", TRACKWAY_EXPORTER="jaeger")
    assert counters == [] and 'unknown exporter "jaeger"; there are none, file, network_lossy, xray, otlp' in told, told


def a_host_that_is_unknown_is_told_as_that(folder):
    counters, told = common.run("1", "flush=300", TRACKWAY_EXPORTER="network_lossy", TRACKWAY_FDB="no.such.host.invalid:8889")
    assert counters[0]["sent"] == 0 and "no.such.host.invalid: there is no host of that name" in told, (counters, told)


def a_configuration_that_can_send_nothing_says_so_once(folder):
    _, told = common.run("1", TRACKWAY_EXPORTER="file", TRACKWAY_FILE=os.path.join(folder, "x"), TRACKWAY_SAMPLE_RATE="0")
    assert told.count("diagnostic") == 1 and "sample rate is 0" in told, told
    _, told = common.run("1", TRACKWAY_SAMPLE_RATE="0.5")
    assert told.count("diagnostic") == 1 and "no exporter" in told, told


def a_trace_is_exported_whole_or_not_at_all(folder):
    path = os.path.join(folder, "spans.jsonl")
    common.run("1000", TRACKWAY_EXPORTER="file", TRACKWAY_FILE=path, TRACKWAY_SAMPLE_RATE="0.25")
    traces = {}
    for line in open(path, encoding="utf-8"):
        row = json.loads(line)
        traces.setdefault(row["trace_id"], []).append(row["kind"])
    assert all(sorted(kinds) == ["event", "span", "span"] for kinds in traces.values())
    assert 150 < len(traces) < 350, len(traces)  # 1000 draws at a quarter: 250, and 7 standard deviations
    common.run("20", TRACKWAY_EXPORTER="file", TRACKWAY_FILE=path + "0", TRACKWAY_SAMPLE_RATE="0")
    assert os.path.getsize(path + "0") == 0


def network_lossy_sends_seven_or_eight_elements(folder):
    door, port = common.receiver()
    counters, _ = common.run("20", TRACKWAY_EXPORTER="network_lossy", TRACKWAY_FDB=f"127.0.0.1:{port}")
    found = datagrams(door)
    assert len(found) == 40 and counters[0]["sent"] == 40, (len(found), counters)
    roots = {span[2]: span for span in found if len(span) == 7}
    children = [span for span in found if len(span) == 8]
    assert len(roots) == len(children) == 20
    for child in children:
        root = roots[child[7][0]]
        assert child[1] == root[1] and root[5] == "parent" and child[5] == "child"
        assert root[3] <= child[3] and child[4] >= 0


def network_lossy_names_the_address_that_it_sends_from(folder):
    doors = [(*common.receiver(), "127.0.0.1")]
    with contextlib.suppress(OSError):
        doors.append((*common.receiver(socket.AF_INET6, "::1"), "[::1]"))
    for layout, place in ("7", lambda span: span[0]), ("12", lambda span: span[11]["address"]):
        for door, port, host in doors:
            common.run("1", TRACKWAY_EXPORTER="network_lossy", TRACKWAY_FDB=f"{host}:{port}", TRACKWAY_FDB_LAYOUT=layout)
            for _ in range(2):
                bytes_, sender = door.recvfrom(65535)
                span = msgpack.unpackb(bytes_, raw=False, strict_map_key=False)
                assert place(span) == f"{host}:{sender[1]}" and sender[0] == host.strip("[]"), (span, sender)


def network_lossy_sends_twelve_elements_when_asked_and_to_ipv6(folder):
    try:
        door, port = common.receiver(socket.AF_INET6, "::1")
    except OSError:
        return
    common.run("5", TRACKWAY_EXPORTER="network_lossy", TRACKWAY_FDB=f"[::1]:{port}", TRACKWAY_FDB_LAYOUT="12")
    found = datagrams(door)
    assert len(found) == 10 and all(len(span) == 12 for span in found), found[:2]


def network_lossy_sends_events_that_came_long_before_their_span_ended(folder):
    door, port = common.receiver()
    common.run("3", "slow", TRACKWAY_EXPORTER="network_lossy", TRACKWAY_FDB=f"127.0.0.1:{port}", TRACKWAY_FDB_LAYOUT="12")
    found = datagrams(door)
    slow = [span for span in found if "slow" in span]
    assert len(slow) == 1, found
    assert slow[0][10][0::3] == ["begun", "nearly done"], slow  # name, time, attributes, flattened


def network_lossy_sends_logs_with_level_and_text(folder):
    door, port = common.receiver()
    common.run("0", "logs", TRACKWAY_EXPORTER="network_lossy", TRACKWAY_FDB=f"127.0.0.1:{port}", TRACKWAY_FDB_LAYOUT="12")
    logged = [span for span in datagrams(door) if "logged" in span]
    first, second = logged[0][10][2::3]
    assert logged[0][10][0::3] == ["%s has %d items, %.1f kg", "plain"], logged
    assert first == {"level": "warning", "message": "ann has 3 items, 2.5 kg", "zone": "west", "trackway.kind": "log"}, first
    assert second == {"level": "debug", "message": "plain", "trackway.kind": "log"}, second


def file_gets_logs_with_level_and_text(folder):
    path = os.path.join(folder, "spans.jsonl")
    common.run("0", "logs", TRACKWAY_EXPORTER="file", TRACKWAY_FILE=path)
    rows = [row for row in map(json.loads, open(path, encoding="utf-8")) if row["kind"] == "log"]
    assert [(row["level"], row["message"]) for row in rows] == [("warning", "ann has 3 items, 2.5 kg"), ("debug", "plain")], rows
    assert rows[0]["args"] == ["ann", 3, 2.5] and rows[0]["tags"] == {"zone": "west"}, rows[0]


def network_lossy_backs_off_when_nobody_listens(folder):
    door, port = common.receiver()
    door.close()
    counters, _ = common.run("5000", TRACKWAY_EXPORTER="network_lossy", TRACKWAY_FDB=f"127.0.0.1:{port}")
    assert counters[0]["backing_off"] > 0 and counters[0]["errors"] < 100, counters
    assert counters[0]["sent"] + counters[0]["dropped"] == 10000, counters


def a_forked_child_exports_its_own_and_the_parent_its_own(folder):
    door, port = common.receiver()
    common.run("10", "fork", TRACKWAY_EXPORTER="network_lossy", TRACKWAY_FDB=f"127.0.0.1:{port}")
    found = datagrams(door)
    names = [span[5] for span in found]
    assert names.count("parent") % 10 == 0 and names.count("in the child") == 10, names
    children = {span[0] for span in found if span[5] == "in the child"}  # parents may be several: see common.run
    assert len(children) == 1 and not children & {span[0] for span in found if span[5] == "parent"}, found


def the_rate_is_changed_while_the_program_runs(folder):
    path, segments = os.path.join(folder, "spans.jsonl"), os.path.join(folder, "segments")
    program = common.Program(1000, TRACKWAY_EXPORTER="file", TRACKWAY_FILE=path, TRACKWAY_SAMPLER="always_off", TRACKWAY_DIR=segments)
    pid, where = str(program.process.pid), ("--dir", segments)
    shown = json.loads(common.trackway("ps", "--json", *where))
    assert "sample rate is 0" in shown["notice"] and "sample rate is 0" in common.trackway("ps", *where), shown
    assert "always_off" in common.trackway("sample", pid, *where)
    assert json.loads(common.trackway("sample", pid, "--rate", "0.25", "--json", *where))["rate"] == 0.25
    program.go_on("quarter")
    wait_for(pid, where, lambda exporter: exporter["sent"] > 0)
    assert json.loads(common.trackway("stats", "--json", *where))["sample_rate"] == 0.25
    common.trackway("sample", pid, "--as-configured", *where)
    program.go_on("none")
    common.trackway("sample", pid, "--rate", "1.5", *where, code=2)
    common.trackway("sample", pid, "--rate", "0.1", "--as-configured", *where, code=2)
    program.end()
    names = [row["name"] for row in map(json.loads, open(path, encoding="utf-8")) if row["kind"] == "span"]
    assert 150 < names.count("quarter") < 350 and names.count("none") == 0 and names.count("parent") == 0, set(names)
    common.trackway("sample", pid, "--rate", "1", *where, code=1)


def wait_for(pid, where, condition):
    until(lambda: condition(json.loads(common.trackway("stats", "--pid", pid, "--json", *where))["exporters"][0]))


def what_an_exporter_does_is_seen_from_outside(folder):
    segments = os.path.join(folder, "segments")
    door, port = common.receiver()
    door.close()
    program = common.Program(50, TRACKWAY_EXPORTER="network_lossy,file", TRACKWAY_FILE=os.path.join(folder, "x"), TRACKWAY_FDB=f"127.0.0.1:{port}",
                             TRACKWAY_DIR=segments)
    where = ("--dir", segments)
    wait_for(str(program.process.pid), where, lambda exporter: exporter["errors"] > 0)
    exporters = json.loads(common.trackway("ps", "--json", *where))["exporters"]
    assert [e["name"] for e in exporters] == ["network_lossy", "file"] and "refused" in exporters[0]["problem"], exporters
    assert exporters[0]["dropped"] == exporters[0]["backing_off"] > 0 == exporters[0]["too_long"] + exporters[0]["cut"], exporters
    stats = common.trackway("stats", *where)
    assert exporters[1]["sent"] == exporters[1]["records"] > 0 and "refused" in stats and " backing off, 0 too long)" in stats, stats
    program.end()


def a_program_that_outruns_its_exporters_is_told_what_they_missed(folder):
    """Half a megabyte of arena, and a burst of spans: the arena laps the thread, and every span is either sent or in a missed chunk."""
    path = os.path.join(folder, "spans.jsonl")
    counters, _ = common.run("200000", TRACKWAY_EXPORTER="file", TRACKWAY_FILE=path, TRACKWAY_ARENA="512K")
    lines = sum(1 for _ in open(path, encoding="utf-8"))
    assert counters[0]["missed"] > 0 and lines == counters[0]["sent"] < 600000 and counters[0]["flushed"] == 0, (lines, counters)


def memory_is_bounded_by_what_is_read_at_a_time_whatever_the_arena(folder):
    """A million records fill 64 MiB faster than they can be sent: what waits stays in the arena, and is sent, all of it."""
    if "asan" in common.BUILD or "tsan" in common.BUILD:
        return  # memory there is the sanitizer's
    process = subprocess.Popen([common.PROGRAM, "200000", "flush=50000"], stdout=subprocess.PIPE, text=True,
                               env=dict(os.environ, TRACKWAY_EXPORTER="file", TRACKWAY_FILE="/dev/null", TRACKWAY_ARENA="64M"))
    most = 0
    while process.poll() is None:
        with contextlib.suppress(OSError, StopIteration):
            status = open(f"/proc/{process.pid}/status", encoding="ascii", errors="replace")
            most = max(most, int(next(line for line in status if line.startswith("RssAnon")).split()[1]))
        time.sleep(0.005)
    counters = json.loads(process.stdout.read())
    assert counters["sent"] == 600000 and counters["missed"] == 0 and counters["flushed"] == 0, counters
    assert 1000 < most < 32 << 10, f"{most} KiB"  # 200 MiB when all that is new was read at once


def main():
    tests = [thing for name, thing in globals().items() if callable(thing) and getattr(thing, "__module__", "") == "__main__"
             and name not in ("main", "until", "datagrams", "wait_for")]
    return common.run_all(tests)


if __name__ == "__main__":
    sys.exit(main())
