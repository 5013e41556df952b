#!/usr/bin/python3
"""Live traces from outside, on real processes that know nothing of it. Each function below is a test; its name says what is promised.

Needs $TRACKWAY_BUILD (default build/) with trackway and tests/prog_live. Exit code 1 if one failed, 77 if nothing was built.
"""
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.path.realpath(os.environ.get("TRACKWAY_BUILD") or os.path.join(ROOT, "build"))
TRACKWAY, LIVE = os.path.join(BUILD, "trackway"), os.path.join(BUILD, "tests/prog_live")
NOBODY = 65534
folder = ""
services = []


def environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith("TRACKWAY")}
    env.update(TRACKWAY_DIR=folder, LANG="C.UTF-8", TZ="UTC")
    env.update(more)
    return env


def run(*args, code=0):
    done = subprocess.run([TRACKWAY, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(), timeout=60)
    assert done.returncode == code, f"trackway {args}: exit {done.returncode}, wanted {code}\n{done.stdout}{done.stderr}"
    return done.stdout, done.stderr


def service(**env):
    process = subprocess.Popen([LIVE], stdout=subprocess.PIPE, env=environment(**env))
    assert process.stdout.readline() == b"ready\n"
    services.append(process)
    return process


def start(*args):
    return json.loads(run("trace", *args, "--json")[0])


def listed():
    return {row["ref"]: row for row in map(json.loads, run("trace", "list", "--json")[0].splitlines())}


def until(what, seconds=60):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return found


def lines(path):
    """Whole lines are written at once; but a reader may come in the middle of that one call."""
    for _ in range(1000):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if not text or text.endswith("\n"):
            return text.splitlines()
        time.sleep(0.02)
    raise AssertionError("half a line")


def stop(ref):
    out, _ = run("trace", "stop", ref)
    return out.strip()


def a_module_is_traced_below_the_level_in_force_and_stopped_once():
    process = service()
    trace = start("module", "cart")
    assert re.fullmatch("[0-9a-f]{12}", trace["ref"]) and re.fullmatch("/tmp/[0-9a-f]{32}[.]log", trace["file"])
    assert stat.S_IMODE(os.stat(trace["file"]).st_mode) == 0o600
    until(lambda: len(lines(trace["file"])) > 20)
    assert listed()[trace["ref"]]["state"] == "active"
    assert stop(trace["ref"]) == trace["file"]
    _, err = run("trace", "stop", trace["ref"], code=1)
    assert "invalid trace" in err
    _, err = run("trace", "stop", "nonsense", code=1)
    assert "invalid trace" in err
    got = lines(trace["file"])
    default = rf"\d\d:\d\d:\d\d[.]\d{{3}} \[[a-z]+\] \|prog_live\|0000000000\|cart:\w+:\d+ \({process.pid}\) .*"
    assert all(re.fullmatch(default, line) for line in got), got[:5]
    assert any("[debug]" in line and "price of" in line for line in got)
    os.unlink(trace["file"])

    def quiet():
        records = run("dump")[0].splitlines()
        return len(records) - max(i for i, line in enumerate(records) if '"level":"debug"' in line) > 20

    until(quiet)  # nothing at that level is recorded any more


def one_request_is_picked_by_its_metadata():
    service()
    trace = start("start", "--filter", "request=30", "--format", "[request, \" \", message, \"\\n\"]")
    until(lambda: len(lines(trace["file"])) >= 2)
    stop(trace["ref"])
    assert lines(trace["file"]) == ["30 price of 30 is 90", "30 request 30 is slow"]
    os.unlink(trace["file"])


def a_function_a_pid_and_a_level_select():
    one, two = service(), service()
    by_function, by_pid = start("function", "cart", "price"), start("pid", str(two.pid), "--format", "json")
    by_level = start("start", "--level", "warning", "--format", "json")
    other = start("module", "nothing_like_it")
    files = [t["file"] for t in (by_function, by_pid, by_level)]
    until(lambda: all(len(lines(f)) > 3 for f in files))
    for t in (by_function, by_pid, by_level, other):
        stop(t["ref"])
    assert all(":price:" in line for line in lines(files[0]))
    assert {json.loads(line)["pid"] for line in lines(files[1])} == {two.pid}
    assert {json.loads(line)["level"] for line in lines(files[2])} == {"warning"}
    assert {json.loads(line)["pid"] for line in lines(files[2])} <= {one.pid, two.pid}
    assert lines(other["file"]) == []
    for f in files + [other["file"]]:
        os.unlink(f)


def it_ends_by_itself_when_its_process_dies_or_its_limits_are_reached():
    process = service()
    dies = start("start", "--pid", str(process.pid))
    counted = start("start", "--max-lines", "5", "--format", "[message, \"\\n\"]")
    timed = start("start", "--for", "300ms")
    until(lambda: listed()[counted["ref"]]["state"] == "ended" and listed()[timed["ref"]]["state"] == "ended")
    assert len(lines(counted["file"])) == 6 and lines(counted["file"])[-1].startswith("trackway: ended: ")
    assert lines(timed["file"])[-1] == "trackway: ended: its time is over"
    process.kill()
    process.wait()
    until(lambda: lines(dies["file"])[-1] == "trackway: ended: what it watched has ended")
    until(lambda: not subprocess.run(["pgrep", "-f", f"{TRACKWAY} trace start --pid {process.pid}"], capture_output=True).stdout)
    for t in (dies, counted, timed):
        os.unlink(t["file"])


def a_reader_that_is_killed_is_listed_as_lost_and_can_be_replaced():
    service()
    trace = start("module", "cart")
    until(lambda: len(lines(trace["file"])) > 5)
    os.kill(listed()[trace["ref"]]["reader_pid"], signal.SIGKILL)
    row = until(lambda: listed()[trace["ref"]]["state"] == "lost" and listed()[trace["ref"]])
    assert row["file"] == trace["file"]
    _, err = run("trace", "stop", trace["ref"], code=1)
    again = start("module", "cart")
    until(lambda: len(lines(again["file"])) > 5)
    stop(again["ref"])
    os.unlink(trace["file"])
    os.unlink(again["file"])


def a_process_that_starts_later_is_watched_too():
    first = service()
    trace = start("start", "--format", "json")
    later = service()
    until(lambda: {json.loads(line)["pid"] for line in lines(trace["file"])} == {first.pid, later.pid})
    assert listed()[trace["ref"]]["processes"] == 2
    stop(trace["ref"])
    os.unlink(trace["file"])


def watch_writes_to_the_terminal_until_interrupted():
    service()
    watch = subprocess.Popen([TRACKWAY, "trace", "watch", "--filter", "kind=end"], stdout=subprocess.PIPE, text=True, env=environment())
    first = [watch.stdout.readline() for _ in range(3)]
    assert all("end GET /cart" in line for line in first), first
    assert [row["state"] for row in listed().values()] == ["active"]
    watch.send_signal(signal.SIGINT)
    watch.stdout.read()
    assert watch.wait(60) == 0
    assert [row["state"] for row in listed().values()] == ["ended"]


def the_list_has_no_blanks_at_the_end_of_a_line():
    service()
    trace = start("module", "cart")
    table = run("trace", "list")[0].splitlines()
    assert len(table) == 2 and trace["ref"] in table[1] and trace["file"] in table[1], table
    assert table == [line.rstrip() for line in table], table
    stop(trace["ref"])
    os.unlink(trace["file"])


def what_a_slow_reader_missed_is_in_the_file_and_in_the_list():
    process = subprocess.Popen([LIVE, "flood"], stdout=subprocess.PIPE, env=environment(TRACKWAY_ARENA="512K"))
    services.append(process)
    assert process.stdout.readline() == b"ready\n"
    trace = start("module", "cart")
    until(lambda: len(lines(trace["file"])) > 20)
    reader = listed()[trace["ref"]]["reader_pid"]
    overwritten = lambda: json.loads(run("stats", "--json")[0])["overwritten_bytes"]
    os.kill(reader, signal.SIGSTOP)
    before = overwritten()
    until(lambda: overwritten() > before + (1 << 20))  # twice the arena
    os.kill(reader, signal.SIGCONT)
    missed = until(lambda: listed()[trace["ref"]]["missed"])
    table = run("trace", "list")[0].splitlines()
    assert "LOST" in table[0] and any(word.isdigit() and int(word) >= missed for word in table[1].split()), table
    stop(trace["ref"])
    told = [re.fullmatch(r"trackway: (\d+) chunks of records were overwritten before they were read", line) for line in lines(trace["file"])]
    assert sum(int(m[1]) for m in told if m) == listed()[trace["ref"]]["missed"]
    os.unlink(trace["file"])


def what_is_not_understood_is_told_to_who_typed_it():
    service()
    for args, words in ((["start", "--filter", "request >"], "byte"), (["start", "--format", "{time"], "byte"), (["start", "--level", "loud"], "level"),
                        (["start", "--filter", "[{request, '<>', 1}]"], "byte"), (["modul", "x"], "did you mean module"), (["module"], "module M"),
                        (["stop"], "stop REF"), (["module", "a", "b"], "module M"),
                        (["watch", "x"], "watch [--filter")):
        _, err = run("trace", *args, code=2)
        assert words in err, (args, err)
    _, err = run("trace", "list", "x", code=2)
    assert "usage: trackway trace list\n" in err, err
    _, err = run("trace", "start", "--file", "/nowhere/x.log", code=1)
    assert "No such file" in err, err
    _, err = run("trace", "start", "--pid", "1", code=1)
    assert "no such process" in err
    assert listed() == {}
    trace = start("pid", "<0.1.2>")
    stop(trace["ref"])
    os.unlink(trace["file"])


def copies():
    """The command and a program in a folder that every user may enter, which that of the build may not be."""
    place = tempfile.mkdtemp(prefix="trackway-users-", dir="/dev/shm")
    os.chmod(place, 0o755)
    for path in (TRACKWAY, LIVE, os.path.join(BUILD, "libtrackway.so.0")):
        shutil.copy(path, place)
    return place


def nobody(place, where, *command):
    env = environment(TRACKWAY_DIR=where, LD_LIBRARY_PATH=place)
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, user=NOBODY, group=NOBODY,
                            extra_groups=[], cwd="/")


def only_who_may_write_the_segment_may_start_a_trace():
    if os.geteuid() != 0:
        print("skipped   another user's process: needs root to become somebody else")
        return
    place = copies()
    own = os.path.join(place, "own")
    os.mkdir(own)
    os.chown(own, NOBODY, NOBODY)
    before = os.stat(folder).st_mode
    command, live = os.path.join(place, "trackway"), os.path.join(place, "prog_live")
    try:
        mine = service()
        os.chmod(folder, 0o755)  # what protects it is the segment's own mode
        for words in (("start", "--filter", "*"), ("pid", str(mine.pid)), ("module", "prog_live"), ("watch", "--filter", "*")):
            done = nobody(place, folder, command, "trace", *words, *(["--for", "1s"] if words[0] == "watch" else []))
            out, told = done.communicate(timeout=60)
            assert done.returncode == 1 and b"permission denied" in told, (words, done.returncode, out, told)
        assert listed() == {}, listed()
        other = nobody(place, own, live)
        assert other.stdout.readline() == b"ready\n"
        services.append(other)
        begun = nobody(place, own, command, "trace", "pid", str(other.pid), "--json", "--file", os.path.join(own, "log"))
        out, told = begun.communicate(timeout=60)
        assert begun.returncode == 0, told
        ref = json.loads(out)["ref"]
        until(lambda: os.path.exists(os.path.join(own, "log")) and os.path.getsize(os.path.join(own, "log")))
        stopped = nobody(place, own, command, "trace", "stop", ref)
        assert (stopped.communicate(timeout=60), stopped.returncode)[1] == 0
        by_root = json.loads(run("trace", "pid", str(other.pid), "--json", "--dir", own)[0])
        run("trace", "stop", by_root["ref"], "--dir", own)
    finally:
        os.chmod(folder, before & 0o777)
        for process in services:
            process.kill()
            process.wait()
        services.clear()
        shutil.rmtree(place, ignore_errors=True)


def several_share_a_file_and_each_line_is_whole():
    service(), service()
    path = os.path.join(folder, "shared.log")
    traces = [start("start", "--file", path, "--format", f"[\"{n} \", message, \"\\n\"]") for n in "abc"]
    until(lambda: len(lines(path)) > 200)
    for t in traces:
        assert stop(t["ref"]) == path
    got = lines(path)
    assert {line[0] for line in got} == set("abc")
    assert all(re.fullmatch(r"[abc] (price of \d+ is \d+|request \d+ is slow|begin GET /cart|end GET /cart .*|done)", line) for line in got)


def functions_are_watched_by_name_and_only_when_a_filter_names_them():
    services.append(process := subprocess.Popen([os.path.join(BUILD, "tests/prog_instrumented")], stdout=subprocess.PIPE, env=environment()))
    assert process.stdout.readline() == b"ready\n"
    everything = start("start", "--pid", str(process.pid))
    until(lambda: len(lines(everything["file"])) > 10)
    stop(everything["ref"])
    assert not any("hidden_work" in line for line in lines(everything["file"]))
    assert '"kind":"call"' not in run("dump")[0]
    fmt = "[kind, \" \", module, \":\", function, \"\\n\"]"
    work = start("start", "--pid", str(process.pid), "--filter", "(kind=call or kind=return) function~_work$", "--format", fmt)
    until(lambda: len(lines(work["file"])) > 40)
    stop(work["ref"])
    got = lines(work["file"])
    name = "prog_instrumented"
    inner = [f"call {name}:inner_work", f"call {name}:hidden_work", f"return {name}:hidden_work", f"return {name}:inner_work"]
    whole = [f"call {name}:outer_work"] + inner + inner + [f"return {name}:outer_work"]
    begin = got.index(whole[0])
    assert got[begin:begin + len(whole)] == whole, got[begin:begin + 12]

    calls = start("start", "--pid", str(process.pid), "--filter", "kind=call", "--format", "[function, \"\\n\"]")
    until(lambda: len(lines(calls["file"])) > 40)
    stop(calls["ref"])
    assert set(lines(calls["file"])) == {"outer_work", "inner_work", "hidden_work"}  # and nothing of the library's

    def quiet():
        records = run("dump")[0].splitlines()
        return len(records) - max(i for i, line in enumerate(records) if '"kind":"return"' in line) > 10

    until(quiet)
    os.unlink(everything["file"])
    os.unlink(work["file"])
    os.unlink(calls["file"])


def completion_knows_modules_functions_processes_and_traces():
    process = service()
    trace = start("module", "cart")
    script = run("completion", "bash")[0]

    def offered(*words):
        line = script + f"""
trackway() {{ {TRACKWAY} "$@"; }}
COMP_WORDS=(trackway {" ".join(repr(w) for w in words)}); COMP_CWORD={len(words)}
_trackway; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=environment())
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    until(lambda: "price" in offered("trace", "function", "cart", ""))
    assert offered("trace", "mo") == ["module"], offered("trace", "mo")
    assert offered("trace", "module", "") == ["cart"]
    assert offered("trace", "function", "cart", "pr") == ["price"]
    assert offered("trace", "function", "nothing", "") == []
    assert offered("trace", "function", "cart", "") == ["handle", "price", "refund"]  # which has recorded nothing
    assert offered("trace", "pid", "") == [str(process.pid)]
    assert offered("trace", "stop", "") == [trace["ref"]]
    assert "--filter" in offered("trace", "start", "--f")
    stop(trace["ref"])
    os.unlink(trace["file"])


def main():
    global folder
    if not (os.path.exists(TRACKWAY) and os.path.exists(LIVE)):
        print("trackway or tests/prog_live is not built")
        return 77
    failed = 0
    tests = [f for name, f in list(globals().items()) if callable(f) and f.__module__ == "__main__" and "_" in name]
    for test in tests:
        folder = tempfile.mkdtemp(prefix="trackway-live-", dir="/dev/shm")
        try:
            test()
            print("ok     ", test.__name__)
        except Exception as problem:  # an assertion, or the harness itself
            failed += 1
            print("FAILED ", test.__name__, ":", repr(problem)[:2000])
        finally:
            for process in services:
                process.kill()
                process.wait()
            services.clear()
            time.sleep(0.1)
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
