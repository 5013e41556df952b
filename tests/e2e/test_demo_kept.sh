#!/bin/bash
# KEEP=1 leaves the demo running, all of it, and one command ends it.
. "$(dirname "$0")/_demo.sh"

start_demo KEEP=1
wait "$demo"
code=$?
[ "$code" -eq 0 ] || bad "exit code $code"
word() { awk -v key="$1" 'index($0, key) == 1 { print $NF; exit }' "$out"; }
page=$(word 'The page:') shop=$(word 'The shop:') stop=$(word 'To stop it:')
case $stop in "$work/tmp/"*) ;; *) bad "no command to stop it: '$stop'"; finish ;; esac

# The page is there, and a request to the shop, back included, comes to the collector.
[ "$(curl -s -o /dev/null -w '%{http_code}' "$page")" = 200 ] || bad 'the page does not answer'
trace=$(curl -s -o "$work/body" -w '%header{x-trace-id}' "$shop")
grep -q 'in stock' "$work/body" || bad "the shop says: $(cat "$work/body")"
for _ in $(seq 100); do
    "$trackway" show "$trace" --server "${page#http://}" --brief >"$work/shown" 2>&1 && grep -q 'SELECT item' "$work/shown" && break
    sleep 0.1
done
has 'SELECT item' "$work/shown"

# What was open in the killed process lasts as long as is known of it, and not until the others gave up on it.
killed=$(word 'The killed:')
curl -s "${page}api/tw/traces/${killed##*/}" >"$work/killed"
jq -e '.duration_ns as $all | [.columns.flags, .columns.start, .columns.duration] | transpose | map(select((.[0] / 2 | floor) % 2 == 1)) |
    length == 2 and all(.[2] > 0 and .[1] + .[2] < $all)' "$work/killed" >/dev/null || bad "the killed: $(cat "$work/killed")"

"$stop" || bad 'the command to stop it failed'
nothing_is_left
finish
