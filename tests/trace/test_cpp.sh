#!/bin/bash
# The C++ side of the headers: every overload of tw_tag and TW_ATTR, run against the shared library, read by the oracle.
set -eu
cd "$(dirname "$0")/../.."
build=${TRACKWAY_BUILD:-build}
case $build in *asan*) exit 77 ;; esac # a program without ASan cannot load a library with it
folder=$(mktemp -d /dev/shm/trackway-test-XXXXXX)
trap 'rm -rf "$folder"' EXIT
g++ -std=c++17 -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wdouble-promotion -Wold-style-cast -Wzero-as-null-pointer-constant -Werror -Iinclude \
    tests/trace/overloads.cc -L"$build" -Wl,-rpath,"$(realpath "$build")" -ltrackway -pthread -o "$folder/overloads"
TRACKWAY_DIR=$folder/segments TRACKWAY_KEEP=1 TRACKWAY_ARENA=512K "$folder/overloads"
tools/decode_segment.py "$folder"/segments/*.segment > "$folder/lines"
/usr/bin/python3 - "$folder/lines" <<'END'
import json, sys
records = {r["name"]: r for r in map(json.loads, open(sys.argv[1]))}
assert sorted(records) == ["%s of %zu", "event", "in a lambda", "lap", "overloads", "plain", "with options"], sorted(records)
expected = {"bool": True, "char": 99, "short": -2, "int": -3, "long": -4, "long long": -5, "unsigned char": 255, "unsigned": 7,
            "size_t": 8, "unsigned long long": 2**64 - 1, "float": 0.5, "double": 0.25, "literal": "literal", "c_str": "a string",
            "view": "a", "string": "a string", "temporary": "a string\0and more", "string_view": "string", "empty": ""}
tags = records["overloads"]["tags"]
for key, value in expected.items():
    assert tags[key] == value and type(tags[key]) is type(value), (key, tags[key])
assert set(tags) == set(expected)
assert records["event"]["tags"] == {"bool": False, "n": 42, "s": "a string", "d": 1.5, "string": "a string"}, records["event"]["tags"]
log = records["%s of %zu"]
assert log["kind"] == "log" and log["level"] == 4 and log["args"] == ["a string", 8], log
assert log["tags"] == {"callid": "a string", "request": 7, "ok": True}, log["tags"]
assert log["span_id"] == records["overloads"]["span_id"] and records["plain"]["level"] == 3
assert records["with options"]["span_kind"] == 2 and records["lap"]["status"] == 2 and records["lap"]["status_message"] == "why"
for name in ("in a lambda", "with options", "lap"):
    assert records[name]["parent_id"] == records["overloads"]["span_id"], name
assert records["in a lambda"]["function"] == "operator()" and records["in a lambda"]["module"] == "overloads"
END
echo "C++: every overload"
