/* live: the page of a segment where readers say what they want of the process.
 *
 *     page: generation | entries: who wants what, how it goes, until when the reader promises to be there
 *
 *     reader   take an entry (compare and swap) -> fill it -> active (release) -> generation + 1 -> beat ... -> ended
 * -> generation + 1 site     generation has changed -> walk the active entries -> note the answer until it changes
 * again
 *
 * It is the one part of a segment beside sample_asked that others write. Who may open the file for writing could as
 * well debug the process. The process takes every byte of it for hostile: rules are compared within their bounds,
 * counts are clamped, and nothing but the question "is this site on" is ever answered from here.
 *
 * A reader that is killed leaves its entry active. It has promised to be there until alive_tick, 10 s ahead and renewed
 * every second; a site that is on for its sake looks at the clock anyway and takes the seat back when that has passed.
 *
 * Limits: 8 seats, 8 rules each.
 * Rejected: signals to the process; a socket, which needs a thread that listens.
 */
#include "ring/live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <trackway/live.h>

#include "base/atomics.h"
#include "base/clock.h"
#include "base/os.h"
#include "ring/view.h"

#define PROMISE_NS ((uint64_t)10000000000)

struct tw_live_seat {
    struct tw__live_page *page;
    struct tw__live_entry *entry;
    struct tw_reader *reader;
    char ref[16];
};

/* -- the process's side */

static bool same_word(const char *field, size_t cap, const char *word)
{
    size_t len = strlen(word);
    return field[0] == 0 || (len < cap && memcmp(field, word, len) == 0 && field[len] == 0);
}

static bool is_active(const struct tw__live_entry *entry, uint64_t now, uint64_t *until)
{
    uint32_t state = tw__load_acquire(&entry->state); /* pairs with tw_live_seat_take */
    if (state != TW__LIVE_ACTIVE && state != TW__LIVE_STOPPING) return false;
    uint64_t alive = tw__load_relaxed(&entry->alive_tick);
    if (alive < now) return false;
    if (alive < *until) *until = alive;
    return true;
}

static bool entry_wants(const struct tw__live_entry *entry, unsigned level, const char *module, const char *function)
{
    uint32_t count = tw__load_relaxed(&entry->rule_count);
    for (uint32_t i = 0; i < count && i < TW__LIVE_RULES; i++) {
        struct tw__live_rule rule;
        tw__words_copy_from(&rule, &entry->rules[i], sizeof rule);
        if (!(rule.levels & 1u << level)) continue;
        if (module && !same_word(rule.module, sizeof rule.module, module)) continue;
        if (function && !same_word(rule.function, sizeof rule.function, function)) continue;
        return true;
    }
    return false;
}

bool tw__live_wants(struct tw__segment *segment, unsigned level, const char *module, const char *function, uint64_t now,
                    uint64_t *until)
{
    *until = UINT64_MAX;
    for (unsigned i = 0; i < TW__LIVE_MAX; i++) {
        const struct tw__live_entry *entry = &segment->live->entries[i];
        uint64_t then = UINT64_MAX;
        if (is_active(entry, now, &then) && entry_wants(entry, level & 7, module, function)) {
            *until = then;
            return true;
        }
    }
    return false;
}

bool tw__live_wants_calls(struct tw__segment *segment, uint64_t now, uint64_t *until)
{
    *until = UINT64_MAX;
    for (unsigned i = 0; i < TW__LIVE_MAX; i++) {
        const struct tw__live_entry *entry = &segment->live->entries[i];
        if (is_active(entry, now, until) && tw__load_relaxed(&entry->calls)) return true;
    }
    return false;
}

/* Ends an entry whose reader is gone. */
static bool take_back(struct tw__live_page *page, struct tw__live_entry *entry)
{
    uint32_t state = tw__load_acquire(&entry->state);
    if (state != TW__LIVE_ACTIVE && state != TW__LIVE_STOPPING) return false;
    if (!tw__cas_acq_rel(&entry->state, &state, TW__LIVE_ENDED)) return false;
    (void)tw__add_relaxed(&page->generation, 1);
    return true;
}

void tw__live_sweep(struct tw__segment *segment, uint64_t now)
{
    for (unsigned i = 0; i < TW__LIVE_MAX; i++) {
        struct tw__live_entry *entry = &segment->live->entries[i];
        if (tw__load_relaxed(&entry->alive_tick) < now) (void)take_back(segment->live, entry);
    }
}

/* -- the readers' side */

static int error_of(int error_number)
{
    if (error_number == ENOENT || error_number == ENOTDIR) return TW_ERR_NOT_FOUND;
    return error_number == EACCES || error_number == EPERM || error_number == EROFS ? TW_ERR_PERMISSION : TW_ERR_SYSTEM;
}

/* Maps the page of a segment for writing: the very file that the reader has open. */
static int map_page(const struct tw_reader *reader, struct tw__live_page **page)
{
    struct stat st;
    if (reader->shape.live_off == 0) return TW_ERR_STATE;
    int saved = errno, result = 0, fd = open(reader->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        result = error_of(errno);
        errno = saved;
        return result;
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_ino != reader->inode ||
        (uint64_t)st.st_dev != reader->device)
        result = TW_ERR_STATE;
    void *map = result < 0
                    ? MAP_FAILED
                    : mmap(NULL, TW__LIVE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)reader->shape.live_off);
    if (result == 0 && map == MAP_FAILED) result = TW_ERR_SYSTEM;
    close(fd);
    errno = saved;
    if (result == 0) *page = map;
    return result;
}

static uint64_t ticks_in(struct tw_reader *reader, uint64_t ns)
{
    return tw__time_tick(tw__view_time(reader), tw__clock_wall_ns() + ns);
}

static void put_text(char *field, size_t cap, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    if (len >= cap) len = cap - 1;
    for (size_t i = 0; i < cap; i++) tw__store_relaxed(&field[i], i < len ? text[i] : (char)0);
}

static void put_counts(struct tw__live_entry *entry, const struct tw_live_status *status)
{
    tw__store_relaxed(&entry->lines, status->lines);
    tw__store_relaxed(&entry->bytes, status->bytes);
    tw__store_relaxed(&entry->dropped, status->dropped);
    tw__store_relaxed(&entry->missed, status->missed);
    put_text(entry->problem, sizeof entry->problem, status->problem);
}

/* A free entry, or the one that ended first, or one whose reader is gone. */
static struct tw__live_entry *take_entry(struct tw__live_page *page, uint64_t now)
{
    for (unsigned tries = 0; tries < 4; tries++) {
        struct tw__live_entry *best = NULL;
        uint32_t best_state = TW__LIVE_FREE;
        for (unsigned i = 0; i < TW__LIVE_MAX; i++) {
            struct tw__live_entry *entry = &page->entries[i];
            uint32_t state = tw__load_acquire(&entry->state);
            bool gone = state != TW__LIVE_FREE && state != TW__LIVE_ENDED && tw__load_relaxed(&entry->alive_tick) < now;
            if (gone || state == TW__LIVE_FREE ||
                (state == TW__LIVE_ENDED &&
                 (!best || tw__load_relaxed(&entry->ended_ns) < tw__load_relaxed(&best->ended_ns)))) {
                best = entry;
                best_state = state;
                if (state != TW__LIVE_ENDED) break;
            }
        }
        if (!best) return NULL;
        if (tw__cas_acq_rel(&best->state, &best_state, TW__LIVE_TAKEN)) return best;
    }
    return NULL;
}

static void fill(struct tw__live_entry *entry, const struct tw_live_ask *ask, uint64_t alive)
{
    static const struct tw_live_status nothing;
    tw__store_relaxed(&entry->alive_tick, alive);
    tw__store_relaxed(&entry->reader_pid, tw__os_pid());
    tw__store_relaxed(&entry->calls, ask->calls ? 1u : 0u);
    tw__store_relaxed(&entry->started_ns, tw__clock_wall_ns());
    tw__store_relaxed(&entry->ended_ns, 0);
    put_text(entry->ref, sizeof entry->ref, ask->ref);
    put_text(entry->file, sizeof entry->file, ask->file);
    put_text(entry->filter, sizeof entry->filter, ask->filter);
    put_counts(entry, &nothing);
    for (size_t i = 0; i < ask->rule_count; i++) {
        tw__store_relaxed(&entry->rules[i].levels, ask->rules[i].levels);
        put_text(entry->rules[i].module, sizeof entry->rules[i].module, ask->rules[i].module);
        put_text(entry->rules[i].function, sizeof entry->rules[i].function, ask->rules[i].function);
    }
    tw__store_relaxed(&entry->rule_count, (uint32_t)ask->rule_count);
}

int tw_live_seat_take(struct tw_reader *reader, const struct tw_live_ask *ask, struct tw_live_seat **out)
{
    struct tw__live_page *page = NULL;
    if (ask->rule_count > TW__LIVE_RULES) return TW_ERR_RANGE;
    if (tw__load_acquire(&tw__view_header(reader)->state) != TW__SEGMENT_OPEN) return TW_ERR_STATE;
    int result = map_page(reader, &page);
    if (result < 0) return result;
    struct tw_live_seat *seat = calloc(1, sizeof *seat);
    struct tw__live_entry *entry = seat ? take_entry(page, ticks_in(reader, 0)) : NULL;
    if (!entry) {
        result = seat ? TW_ERR_SPACE : TW_ERR_MEMORY;
        free(seat);
        (void)munmap(page, TW__LIVE_BYTES);
        return result;
    }
    fill(entry, ask, ticks_in(reader, PROMISE_NS));
    *seat = (struct tw_live_seat){.page = page, .entry = entry, .reader = reader};
    memcpy(seat->ref, entry->ref, sizeof seat->ref);
    tw__store_release(&entry->state, TW__LIVE_ACTIVE); /* pairs with is_active */
    (void)tw__add_seq_cst(&page->generation, 1);
    *out = seat;
    return 0;
}

static bool still_mine(const struct tw_live_seat *seat)
{
    uint32_t state = tw__load_acquire(&seat->entry->state);
    return (state == TW__LIVE_ACTIVE || state == TW__LIVE_STOPPING) &&
           memcmp(seat->ref, seat->entry->ref, sizeof seat->ref) == 0;
}

int tw_live_seat_beat(struct tw_live_seat *seat, const struct tw_live_status *status)
{
    if (!still_mine(seat)) return TW_ERR_STATE;
    put_counts(seat->entry, status);
    tw__store_relaxed(&seat->entry->alive_tick, ticks_in(seat->reader, PROMISE_NS));
    return tw__load_acquire(&seat->entry->state) == TW__LIVE_ACTIVE ? 0 : TW_ERR_STATE;
}

void tw_live_seat_leave(struct tw_live_seat *seat, const struct tw_live_status *status)
{
    if (!seat) return;
    if (still_mine(seat)) {
        put_counts(seat->entry, status);
        tw__store_relaxed(&seat->entry->ended_ns, tw__clock_wall_ns());
        (void)take_back(seat->page, seat->entry);
    }
    (void)munmap(seat->page, TW__LIVE_BYTES);
    free(seat);
}

static void get_text(char *to, size_t to_cap, const char *field, size_t cap)
{
    size_t len = 0;
    for (; len < cap && len + 1 < to_cap; len++) {
        to[len] = tw__load_relaxed(&field[len]);
        if (to[len] == 0) return;
    }
    to[len] = 0;
}

static void get_status(struct tw_reader *reader, const struct tw__live_entry *entry, uint32_t state,
                       struct tw_live_status *out)
{
    bool running = state == TW__LIVE_ACTIVE || state == TW__LIVE_STOPPING;
    memset(out, 0, sizeof *out);
    out->state = state == TW__LIVE_ACTIVE     ? TW_LIVE_ACTIVE
                 : state == TW__LIVE_STOPPING ? TW_LIVE_STOPPING
                                              : TW_LIVE_ENDED;
    out->pid = reader->head.pid;
    out->reader_pid = tw__load_relaxed(&entry->reader_pid);
    out->started_ns = tw__load_relaxed(&entry->started_ns);
    out->ended_ns = tw__load_relaxed(&entry->ended_ns);
    out->lines = tw__load_relaxed(&entry->lines);
    out->bytes = tw__load_relaxed(&entry->bytes);
    out->dropped = tw__load_relaxed(&entry->dropped);
    out->missed = tw__load_relaxed(&entry->missed);
    get_text(out->ref, sizeof out->ref, entry->ref, sizeof entry->ref);
    get_text(out->file, sizeof out->file, entry->file, sizeof entry->file);
    get_text(out->filter, sizeof out->filter, entry->filter, sizeof entry->filter);
    get_text(out->problem, sizeof out->problem, entry->problem, sizeof entry->problem);
    bool silent = running && tw__load_relaxed(&entry->alive_tick) < ticks_in(reader, 0);
    if (silent || (state == TW__LIVE_ENDED && out->ended_ns == 0)) out->state = TW_LIVE_LOST;
}

static const struct tw__live_page *view_page(const struct tw_reader *reader)
{
    return reader->shape.live_off ? (const struct tw__live_page *)(const void *)(reader->map + reader->shape.live_off)
                                  : NULL;
}

int tw_live_seat_status(struct tw_reader *reader, size_t index, struct tw_live_status *out)
{
    const struct tw__live_page *page = view_page(reader);
    if (!page || !tw__view_is_whole(reader)) return TW_ERR_NOT_FOUND;
    for (unsigned i = 0; i < TW__LIVE_MAX; i++) {
        uint32_t state = tw__load_acquire(&page->entries[i].state);
        if (state < TW__LIVE_ACTIVE || state > TW__LIVE_ENDED || index-- > 0) continue;
        get_status(reader, &page->entries[i], state, out);
        return 0;
    }
    return TW_ERR_NOT_FOUND;
}

int tw_live_seat_stop(struct tw_reader *reader, const char *ref, struct tw_live_status *out)
{
    struct tw__live_page *page = NULL;
    if (!view_page(reader) || strlen(ref) + 1 != TW_LIVE_REF_CAP) return TW_ERR_NOT_FOUND;
    int result = map_page(reader, &page);
    if (result < 0) return result == TW_ERR_STATE ? TW_ERR_NOT_FOUND : result;
    result = TW_ERR_NOT_FOUND;
    for (unsigned i = 0; i < TW__LIVE_MAX && result < 0; i++) {
        struct tw__live_entry *entry = &page->entries[i];
        uint32_t state = tw__load_acquire(&entry->state);
        if (state != TW__LIVE_ACTIVE && state != TW__LIVE_STOPPING) continue;
        get_status(reader, entry, state, out);
        if (strcmp(out->ref, ref) != 0) continue;
        if (out->state == TW_LIVE_LOST) {
            (void)take_back(page, entry);
        } else if (state == TW__LIVE_ACTIVE) {
            (void)tw__cas_acq_rel(&entry->state, &state, TW__LIVE_STOPPING);
            result = 0;
        } else {
            result = 0;
        }
    }
    (void)munmap(page, TW__LIVE_BYTES);
    return result;
}
