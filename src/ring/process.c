/* process: what a segment says of its process, and whether that process is still there.
 *
 * Only heads are read: blocks, slots, chunks, and the records of chunks that are open. Every sum wraps and every count
 * is clamped; the numbers of a hostile file are nonsense, nothing worse.
 *
 * A pid is reused and survives exec. So a process is alive only if the pid has the start time of the header and has
 * this very file mapped; after exec the mapping is gone and the segment is a dead one's.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/atomics.h"
#include "base/clock.h"
#include "base/os.h"
#include "ring/view.h"

/* The inverse of 0x5851F42D modulo 2^64: what an id has gone forward, turned into how often. */
#define ID_STEP         UINT64_C(0x5851F42D)
#define ID_STEP_INVERSE UINT64_C(0x30F1DFC5FBCC7BA5)

static_assert(ID_STEP * ID_STEP_INVERSE == 1, "inverse");

enum { START_FIELD = 22, LINE = 512 };

/* Field 22 of /proc/PID/stat; 0 when there is no such process. */
static uint64_t start_ticks_of(uint32_t pid)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%u/stat", (unsigned)pid);
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    size_t n = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[n] = 0;
    char *at = strrchr(text, ')'); /* the name before it may hold anything */
    for (int field = 2; at && field < START_FIELD; field++) at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

/* One line of maps: 7f0-7f1 rw-s 00000000 00:1a 1234 /path */
static bool line_is_ours(const struct tw_reader *reader, const char *line)
{
    unsigned dev_major = 0, dev_minor = 0;
    unsigned long inode = 0;
    int path_at = 0;
    if (sscanf(line, "%*s %*s %*s %x:%x %lu %n", &dev_major, &dev_minor, &inode, &path_at) < 3) return false;
    if (inode != reader->inode) return false;
    if (major(reader->device) == dev_major && minor(reader->device) == dev_minor) return true;
    /* some file systems show another device here than to stat */
    return path_at > 0 && strncmp(line + path_at, reader->path, strlen(reader->path)) == 0;
}

/* Whether the process has the file mapped; true when it cannot be told. */
static bool maps_it(const struct tw_reader *reader, uint32_t pid)
{
    char path[64], line[LINE];
    bool found = false, begin = true;
    if (reader->fd < 0) return true;
    (void)snprintf(path, sizeof path, "/proc/%u/maps", (unsigned)pid);
    FILE *file = fopen(path, "re");
    if (!file) return true;
    while (!found && fgets(line, sizeof line, file)) {
        if (begin) found = line_is_ours(reader, line);
        begin = strchr(line, '\n') != NULL; /* a path may be longer than a line of ours */
    }
    if (ferror(file)) found = true;
    (void)fclose(file);
    return found;
}

enum tw_process_state tw__view_process_state(const struct tw_reader *reader)
{
    const struct tw__header *head = &reader->head;
    if (tw__load_acquire(&tw__view_header(reader)->state) == TW__SEGMENT_CLOSED)
        return TW_PROCESS_EXITED; /* pairs with close */
    if (!reader->same_boot || head->pid_ns == 0 || head->pid_ns != tw__os_pid_ns()) return TW_PROCESS_FOREIGN;
    if (head->start_ticks == 0 || start_ticks_of(head->pid) != head->start_ticks) return TW_PROCESS_DEAD;
    return maps_it(reader, head->pid) ? TW_PROCESS_LIVE : TW_PROCESS_DEAD;
}

static struct tw_text text_of(const char *text)
{
    return (struct tw_text){text, strlen(text)};
}

static void add_losses(struct tw_losses *sum, const uint64_t losses[16])
{
    unsigned i = 0;
#define ADD(name, text) sum->name += tw__load_relaxed(&losses[i++]);
    TW_LOSS_TABLE(ADD)
#undef ADD
}

static void take_drops(struct tw_drops *out, const struct tw_drops *drops)
{
#define TAKE(name, text) out->name = tw__load_relaxed(&drops->name);
    TW_DROP_TABLE(TAKE)
#undef TAKE
}

/* Spans begun in a slot: each begin and each end adds a step to id, so half of the steps, rounded up. While a slot
 * holds an attached context its id is a foreign one and its own waits in time. */
static uint64_t begun_in(const struct tw__slot *slot)
{
    bool holder = tw__record_type(tw__load_relaxed(&slot->head)) == TW__TYPE_HOLDER;
    uint64_t id = tw__load_relaxed(holder ? &slot->time : &slot->id), forward = id - tw__load_relaxed(&slot->first_id);
    uint64_t open = 0;
    if (forward % 2) {
        forward -= ID_STEP;
        open = 1;
    }
    return ((forward / 2 * ID_STEP_INVERSE) & (UINT64_MAX >> 1)) + open;
}

static void newer(uint64_t *newest, uint64_t tick)
{
    if (tick > *newest) *newest = tick;
}

static void read_blocks(const struct tw_reader *reader, struct tw_process *out, uint64_t *newest)
{
    uint32_t blocks = tw__view_blocks(reader);
    for (uint32_t b = 0; b < blocks; b++) {
        const struct tw__block *block = tw__view_block(reader, b);
        if (tw__load_acquire(&block->state) == TW__BLOCK_USED && /* pairs with block.c: take */
            tw__load_relaxed(&block->role) == TW__ROLE_THREAD)
            out->threads++;
        add_losses(&out->losses, block->losses);
        out->overwritten_bytes += tw__load_relaxed(&block->overwritten);
        newer(newest, tw__load_relaxed(&block->attached_tick));
        newer(newest, tw__load_relaxed(&block->detached_tick));
        for (unsigned s = 0; s < TW__SLOTS; s++) {
            const struct tw__slot *slot = tw__view_slot(reader, b, s);
            out->spans_begun += begun_in(slot);
            if (tw__load_acquire(&slot->id) % 2 == 0 || /* pairs with the begin of a span */
                tw__record_type(tw__load_relaxed(&slot->head)) != TW__TYPE_SPAN)
                continue;
            out->open_spans++;
            newer(newest, tw__load_relaxed(&slot->time));
        }
    }
}

/* The newest time in a chunk that is open. */
static void newest_of_open(const struct tw_reader *reader, const struct tw__chunk_info *info, uint64_t *bytes,
                           uint64_t *newest)
{
    if (!tw__chunk_copy(reader, info, TW__CHUNK_HEAD_BYTES, bytes)) return;
    for (uint32_t at = TW__CHUNK_HEAD_BYTES, len; at < info->end; at += len) {
        const uint64_t *words = bytes + at / 8;
        len = tw__record_len(words[TW__AT_HEAD], info->end - at);
        if (len == 0) return;
        if (tw__record_bits(words[TW__AT_HEAD]) & TW__BIT_OWN_TIME) continue;
        newer(newest, words[tw__record_type(words[TW__AT_HEAD]) == TW__TYPE_SPAN ? TW__AT_END : TW__AT_TIME]);
    }
}

static void read_chunks(const struct tw_reader *reader, struct tw_process *out, uint64_t *newest, uint64_t *oldest)
{
    uint32_t chunks = tw__view_chunks(reader);
    uint64_t cleared = tw__load_relaxed(&tw__view_header(reader)->cleared_tick);
    uint64_t *bytes = malloc(TW__CHUNK_BYTES); /* without it the newest time is a little older */
    struct tw__chunk_info info;
    for (uint32_t i = 0; i < chunks; i++) {
        if (!tw__chunk_peek(reader, i, &info) || info.end == TW__CHUNK_HEAD_BYTES) continue;
        out->used_bytes += info.end;
        if (info.closed)
            newer(newest, info.last_tick);
        else if (bytes)
            newest_of_open(reader, &info, bytes, newest);
        if (info.closed && info.last_tick <= cleared) continue;
        if (info.first_tick < *oldest) *oldest = info.first_tick;
    }
    free(bytes);
}

/* A text that its process may be changing; one more byte than is taken is the end. */
static void take_text(char *to, size_t cap, const char *from, size_t from_cap)
{
    size_t len = 0;
    for (; len + 1 < cap && len < from_cap; len++) {
        to[len] = tw__load_relaxed(&from[len]);
        if (!to[len]) break;
    }
    to[len] = 0;
}

int tw_reader_exporter(struct tw_reader *reader, size_t index, struct tw_export_stats *out)
{
    if (!tw__view_is_whole(reader)) return TW_ERR_CORRUPT;
    if (index >= TW__EXPORT_WORDS) return TW_ERR_NOT_FOUND;
    const struct tw__export_words *words = &tw__view_header(reader)->exporters[index];
    const struct tw__export_causes *causes = &tw__view_header(reader)->causes[index];
    struct tw_export_stats stats = {.records = tw__load_relaxed(&words->records),
                                    .sent = tw__load_relaxed(&words->sent),
                                    .bytes = tw__load_relaxed(&words->bytes),
                                    .dropped = tw__load_relaxed(&words->dropped),
                                    .backing_off = tw__load_relaxed(&causes->backing_off),
                                    .too_long = tw__load_relaxed(&causes->too_long),
                                    .cut = tw__load_relaxed(&causes->cut),
                                    .errors = tw__load_relaxed(&words->errors),
                                    .missed = tw__load_relaxed(&words->missed)};
    take_text(stats.name, sizeof stats.name, words->name, sizeof words->name);
    take_text(stats.problem, sizeof stats.problem, words->problem, sizeof words->problem);
    if (!stats.name[0]) return TW_ERR_NOT_FOUND;
    *out = stats;
    return 0;
}

/* The rate of a threshold: as it was asked for, when that had up to 15 decimals, and not a last digit beside it. */
static double rate_of(uint64_t threshold)
{
    const uint64_t all = (uint64_t)1 << 56;
    const double whole = (double)all, decimals = 1e15;
    if (threshold >= all) return 0;
    double kept = (double)(all - threshold);
    double tidy = (double)(uint64_t)(kept / whole * decimals + 0.5) / decimals, off = tidy * whole - kept;
    return off > -1 && off < 1 ? tidy : kept / whole;
}

static void read_sampling(struct tw_reader *reader, struct tw_process *out)
{
    const struct tw__header *h = tw__view_header(reader);
    uint64_t asked = tw__load_relaxed(&h->sample_asked), threshold = asked & (((uint64_t)1 << 57) - 1);
    take_text(reader->sampler, sizeof reader->sampler, h->sampler, sizeof h->sampler);
    take_text(reader->notice, sizeof reader->notice, h->notice, sizeof h->notice);
    out->sampler = text_of(reader->sampler);
    out->notice = text_of(reader->notice);
    out->rate_asked = asked & TW__SAMPLE_ASKED;
    out->rate = out->rate_asked ? rate_of(threshold) : 0;
}

int tw_reader_state(struct tw_reader *reader)
{
    return tw__view_is_whole(reader) ? (int)tw__view_process_state(reader) : TW_ERR_CORRUPT;
}

int tw_reader_process(struct tw_reader *reader, struct tw_process *out)
{
    if (!tw__view_is_whole(reader)) return TW_ERR_CORRUPT;
    const struct tw__header *h = tw__view_header(reader), *head = &reader->head;
    const struct tw__timebase *time = tw__view_time(reader);
    uint64_t newest = 0, oldest = UINT64_MAX;
    uint32_t count = tw__load_relaxed(&h->chunk_count);

    *out = (struct tw_process){.pid = head->pid,
                               .uid = head->uid,
                               .state = tw__view_process_state(reader),
                               .recording = tw__load_relaxed(&h->recording) != 0,
                               .service = text_of(head->service),
                               .command = text_of(head->command),
                               .host = text_of(head->host),
                               .path = text_of(reader->path),
                               .started_ns = head->started_ns,
                               .opened_ns = head->opened_ns,
                               .arena_bytes = (uint64_t)count * TW__CHUNK_BYTES,
                               .overwritten_bytes = tw__load_relaxed(&h->overwritten_bytes),
                               .threads_total = tw__load_relaxed(&h->threads_total)};
    add_losses(&out->losses, h->losses);
    take_drops(&out->drops, &h->drops);
    read_sampling(reader, out);
    read_blocks(reader, out, &newest);
    read_chunks(reader, out, &newest, &oldest);
    out->last_ns = newest ? tw__time_ns(time, newest) : head->opened_ns;
    if (out->state == TW_PROCESS_LIVE) out->last_ns = tw__clock_wall_ns();
    if (oldest != UINT64_MAX) out->oldest_ns = tw__time_ns(time, oldest);
    return 0;
}
