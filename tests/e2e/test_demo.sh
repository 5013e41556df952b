#!/bin/bash
# The demo shows what it promises and leaves nothing behind. Needs $TRACKWAY_BUILD (default build/) with everything built.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${TRACKWAY_BUILD:-$root/build}" && pwd)
if ! [ -x "$build/examples/shop/shop" ]; then
    echo 'skipped: the shop was not built; its libraries are missing'
    exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$work/out
failures=0
bad() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}
has() { grep -Eq -- "$1" "$out" || bad "the output has no line like: $1"; }

# Its temporary folder is ours, so that we see what stays; the segments go to /dev/shm under a name of its own.
mkdir "$work/tmp"
began=$(date +%s)
TMPDIR=$work/tmp "$root/examples/shop/demo.sh" "$build" >"$out" 2>&1 </dev/null &
demo=$!
wait "$demo"
code=$?
seconds=$(($(date +%s) - began))

[ "$code" -eq 0 ] || bad "exit code $code"
[ "$seconds" -lt "${DEMO_SECONDS:-60}" ] || bad "it took $seconds s"
for line in '^\$ trackway ps$' '^\$ trackway traces --sort duration --limit 5$' '^\$ trackway traces --status error' \
            '^\$ trackway open$' '^\$ trackway show [0-9a-f]{32}$' '^The customer gets: 502 ' 'commit batch' \
            'no such item: 4711' 'the bank refuses card \*\*\*\*\*\*\*\*' 'in any byte of the recordings' 'report\.progress' '^== Done'; do
    has "$line"
done

# The processes it started are told by the numbers it printed.
for pid in $(sed -n 's/^\(front\|back\|edge\): *process \([0-9]*\) on .*/\2/p' "$out"); do
    case "$(cat "/proc/$pid/comm" 2>/dev/null)" in shop | nginx) bad "process $pid was left behind" ;; esac
done
[ -z "$(ls -A "$work/tmp")" ] || bad "files were left behind: $(ls -A "$work/tmp")"
for folder in "/dev/shm/shop-demo.$demo."*; do
    [ ! -e "$folder" ] || bad "segments were left behind: $folder"
done

if [ "$failures" -gt 0 ]; then
    cat "$out"
    exit 1
fi
