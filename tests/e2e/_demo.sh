# _demo.sh: what the tests of the demo share: starting it as a terminal would, and seeing what it left behind. Sourced.
# Needs $TRACKWAY_BUILD (default build/) with everything built.
# shellcheck shell=bash
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${TRACKWAY_BUILD:-$root/build}" && pwd)
trackway=$build/trackway
if ! [ -x "$build/examples/shop/shop" ]; then
    echo 'skipped: the shop was not built; its libraries are missing'
    exit 77
fi

work=$(mktemp -d)
out=$work/out to=$out
mark=demo-$$-$RANDOM
failures=0 demo=0
trap 'end_test; rm -rf "$work"' EXIT

# What a demo that failed to clean up, or was to be kept, has left is ended here all the same.
end_test() {
    local pid
    [ "$demo" -ne 0 ] || return
    for pid in $(left_processes | sed -n 's|^\([0-9]*\) .*|\1|p; s|^process of /proc/\([0-9]*\)/.*|\1|p'); do kill -KILL "$pid" 2>/dev/null; done
    rm -rf "/dev/shm/shop-demo.$demo."*
}

bad() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}
has() { grep -Eq -- "$1" "${2:-$out}" || bad "the output has no line like: $1"; }

# The part of the output below the heading that begins so.
below() { awk -v heading="== $1" 'index($0, "== ") == 1 { on = index($0, heading) == 1 } on' "$out"; }

# Starts it in a session of its own, with signals as a terminal's programs have them. Its temporary folder is ours, so that we see
# what stays; every process inherits the mark.
start_demo() { # [VARIABLE=VALUE...]
    rm -rf "$work/tmp"
    mkdir "$work/tmp"
    env --default-signal=INT,TERM,HUP,PIPE "$@" DEMO_MARK="$mark" TMPDIR="$work/tmp" \
        setsid "$root/examples/shop/demo.sh" "$build" >"$to" 2>&1 </dev/null &
    demo=$!
}

# Waits, a minute at most, for a line in the output.
await_line() {
    for _ in $(seq 600); do
        grep -Eq -- "$1" "$out" && return
        kill -0 "$demo" 2>/dev/null || break
        sleep 0.1
    done
    bad "waited in vain for: $1"
}

# nginx writes over its environment, a live trace's reader leaves its session: each is found by the other.
left_processes() {
    pgrep -s "$demo" -a -r R,S,D,T
    grep -lzsx "DEMO_MARK=$mark" /proc/[0-9]*/environ | sed 's|.*|process of &|'
}
nothing_is_left() {
    local left folder
    left=$(left_processes)
    [ -z "$left" ] || bad "processes were left behind: $left"
    [ -z "$(ls -A "$work/tmp")" ] || bad "files were left behind: $(ls -A "$work/tmp")"
    for folder in "/dev/shm/shop-demo.$demo."*; do
        [ ! -e "$folder" ] || bad "segments were left behind: $folder"
    done
}

finish() {
    [ "$failures" -eq 0 ] && exit 0
    cat "$out"
    exit 1
}
