/* trackway: look at what the processes of this machine have recorded.
 *
 * One table of commands; each row names the file that does it (cmd_NAME.c). Nothing here knows segments.
 * Exit codes everywhere: 0 done; 1 not found or failed, wholly or in part; 2 the command line was not understood.
 * SIGPIPE is ignored, so that writing into a closed pipe is an error we see (out.c): a script that pipes into head or
 * grep -q under pipefail gets 0 and not 141.
 */
#include <signal.h>
#include <string.h>

#include "cli/cli.h"

/* Headings of `trackway help`, which lists the rows under them in their order. */
static const char look[] = "What was recorded", act[] = "Running processes", collect[] = "The collector",
                  self[] = "This command";

const struct tw__command tw__commands[] = {
    {look, "ps", NULL, "processes that record, live and dead",
     "Lists every process with a segment: its state, how many threads record, how many spans it begins a second, how "
     "far back its memory reaches, the spans open in it, and how many records were lost (stats tells why). Below it "
     "stands what was configured and cannot be, such as an exporter with nothing to send.",
     "trackway ps\ntrackway ps --service shop-back --json\n", TW__OPTS_SOURCE, tw__cmd_ps},
    {look, "traces", NULL, "recent requests",
     "Lists the newest 20 requests across all processes: when, trace id, root span, duration, spans, threads, "
     "processes, errors. --limit asks for more. A duration with > in front is of a request that has not ended, a name "
     "with ~ of one whose first span is elsewhere: with its caller, or overwritten. With --where: those of which one "
     "span meets every condition.",
     "trackway traces\n"
     "trackway traces --min-duration 200ms --since 5m\n"
     "trackway traces --status error --sort duration\n"
     "trackway traces --name 'GET /cart*' --limit 5 --json\n"
     "trackway traces --where 'http.status_code>=500 or (name~^SELECT duration>50ms)'\n",
     TW__OPTS_SOURCE | TW__OPTS_SERVER | TW__OPTS_FILTER | TW__OPT_WHERE | TW__OPT_SINCE | TW__OPT_LIMIT | TW__OPT_SORT,
     tw__cmd_traces},
    {look, "show", "TRACE", "one request as a waterfall",
     "Draws one request across all processes: the tree of its spans with bars to scale, tags, events, marks, messages "
     "and errors. TRACE is a trace id in any form (32 hex digits, 1-8-24, decimal) or the first digits of one, at "
     "least 4; the first 8 of Trackway's own are the second in which it began. More than 8 children that look alike "
     "are told in one line.",
     "trackway show 6740c1f2a5b8e03d917c44aa02b1c9de\n"
     "trackway show 6740c1f2a5b8 --brief\n"
     "trackway show 6740c1f2a5b8 --all | less -R\n",
     TW__OPTS_SOURCE | TW__OPTS_SERVER | TW__OPT_ALL | TW__OPT_BRIEF, tw__cmd_show},
    {look, "open", NULL, "spans in progress, or in progress at death",
     "Lists the spans that are open right now, and those that were open when their process died, the oldest first: "
     "what is it doing, what was it doing. Nobody writes down when a process dies: of the dead, > and the age are what "
     "the last record proves. A collector that watched them knows better (--server).",
     "trackway open\ntrackway open --pid 4711\n",
     TW__OPTS_SOURCE | TW__OPTS_SERVER | TW__OPTS_FILTER | TW__OPT_WHERE | TW__OPT_LIMIT, tw__cmd_open},
    {look, "tail", NULL, "finished requests as they happen",
     "Prints each root span (with --spans every span) when it ends, in all processes, also those that start later. "
     "Ends with Ctrl-C, or after --for. What was overwritten before it could be read is counted on stderr.",
     "trackway tail\ntrackway tail --status error --for 10s\ntrackway tail --spans --name 'sqlite*' --json\n"
     "trackway tail --where 'duration>200ms user.id=17'\n",
     TW__OPTS_SOURCE | TW__OPTS_SERVER | TW__OPTS_FILTER | TW__OPT_WHERE | TW__OPT_SPANS | TW__OPT_FOR, tw__cmd_tail},
    {look, "calls", NULL, "what entrypoints were asked, and what became of it",
     "Prints the request and response records of calls in time order, with arguments and results as far as they are "
     "not sensitive: as JSON lines, pretty JSON, documents for Elasticsearch, or the message lines of nameko-tracer. "
     "--name is a pattern on service.entrypoint. docs/calls.md has the members.",
     "trackway calls\n"
     "trackway calls --name 'shop.*' --status error --format pretty\n"
     "trackway calls --follow --format plain\n"
     "trackway calls --since 5m --format elastic > calls.ndjson\n",
     (TW__OPTS_SOURCE & ~TW__OPT_COLOR) | TW__OPTS_FILTER | TW__OPT_WHERE | TW__OPT_TRACE | TW__OPT_SINCE |
         TW__OPT_LIMIT | TW__OPT_FORMAT | TW__OPT_LEGACY | TW__OPT_ISO | TW__OPT_LEVEL | TW__OPT_FOLLOW | TW__OPT_FOR,
     tw__cmd_calls},
    {look, "dump", NULL, "every record as JSON lines",
     "Prints each process and then each record in time order, one JSON object a line; spans in progress have the kind "
     "open. docs/commands.md lists the members.",
     "trackway dump\n"
     "trackway dump --trace 6740c1f2a5b8e03d917c44aa02b1c9de\n"
     "trackway dump --file copied.seg > records.jsonl\n"
     "trackway dump --where 'record in (event, mark) name~timeout'\n",
     TW__OPTS_SOURCE | TW__OPT_TRACE | TW__OPT_WHERE | TW__OPT_SINCE, tw__cmd_dump},
    {look, "stats", NULL, "everything counted, each loss with its cause",
     "Prints what each process counts: memory, spans, threads, every kind of loss with its text, what was dropped of "
     "headers, how it samples, and what its exporters have sent, dropped and missed, with their last problem.",
     "trackway stats\ntrackway stats --pid 4711 --json\n", TW__OPTS_SOURCE, tw__cmd_stats},
    {look, "clean", NULL, "remove the segments of dead processes",
     "Lists the segments whose process is dead or has exited and removes them after asking; also what a process left "
     "that was killed while it made its segment. Never removes the segment of a live process, one whose process "
     "cannot be told (another machine, boot or container), or a file that is not a segment.",
     "trackway clean\ntrackway clean --yes\ntrackway clean --pid 4711 --yes\n",
     TW__OPTS_SOURCE | TW__OPT_YES | TW__OPT_ALL_DEAD, tw__cmd_clean},
    {act, "trace", "WHAT [X Y]", "live traces: what running processes do, as lines in a file",
     "module M, function [M] F, pid X and start begin a live trace of every process that records (or of those that "
     "--pid and --service name) in the background, and print its reference and its file; stop REF ends it and prints "
     "the file; list lists them; watch writes to the terminal until Ctrl-C. Selected are log lines, also below the "
     "level in force, begins and ends of spans, events, marks, messages, calls. It ends by itself: after ten minutes, "
     "100 MB, or what --for and --max-bytes say. docs/live-traces.md tells the rest.",
     "trackway trace module cart --for 30s\ntrackway trace function cart price\n"
     "trackway trace start --filter 'request=4711' --file /tmp/4711.log\n"
     "trackway trace watch --filter 'kind=end duration>100ms' --format '{time} {name} {duration}'\n"
     "trackway trace list\ntrackway trace stop 1f2e3d4c5b6a\n",
     TW__OPTS_LIVE, tw__cmd_trace},
    {act, "sample", "PID", "how a process samples; another rate while it runs",
     "Shows which share of its traces a process exports, or changes it for traces that begin from now on. What "
     "another process decided about a trace is followed as before, and recording is never sampled.",
     "trackway sample 4711\ntrackway sample 4711 --rate 0.1\ntrackway sample 4711 --as-configured\n",
     TW__OPT_RATE | TW__OPT_AS_CONFIGURED | TW__OPT_DIR | TW__OPT_JSON | TW__OPT_HELP, tw__cmd_sample},
    {act, "run", "COMMAND...", "a span around a command",
     "Runs a command inside a span and hands it the context (TRACEPARENT and what else came in), so that what it "
     "calls joins the trace; inside another run, or with TRACEPARENT set, the span is a child. The span tells the "
     "command line and how it ended. The exit code is the command's. The recording stays until trackway clean, or "
     "until 16 newer ones are there.",
     "trackway run --name build -- make -j2\ntrackway run ./nightly.sh && trackway traces --service run\n",
     TW__OPT_SPAN_NAME | TW__OPT_SERVICE_NAME | TW__OPT_DIR | TW__OPT_HELP, tw__cmd_run},
    {collect, "serve", NULL, "the collector: spans in by every door, one store, answers out",
     "Takes spans from this host's recordings and from other tracers, keeps them, and answers questions about them. "
     "Listens on the loopback unless told otherwise, and asks for a token when others can reach it. Each option is "
     "also a variable (TRACKWAY_SERVE_OTLP_HTTP) and a line of the file given with --config (otlp-http = off). "
     "ADDR:PORT may be off; port 0 picks one. Ends within 5 s of SIGTERM; SIGHUP reads certificates again. "
     "docs/serve.md has it all.",
     "trackway serve\ntrackway serve --data /var/lib/trackway --http 127.0.0.1:0 --ready-file up.json\n"
     "trackway serve --otlp-grpc 0.0.0.0:4317 --write-token-file token --check\n",
     TW__OPT_HELP | TW__OPT_SETTINGS, tw__cmd_serve},
    {collect, "doctor", "fdb [ADDR:PORT]", "what a sender sends, and what is wrong with it",
     "Listens where FoundationDB's processes send their spans (network_lossy; 127.0.0.1:8889 unless told otherwise) "
     "and says who sends, in which layout, how fast, what had to be repaired or refused, and what to set when nothing "
     "comes. Nothing is stored. Ends with Ctrl-C, or after --for; the exit code is 1 when nothing came.",
     "trackway doctor fdb\ntrackway doctor fdb 0.0.0.0:8889 --for 30s\ntrackway doctor fdb --for 10s --json\n",
     TW__OPT_FOR | TW__OPT_JSON | TW__OPT_COLOR | TW__OPT_HELP, tw__cmd_doctor},
    {collect, "store", "WHAT [FILE]", "the collector's spans: figures, check, export, import",
     "info counts what is stored; check reads everything and tells what cannot be read; export writes OpenTelemetry "
     "JSON, one request a line, to FILE or stdout, compressed when FILE ends in .zst; import reads such lines, "
     "compressed or not, from FILE or stdin; compact joins small blocks and folds copies of spans. info, check and "
     "export may look beside a running collector; compact and import need the store for themselves. A span that is "
     "imported again is still one.",
     "trackway store info\n"
     "trackway store check --data /var/lib/trackway\n"
     "trackway store export --since 1h spans.jsonl.zst\n"
     "trackway store import spans.jsonl.zst\n",
     TW__OPT_DATA | TW__OPT_SINCE | TW__OPT_SERVICE | TW__OPT_JSON | TW__OPT_HELP, tw__cmd_store},
    {collect, "ingest", "FILE", "JSON lines from a file or stdin into the collector",
     "Reads JSON lines from FILE, or from stdin when FILE is -, and hands their spans to a running collector "
     "(--server) or writes them into a data folder that no collector has open. Understood are records as trackway "
     "dump and the exporter file write them, calls as trackway calls and nameko-tracer write them, with both sets of "
     "names, and OpenTelemetry's spans in JSON; each line tells what it is. What is not understood is told and "
     "counted, the rest is taken; the exit code is 1 then. A span that is taken again is still one.",
     "trackway ingest trackway-shop-4711.jsonl --server :16686\n"
     "trackway dump | trackway ingest - --data /var/lib/trackway\n"
     "ssh web1 cat /var/log/nameko.log | trackway ingest - --format calls\n",
     TW__OPTS_SERVER | TW__OPT_DATA | TW__OPT_LINES_FORMAT | TW__OPT_JSON | TW__OPT_HELP, tw__cmd_ingest},
    {self, "help", "[COMMAND]", "what a command does",
     "Prints this list, or one command with its options and examples, or all of it as a manual page.",
     "trackway help show\ntrackway help --man | man -l -\n", TW__OPT_MAN | TW__OPT_HELP, tw__cmd_help},
    {self, "version", NULL, "the version", "Prints the version of the command.", "trackway version\n",
     TW__OPT_JSON | TW__OPT_HELP, tw__cmd_version},
    {self, "completion", "SHELL", "completion for a shell",
     "Prints a completion script. SHELL is bash, zsh or fish. make install puts all three where the shells look.",
     "source <(trackway completion bash)\ntrackway completion zsh > ~/.zfunc/_trackway\n"
     "trackway completion fish > ~/.config/fish/completions/trackway.fish\n",
     TW__OPT_HELP, tw__cmd_completion},
    {0},
};

static const char *command_name(size_t index, const void *data)
{
    (void)data;
    return tw__commands[index].name;
}

static int run(const struct tw__command *command, int argc, char **argv)
{
    struct tw__args args;
    int code = tw__args_parse(&args, command, argc, argv);
    if (code == 0 && args.given & TW__OPT_HELP) {
        struct tw__buf out = {0};
        tw__help_command(command, &out);
        code = tw__out_write(&out);
        tw__buf_fini(&out);
    } else if (code == 0) {
        code = command->run(&args);
    }
    tw__args_fini(&args);
    return code;
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const char *word = argc > 1 ? argv[1] : "help";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) word = "help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) word = "version";
    const struct tw__command *command = tw__command_find(word);
    if (!command) {
        const char *near = tw__suggest(word, command_name, NULL);
        if (near)
            tw__complain("no command \"%s\"; did you mean %s?", word, near);
        else
            tw__complain("no command \"%s\"; trackway help lists them", word);
        return TW__EXIT_USAGE;
    }
    int code = run(command, argc > 2 ? argc - 2 : 0, argv + 2);
    /* Called with nothing at all: the list is an answer, but not to a question that was understood. */
    return argc > 1 || code ? code : TW__EXIT_USAGE;
}
