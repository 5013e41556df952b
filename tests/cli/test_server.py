#!/usr/bin/python3
"""--server: the same spans, looked at in the segments of a process and in a collector that read them, give the same rows.

What cannot be the same, and is left out of the comparison:
- times by a few ns: each opening of a segment fits ticks to the wall clock again; and how long what is open has been open;
- a process without open spans is "foreign": nobody tells a collector how it fares; "order" counts within the answer;
- events keep time, name, tags and kind, not their own thread and place: they stand at their span's;
- an unsigned number beyond 2^63 - 1 is a text, and bytes in texts that are not UTF-8 are U+FFFD: OTLP has no other way.

Needs $TRACKWAY_BUILD with trackway and tests/prog_story; exit code 77 without.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
from _serve import ANY, BUILD, TRACKWAY, Running  # noqa: E402

STORY = os.path.join(BUILD, "tests/prog_story")
CALLS, LIVE = os.path.join(BUILD, "tests/prog_calls"), os.path.join(BUILD, "tests/prog_live")
NOTHING = "0" * 31 + "7"


class World:
    """A folder of segments, a process that told its story and has a request open, and a collector that reads them."""

    def __init__(self, folder, *options, story="wait"):
        self.folder, self.segments = folder, os.path.join(folder, "segments")
        os.mkdir(self.segments)
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("TRACKWAY_")}
        self.env.update(TRACKWAY_DIR=self.segments, LANG="C.UTF-8", TZ="UTC", COLUMNS="200")
        self.processes, self.traces = [], {}
        self.collector = Running(folder, *options, segments=self.segments, http=ANY, popen={"env": self.env})
        self.server, self.zipkin = self.collector.where["http"], self.collector.where.get("zipkin")
        if story == "wait":
            told = self.start([STORY, "wait"])
            for line in iter(told.stdout.readline, "ready\n"):
                name, trace = line.split()
                self.traces.setdefault(name, trace)

    def start(self, command):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self.env, stdin=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    @staticmethod
    def until(condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited for nothing"
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait(30)
            process.stdout.close()
        self.collector.__exit__()

    def run(self, *args, **env):
        return subprocess.run([TRACKWAY, *args], capture_output=True, text=True, env=dict(self.env, **env), timeout=90,
                              stdin=subprocess.DEVNULL)

    def both(self, *args):
        """What is printed about the segments, and about the collector."""
        answers = [self.run(*args), self.run(*args, "--server", self.server)]
        for answer in answers:
            assert answer.returncode == 0, (args, answer.stderr)
        return [answer.stdout for answer in answers]

    def collected(self):
        """Waits until the collector has what is there: open spans are stored when they are two seconds old."""
        self.until(lambda: self.run("open", "--json", "--server", self.server).stdout.count("\n") == 2)


def even(value, key=""):
    """A value of JSON without what cannot be the same."""
    if isinstance(value, dict):
        is_event = "time_ns" in value
        skipped = {"order", "process", "age_ns"} | ({"tid", "thread", "module", "function", "line"} if is_event else set())
        if value.get("kind") == "open" or value.get("end_ns", 0) is None:
            skipped |= {"duration_ns"}
        return {name: even(item, name) for name, item in sorted(value.items()) if name not in skipped}
    if isinstance(value, list):
        return [even(item) for item in value]
    if key.endswith("_ns") and isinstance(value, int):
        return round(value, -5)
    if key == "user.id":
        return str(value)
    return value


def even_lines(text):
    return [even(json.loads(line)) for line in text.splitlines()]


def even_text(text):
    """Lengths, and so bars, differ by a few ns, and by more of what is still open; so do the threads of events."""
    text = re.sub(r">?[0-9.]+(ns|us|ms|s)\b *", "TIME ", text)
    text = re.sub(r"│[^│\n]*│$", "BAR", text, flags=re.M).replace("\\xff", "�")
    text = re.sub(r"(later|before)( (in|by) \S+)?", r"\1", text)
    return re.sub(r"[ ]{2,}", " ", text)


def tables_and_lines_are_the_same(folder):
    with World(folder) as world:
        world.collected()
        for args in (("traces",), ("traces", "--status", "error"), ("traces", "--name", "POST*"), ("traces", "--limit", "2"),
                     ("traces", "--min-duration", "1ms", "--status", "error"), ("traces", "--since", "1h"), ("traces", "--service", "prog_*"),
                     ("traces", "--where", "name~^sqlite"), ("traces", "--where", "trace.spans>2"),
                     ("traces", "--where", "trace.name~^GET trace.service=prog_story"), ("traces", "--where", "user.id=* vip=true", "--sort", "duration"),
                     ("traces", "--where", "[{name, \"commit batch\"}]"), ("traces", "--name", "G?T /cart"), ("traces", "--service", "prog_story"),
                     ("open",), ("open", "--name", "select*"), ("open", "--limit", "1"), ("open", "--where", "days=3650")):
            local, remote = world.both(*args, "--json")
            assert local.strip(), args
            assert even_lines(local) == even_lines(remote), (args, local, remote)
            local, remote = world.both(*args)
            assert even_text(local) == even_text(remote), (args, local, remote)
        assert world.run("traces", "--pid", str(world.processes[0].pid), "--server", world.server).stdout.count("\n") == 6
        assert world.run("traces", "--pid", "1", "--server", world.server).stdout == ""


def every_trace_is_drawn_the_same(folder):
    with World(folder) as world:
        world.collected()
        shown = set()
        for trace in {row["trace_id"] for row in even_lines(world.both("traces", "--json")[0])}:
            for options in ((), ("--all",)):
                local, remote = world.both("show", trace, *options)
                assert even_text(local) == even_text(remote), (trace, local, remote)
                shown |= set(re.findall(r"also caused by|continues in|OPEN|sent to|looked at by hand", local))
            local, remote = world.both("show", trace, "--json")
            assert even_lines(local) == even_lines(remote), (trace, local, remote)
        assert len(shown) == 5, shown  # the story has all of these, so that all were compared


def ids_are_found_by_their_beginning(folder):
    with World(folder) as world:
        world.collected()
        trace = even_lines(world.both("traces", "--status", "error", "--json")[0])[0]["trace_id"]
        whole = world.run("show", trace, "--server", world.server).stdout
        assert world.run("show", trace[:12].upper(), "--server", world.server).stdout == whole
        several = world.run("show", trace[:4], "--server", world.server)
        assert several.returncode == 1 and "beginning of several traces" in several.stderr, several.stderr
        none = world.run("show", "0123456789abcde", "--server", world.server)
        assert none.returncode == 1 and "is in the collector" in none.stderr, none.stderr


class Lines:
    """What a process has printed so far."""

    def __init__(self, process):
        self.process, self.lines = process, []
        threading.Thread(target=lambda: self.lines.extend(process.stdout), daemon=True).start()

    def of(self, process):
        return [line for line in list(self.lines) if json.loads(line)["pid"] == process.pid]


def seen_later(seen):
    time.sleep(1.5)
    return seen()


def tail_prints_each_request_once(folder):
    with World(folder, story="none") as world:
        tail = Lines(world.start([TRACKWAY, "tail", "--json", "--server", world.server]))
        local = Lines(world.start([TRACKWAY, "tail", "--json"]))
        first = world.start([STORY, "tick", "50"])
        world.until(lambda: tail.of(first) and local.of(first))  # from here on both look
        first.kill()
        ticking = world.start([STORY, "tick", "50"])
        world.until(lambda: len(local.of(ticking)) > 20)
        ticking.kill()
        seen = lambda: (len(tail.of(ticking)), len(local.of(ticking)))
        world.until(lambda: seen() == seen_later(seen) and seen()[0] == seen()[1])
        tail.process.send_signal(signal.SIGINT)
        local.process.send_signal(signal.SIGINT)
        assert tail.process.wait(60) == local.process.wait(60) == 0
        remote_rows, local_rows = even_lines("".join(tail.of(ticking))), even_lines("".join(local.of(ticking)))
        ids = [row["span_id"] for row in remote_rows]
        assert len(ids) > 10 and len(ids) == len(set(ids)), len(ids)
        # Times are left out: every reader compares the clocks anew, and may be a microsecond off from another.
        what = lambda rows: [{key: row[key] for key in row if "_ns" not in key} for row in rows]
        assert what(remote_rows) == what(local_rows), (len(remote_rows), len(local_rows))
        assert all("parent_id" not in row for row in remote_rows)


def calls_and_lines_of_logs_are_drawn_as_such(folder):
    with World(folder, story="none") as world:
        for program in (CALLS, LIVE):
            told = world.start([program])
            while told.stdout.readline() not in ("ready\n", ""):
                pass
        told.kill()
        traces = lambda *server: {row["trace_id"] for row in even_lines(world.run("traces", "--json", *server).stdout)}
        world.until(lambda: len(traces()) >= 6 and traces() == traces("--server", world.server))
        shown = set()
        for trace in traces():
            local, remote = world.both("show", trace, "--brief")
            assert even_text(local) == even_text(remote), (trace, local, remote)
            shown |= set(re.findall(r"request traced\.\w+|response(?: error)? |\[\w+\] ", local))
        assert len(shown) > 8, shown


def what_was_open_at_a_death_is_as_old_as_its_process_became(folder):
    begin = time.time_ns() - 100 * 10**9
    span = {"traceId": "5" * 32, "spanId": "6" * 16, "name": "lost", "startTimeUnixNano": str(begin), "endTimeUnixNano": "0", "attributes": [
        {"key": "trackway.open_at_death", "value": {"boolValue": True}},
        {"key": "trackway.last_known_ns", "value": {"intValue": str(begin + 7 * 10**9)}}]}
    with World(folder, story=None) as world:
        sent = subprocess.run([TRACKWAY, "ingest", "-", "--server", world.server], input=json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}),
                              capture_output=True, text=True, env=world.env, timeout=60, check=False)
        assert sent.returncode == 0, sent.stderr
        row = json.loads(world.run("open", "--json", "--server", world.server).stdout)
        assert row["age_ns"] == 7 * 10**9 and row["process"] == "dead" and row["tags"] == {"trackway.open_at_death": True}, row
        table = world.run("open", "--server", world.server).stdout
        assert re.search(r"(?m)^>7\.00s +- .*dead +- +lost", table), table


def what_has_ended_is_no_longer_open(folder):
    """Zipkin's spans without a duration are open; with one, they replace what was."""
    now = time.time_ns() // 1000
    send = lambda world, **more: urllib.request.urlopen(urllib.request.Request(
        f"http://{world.zipkin}/api/v2/spans", json.dumps([dict({"traceId": "%016x" % 77, "id": "%016x" % 5, "name": "wait", "timestamp": now,
        "localEndpoint": {"serviceName": "theirs"}}, **more), {"traceId": "%016x" % 77, "id": "%016x" % 6, "name": "hang", "timestamp": now}]).encode(),
        {"Content-Type": "application/json"}), timeout=20).read()
    names = lambda world: [row["name"] for row in even_lines(world.run("open", "--json", "--server", world.server).stdout)]
    with World(folder, "--zipkin", "127.0.0.1:0", story="none") as world:
        send(world)
        assert sorted(names(world)) == ["hang", "wait"], names(world)
        send(world, duration=1000)
        assert names(world) == ["hang"], names(world)


def what_goes_wrong_is_said(folder):
    token = os.path.join(folder, "token")
    with open(token, "w", encoding="utf-8") as file:
        file.write("wonderland\n")
    with World(folder, "--read-token-file", token) as world, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        closed = "127.0.0.1:%d" % other.getsockname()[1]
        for args, env, code, word in (
                (("traces", "--server", closed), {}, 1, "nobody listens at http://127.0.0.1"),
                (("traces", "--server", world.server), {}, 1, "--token-file, or TRACKWAY_TOKEN"),
                (("traces", "--server", world.server), {"TRACKWAY_TOKEN": "wrong-one"}, 1, "--token-file, or TRACKWAY_TOKEN"),
                (("traces", "--server", world.server, "--token-file", folder + "/none"), {}, 2, "no token"),
                (("show", NOTHING, "--server", world.server, "--token-file", token), {}, 1, "is not in the collector"),
                (("traces", "--server", world.server, "--file", "x"), {}, 2, "not both"),
                (("traces", "--server", world.server, "--token-file", token, "--where", "trace.spans>"), {}, 2, "--where"),
                (("traces", "--where", "event=cache.miss"), {}, 2, "--server"), (("open", "--server", world.server, "--where", "link.a"), {}, 2, "traces --server"),
                (("ps", "--server", world.server), {}, 2, "no option --server")):
            done = world.run(*args, **env)
            assert done.returncode == code and word in done.stderr and "wonderland" not in done.stderr, (args, done.returncode, done.stderr)
        for args, env in ((("--server", world.server, "--token-file", token), {}), (("--server", f"http://{world.server}/"),
                                                                                 {"TRACKWAY_TOKEN": "wonderland"}),
                          ((), {"TRACKWAY_TOKEN": "wonderland", "TRACKWAY_SERVER": world.server})):
            done = world.run("traces", "--name", "GET /cart", *args, **env)
            assert done.returncode == 0 and done.stdout.count("GET /cart") == 1, (args, done)


def who_is_told_to_stop_does_not_wait_for_an_answer(_):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asking = subprocess.Popen([TRACKWAY, "tail", "--server", "127.0.0.1:%d" % silent.getsockname()[1]], stderr=subprocess.PIPE, text=True)
        with silent.accept()[0] as connection:
            connection.recv(1)  # it has asked
            asking.send_signal(signal.SIGINT)
            said = asking.communicate(timeout=40)[1]
        assert "stopped before" in said and asking.returncode == 1, (asking.returncode, said)


TESTS = (tables_and_lines_are_the_same, every_trace_is_drawn_the_same, ids_are_found_by_their_beginning, tail_prints_each_request_once,
         calls_and_lines_of_logs_are_drawn_as_such, what_was_open_at_a_death_is_as_old_as_its_process_became, what_has_ended_is_no_longer_open, what_goes_wrong_is_said,
         who_is_told_to_stop_does_not_wait_for_an_answer)


def main():
    if not os.path.exists(TRACKWAY) or not os.path.exists(STORY):
        print("skipped: trackway or tests/prog_story is not built")
        return 77
    failed = 0
    for test in TESTS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(folder)
                print(f"passed {test.__name__}", flush=True)
            except Exception:  # pylint: disable=broad-except
                traceback.print_exc()
                print(f"FAILED {test.__name__}", flush=True)
                failed += 1
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
