# Completion of trackway for bash. Made by: trackway completion bash
_trackway() {
    local commands="ps traces show open tail calls dump stats sample clean trace run serve doctor store help version completion"
    local words="" current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$current")
        return
    fi
    case "$before" in
        --file) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
        --dir) mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
        --where) mapfile -t COMPREPLY < <(compgen -W "service name status status.message kind duration trace.duration trace.name trace.service trace.spans trace.errors trace_id span_id parent_id root open record level host pid tid thread module function line scope" -- "$current"); return ;;
        --status) mapfile -t COMPREPLY < <(compgen -W "error ok unset" -- "$current"); return ;;
        --sort) mapfile -t COMPREPLY < <(compgen -W "time duration" -- "$current"); return ;;
        --format) mapfile -t COMPREPLY < <(compgen -W "json pretty elastic plain" -- "$current"); return ;;
        --level) mapfile -t COMPREPLY < <(compgen -W "INFO WARNING" -- "$current"); return ;;
        --color) mapfile -t COMPREPLY < <(compgen -W "auto always never" -- "$current"); return ;;
    esac
    if [ "${COMP_WORDS[1]}" = trace ]; then
        case "$COMP_CWORD:${COMP_WORDS[2]}" in
            2:*) words="module function pid start watch list stop" ;;
            3:module) words=" $(trackway trace words modules 2>/dev/null)" ;;
            3:function) words=" $(trackway trace words modules 2>/dev/null) $(trackway trace words functions 2>/dev/null)" ;;
            4:function) words=" $(trackway trace words functions "$before" 2>/dev/null)" ;;
            3:pid) words=" $(trackway trace words pids 2>/dev/null)" ;;
            3:stop) words=" $(trackway trace words refs 2>/dev/null)" ;;
        esac
        if [ -n "$words" ] && [ "${current#-}" = "$current" ]; then
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current" | sort -u)
            return
        fi
    fi
    case "${COMP_WORDS[1]}" in
        ps) words="--pid --service --file --dir --json --color --help" ;;
        traces) words="--pid --service --file --dir --server --token-file --name --min-duration --status --where --since --limit --sort --json --color --help" ;;
        show) words="--pid --service --file --dir --server --token-file --all --json --color --help" ;;
        open) words="--pid --service --file --dir --server --token-file --name --min-duration --status --where --limit --json --color --help" ;;
        tail) words="--pid --service --file --dir --server --token-file --name --min-duration --status --where --spans --for --json --color --help" ;;
        calls) words="--pid --service --file --dir --name --min-duration --status --where --since --limit --for --trace --format --legacy --iso --level --follow --json --help" ;;
        dump) words="--pid --service --file --dir --where --since --trace --json --color --help" ;;
        stats) words="--pid --service --file --dir --json --color --help" ;;
        sample) words="--dir --rate --as-configured --json --help" ;;
        clean) words="--pid --service --file --dir --all-dead --yes --json --color --help" ;;
        trace) words="--pid --service --dir --for --filter --file --format --level --max-bytes --max-lines --rate --utc --json --color --help" ;;
        run) words="--dir --name --service --help" ;;
        serve) words="--help --data --http --segments --otlp-http --otlp-grpc --fdb --xray --zipkin --json-socket --json-timeout --ready-file --config --check --insecure-listen --write-token-file --read-token-file --write-token --read-token --tls-cert --tls-key --user --keep-for --keep-size --durability --store-memory --body-max --waiting-max --connections --source-connections --source-rate --threads --xray-rules --drop --redact" ;;
        doctor) words="--for --json --color --help" ;;
        store) words="--service --since --data --json --help" ;;
        help) words="--help $commands" ;;
        version) words="--json --help" ;;
        completion) words="--help bash" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _trackway trackway
