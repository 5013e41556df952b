#!/usr/bin/python3
"""--where, end to end: a process that records, and filters over its traces, spans and records.

What a filter selects is compared with the same question asked of the JSON of everything, in Python. Needs $TRACKWAY_BUILD with trackway and
tests/prog_story; exit code 77 without.
"""
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
BUILD = os.path.realpath(os.environ.get("TRACKWAY_BUILD") or os.path.join(ROOT, "build"))
TRACKWAY, STORY = os.path.join(BUILD, "trackway"), os.path.join(BUILD, "tests/prog_story")
failures = []


def run(folder, *args):
    env = dict(os.environ, TRACKWAY_DIR=folder, LANG="C.UTF-8", TZ="UTC")
    return subprocess.run([TRACKWAY, *args], capture_output=True, text=True, env=env, timeout=60, stdin=subprocess.DEVNULL)


def rows(folder, *args):
    done = run(folder, *args, "--json")
    if done.returncode != 0:
        failures.append(f"{args}: exit {done.returncode}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def same(what, found, wanted):
    if found != wanted:
        failures.append(f"{what}: {found!r} and not {wanted!r}")


def duration(record):
    return (record.get("end_ns") or 0) - record.get("begin_ns", 0)


# A filter over records, and what it means.
RECORDS = {
    "record=mark": lambda r: r["kind"] == "mark",
    "[{record, '!=', span}]": lambda r: r["kind"] != "span",
    "record in (send, receive)": lambda r: r["kind"] in ("send", "receive"),
    "status=error": lambda r: r.get("status") == "error",
    "name~^sqlite": lambda r: r["name"].startswith("sqlite"),
    "user.id=18446744073709551615": lambda r: r.get("tags", {}).get("user.id") == 2**64 - 1,
    "balance<0": lambda r: r.get("tags", {}).get("balance", 0) < 0,
    "share>0.05 share<0.2 vip=true": lambda r: r.get("tags", {}).get("share") == 0.1,
    "root=true record=span": lambda r: r["kind"] == "span" and "parent_id" not in r,
    "record=span not duration>1us": lambda r: r["kind"] == "span" and not duration(r) > 1000,
    "record=span duration>=1us duration<1ms": lambda r: r["kind"] == "span" and 1000 <= duration(r) < 1000000,
    "open=true": lambda r: r["kind"] == "open",
    "kind=server": lambda r: r["kind"] in ("span", "open") and r.get("span_kind") == "server",
    "false": lambda r: False,
    "[{null, true}]": lambda r: True,
    "module=* line>0": lambda r: r.get("line", 0) > 0 and "module" in r,
}


def main():
    if not os.path.exists(TRACKWAY) or not os.path.exists(STORY):
        return 77
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="trackway-where-", dir=shared) as folder:
        env = dict(os.environ, TRACKWAY_DIR=folder)
        story = subprocess.Popen([STORY, "wait"], env=env, stdout=subprocess.PIPE, text=True)
        ids = {}
        for line in story.stdout:
            if line.strip() == "ready":
                break
            name, ids[name] = line.split()[0], line.split()[1]
        try:
            checks(folder, ids)
        finally:
            story.kill()
            story.wait(timeout=30)
    print("\n".join(failures))
    print(f"{len(failures)} failures")
    return 1 if failures else 0


def checks(folder, ids):
    everything = [r for r in rows(folder, "dump") if r["kind"] != "process"]
    assert len(everything) > 300
    key = lambda r: (r["kind"], r["order"]) if "order" in r else (r["kind"], r.get("span_id"))
    for text, meaning in RECORDS.items():
        found = [key(r) for r in rows(folder, "dump", "--where", text) if r["kind"] != "process"]
        same(f"dump --where {text}", found, [key(r) for r in everything if meaning(r)])

    def traces(text):
        return sorted(r["trace_id"] for r in rows(folder, "traces", "--where", text))

    orders = sorted(ids["order%d" % i] for i in range(3))
    cart, report = [ids["cart"]], [ids["report"]]
    same("a tag of the root", traces("user.id=18446744073709551615"), cart)
    same("a span below it", traces("name=rows status=error status.message~fire"), cart)
    same("conditions are of one span", traces("name=rows user.id"), [])
    same("of the whole trace", traces("trace.name='POST /order'"), orders)
    same("several spans", traces("trace.spans>100"), cart)
    same("open", traces("open=true"), report)
    same("a trace by id", traces(f"trace_id={orders[1]}"), [orders[1]])
    same("service", traces("service=prog_story"), sorted(orders + cart + report))
    same("resource", traces("resource.service.name!=prog_story"), [])
    same("the other notation", traces("[{any, [{name, 'GET /cart'}, {name, 'GET /report'}]}]"), sorted(cart + report))
    same("with other options", [r["trace_id"] for r in rows(folder, "traces", "--name", "GET*", "--where", "root=true kind=server")], cart)
    same("open spans", {r["name"] for r in rows(folder, "open", "--where", "days=3650")}, {"GET /report"})

    wrong = run(folder, "traces", "--where", "status=error duration>200")
    same("exit code", wrong.returncode, 2)
    lines = wrong.stderr.splitlines()
    same("what is wrong", "unit" in lines[0], True)
    same("where", lines[2].index("^"), lines[1].index("200"))
    same("twice", run(folder, "dump", "--where", "a", "--where", "b").returncode, 2)

    tick = subprocess.Popen([STORY, "tick", "5"], env=dict(os.environ, TRACKWAY_DIR=folder), stdout=subprocess.PIPE, text=True)
    try:
        tick.stdout.readline()
        ticks = rows(folder, "tail", "--where", "status=error name=tick", "--for", "1s")
        same("tail shows failed ticks alone", {r.get("status") for r in ticks}, {"error"})
        same("tail of nothing", rows(folder, "tail", "--where", "name=tock", "--for", "200ms"), [])
    finally:
        tick.kill()
        tick.wait(timeout=30)


if __name__ == "__main__":
    sys.exit(main())
