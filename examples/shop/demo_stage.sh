# demo_stage.sh: what demo.sh stands on: programs that are started and ended, and how things are shown. Sourced by it.
#
# Everything lies in one folder, $work, and in one below /dev/shm, $segments, where the shop's processes record. Whatever runs is in
# a variable of its own, empty when it does not; end_stage ends all of it. Nothing that is started keeps demo.sh's output
# open, or `make demo KEEP=1 | less` would never end.
# shellcheck shell=bash disable=SC2154 # root, build, shop and trackway are demo.sh's

back='' front='' edge='' collector='' hung=''

begin_stage() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/shop-demo.XXXXXX")
    segments=$(mktemp -d "/dev/shm/shop-demo.$$.XXXXXX" 2>/dev/null) || segments=$(mktemp -d "$work/segments.XXXXXX")
    trap end_stage EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    trap 'exit 141' PIPE # make demo | head
    cd "$work" # what is written by a name alone is gone with it
    unset "${!TRACKWAY_@}" "${!OTEL_@}" "${!AWS_XRAY_@}" # whatever is set up for programs of the user's
    export TRACKWAY_DIR=$segments no_proxy=127.0.0.1 NO_PROXY=127.0.0.1
    [ -n "${LC_ALL:-${LANG:-}}" ] || export LC_ALL=C.UTF-8
    COLUMNS=120 bold='' plain=''
    if [ -t 1 ]; then
        bold=$(printf '\033[1m') plain=$(printf '\033[0m')
        { COLUMNS=$(stty size <&3 2>/dev/null); } 3>&1 || true
        COLUMNS=${COLUMNS##* }
        COLUMNS=$((${COLUMNS:-0} == 0 ? 120 : COLUMNS < 80 ? 80 : COLUMNS > 140 ? 140 : COLUMNS))
        [ -n "${NO_COLOR:-}" ] || export TRACKWAY_COLOR=always
    fi
    export COLUMNS
}

# Ends a process of ours and waits for it: asked at first, killed when it does not end within ten seconds.
end_process() {
    local try
    kill "-$1" "$2" || true
    for try in $(seq 200); do
        kill -0 "$2" || break
        [ "$try" -lt 200 ] || kill -KILL "$2" || true
        sleep 0.05
    done
    wait "$2" || true
} 2>/dev/null # where bash would tell that it was killed

end_stage() {
    trap '' INT TERM HUP PIPE
    local pid ref
    # Asked for, not noted at the start: the end may come between a reader's start and the note.
    for ref in $("$trackway" trace list --json | jq -r 'select(.state == "active").ref' || true); do
        "$trackway" trace stop "$ref" >/dev/null || true
    done 2>/dev/null
    [ -z "$edge" ] || end_process TERM "$edge" # its master ends its workers
    for pid in $hung $front $back; do end_process KILL "$pid"; done
    [ -z "$collector" ] || end_process TERM "$collector"
    for pid in $(jobs -p); do end_process KILL "$pid"; done # started, and not yet in its variable
    cd /
    rm -rf "$work" "$segments"
}

fail() {
    echo "demo: $*" >&2
    exit 1
}

# ---- showing

heading() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }

# A command as one would type it.
typed() {
    local word line='$'
    for word; do
        case $word in
            *[!A-Za-z0-9_./:=,@%+-]*) line="$line '$word'" ;;
            *) line="$line $word" ;;
        esac
    done
    printf '\n%s%s%s\n' "$bold" "$line" "$plain"
}

# Shows a command of ours, runs it, and keeps its output for expect.
run() {
    typed trackway "$@"
    "$trackway" "$@" | tee "$work/shown"
}

# The same for a line of shell, in which curl and jq are theirs.
run_line() {
    printf '\n%s$ %s%s\n' "$bold" "$1" "$plain"
    bash -c "set -o pipefail; $1" | tee "$work/shown"
}

# The last output has to contain this (a regular expression); the second argument says what is missing otherwise.
expect() { sed 's/\x1b\[[0-9;]*m//g' "$work/shown" | grep -- "$1" >/dev/null || fail "not shown: $2"; }

# Waits until a command succeeds; gives up after 400 tries, or 30 seconds when a try takes long.
await() {
    local try since=$SECONDS
    for try in $(seq 400); do
        if "$@" 2>/dev/null; then return; fi
        [ "$try" -lt 20 ] || [ $((SECONDS - since)) -lt 30 ] || break
        sleep 0.05
    done
    fail "gave up waiting: $* ($try times)"
}

# ---- what runs

# The address a process of the shop printed when it was ready.
address() { sed -n 's/^[a-z]*: \(http:.*\)$/\1/p' "$work/$1.log"; }
is_ready() { [ -n "$(address "$1")" ]; }

start_back() { # [PORT]
    "$shop" back --db "$work/shop.db" --port "${1:-0}" >"$work/back.log" 2>&1 & back=$!
    await is_ready back
}

start_front() {
    "$shop" front --back "$(address back)" >"$work/front.log" 2>&1 & front=$!
    await is_ready front
    url=$(address front)
}

# Debian's own nginx before the front, with our module, where both are to be had.
start_edge() {
    local module nginx port try
    nginx=$(command -v nginx || echo /usr/sbin/nginx)
    [ -x "$nginx" ] && module=$("$root/integrations/nginx/build.sh" "$build" 2>/dev/null) || return
    mkdir "$work/edge"
    for try in 1 2 3 4 5; do
        port=$((20000 + (RANDOM + try) % 12000))
        sed "s|MODULE|$module|; s|WORK|$work/edge|g; s|PORT|$port|; s|FRONT|$url|; s|USER|$(id -un)|" \
            "$root/examples/shop/nginx.conf" >"$work/edge/nginx.conf"
        [ "$(id -u)" -eq 0 ] || sed -i '/^user /d' "$work/edge/nginx.conf"
        "$nginx" -t -p "$work/edge" -c "$work/edge/nginx.conf" 2>/dev/null || return
        "$nginx" -p "$work/edge" -c "$work/edge/nginx.conf" >/dev/null 2>&1 & edge=$!
        for _ in $(seq 200); do
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

# The collector, with a folder of its own. door NAME is then where that door is.
start_collector() {
    printf '\n%s$ trackway serve --config examples/shop/collector.conf --segments %s \\\n      --data %s --ready-file %s%s\n' \
        "$bold" "$segments" "$work/spans" "$work/doors.json" "$plain"
    "$trackway" serve --config "$root/examples/shop/collector.conf" --segments "$segments" \
        --data "$work/spans" --ready-file "$work/doors.json" >"$work/collector.log" 2>&1 & collector=$!
    collector_is_up() { [ -s "$work/doors.json" ] || ! kill -0 "$collector"; }
    await collector_is_up
    cat "$work/collector.log"
    [ -s "$work/doors.json" ] || fail 'the collector does not run'
}
door() { jq -r --arg door "$1" '.[$door]' "$work/doors.json"; }

# Leaves everything to run, and a program that ends it.
keep_stage() {
    local pid
    {
        echo '#!/bin/sh'
        echo '# Ends what `make demo KEEP=1` left running, and removes this folder.'
        for pid in $edge $front $back $collector; do # the number may be another process' by then, which began at another time
            printf '[ "$(cut -d " " -f 22 /proc/%s/stat 2>/dev/null)" != %s ] || kill -TERM %s\n' "$pid" "$(cut -d ' ' -f 22 "/proc/$pid/stat")" "$pid"
        done
        printf 'for try in $(seq 100); do\n    kill -0 %s 2>/dev/null || break\n    sleep 0.1\ndone\n' "$collector"
        printf 'rm -rf %s %s\n' "$work" "$segments"
    } >"$work/stop"
    chmod +x "$work/stop"
    trap - EXIT
}
