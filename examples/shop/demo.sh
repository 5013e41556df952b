#!/bin/bash
# demo.sh [BUILD]: starts the shop, sends it requests, kills its back in the middle of one, and looks at all of it with
# trackway. BUILD is the build folder; default $TRACKWAY_BUILD, then build/. Exits with 1 when something promised is not
# there. Everything it starts or writes is gone when it ends, however it ends.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-${TRACKWAY_BUILD:-$root/build}}" && pwd)
shop=$build/examples/shop/shop
trackway=$build/trackway
for program in "$shop" "$trackway" "$(command -v curl || echo curl)"; do
    [ -x "$program" ] || { echo "demo: $program is missing; run make" >&2; exit 1; }
done

# ---- what must not be left behind

work=$(mktemp -d "${TMPDIR:-/tmp}/shop-demo.XXXXXX")
segments=$(mktemp -d /dev/shm/shop-demo.XXXXXX 2>/dev/null) || segments=$(mktemp -d "$work/segments.XXXXXX")
export TRACKWAY_DIR=$segments
front='' back='' hung='' # process ids; empty: not running

end() {
    for pid in $hung $front $back; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work" "$segments"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() {
    echo "demo: $*" >&2
    exit 1
}

# ---- showing

if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi

heading() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }

# Prints a command as one would type it, runs it, and keeps its output for expect.
run() {
    printf '\n%s$ trackway %s%s\n' "$bold" "$*" "$plain"
    "$trackway" "$@" | tee "$work/shown"
}

# The last output has to contain this; the second argument says what is missing otherwise.
expect() { grep -q -- "$1" "$work/shown" || fail "not shown: $2"; }

# The first trace id of a listing in JSON.
first_trace() { grep -o '[0-9a-f]\{32\}' | head -n 1; }

# Waits until a command succeeds; gives up after 10 seconds.
await() {
    for _ in $(seq 200); do
        if "$@" 2>/dev/null; then return; fi
        sleep 0.05
    done
    fail "gave up waiting: $*"
}

# ---- the shop

# The address a process of ours printed when it was ready.
address() { sed -n 's/^[a-z]*: \(http:.*\)$/\1/p' "$work/$1.log"; }
is_ready() { [ -n "$(address "$1")" ]; }

heading 'A shop in two processes: front (HTTP) -> back (HTTP, SQLite, a thread that commits orders in batches)'
"$shop" back --db "$work/shop.db" >"$work/back.log" & back=$!
await is_ready back
"$shop" front --back "$(address back)" >"$work/front.log" & front=$!
await is_ready front
url=$(address front)
printf 'front: process %s on %s\nback:  process %s on %s\n' "$front" "$url" "$back" "$(address back)"

# One request per line on standard input, "METHOD PATH"; eight at a time. Prints one line per request: status, seconds,
# trace id, path; the bodies go to a file each.
send() {
    mkdir -p "$work/replies"
    xargs -P 8 -L 1 sh -c 'curl -s --max-time 30 -o "$0/replies/$$" -X "$2" "$1$3" \
        -w "%{http_code} %{time_total} %header{x-trace-id} $3 $(:)%{stderr}" 2>/dev/null; echo; ' "$work" "$url"
}
