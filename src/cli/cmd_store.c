/* store: the collector's spans from the command line: figures, check, compaction, export and import.
 *
 * info, check and export look, and may do so beside a running collector; compact and import write, and cannot. An
 * export is lines of OpenTelemetry JSON, each a request of up to LINE_SPANS spans; with a name that ends in .zst a zstd
 * frame of them. An import takes both, and whatever else writes such lines.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zstd.h>

#include "base/clock.h"
#include "base/line_in.h"
#include "cli/data.h"
#include "cli/source.h"
#include "wire/human.h"
#include "wire/json.h"
#include "wire/otlp_dec.h"
#include "wire/otlp_json.h"

enum { LINE_SPANS = 256, LINE_BYTES_MAX = 256 << 20, CHUNK = 1 << 17 };

static int problem(const char *what, int error)
{
    tw__complain("%s: %s", what, tw_err_text(error));
    return TW__EXIT_FAILED;
}

/* -- info */

static void print_info_json(const struct tw__store_info *info, const char *folder, struct tw__buf *out)
{
    struct tw__json json = {.out = out};
    tw__json_open(&json, NULL, '{');
    tw__json_cstr(&json, "folder", folder);
    tw__json_u64(&json, "spans", info->spans);
    tw__json_u64(&json, "recent_spans", info->recent_spans);
    tw__json_u64(&json, "blocks", info->blocks);
    tw__json_u64(&json, "partitions", info->partitions);
    tw__json_u64(&json, "disk_bytes", info->disk_bytes);
    tw__json_u64(&json, "journal_bytes", info->journal_disk_bytes);
    tw__json_u64(&json, "oldest_ns", info->oldest_ns);
    tw__json_u64(&json, "newest_ns", info->newest_ns);
    tw__json_u64(&json, "damaged_blocks", info->damaged_blocks);
    tw__json_close(&json, '}');
    tw__json_line(&json);
}

static void print_info(const struct tw__store_info *info, const char *folder, struct tw__buf *out)
{
    uint64_t blocks_bytes = info->disk_bytes - info->journal_disk_bytes, in_blocks = info->spans - info->recent_spans;
    tw__buf_fmt(out, "folder      %s\n", folder);
    tw__buf_fmt(out, "spans       %" PRIu64 ", of them %" PRIu64 " waiting for a block\n", info->spans,
                info->recent_spans);
    tw__buf_fmt(out, "blocks      %" PRIu64 " in %" PRIu64 " partition%s\n", info->blocks, info->partitions,
                info->partitions == 1 ? "" : "s");
    tw__buf_fmt(out, "disk        %s, of it %s%s of journal", tw__human_bytes(info->disk_bytes).text,
                tw__human_bytes(info->journal_disk_bytes).text, info->journal_disk_bytes < 1000 ? " bytes" : "");
    if (in_blocks) tw__buf_fmt(out, "; %.1f bytes a span", (double)blocks_bytes / (double)in_blocks);
    tw__buf_char(out, '\n');
    if (!info->spans) return;
    tw__buf_fmt(out, "begun       %s to %s\n", tw__human_date(info->oldest_ns).text,
                tw__human_date(info->newest_ns).text);
    if (info->damaged_blocks)
        tw__buf_fmt(out, "damaged     %" PRIu64 " block%s; trackway store check\n", info->damaged_blocks,
                    info->damaged_blocks == 1 ? "" : "s");
}

static int info(struct tw__store *store, const struct tw__args *args, const char *folder)
{
    struct tw__store_info figures;
    struct tw__buf out = {0};
    int error = tw__store_info(store, &figures);
    if (error) return problem("the store cannot be counted", error);
    if (args->given & TW__OPT_JSON)
        print_info_json(&figures, folder, &out);
    else
        print_info(&figures, folder, &out);
    int code = tw__out_write(&out);
    tw__buf_fini(&out);
    return code;
}

/* -- check and compact */

static void tell(void *data, const char *line)
{
    (void)data;
    tw__complain("%s", line);
}

static int check(struct tw__store *store, const struct tw__args *args, const char *folder)
{
    struct tw__buf out = {0};
    struct tw__store_info figures;
    (void)args;
    int problems = tw__store_check(store, tell, NULL);
    if (problems < 0) return problem("the check ended early", problems);
    if (tw__store_info(store, &figures) == 0)
        tw__buf_fmt(&out, "%s: %" PRIu64 " spans in %" PRIu64 " blocks read, %d problem%s\n", folder,
                    figures.spans - figures.recent_spans, figures.blocks, problems, problems == 1 ? "" : "s");
    int code = tw__out_write(&out);
    tw__buf_fini(&out);
    return problems ? TW__EXIT_FAILED : code;
}

static int compact(struct tw__store *store, const struct tw__args *args, const char *folder)
{
    struct tw__store_info before, after;
    struct tw__buf out = {0};
    (void)args;
    int error = tw__store_flush(store);
    if (!error) error = tw__store_info(store, &before);
    if (!error) error = tw__store_compact(store);
    if (!error) error = tw__store_info(store, &after);
    if (error) return problem("compaction failed", error);
    tw__buf_fmt(&out, "%s: %" PRIu64 " blocks, were %" PRIu64 "; %" PRIu64 " copies of spans folded", folder,
                after.blocks, before.blocks, after.folded_spans - before.folded_spans);
    tw__buf_fmt(&out, "; %s, were %s\n", tw__human_bytes(after.disk_bytes).text,
                tw__human_bytes(before.disk_bytes).text);
    int code = tw__out_write(&out);
    tw__buf_fini(&out);
    return code;
}

/* -- export */

struct exporting {
    FILE *file;
    ZSTD_CCtx *zstd; /* NULL: not compressed */
    struct tw__buf line;
    char *room;
    uint64_t spans;
    bool failed;
};

static void put(struct exporting *export, const void *bytes, size_t len, bool last)
{
    if (!export->zstd) {
        if (len && fwrite(bytes, 1, len, export->file) != len) export->failed = true;
        return;
    }
    ZSTD_inBuffer in = {bytes, len, 0};
    for (bool done = false; !done && !export->failed;) {
        ZSTD_outBuffer out = {export->room, CHUNK, 0};
        size_t left = ZSTD_compressStream2(export->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left) || fwrite(export->room, 1, out.pos, export->file) != out.pos) export->failed = true;
        done = last ? left == 0 : in.pos == in.size;
    }
}

/* The first of a batch writes all of it: a scan hands on whole batches. */
static bool export_span(void *data, const struct tw__spans *spans, size_t index)
{
    struct exporting *export = data;
    if (index > 0) return !export->failed;
    for (size_t at = 0; at < spans->count && !export->failed; at += LINE_SPANS) {
        size_t count = spans->count - at < LINE_SPANS ? spans->count - at : LINE_SPANS;
        tw__buf_reset(&export->line);
        tw__otlp_json(spans, at, count, &export->line);
        tw__buf_char(&export->line, '\n');
        if (export->line.failed)
            export->failed = true;
        else
            put(export, export->line.ptr, export->line.len, false);
        export->spans += count;
    }
    return !export->failed;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static int export_all(struct tw__store *store, const struct tw__args *args, const char *folder)
{
    const char *path = args->operand_count > 1 ? args->operands[1] : NULL;
    struct tw__store_query query = {0};
    struct exporting export = {.file = stdout};
    (void)folder;
    if (args->service) query.service = (struct tw_text){args->service, strlen(args->service)};
    uint64_t now = tw__clock_wall_ns();
    if (args->given & TW__OPT_SINCE && args->since_ns < now) query.since_ns = now - args->since_ns;
    if (path && strcmp(path, "-") != 0) export.file = fopen(path, "wxe");
    if (!export.file) {
        tw__complain("%s: %s", path, strerror(errno));
        return TW__EXIT_FAILED;
    }
    if (path && ends_with(path, ".zst")) {
        export.zstd = ZSTD_createCCtx();
        export.room = malloc(CHUNK);
        if (!export.zstd || !export.room) export.failed = true;
    }
    int error = export.failed ? TW_ERR_MEMORY : tw__store_scan(store, &query, TW__PART_ALL, export_span, &export);
    put(&export, "", 0, true);
    if (fflush(export.file) != 0 || (export.file != stdout && fclose(export.file) != 0)) export.failed = true;
    ZSTD_freeCCtx(export.zstd);
    free(export.room);
    tw__buf_fini(&export.line);
    if (error) return problem("the export ended early", error);
    if (export.failed && errno == EPIPE) return TW__EXIT_OK; /* whoever read has seen enough */
    if (export.failed) {
        tw__complain("the export could not be written: %s", strerror(errno));
        return TW__EXIT_FAILED;
    }
    if (path && strcmp(path, "-") != 0) (void)fprintf(stderr, "trackway: %" PRIu64 " spans written\n", export.spans);
    return TW__EXIT_OK;
}

/* -- import */

struct importing {
    struct tw__store *store;
    struct tw__spans spans;
    struct tw__line_in in;
    ZSTD_DStream *zstd; /* NULL: not compressed */
    char *room;
    uint64_t lines, taken, rejected, bad_lines;
    bool in_frame;
};

static int take(void *data, struct tw__spans *spans)
{
    struct importing *import = data;
    int error = tw__data_write(import->store, spans);
    if (!error) import->taken += spans->count;
    return error;
}

static int take_line(struct importing *import, const char *text, size_t len)
{
    struct tw__otlp_dec dec = {.spans = &import->spans, .door = TW__DOOR_IMPORT, .take = take, .data = import};
    size_t blank = 0;
    while (blank < len && (text[blank] == ' ' || text[blank] == '\r' || text[blank] == '\t')) blank++;
    import->lines++;
    if (blank == len) return 0;
    int error = tw__otlp_json_dec(&dec, text, len);
    tw__pool_fini(&dec.kept);
    import->rejected += dec.rejected;
    if (error != TW_ERR_SYNTAX) return error;
    tw__complain("line %" PRIu64 ", byte %zu: %s", import->lines, dec.error_at, dec.why ? dec.why : tw_err_text(error));
    import->bad_lines++;
    return 0;
}

static int take_bytes(struct importing *import, const char *bytes, size_t len)
{
    const char *line;
    size_t line_len;
    int code;
    while ((code = tw__line_in_next(&import->in, &bytes, &len, &line, &line_len)) > 0)
        if ((code = take_line(import, line, line_len)) < 0) break;
    return code;
}

static int take_chunk(struct importing *import, const char *bytes, size_t len)
{
    if (!import->zstd) return take_bytes(import, bytes, len);
    ZSTD_inBuffer in = {bytes, len, 0};
    int error = 0;
    for (bool more = true; !error && (in.pos < in.size || more);) {
        ZSTD_outBuffer out = {import->room, CHUNK, 0};
        size_t left = ZSTD_decompressStream(import->zstd, &out, &in);
        if (ZSTD_isError(left)) return TW_ERR_CORRUPT;
        import->in_frame = left != 0;
        more = out.pos == out.size;
        error = take_bytes(import, import->room, out.pos);
    }
    return error;
}

static int read_all(struct importing *import, FILE *file)
{
    static const char magic[4] = "\x28\xb5\x2f\xfd";
    char *chunk = malloc(CHUNK);
    int error = chunk ? 0 : TW_ERR_MEMORY;
    const char *line;
    size_t len, line_len;
    for (bool first = true; !error && (len = fread(chunk, 1, CHUNK, file)) > 0; first = false) {
        if (first && len >= sizeof magic && memcmp(chunk, magic, sizeof magic) == 0) {
            import->zstd = ZSTD_createDStream();
            import->room = malloc(CHUNK);
            if (!import->zstd || !import->room) error = TW_ERR_MEMORY;
        }
        if (!error) error = take_chunk(import, chunk, len);
    }
    if (!error && ferror(file)) error = TW_ERR_SYSTEM;
    if (!error && tw__line_in_last(&import->in, &line, &line_len)) error = take_line(import, line, line_len);
    if (!error && import->in_frame) error = TW_ERR_CORRUPT; /* cut off */
    ZSTD_freeDStream(import->zstd);
    free(import->room);
    free(chunk);
    return error;
}

static int import_all(struct tw__store *store, const struct tw__args *args, const char *folder)
{
    const char *path = args->operand_count > 1 ? args->operands[1] : "-";
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    struct importing import = {.store = store, .in = {.max_bytes = LINE_BYTES_MAX}};
    (void)folder;
    if (!file) {
        tw__complain("%s: %s", path, strerror(errno));
        return TW__EXIT_FAILED;
    }
    int error = read_all(&import, file);
    if (file != stdin) (void)fclose(file);
    if (!error) error = tw__store_flush(store);
    tw__line_in_fini(&import.in);
    tw__spans_fini(&import.spans);
    (void)fprintf(stderr,
                  "trackway: %" PRIu64 " spans taken, %" PRIu64 " rejected, %" PRIu64 " of %" PRIu64
                  " lines not understood\n",
                  import.taken, import.rejected, import.bad_lines, import.lines);
    if (error) return problem("the import ended early", error);
    return import.bad_lines || import.rejected ? TW__EXIT_FAILED : TW__EXIT_OK;
}

/* -- */

static const struct action {
    const char *name;
    bool writes;
    size_t operands;
    int (*run)(struct tw__store *store, const struct tw__args *args, const char *folder);
} actions[] = {
    {"info", false, 1, info},         {"check", false, 1, check},      {"compact", true, 1, compact},
    {"export", false, 2, export_all}, {"import", true, 2, import_all},
};

static const char *action_name(size_t index, const void *data)
{
    (void)data;
    return index < sizeof actions / sizeof *actions ? actions[index].name : NULL;
}

int tw__cmd_store(const struct tw__args *args)
{
    const struct action *action = NULL;
    const char *word = args->operands[0];
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(actions[i].name, word) == 0) action = &actions[i];
    if (!action || args->operand_count > action->operands) {
        const char *near = action ? NULL : tw__suggest(word, action_name, NULL);
        if (action)
            tw__complain("store %s: \"%s\" is too much", word, args->operands[action->operands]);
        else if (near)
            tw__complain("store: no \"%s\"; did you mean %s?", word, near);
        else
            tw__complain("store: no \"%s\"; there are info, check, compact, export and import", word);
        return TW__EXIT_USAGE;
    }
    char folder[TW__DATA_MAX], why[TW_WHY_MAX];
    struct tw__store *store;
    struct tw__store_options options = {.folder = args->data ? args->data : folder, .read_only = !action->writes};
    if (!args->data && !tw__data_folder(folder)) {
        tw__complain("there is no folder for your data: --data DIR");
        return TW__EXIT_USAGE;
    }
    if (tw__store_open(&options, &store, why) < 0) {
        tw__complain("%s", why);
        return TW__EXIT_FAILED;
    }
    int code = action->run(store, args, options.folder);
    tw__store_close(store);
    return code;
}
