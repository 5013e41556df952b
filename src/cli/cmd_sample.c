/* sample: which share of the traces of a running process is exported; shown, and changed.
 *
 * The one subcommand that writes into a segment: one word of its header, which the process looks at whenever a trace
 * begins (docs/format/segment.md). Whoever may write the file may do it.
 */
#include <stdio.h>
#include <string.h>

#include <trackway/sampling.h>

#include "base/decimal.h"
#include "cli/source.h"
#include "wire/json.h"

static int complain(const struct tw__source *source, int error)
{
    tw__complain("sample: %s: %s", source->path, error == TW_ERR_STATE ? "the process has ended" : tw_err_text(error));
    return TW__EXIT_FAILED;
}

static int set_rate(struct tw__source *source, double rate)
{
    if (source->process.state != TW_PROCESS_LIVE) return complain(source, TW_ERR_STATE);
    int result = tw_sampling_set_rate_of(source->path, rate);
    if (result == 0) result = tw_reader_process(source->reader, &source->process);
    return result < 0 ? complain(source, result) : TW__EXIT_OK;
}

static void print_json(struct tw__buf *out, const struct tw_process *p)
{
    struct tw__json json = {.out = out};
    tw__json_open(&json, NULL, '{');
    tw__json_u64(&json, "pid", p->pid);
    tw__json_text(&json, "service", p->service);
    tw__json_text(&json, "sampler", p->sampler);
    if (p->rate_asked)
        tw__json_f64(&json, "rate", p->rate);
    else
        tw__json_null(&json, "rate");
    tw__json_close(&json, '}');
    tw__json_line(&json);
}

static void print_text(struct tw__buf *out, const struct tw__look *look, const struct tw_process *p)
{
    struct tw__buf line = {0};
    tw__buf_add(&line, p->service.ptr, p->service.len);
    tw__buf_fmt(&line, " %u samples ", p->pid);
    if (p->rate_asked) tw__buf_fmt(&line, "at rate %.6g; configured: ", p->rate);
    if (p->sampler.len)
        tw__buf_add(&line, p->sampler.ptr, p->sampler.len);
    else
        tw__buf_cstr(&line, "everything");
    (void)tw__term_text(out, look, tw__buf_text(&line), UINT_MAX / 2, TW__CUT_MARK);
    tw__buf_char(out, '\n');
    out->failed |= line.failed;
    tw__buf_fini(&line);
}

/* Reads what is asked for into *rate; *change: whether anything is. */
static int read_rate(const struct tw__args *args, double *rate, bool *change)
{
    bool back = args->given & TW__OPT_AS_CONFIGURED;
    *change = back || args->rate;
    *rate = TW_RATE_AS_CONFIGURED;
    if (!args->rate) return TW__EXIT_OK;
    if (!back && tw__decimal_parse(args->rate, strlen(args->rate), rate) && *rate >= 0 && *rate <= 1)
        return TW__EXIT_OK;
    tw__complain(back ? "sample: --rate or --as-configured, not both"
                      : "sample: --rate is a number from 0 to 1, not %s",
                 args->rate);
    return TW__EXIT_USAGE;
}

int tw__cmd_sample(const struct tw__args *args)
{
    struct tw__sources sources;
    struct tw__buf out = {0};
    struct tw__args of_pid = *args;
    double rate;
    bool change;
    unsigned pid = 0;
    char rest;
    int code = read_rate(args, &rate, &change);
    if (code != TW__EXIT_OK) return code;
    if (sscanf(args->operands[0], "%9u%c", &pid, &rest) != 1 || pid == 0) {
        tw__complain("sample: %s is no process id", args->operands[0]);
        return TW__EXIT_USAGE;
    }
    of_pid.pid = pid;
    of_pid.given |= TW__OPT_PID;
    code = tw__sources_open(&sources, &of_pid);
    for (size_t i = 0; code == TW__EXIT_OK && i < sources.count; i++) {
        if (change) code = set_rate(&sources.items[i], rate);
        if (code != TW__EXIT_OK) break;
        if (args->given & TW__OPT_JSON)
            print_json(&out, &sources.items[i].process);
        else
            print_text(&out, &args->look, &sources.items[i].process);
    }
    if (code == TW__EXIT_OK) code = tw__out_write(&out);
    if (code == TW__EXIT_OK) code = tw__sources_exit(&sources);
    tw__buf_fini(&out);
    tw__sources_close(&sources);
    return code;
}
