#!/usr/bin/python3
"""The example of log lines, as its reader sees it: every level, metadata, and each way in which a program's own logger is handed on.

Needs $TRACKWAY_BUILD (default build/) with trackway and examples/logs. Exit code 1 if one failed, 77 if nothing was built.
"""
import json
import os
import subprocess
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.path.realpath(os.environ.get("TRACKWAY_BUILD") or os.path.join(ROOT, "build"))
TRACKWAY, LOGS = os.path.join(BUILD, "trackway"), os.path.join(BUILD, "examples/logs")
sys.path.insert(0, os.path.join(ROOT, "tests"))
from _run import run_tests  # noqa: E402

LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]


def recorded(folder, **more):
    env = {k: v for k, v in os.environ.items() if not k.startswith("TRACKWAY")}
    env.update(TRACKWAY_DIR=folder, TRACKWAY_KEEP="1", LANG="C.UTF-8", **more)
    subprocess.run([LOGS], env=env, timeout=60, check=True)

    def trackway(*args):
        return subprocess.run([TRACKWAY, *args], env=env, timeout=60, check=True, capture_output=True, text=True).stdout

    return trackway, [one for one in map(json.loads, trackway("dump").splitlines()) if one["kind"] == "log"]


def every_level_is_there_with_its_text(folder):
    _, logs = recorded(folder, TRACKWAY_LOG_LEVEL="debug")
    assert [one["level"] for one in logs[:8]] == LEVELS, logs
    assert [one["message"] for one in logs[:8]] == [
        "the cache holds 17 of 100 entries", "user 7 logged in from 10.0.0.9", "the configuration was read again", "the queue is 91.2 % full",
        "cannot open /srv/cart: No such file or directory", "1 of 3 replicas answer", "the disk is full", "giving up"], logs
    assert len({(one["trace_id"], one["span_id"], one["tid"]) for one in logs}) == 1 and "args" not in logs[2], logs
    assert all(one["module"] == "logs" and one["function"] == "every_level" for one in logs[:8]), logs


def below_the_level_in_force_there_is_nothing(folder):
    _, logs = recorded(folder, TRACKWAY_LOG_LEVEL="error")
    assert [one["level"] for one in logs] == ["error", "critical", "alert", "emergency", "error", "critical"], logs


def metadata_is_of_the_thread_and_of_the_line(folder):
    _, logs = recorded(folder)
    by_text = {one["message"]: one.get("tags") for one in logs}
    assert by_text["looking for the cart"] == {"request": 4711, "zone": "west"}, by_text
    assert by_text["the passwords did not match for ann"] == {"request": 4711, "zone": "east", "attempt": 2}, by_text
    assert by_text["giving up"] is None and by_text["child 17 exited with 1"] is None, by_text


def a_logger_that_was_there_before_is_handed_on(folder):
    _, logs = recorded(folder)
    assert [(one["level"], one.get("module", ""), one["message"]) for one in logs[-5:]] == [
        ("warning", "billing", "from a library that has a callback for its log"), ("error", "", "child 17 exited with 1"),
        ("notice", "", "a text that is ready"), ("info", "", "level and format are known only at run time: 1"), ("critical", "pay", "from elsewhere")], logs
    assert (logs[-1]["function"], logs[-1]["line"]) == ("charge", 99), logs[-1]


def the_lines_stand_in_the_waterfall(folder):
    trackway, logs = recorded(folder)
    shown = trackway("show", "--all", logs[0]["trace_id"]).splitlines()
    at = [next(i for i, line in enumerate(shown) if f"[{one['level']}] {one['message']}" in line) for one in logs]
    assert at == sorted(at), shown


if __name__ == "__main__":
    if not (os.path.exists(TRACKWAY) and os.path.exists(LOGS)):
        sys.exit(77)
    sys.exit(run_tests(every_level_is_there_with_its_text, below_the_level_in_force_there_is_nothing, metadata_is_of_the_thread_and_of_the_line,
                       a_logger_that_was_there_before_is_handed_on, the_lines_stand_in_the_waterfall))
