#!/usr/bin/python3
"""trackway store: info, check, export, import and compact on a store with everything a span can have.

Needs $TRACKWAY_BUILD (default build/) with trackway and tests/store.test_format. Exit code 77 when one is missing.
"""
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.environ.get("TRACKWAY_BUILD") or os.path.join(ROOT, "build")
TRACKWAY, MAKER = os.path.join(BUILD, "trackway"), os.path.join(BUILD, "tests/store.test_format")


def run(*args, code=0, data=None):
    done = subprocess.run([TRACKWAY, "store", *args], input=data, capture_output=True, timeout=120, check=False)
    assert done.returncode == code, (args, done.returncode, done.stderr[-500:])
    return done.stdout


def without_empty_keys(value):
    """OpenTelemetry has no keys without a text: the import leaves them out, and counts them."""
    if isinstance(value, list):
        return [without_empty_keys(item) for item in value if not (isinstance(item, dict) and item.get("key") == "")]
    if isinstance(value, dict):
        return {k: v for k, v in ((k, without_empty_keys(v)) for k, v in value.items()) if k != "droppedAttributesCount" and (k != "attributes" or v)}
    return value


def spans_of(lines):
    """Each span with its resource and scope, as text; OTLP's own reading of the lines."""
    out = []
    for line in lines.splitlines():
        for resource in json.loads(line)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    out.append(json.dumps(without_empty_keys([resource["resource"], scope["scope"], span]), sort_keys=True))
    return sorted(out)


def has_long_lists(span):
    """Of the tags of an event or link an import takes the first 128."""
    parts = json.loads(span)[2]
    return any(len(part.get("attributes", ())) > 100 for part in parts.get("events", []) + parts.get("links", []))


def an_export_is_imported_and_exported_the_same(folder):
    one, two = os.path.join(folder, "one"), os.path.join(folder, "two")
    subprocess.run([MAKER, one], stdout=subprocess.DEVNULL, check=True, timeout=120)
    assert json.loads(run("info", "--data", one, "--json"))["spans"] == 1400
    file = os.path.join(folder, "spans.jsonl.zst")
    run("export", "--data", one, file)
    run("export", "--data", one, file, code=1)  # it is there already
    first = spans_of(run("export", "--data", one))
    assert len(first) == 1400
    for span in first:
        ids = json.loads(span)[2]
        assert len(ids["traceId"]) == 32 and len(ids["spanId"]) == 16 and ids["startTimeUnixNano"].isdigit()
    run("import", "--data", two, file)
    run("import", "--data", two, file)  # again: copies
    assert json.loads(run("info", "--data", two, "--json"))["spans"] == 2800
    compacted = run("compact", "--data", two)
    assert b"1400 copies of spans folded" in compacted, compacted
    assert run("check", "--data", two).endswith(b"0 problems\n")
    second = spans_of(run("export", "--data", two))
    different = [(a, b) for a, b in zip(first, second) if a != b and not has_long_lists(a)]
    assert len(first) == len(second) and not different, different[0]
    three = os.path.join(folder, "three")
    run("import", "--data", three, "-", data=run("export", "--data", two))
    assert spans_of(run("export", "--data", three)) == second


def what_is_not_right_is_said(folder):
    done = subprocess.run([TRACKWAY, "store", "inof"], capture_output=True, check=False)
    assert done.returncode == 2 and b"did you mean info" in done.stderr
    run("info", "--data", os.path.join(folder, "nothing"), code=1)
    four = os.path.join(folder, "four")
    run("import", "--data", four, data=b'{"resourceSpans":[}\n{"resourceSpans":[]}\n', code=1)
    assert json.loads(run("info", "--data", four, "--json"))["spans"] == 0


def main():
    if not os.path.exists(TRACKWAY) or not os.path.exists(MAKER):
        return 77
    with tempfile.TemporaryDirectory() as folder:
        an_export_is_imported_and_exported_the_same(folder)
        what_is_not_right_is_said(folder)
    print("2 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
