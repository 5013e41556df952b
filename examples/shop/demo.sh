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
segments=$(mktemp -d "/dev/shm/shop-demo.$$.XXXXXX" 2>/dev/null) || segments=$(mktemp -d "$work/segments.XXXXXX")
export TRACKWAY_DIR=$segments
front='' back='' hung='' edge='' live='' lines='' # process ids; empty: not running

end() {
    if [ -n "$edge" ]; then # its master ends its workers
        kill -TERM "$edge" 2>/dev/null || true
        wait "$edge" 2>/dev/null || true
    fi
    for pid in $hung $front $back; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    [ -z "$lines" ] || rm -f "$lines" # its reader ends with what it watched
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

# The last output has to contain this (a regular expression); the second argument says what is missing otherwise.
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

# Debian's own nginx before the front, with our module, where both are to be had.
start_edge() {
    local module nginx port='' try
    nginx=$(command -v nginx || echo /usr/sbin/nginx)
    [ -x "$nginx" ] && module=$("$root/integrations/nginx/build.sh" "$build" 2>/dev/null) || return
    mkdir "$work/edge"
    for try in 1 2 3 4 5; do
        port=$((20000 + (RANDOM + try) % 12000))
        sed "s|MODULE|$module|; s|WORK|$work/edge|g; s|PORT|$port|; s|FRONT|$url|; s|USER|$(id -un)|" \
            "$root/examples/shop/nginx.conf" >"$work/edge/nginx.conf"
        [ "$(id -u)" -eq 0 ] || sed -i '/^user /d' "$work/edge/nginx.conf"
        "$nginx" -t -p "$work/edge" -c "$work/edge/nginx.conf" 2>/dev/null || return
        "$nginx" -p "$work/edge" -c "$work/edge/nginx.conf" 2>/dev/null & edge=$!
        for _ in $(seq 100); do
            kill -0 "$edge" 2>/dev/null || break
            if [ -s "$work/edge/pid" ] && curl -s "http://127.0.0.1:$port/ready"; then
                url=http://127.0.0.1:$port
                return
            fi
            sleep 0.05
        done
        { kill -TERM "$edge"; wait "$edge"; } 2>/dev/null || true # the port was taken
        edge=''
    done
}
start_edge || true
if [ -n "$edge" ]; then
    printf 'edge:  process %s on %s: nginx, before the front\n' "$edge" "$url"
else
    echo 'edge:  none: nginx or nginx-dev is missing'
fi

# Sends one request. Prints "STATUS TRACE METHOD PATH: ANSWER".
ask() {
    local answer
    answer=$(curl -s --max-time 60 -X "$1" -w '%{http_code} %header{x-trace-id}' "$url$2") || true
    printf '%s %s %s: %s\n' "${answer##*$'\n'}" "$1" "$2" "${answer%%$'\n'*}"
}
export -f ask
export url

# Sends the requests on standard input, one "METHOD PATH" a line, eight at a time; keeps what ask prints in a file.
send() {
    xargs -P 8 -L 1 bash -c 'ask "$@"' ask >>"$work/$1"
    awk '{ n[$1]++; all++ } END { printf "%d requests:", all; for (s in n) printf "  %d x %s", n[s], s; print "" }' \
        "$work/$1"
    grep -q '^20' "$work/$1" || fail 'the shop answers nothing'
}

heading 'Requests'
if command -v wrk >/dev/null; then
    echo 'wrk, 8 connections, 2 seconds:'
    wrk -t 1 -c 8 -d 2 "$url/item/7" | grep -E 'requests in|Non-2xx' || true
fi
echo 'curl, eight at a time: items and baskets, some of them unknown, and slow reports:'
{
    for i in $(seq 90); do echo "GET /item/$((i * 7 % 200 + 1))"; done
    for i in $(seq 25); do echo "GET /basket/$i,$((i + 20)),$((i + 70)),$((i + 100))"; done
    for i in 201 666 999; do echo "GET /item/$i"; done
    for days in 60 120 180 240 365; do echo "GET /report?days=$days"; done
    echo 'GET /basket/11,12,4711'
} | shuf --random-source=<(yes) | send mixed
echo 'curl, eight at a time: orders, one of them too large; those that come together share a commit:'
{
    for i in $(seq 79); do echo "POST /order/$i?quantity=$((i % 5 + 1))"; done
    echo 'POST /order/5?quantity=5000'
} | send orders

# ---- what was recorded

heading 'Who is recording'
run ps
expect shop-front 'the front'
expect shop-back 'the back'
[ -z "$edge" ] || expect shop-edge 'nginx'

heading 'The slowest requests, and the slowest of them'
run traces --sort duration --limit 5
expect 'GET /report' 'a report among the slowest requests'
slowest=$("$trackway" traces --sort duration --limit 1 --json | first_trace)
run show "$slowest"
expect 'call back' 'the way of the slowest request through both processes'
[ -z "$edge" ] || expect ' 3 processes ' 'nginx, front and back in one trace'

heading 'What failed'
run traces --status error --limit 8
broken=$(awk '$3 == "GET" && $4 ~ /4711/ { print $2 }' "$work/mixed")
run show "$broken"
expect 'no such item: 4711' 'why the basket failed'

heading 'One commit for several orders: a span with several parents'
# All records as JSON, one a line: the batch with the most parents. Prints its trace and that of its last parent.
"$trackway" dump | awk '/"name":"commit batch"/ {
    parents = gsub(/"span_id":"/, "&")
    if (parents > most) { most = parents; line = $0 }
} END { print line }' | grep -o '"trace_id":"[0-9a-f]*"' | cut -d '"' -f 4 >"$work/batch"
[ "$(wc -l <"$work/batch")" -ge 2 ] || fail 'no batch with several parents'
echo 'The trace of its first order, with the batch in it:'
run show "$(head -n 1 "$work/batch")"
expect '[├└] commit batch' 'the batch'
expect 'also caused by place order' 'the further parents of the batch'
echo
echo 'The trace of its last order, which leads to the same batch:'
run show "$(tail -n 1 "$work/batch")"
expect 'continues in commit batch' 'the way from the order to the batch'

heading 'Calls: what an entrypoint got and gave, and not the number of the card'
for card in 4111111111111111 4111111111111112; do
    curl -s -X POST -H "X-Card: $card" -H 'Authorization: Bearer b4nk-s3cret' "$url/pay/7"
    echo
done
run calls --name '*.pay' --format plain
expect 'shop-front.pay.*entrypoint result trace' 'the calls as lines'
run calls --name '*.pay' --level WARNING --format pretty
expect '"exception_value": "the bank refuses card \*\*\*\*\*\*\*\*"' 'the error without the number'
run show "$("$trackway" calls --name '*.pay' --level WARNING | grep -o '"trace_id":"[0-9a-f]*"' | cut -d '"' -f 4)"
expect 'request shop-front.pay' 'the request in its waterfall'
if grep -qaE '411111111111111[12]|b4nk-s3cret' "$segments"/*; then fail 'a secret is in the recording'; fi
echo 'Neither the number nor the token is in any byte of the recordings.'
# ---- live traces
heading 'Watching it while it runs: a module of the back, below the level in force'
run trace module back --service shop-back
live=$(awk 'NR == 1 { print $1 }' "$work/shown") lines=$(awk 'NR == 1 { print $2 }' "$work/shown")
ask GET /item/17 >"$work/asked"
ask GET /item/18 >"$work/asked"
is_there() { grep -q 'item 18: ' "$lines"; }
await is_there
run trace list
expect 'active' 'the live trace that runs'
run trace stop "$live"
printf '\n%s$ cat %s%s\n' "$bold" "$lines" "$plain"
tee "$work/shown" <"$lines"
rm -f "$lines"
expect '\[debug\] |shop-back|.*|back:get_item:' 'a line of the module, below the level in force'
heading 'One request of all, by its metadata'
run trace start --filter 'path="/item/23"' --format '[time, " ", service, " ", kind, " ", message, " ", trace, "\n"]'
live=$(awk 'NR == 1 { print $1 }' "$work/shown") lines=$(awk 'NR == 1 { print $2 }' "$work/shown")
for item in 21 22 23 24; do ask GET "/item/$item" >"$work/asked"; done
is_there() { grep -q 'item 23: ' "$lines"; }
await is_there
run trace stop "$live"
printf '\n%s$ cat %s%s\n' "$bold" "$lines" "$plain"
tee "$work/shown" <"$lines"
rm -f "$lines"
expect 'shop-back log item 23: ' 'the line of that request'
if grep -q 'item 2[124]: ' "$work/shown"; then fail 'lines of other requests were selected'; fi

# ---- the kill

heading 'Killed in the middle of a request'
ask GET '/report?days=3650' >"$work/killed" & hung=$!
report_is_open() { "$trackway" open | grep -q 'SELECT report'; }
await report_is_open
sleep 1
echo "A report over ten years is running. kill -KILL $back"
kill -KILL "$back"
{ wait "$back" || true; } 2>/dev/null
{ wait "$hung" || true; } 2>/dev/null
hung='' killed_back=$back back=''
printf 'The customer gets: %s\n' "$(cut -d ' ' -f 1,3- "$work/killed")"

run ps
expect 'dead\|died\|killed' 'the death of the back'
run open
expect 'SELECT report' 'the statement that was open at the kill'
run show "$(cut -d ' ' -f 2 "$work/killed")"
expect 'SELECT report' 'the open statement in its request'
expect 'report.progress' 'how far it had come'

heading "Done: process $killed_back is gone, its last requests are not"
