#!/bin/bash
# demo.sh [BUILD]: a shop in three processes is used, watched, killed and looked back at. `make demo` runs it. BUILD is the build
# folder; default $TRACKWAY_BUILD, then build/. With KEEP=1 in the environment everything is left running in the end.
#
#     demo.sh          what is shown, in order            customer.js    a client with OpenTelemetry's SDK
#     demo_stage.sh    starts and ends it all             kiosk.py       a client with X-Ray's SDK
#     collector.conf, nginx.conf                          database.py    plays FoundationDB's datagrams
#
# Exits with 1 when something promised is not there. Everything it starts or writes is gone when it ends, however it ends.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-${TRACKWAY_BUILD:-$root/build}}" && pwd)
shop=$build/examples/shop/shop
trackway=$build/trackway
for program in "$shop" "$trackway" "$(command -v curl || echo curl)" "$(command -v jq || echo jq)"; do
    [ -x "$program" ] || { echo "demo: $program is missing; run make" >&2; exit 1; }
done
PATH=$build:$PATH # so that the commands shown are the commands run
. "$root/examples/shop/demo_stage.sh"
begin_stage

# OpenTelemetry's SDK comes from npm, into the build folder, where the tests have it too.
javascript=no
if [ -x "$(command -v node)" ] && [ -x "$(command -v npm)" ]; then
    [ -e "$build/interop/installed" ] || echo "Fetching OpenTelemetry's SDK for JavaScript from npm, once."
    if timeout -k 5 120 /usr/bin/python3 "$root/tests/interop/install.py" "$build/interop" >"$work/npm.log" 2>&1; then javascript=yes; fi
fi

heading 'A shop: nginx -> front (HTTP) -> back (HTTP, SQLite, a thread that commits orders in batches), and a collector'
start_back
start_front
start_edge || true
printf 'back   process %s  %s\nfront  process %s  %s\n' "$back" "$(address back)" "$front" "$(address front)"
if [ -n "$edge" ]; then
    printf 'edge   process %s  %s, nginx with our module\n' "$edge" "$url"
else
    echo 'edge   none: nginx or nginx-dev is missing'
fi
start_collector

# ---- requests

# Sends the requests on standard input, one "METHOD PATH" a line, so many at a time. Keeps "STATUS METHOD PATH TRACE" of each in a file.
send() {
    sed -E "s|(.*) (.*)|url = \"$url\2\"\nrequest = \"\1\"\noutput = \"/dev/null\"\nwrite-out = \"%{http_code} \1 \2 %header{x-trace-id}\\\\n\"\nnext|; \$ { s/\nnext\$// }" |
        curl -s --parallel --parallel-immediate --parallel-max "$2" --max-time 60 -K - >"$work/$1" 2>/dev/null || true
    awk '{ n[$1]++ } END { printf "%d requests:", NR; for (s in n) printf "  %d x %s", n[s], s; print "" }' "$work/$1"
    grep -q '^20' "$work/$1" || fail 'the shop answers nothing'
}
trace_of() { awk -v path="$2" '$3 == path { print $4 }' "$work/$1"; }
ask() { curl -s --max-time 60 "$@"; }

heading 'Its customers'
if command -v wrk >/dev/null; then
    printf 'wrk, as fast as it goes for a second:'
    wrk -t 1 -c 8 -d 1 "$url/item/7" | sed -n 's/requests in.*/requests/p' || fail 'the shop does not answer'
fi
printf 'curl, items, baskets and reports:     '
{
    for i in $(seq 40); do echo "GET /item/$((i * 7 % 200 + 1))"; done
    for i in $(seq 12); do echo "GET /basket/$i,$((i + 20)),$((i + 70)),$((i + 100))"; done
    for days in 60 120 180; do echo "GET /report?days=$days"; done
    echo 'GET /item/999'
    echo 'GET /basket/11,4711'
} | shuf --random-source="$root/LICENSE" | send mixed 8
printf 'curl, orders, four at a time:         '
for i in $(seq 40); do echo "POST /order/$i?quantity=$((i % 5 + 1))"; done | send orders 4

customer='' kiosk='' commit=''
if [ "$javascript" = yes ]; then
    customer=$(OTEL_EXPORTER_OTLP_ENDPOINT=http://$(door otlp-http) NODE_PATH=$build/interop/node_modules \
        node "$root/examples/shop/customer.js" "$url") || fail 'the customer with OpenTelemetry failed'
    echo "customer.js, with OpenTelemetry's SDK: trace $customer"
else
    echo "customer.js, with OpenTelemetry's SDK: left out, npm cannot fetch it"
fi
kiosk=$(AWS_XRAY_DAEMON_ADDRESS=$(door xray) /usr/bin/python3 "$root/examples/shop/kiosk.py" "$url") || fail 'the kiosk with X-Ray failed'
echo "kiosk.py, with AWS X-Ray's SDK:        trace $kiosk"
played=$(/usr/bin/python3 "$root/examples/shop/database.py" "$(door fdb)") || fail 'the datagrams were not sent'
commit=${played##* }
echo "database.py, as FoundationDB sends:    $played"

# ---- what this machine remembers

heading 'Who records: every process, in shared memory of its own'
run ps
expect shop-front 'the front'
expect shop-back 'the back'
[ -z "$edge" ] || expect shop-edge 'nginx'

heading 'The slowest requests, and the slowest of them through all processes'
run traces --sort duration --limit 4
expect 'GET /report' 'a report among the slowest requests'
run show "$("$trackway" traces --sort duration --limit 1 --json | jq -r .trace_id)"
expect 'call back' 'the way of the slowest request through both processes'
[ -z "$edge" ] || expect ' 3 processes ' 'nginx, front and back in one trace'

heading 'What failed, and why'
run traces --status error --limit 5
run show "$(trace_of mixed /basket/11,4711)" --brief
expect 'no such item: 4711' 'why the basket failed'

heading 'One commit for several orders: a span with several parents'
# The batch of three orders, or of the number next to it.
"$trackway" dump --where 'name="commit batch"' | jq -rs 'map(select(.further_parents)) | min_by(.further_parents | length - 2 | fabs)
    | .trace_id, .further_parents[-1].trace_id' >"$work/batch"
[ "$(wc -l <"$work/batch")" -eq 2 ] || fail 'no batch with several parents'
run show "$(head -n 1 "$work/batch")" --brief
expect '[├└`|] commit batch' 'the batch'
expect 'also caused by place order' 'the further parents of the batch'
run_line "trackway show $(tail -n 1 "$work/batch") --brief | grep -A 1 'place order'    # another of its orders"
expect 'continues in commit batch' 'the way from the order to the batch'

heading 'Calls: what an entrypoint got and gave, without what is secret'
run_line "curl -s -X POST -H 'X-Card: 4111111111111112' -H 'Authorization: Bearer b4nk-s3cret' $url/pay/7"
run_line "trackway calls --name '*.pay' --level WARNING --limit 1 |
    jq -c '.call_id, .call_args.request.headers, .call_args.card, .exception_value'"
expect '"the bank refuses card \*\*\*\*\*\*\*\*"' 'the error without the number'
if LC_ALL=C grep -qaF -e 4111111111111112 -e b4nk-s3cret "$segments"/*; then fail 'a secret is in the recording'; fi
echo 'Neither the number nor the token is in any byte of the recordings.'

# ---- live traces

heading 'Watching it while it runs: debug lines of one module, which nobody asked for when it was started'
run trace module back --service shop-back --file module.log
live=$(awk 'NR == 1 { print $1 }' "$work/shown")
ask "$url/item/17" "$url/item/18" >"$work/asked"
is_there() { grep -q 'item 18: ' module.log; }
await is_there
run trace list
expect 'active' 'the live trace that runs'
run trace stop "$live"
run_line 'cat module.log'
expect '\[debug\] |shop-back|.*|back:get_item:' 'a line of the module, below the level in force'

heading 'One request out of all, by its metadata'
run trace start --filter 'path="/item/23"' --format '{time} {service} {kind} {message} {trace}' --file request.log
live=$(awk 'NR == 1 { print $1 }' "$work/shown")
ask "$url/item/2[1-4]" >"$work/asked"
is_there() { grep -q 'item 23: ' request.log; }
await is_there
"$trackway" trace stop "$live" >"$work/asked"
run_line 'cat request.log'
expect 'shop-back log item 23: ' 'the line of that request'
if grep -q 'item 2[124]: ' "$work/shown"; then fail 'lines of other requests were selected'; fi

# ---- the kill

heading 'Killed in the middle of a request'
curl -s --max-time 60 -w '%{http_code} %header{x-trace-id}\n' "$url/report?days=3650" >"$work/killed" & hung=$!
report_goes_on() {
    local trace
    trace=$("$trackway" open --name 'SELECT report' --json | jq -er .trace_id) && "$trackway" dump --trace "$trace" | grep report.progress >/dev/null
}
await report_goes_on
echo "A report over ten years is running: kill -KILL $back"
back_port=$(address back) back_port=${back_port##*:}
{ # where bash would tell that it was killed, at whatever moment it finds out
    kill -KILL "$back"
    wait "$back" || true
    wait "$hung" || true
} 2>/dev/null
killed_back=$back hung='' back=''
awk 'NR == 1 { why = $0 } END { printf "The customer gets: %s, %s\n", $1, why }' "$work/killed"
killed=$(awk 'END { print $2 }' "$work/killed")

run open
expect 'SELECT report' 'the statement that was open at the kill'
run show "$killed" --brief
expect 'SELECT report' 'the open statement in its request'
expect 'report.progress' 'how far it had come'

# ---- the collector

server=$(door http)
has() { "$trackway" show "$1" --server "$server" --brief | grep "$2" >/dev/null; }
knows_the_dead() {
    "$trackway" open --server "$server" --color never |
        awk '/ live / { wait = 1 } / dead .* SELECT report / { dead = 1 } END { exit wait || !dead }'
}
has_the_shop() { has "$killed" 'the back does not answer' && has "$killed" 'SELECT report' && knows_the_dead; }
has_the_kiosk() { has "$kiosk" 'UPDATE stock' && has "$kiosk" 'shop-kiosk'; }
has_the_customer() { [ -z "$customer" ] || { has "$customer" 'visit' && has "$customer" 'shop-back'; }; }
await has_the_shop
await has_the_kiosk
await has_the_customer
await has "$commit" 'TLog'

heading 'The collector has it all: recordings of this machine, and what other tracers send'
run traces --server "$server" --where 'service in (shop-customer, shop-kiosk, fdb-MP)'
expect MP:commitBatch 'the commit of FoundationDB'
if [ -n "$customer" ]; then
    heading 'A program traced by OpenTelemetry, and the shop: one trace, half of it sent, half of it read from shared memory'
    run show "$customer" --server "$server" --brief
    expect 'visit \[shop-customer' 'the spans of OpenTelemetry'
    expect 'shop-back' 'those of the shop below them'
fi
heading 'A program traced by X-Ray, and the shop'
run show "$kiosk" --server "$server" --brief
expect 'shop-kiosk' 'the segment of X-Ray'
expect 'shop-back' 'the spans of the shop below it'
heading 'A commit of FoundationDB, which three transactions caused'
run show "$commit" --server "$server" --brief
expect 'also caused by NAPI:tryCommit' 'the other transactions of the commit'
heading 'Queries: what was open in the dead, TraceQL, who calls whom'
run open --server "$server"
expect 'SELECT report' 'the open statement, from the collector'
run_line "curl -sG $server/api/search --data-urlencode 'q={ resource.service.name = \"shop-front\" && status = error }' |
    jq -r '.traces[] | \"\(.traceID)  \(.rootServiceName)  \(.rootTraceName)\"'"
expect "$killed" 'the request that was killed, by TraceQL'
run_line "curl -s $server/api/tw/map | jq -r '.edges[] | select(.parent != .child) |
    \"\(.parent) -> \(.child): \(.calls) calls, \(.errors) errors, p95 \(.p95_ns / 1e4 | round / 100) ms\"'"
expect 'shop-front -> shop-back: ' 'who calls whom'

if [ "${KEEP:-}" = 1 ]; then
    start_back "$back_port"
    keep_stage
    heading 'Done, and left running'
    echo "The page:    http://$server/"
    echo "The killed:  http://$server/trace/$killed"
    echo "The shop:    $url/item/7"
    echo "To ask:      export TRACKWAY_DIR=$segments TRACKWAY_SERVER=$server"
    echo "To stop it:  $work/stop"
else
    heading "Done: process $killed_back is gone, its last requests are not"
    echo "The page was at http://$server/ and ends now. make demo KEEP=1 leaves it running."
fi
