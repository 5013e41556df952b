#!/bin/bash
# Interrupted, ended or failed in the middle, the demo leaves nothing behind.
. "$(dirname "$0")/_demo.sh"

ends_with() {
    wait "$demo"
    local code=$?
    [[ $code =~ ^($1)$ ]] || bad "exit code $code instead of $1"
    nothing_is_left
}

start_demo # Ctrl-C reaches every program of the terminal
await_line '^== Its customers'
kill -INT -- "-$demo"
ends_with 130

start_demo
await_line '^\$ trackway trace start' # a reader in a session of its own has just begun
kill -TERM "$demo"
ends_with 143

mkfifo "$work/pipe" # nobody reads on
head -n 12 <"$work/pipe" >"$out" &
to=$work/pipe
start_demo
ends_with '1|141'
to=$out

start_demo # a program of it dies
await_line '^edge   '
kill -KILL "$(sed -n 's/^front *process \([0-9]*\) .*/\1/p' "$out")"
ends_with 1
has '^demo: '
finish
