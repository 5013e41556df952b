#!/usr/bin/python3
"""The command, end to end: against real processes, killed ones, and files that are damaged or hostile.

Needs $TRACKWAY_BUILD (default build/) with trackway and tests/prog_story built. Each function below is a test; its name says
what is promised. Prints one line each; exit code 1 if one failed, 77 if nothing was built.
"""
import fcntl
import json
import os
import pty
import random
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unicodedata

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.path.realpath(os.environ.get("TRACKWAY_BUILD") or os.path.join(ROOT, "build"))
TRACKWAY, STORY = os.path.join(BUILD, "trackway"), os.path.join(BUILD, "tests/prog_story")
COMMANDS = ["ps", "traces", "show", "open", "tail", "calls", "dump", "stats", "sample", "clean", "trace", "run", "help", "version", "completion"]
LOOKING = [["ps"], ["traces"], ["show", "0123456789abcdef0123456789abcdef"], ["show", "abcd"], ["open"], ["calls"], ["dump"], ["stats"]]
SANITIZED = os.path.exists(TRACKWAY) and b"__asan_init" in open(TRACKWAY, "rb").read()  # its shadow needs terabytes of addresses
folder = ""
processes = []


def environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("TRACKWAY", "LC_", "COLUMNS", "NO_COLOR"))}
    env.update(TRACKWAY_DIR=folder, LANG="C.UTF-8", TZ="UTC")
    env.update(more)
    return env


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))


def run(*args, code=0, stdin=subprocess.DEVNULL, **env):
    """Runs trackway; its exit code has to be code (one of several), never a signal. Returns stdout and stderr as text."""
    done = subprocess.run([TRACKWAY, *args], stdin=stdin, capture_output=True, env=environment(**env), timeout=60,
                          preexec_fn=None if SANITIZED else limit_memory)
    wanted = code if isinstance(code, tuple) else (code,)
    out, err = done.stdout.decode("utf-8"), done.stderr.decode("utf-8")  # strict: all output is UTF-8
    assert done.returncode in wanted, f"trackway {args}: exit {done.returncode}, wanted {wanted}\n{out[-800:]}\n{err[-800:]}"
    return out, err


def rows(*args, **more):
    def strict(pairs):
        assert len(dict(pairs)) == len(pairs), "a name twice in one object"
        return dict(pairs)

    def refuse(word):
        raise ValueError(word)
    return [json.loads(line, object_pairs_hook=strict, parse_constant=refuse) for line in run(*args, "--json", **more)[0].splitlines()]


def story(*args, service="shop", arena="16M"):
    """Starts prog_story and waits until it is ready. Returns the process and its traces by name."""
    process = subprocess.Popen([STORY, *args], stdout=subprocess.PIPE, env=environment(TRACKWAY_SERVICE=service, TRACKWAY_ARENA=arena), text=True)
    processes.append(process)
    traces = {}
    for line in process.stdout:
        if line == "ready\n":
            break
        name, traces_id = line.split()
        traces[name] = traces_id
    return process, traces


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def segments():
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]


def columns(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


# ---- the command line

def every_command_has_help_with_options_and_examples():
    listing = run("help")[0]
    for name in COMMANDS:
        assert re.search(rf"^  {name}\b", listing, re.M), name
        text = run(name, "--help")[0]
        assert text == run("help", name)[0] == run(name, "-h")[0]
        assert "Options:" in text and "Examples:" in text and "Exit codes:" in text, name
        assert all(columns(line) <= 100 for line in text.splitlines()), name
    assert run("--help")[0] == listing and run("-h")[0] == listing and run(code=2)[0] == listing
    assert run("version")[0] == run("--version")[0] == "trackway 0.1.0\n"
    assert rows("version") == [{"version": "0.1.0"}]


def what_is_not_understood_exits_2_and_says_what_was_meant():
    for args, meant in [(["trcaes"], "traces"), (["sho"], "show"), (["ps", "--jsn"], "--json"), (["traces", "--min-duraton", "1s"],
                        "--min-duration"), (["show", "--al", "abcd"], "--all"), (["nonsense"], "trackway help"),
                        (["ps", "--nonsense"], "--help"), (["ps", "-x"], "--help"), (["help", "nonsense"], "help"),
                        (["ps", "word"], "too much"), (["show"], "TRACE"), (["show", "abcd", "abce"], "too much"),
                        (["traces", "--min-duration", "200"], "200ms"), (["traces", "--min-duration"], "TIME"),
                        (["traces", "--limit", "-1"], "whole number"), (["traces", "--limit", "x"], "whole number"), (["ps", "--pid", "1e3"], "whole number"),
                        (["ps", "--json=1"], "no value"), (["traces", "--status", "bad"], "error ok unset"), (["tail", "--for", "x"], "10s"),
                        (["ps", "--color", "maybe"], "auto"), (["ps", "--file", "a", "--dir", "b"], "not both"),
                        (["completion", "tcsh"], "fish"), (["tail", "--limit", "3"], "--help")]:
        out, err = run(*args, code=2)
        assert meant in err and out == "" and err.count("\n") == 1, (args, err)
    err = run("\x1b]0;x\x07", code=2)[1]
    assert "\x1b" not in err and "\\x1b" in err


def documentation_has_the_help_of_every_command():
    with open(os.path.join(ROOT, "docs/commands.md"), encoding="utf-8") as file:
        document = file.read()
    for name in COMMANDS:
        assert run(name, "--help")[0] in document, f"docs/commands.md has not the help of {name}"


def run_gives_a_command_a_span_and_those_it_runs_the_context():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as own:
        environment = dict(os.environ, TRACKWAY_DIR=own)
        script = f"'{TRACKWAY}' run false; exit 3"
        outer = subprocess.run([TRACKWAY, "run", "--name", "build", "--", "sh", "-c", script], env=environment)
        assert outer.returncode == 3
        done = subprocess.run([TRACKWAY, "dump", "--json"], env=environment, capture_output=True, text=True, check=True)
        spans = {row["name"]: row for row in map(json.loads, done.stdout.splitlines()) if row.get("kind") == "span"}
        assert spans["false"]["parent_id"] == spans["build"]["span_id"], spans
        assert spans["false"]["trace_id"] == spans["build"]["trace_id"], spans
        assert spans["build"]["tags"]["process.exit.code"] == 3 and spans["build"]["status"] == "error", spans
        assert subprocess.run([TRACKWAY, "run", "no-such-command"], env=environment, capture_output=True).returncode == 127
        deaf = subprocess.run([TRACKWAY, "run", "sh", "-c", "kill -INT $$; echo still here"], env=environment, capture_output=True, text=True,
                              preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
        assert (deaf.returncode, deaf.stdout) == (0, "still here\n"), deaf  # as a background command of a shell
        killed = subprocess.run([TRACKWAY, "run", "sh", "-c", "kill -TERM $$"], env=environment)
        assert killed.returncode == 128 + 15


def run_joins_the_trace_it_is_run_in_and_hands_it_on():
    trace, parent, root = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "1-5759e988-bd862e3fe1be46a994272793"
    show = ["run", "sh", "-c", "echo \"$TRACEPARENT|$TRACESTATE|$BAGGAGE|$_X_AMZN_TRACE_ID\""]

    def handed_on(**variables):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as own:
            environment = {k: v for k, v in os.environ.items() if k not in ("TRACEPARENT", "TRACESTATE", "BAGGAGE")}
            environment.update(variables, TRACKWAY_DIR=own)
            said = subprocess.run([TRACKWAY, *show], env=environment, capture_output=True, text=True, check=True).stdout.strip().split("|")
            done = subprocess.run([TRACKWAY, "dump", "--json"], env=environment, capture_output=True, text=True, check=True)
            span, = [row for row in map(json.loads, done.stdout.splitlines()) if row.get("kind") == "span"]
            return span, said

    span, said = handed_on(TRACEPARENT=f"00-{trace}-{parent}-01", TRACESTATE="foo=1", BAGGAGE="a=b")
    assert (span["trace_id"], span["parent_id"]) == (trace, parent), span
    assert said == [f"00-{trace}-{span['span_id']}-01", f"tw={span['span_id']},foo=1", "a=b", ""], said
    span, said = handed_on(TRACEPARENT="garbage")
    assert "parent_id" not in span and said[0].startswith(f"00-{span['trace_id']}-{span['span_id']}-"), (span, said)
    for given, sampled in (("?", "1"), ("1", "1"), ("0", "0")):
        span, said = handed_on(_X_AMZN_TRACE_ID=f"Root={root};Parent={parent};Sampled={given}", OTEL_PROPAGATORS="xray")
        assert span["parent_id"] == parent and said[3] == f"Root={root};Parent={span['span_id']};Sampled={sampled}", said


def nothing_recorded_is_no_failure_but_a_process_asked_for_and_not_found_is():
    for command in LOOKING:
        if command[0] != "show":
            out, err = run(*command)
            assert out == "" and folder in err and "TRACKWAY_KEEP=1" in err and "TRACKWAY_DIR" in err, command
    assert "trackway ps" in run("ps", "--pid", "1", code=1)[1]
    assert "trackway ps" in run("traces", "--service", "nobody", code=1)[1]
    assert "not found" in run("ps", "--dir", "/nonexistent", code=1)[1]
    assert "no such file" in run("ps", "--file", "/nonexistent", code=1)[1]
    assert run("show", "00000000000000000000000000000001", code=1)[1].startswith("trackway: trace 0000")
    assert "trackway traces" in run("show", "abcd", code=1)[1]
    for bad in ("abc", "xyz!", "", "6740c1f2-abcd", "0" * 32, "1" * 40, "\x1b[2J"):
        assert "\x1b" not in run("show", bad, code=2)[1]


# ---- real processes

def a_live_process_is_seen_by_every_command():
    process, ids = story("wait")
    ps, = rows("ps")
    assert ps["pid"] == process.pid and ps["service"] == "shop" and ps["state"] == "live" and ps["open_spans"] == 2, ps
    assert ps["spans_begun"] >= 320 and ps["lost"] == sum(ps["losses"].values()) and ps["spans_per_s"] >= 0
    assert "live, up" in run("ps")[0] and "shop" in run("ps")[0]
    listed = {row["trace_id"]: row for row in rows("traces", "--limit", "0")}
    assert set(listed) == set(ids.values())
    cart = listed[ids["cart"]]
    assert cart["name"] == "GET /cart" and cart["spans"] == 316 and cart["threads"] == 2 and cart["errors"] == 1, cart
    assert listed[ids["report"]]["end_ns"] is None and listed[ids["report"]]["open_spans"] == 2
    assert ids["cart"] in run("traces")[0]
    assert [r["name"] for r in rows("open")] == ["GET /report", "select report"]
    assert all(r["process"] == "live" and r["age_ns"] > 0 for r in rows("open"))
    assert "days=3650" in run("open")[0]
    stats = run("stats")[0]
    assert "texts cut: longer than can be kept" in stats and "spans_begun" in stats
    assert "  headers dropped    none\n" in stats
    dumped = rows("dump")
    assert dumped[0]["kind"] == "process" and sum(r["kind"] == "span" for r in dumped) >= 316
    times = [r.get("begin_ns", r.get("time_ns")) for r in dumped[1:]]
    assert times == sorted(times)


def values_arrive_exactly_and_escapes_do_not_reach_the_terminal():
    _, ids = story("wait")
    root = rows("show", ids["cart"])[0]
    tags = root["tags"]
    assert tags["user.id"] == 2**64 - 1 and tags["balance"] == -2**63 and tags["share"] == 0.1 and tags["vip"] is True, tags
    assert tags["evil"] == "\x1b]0;owned\x07 \ufffd caf\u00e9 \n\"quoted\\\"" and tags["key"] == {"hex": "0102fe"}, tags
    picture = run("show", ids["cart"])[0]
    assert "\x1b" not in picture and "\\x1b]0;owned\\x07 \\xff caf\u00e9" in picture and "user.id=18446744073709551615" in picture


def show_draws_folds_messages_marks_and_errors():
    _, ids = story("wait")
    picture = run("show", ids["cart"], COLUMNS="120")[0]
    for part in ("x 312, p50", "error: disk on fire", "sent to nowhere, 7 bytes: never arrived", "mark looked at by hand", "arrived",
                 "received from queue", "cache.miss attempt=2", "└ load cart", "316 spans  2 threads  1 process  1 error"):
        assert part in picture, part
    assert run("show", ids["cart"], "--all")[0].count("sqlite: select") == 312
    brief = run("show", ids["cart"], "--brief", COLUMNS="120")[0]
    for part in ("x 312, p50", "error: disk on fire", "cache.miss attempt=2", "└ load cart"):
        assert part in brief, part
    assert "user.id=" in picture and "user.id=" not in brief
    plain = run("show", ids["cart"], LANG="C")[0]
    assert "` load cart" in plain and "\u2502" not in plain
    events = [e for r in rows("show", ids["cart"]) for e in r.get("events", [])]
    assert [e["arrived"] for e in events if e["kind"] == "send"] == [True, False]


def a_batch_span_names_its_causes_and_each_cause_names_the_batch():
    _, ids = story("wait")
    batch = run("show", ids["order0"], COLUMNS="140")[0]
    assert "commit batch" in batch
    for other in ("order1", "order2"):
        assert f"also caused by queue order in trace {ids[other]}" in batch, batch
        assert f"continues in commit batch in trace {ids['order0']}" in run("show", ids[other], COLUMNS="140")[0]
        assert any(r["kind"] == "continues" and r["in_trace_id"] == ids["order0"] for r in rows("show", ids[other]))
    commit, = [r for r in rows("show", ids["order0"]) if r["name"] == "commit batch"]
    assert [p["trace_id"] for p in commit["further_parents"]] == [ids["order1"], ids["order2"]]


def a_trace_is_found_by_every_form_of_its_id():
    _, ids = story("wait")
    trace = ids["cart"]
    shape = lambda form: [(r["name"], r.get("depth")) for r in rows("show", form)]  # times differ by 1 ns from look to look
    whole = shape(trace)
    for form in (trace.upper(), f"1-{trace[:8]}-{trace[8:]}", trace[:12], trace[:12].upper(), trace[:31]):
        assert shape(form) == whole, form
    shortest = min(n for n in range(4, 33) if sum(i.startswith(trace[:n]) for i in ids.values()) == 1)
    if shortest > 4:
        assert "several" in run("show", trace[:4], code=1)[1]
    assert len(rows("dump", "--trace", trace[:12])) == 1 + sum(1 + len(r.get("events", [])) for r in rows("show", trace))


def after_a_kill_the_open_spans_are_shown_as_at_death():
    process, ids = story("wait")
    kill(process)
    ps, = rows("ps")
    assert ps["state"] == "dead" and ps["open_spans"] == 2 and ps["spans_per_s"] is None, ps
    assert "died, seen" in run("ps")[0]
    assert [r["process"] for r in rows("open")] == ["dead", "dead"]
    picture = run("show", ids["report"])[0]
    assert "OPEN at death" in picture and "2 open" in picture
    assert run("show", ids["cart"])[0].count("\n") > 10
    assert rows("traces", "--file", segments()[0], TRACKWAY_DIR="/nonexistent")


def filters_choose_requests():
    _, ids = story("wait")
    of = lambda *args: {r["trace_id"] for r in rows("traces", *args)}
    assert of("--name", "GET *") == {ids["cart"], ids["report"]}
    assert of("--status", "error") == {ids["cart"]}
    assert of("--name", "POST /order", "--limit", "2") == {ids["order2"], ids["order1"]}
    assert of("--min-duration", "1ms", "--name", "GET /cart") == {ids["cart"]}
    assert of("--min-duration", "1h") == set() and "no request matches" in run("traces", "--min-duration", "1h")[1]
    assert len(of("--since", "1h")) == 5
    time.sleep(0.3)
    assert of("--since", "100ms") == {ids["report"]}
    lengths = [r["duration_ns"] for r in rows("traces", "--sort", "duration")]
    assert lengths == sorted(lengths, reverse=True)
    begins = [r["begin_ns"] for r in rows("traces")]
    assert begins == sorted(begins, reverse=True)
    assert len(of("--service", "sh*")) == 5 and [r["name"] for r in rows("open", "--name", "select*")] == ["select report"]


def the_newest_requests_are_the_same_whether_all_is_read_or_some():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as own:
        env = environment(TRACKWAY_DIR=own, TRACKWAY_KEEP="1", TRACKWAY_ARENA="32M")
        for _ in range(2):
            subprocess.run([os.path.join(BUILD, "tests/prog_export"), "15000", "exit"], check=True, env=env, stdout=subprocess.DEVNULL, timeout=60)
        plain = lambda *args: [{k: v for k, v in row.items() if not k.endswith("_ns")} for row in rows("traces", *args, TRACKWAY_DIR=own)]
        everything = plain("--limit", "0")
        assert len(everything) == 30000
        for limit in (1, 20, 3000, 20000):
            assert plain("--limit", str(limit)) == everything[:limit], limit
        assert plain("--name", "no such", "--limit", "5") == []
        for order, which in (("time", "newest"), ("duration", "longest")):
            out, err = run("traces", "--sort", order, TRACKWAY_DIR=own)
            assert out.count("\n") == 21 and f"the {which} 20 are listed; --limit 0" in err, err
        for args in (["--limit", "20"], ["--json"], ["--name", "no such"]):
            assert "--limit" not in run("traces", *args, TRACKWAY_DIR=own)[1], args


def tail_shows_what_ends_while_it_looks_also_in_processes_that_come_later():
    old, _ = story("tick", "5", service="old")
    tail = subprocess.Popen([TRACKWAY, "tail", "--for", "100s", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True)
    lines = [json.loads(tail.stdout.readline())]  # it looks
    new, _ = story("tick", "5", service="new")
    for line in tail.stdout:
        lines.append(json.loads(line))
        if len([1 for row in lines if row["service"] == "new"]) == 20:
            tail.send_signal(signal.SIGINT)
    assert tail.wait(60) == 0 and tail.stderr.read() == ""
    assert {r["service"] for r in lines} == {"old", "new"}
    assert len({(r["pid"], r["span_id"]) for r in lines}) == len(lines), "a span twice"
    tail = subprocess.Popen([TRACKWAY, "tail", "--status", "error", "--service", "old"], stdout=subprocess.PIPE, env=environment(), text=True)
    assert all("every fifth" in tail.stdout.readline() for _ in range(3))
    tail.send_signal(signal.SIGINT)
    assert all("every fifth" in line for line in tail.stdout) and tail.wait(60) == 0
    assert run("tail", "--for", "300ms", "--name", "none")[0] == ""
    kill(old)
    kill(new)


def a_segment_that_is_cut_ends_no_tail_of_the_others():
    old, _ = story("tick", "5", service="old")
    victim, _ = story("wait", service="victim")
    path = [row["path"] for row in rows("ps") if row["service"] == "victim"][0]
    tail = subprocess.Popen([TRACKWAY, "tail", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True)
    assert json.loads(tail.stdout.readline())["service"] == "old"
    os.truncate(path, 4096)
    assert path in tail.stderr.readline()
    assert json.loads(tail.stdout.readline())["service"] == "old"
    tail.send_signal(signal.SIGINT)
    assert tail.wait(60) == 1
    os.unlink(path)
    kill(old)
    kill(victim)


def clean_removes_the_dead_and_nothing_else():
    dead, _ = story("wait", service="dead")
    live, _ = story("wait", service="live")
    kill(dead)
    stranger = os.path.join(folder, "notes.segment")
    with open(stranger, "w", encoding="utf-8") as file:
        file.write("mine\n")
    assert "--yes" in run("clean", code=1)[1] and len(segments()) == 3
    assert "--yes" in run("clean", "--json", code=1)[1] and len(segments()) == 3
    assert "no segment of a dead process" in run("clean", "--yes", "--pid", str(live.pid), code=(0, 1))[1] and len(segments()) == 3
    master, slave = pty.openpty()
    asking = subprocess.Popen([TRACKWAY, "clean"], stdin=slave, stdout=slave, stderr=slave, env=environment())
    os.close(slave)
    text = b""
    while b"[y/N]" not in text:
        assert select.select([master], [], [], 20)[0], text
        text += os.read(master, 4096)
    os.write(master, b"n\n")
    assert asking.wait(timeout=60) == 1 and len(segments()) == 3
    os.close(master)
    for name, age in (("77.0123abcd.making", 3600), ("78.0123abcd.making", 0), ("79.0123abcd.making", 3600)):
        with open(os.path.join(folder, name), "w", encoding="utf-8"):
            os.utime(os.path.join(folder, name), (time.time() - age,) * 2)
    held = os.open(os.path.join(folder, "79.0123abcd.making"), os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert "77  -        unborn" in run("clean", code=1)[0]
    removed = rows("clean", "--yes", code=1)  # 1: one file is no segment
    assert [r["pid"] for r in removed] == [dead.pid, 77], removed
    assert sorted(n for n in os.listdir(folder) if n.endswith(".making")) == ["78.0123abcd.making", "79.0123abcd.making"]
    os.close(held)
    assert os.path.exists(stranger) and [r["pid"] for r in rows("ps", code=1)] == [live.pid]


# ---- the terminal

def at_twenty_columns_no_line_is_wider():
    process, ids = story("wait")
    for last in (False, True):
        for args in (["ps"], ["traces"], ["open"], ["stats"], ["show", ids["cart"]], ["show", ids["report"]], ["show", ids["order0"]]):
            for width in (20, 33, 80):
                for line in run(*args, COLUMNS=str(width))[0].splitlines():
                    whole_id = re.fullmatch("(trace )?[0-9a-f]{32}", line)
                    assert columns(line) <= width or whole_id, (args, width, line)
        if not last:
            kill(process)
    assert ids["cart"] in run("traces", COLUMNS="120")[0]


def colour_is_for_terminals_and_those_who_ask():
    story("wait")
    assert "\x1b" not in run("traces")[0]
    assert "\x1b[" in run("traces", "--color", "always")[0] and "\x1b[" in run("traces", TRACKWAY_COLOR="always")[0]
    for env, wanted in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        master, slave = pty.openpty()
        subprocess.run([TRACKWAY, "traces"], stdout=slave, stdin=slave, env=environment(**{"TERM": "xterm", **env}), check=True, timeout=60)
        text = os.read(master, 65536)
        os.close(slave)
        os.close(master)
        assert (b"\x1b[" in text) == wanted, (env, text)


def a_closed_pipe_ends_it_quietly_and_a_full_disk_does_not():
    process, ids = story("many", "20000")
    for args in (["dump"], ["show", ids["many"], "--all"], ["traces"], ["show", ids["many"], "--json"]):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run([TRACKWAY, *args], stdout=write, stderr=subprocess.PIPE, env=environment(), timeout=60)
        os.close(write)
        assert done.returncode == 0 and done.stderr == b"", (args, done)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([TRACKWAY, *args], stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=60)
        assert done.returncode == 1 and b"cannot write" in done.stderr, (args, done)
    kill(process)


def a_trace_of_more_records_than_are_read_at_once_is_there_once_and_in_order():
    count = 210001
    process, ids = story("many", str(count), arena="64M")
    shown, dumped = run("show", ids["many"], "--json")[0], run("dump", "--trace", ids["many"], "--json")[0]
    spans = re.findall(r'"span_id":"([0-9a-f]{16})"', shown)
    assert len(spans) == count and set(spans) == set(re.findall(r'"span_id":"([0-9a-f]{16})"', dumped)), len(spans)
    assert re.findall(r'"depth":(\d+)', shown)[:12] == list("012222222221")
    begins = re.findall(r'"begin_ns":(\d+)', shown)
    assert begins == sorted(begins)
    kill(process)


# ---- bad input

def survives(path, **env):
    for command in LOOKING + [["tail", "--for", "1ms"], ["clean", "--yes", "--pid", "1"]]:
        for extra in ([], ["--json"]):
            run(*command, *extra, "--file", path, code=(0, 1), **env)


def files_that_are_not_segments_are_named_and_the_rest_is_shown():
    good, _ = story("wait")
    place = os.path.join(folder, "bad.segment")
    make = lambda content: open(place, "wb").write(content)
    with open(segments()[0], "rb") as file:
        head = file.read(8192)
    future = head[:8] + struct.pack("<I", 99) + head[12:]
    for content, word in ((b"", "not a Trackway segment"), (b"TRACKWAY", "not a Trackway segment"), (b"hello" * 2000, "not a Trackway segment"),
                          (future, "newer"), (head, "shorter"), (b"\0" * 70000, "not a Trackway segment")):
        make(content)
        out, err = run("ps", code=1)
        assert "shop" in out and "bad" in err and word in err and err.count("\n") == 1, (content[:16], err)
        assert "GET /cart" in run("traces", code=1)[0]
        survives(place)
    os.unlink(place)
    for special in (os.mkfifo, os.mkdir, lambda name: os.symlink("/etc/passwd", name)):
        special(place)
        assert "shop" in run("ps")[0]  # what is not even a file is not looked at, unless it is named
        survives(place)
        assert "bad" in run("ps", "--file", place, code=1)[1]
        os.rmdir(place) if os.path.isdir(place) else os.unlink(place)
    if os.getuid() != 0:
        make(head)
        os.chmod(place, 0)
        assert "permission" in run("ps", code=1)[1]
    kill(good)


def damaged_segments_neither_crash_nor_hang_nor_eat_memory():
    process, _ = story("wait")
    kill(process)
    source = segments()[0]
    with open(source, "rb") as file:
        whole = file.read(4 << 20)
    size = os.path.getsize(source)
    random.seed(20240601)
    place = os.path.join(folder, "zz-damaged")
    used = [i for i in range(0, len(whole), 8) if whole[i:i + 8] != bytes(8)]
    for round_ in range(40):
        damaged = bytearray(whole)
        for _ in range(random.choice((1, 4, 30, 400))):
            at = random.choice(used) + random.randrange(8)
            damaged[at] = random.choice((0, 1, 255, 128, random.randrange(256)))
        if round_ % 4:
            damaged[0:12] = whole[0:12]
        with open(place, "wb") as file:
            file.write(damaged)
            file.truncate(size if round_ % 5 else random.randrange(size))
        for command in (["ps"], ["traces", "--limit", "0"], ["open"], ["dump"]):
            run(*command, "--json", "--file", place, code=(0, 1))
        run("traces", "--file", place, code=(0, 1))
        found = [json.loads(line) for line in run("traces", "--json", "--file", place, code=(0, 1))[0].splitlines()]
        for row in found[:2]:
            picture = run("show", row["trace_id"], "--file", place, code=(0, 1))[0]
            assert "\x1b" not in picture
    os.unlink(place)


def main():
    global folder
    if not os.path.exists(TRACKWAY) or not os.path.exists(STORY):
        print("skipped: trackway or prog_story was not built")
        return 77
    wanted = sys.argv[1:]
    tests = [(name, thing) for name, thing in globals().items() if callable(thing) and getattr(thing, "__module__", "") == "__main__"
             and name not in ("environment", "run", "rows", "story", "kill", "segments", "columns", "survives", "limit_memory", "main")]
    failed = 0
    for name, test in tests:
        if wanted and name not in wanted:
            continue
        folder = tempfile.mkdtemp(prefix="trackway-cli-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        began = time.monotonic()
        try:
            test()
            print(f"passed  {name} {time.monotonic() - began:.1f} s", flush=True)
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            print(f"FAILED  {name}: {type(error).__name__}: {error} (line {error.__traceback__.tb_next.tb_lineno})", flush=True)
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                process.wait()
                process.stdout.close()
            processes.clear()
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
