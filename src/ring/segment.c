/* segment: makes the file, fills its header, keeps its clock.
 *
 * The file is sparse and as long as it can ever get; memory is given piece by piece (tw__os_back) before anything is
 * stored there, so that a full tmpfs is an error code here and never a SIGBUS in the program. It gets its name last:
 * whoever finds it finds it whole, and if its maker is killed before there was nothing to find (base/backing.h says
 * what is the exception).
 *
 * Rejected: a memfd (dies with the process unless somebody holds it); keeping the file descriptor (programs close what
 * they did not open).
 */
#include "ring/segment.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <trackway/read.h>

#include "base/atomics.h"
#include "base/clock.h"
#include "base/os.h"
#include "ring/dead.h"

__extension__ typedef unsigned __int128 wide;

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

uint64_t tw__segment_tick(const struct tw__segment *segment)
{
    return segment->tsc ? tw__clock_tsc() : tw__clock_mono_ns();
}

static struct tw__calibration read_clocks(const struct tw__segment *segment)
{
    struct tw__calibration c = {0, 0, 0};
    tw__clock_read_all(&c.tick, &c.mono_ns, &c.wall_ns);
    if (!segment->tsc) c.tick = c.mono_ns;
    return c;
}

uint64_t tw__segment_tick_of(const struct tw__segment *segment, uint64_t wall_ns)
{
    const struct tw__calibration *first = &segment->header->first_calibration;
    bool later = wall_ns >= first->wall_ns;
    wide ticks = (wide)(later ? wall_ns - first->wall_ns : first->wall_ns - wall_ns);
    ticks = ticks * tw__load_relaxed(&segment->ticks_per_second) / 1000000000u;
    uint64_t distance = ticks < INT64_MAX ? (uint64_t)ticks : INT64_MAX;
    return later ? first->tick + distance : first->tick - distance; /* before the boot it wraps: see layout.h */
}

void tw__segment_calibrate(struct tw__segment *segment, uint64_t now)
{
    if (now - tw__load_relaxed(&segment->calibrated_tick) < tw__load_relaxed(&segment->ticks_per_second)) return;
    if (tw__swap_acq_rel(&segment->calibrating, 1) != 0) return;
    struct tw__header *header = segment->header;
    struct tw__calibration c = read_clocks(segment);
    uint64_t ns = c.mono_ns - header->first_calibration.mono_ns;
    if (ns > 0 && c.tick > header->first_calibration.tick)
        tw__store_relaxed(&segment->ticks_per_second,
                          (uint64_t)((wide)(c.tick - header->first_calibration.tick) * 1000000000u / ns));
    uint32_t count = tw__load_relaxed(&header->calibration_count);
    struct tw__calibration *entry = &header->calibrations[count % TW__CALIBRATIONS];
    tw__store_relaxed(&entry->tick, c.tick);
    tw__store_relaxed(&entry->mono_ns, c.mono_ns);
    tw__store_relaxed(&entry->wall_ns, c.wall_ns);
    tw__store_release(&header->calibration_count, count + 1); /* pairs with the reader's clock */
    tw__store_relaxed(&segment->calibrated_tick, c.tick);
    tw__store_release(&segment->calibrating, 0); /* pairs with the swap above */
}

static void copy_text(char *to, size_t cap, const char *from)
{
    size_t len = strlen(from);
    if (len >= cap) len = cap - 1;
    memcpy(to, from, len);
    to[len] = 0;
}

static void fill_header(struct tw__segment *segment, const struct tw__segment_options *options, size_t reserve)
{
    struct tw__header *h = segment->header;
    h->version = TW__VERSION;
    h->header_bytes = TW__HEADER_BYTES;
    h->file_bytes = segment->map_len;
    h->map_addr = (uint64_t)(uintptr_t)segment->map;
    h->live_off = (uint64_t)((uint8_t *)segment->live - segment->map);
    h->dict_off = (uint64_t)(segment->dict - segment->map);
    h->dict_bytes = TW__DICT_BYTES;
    h->blocks_off = (uint64_t)(segment->blocks - segment->map);
    h->block_bytes = TW__BLOCK_BYTES;
    h->block_max = TW__BLOCK_MAX;
    h->slot_bytes = TW__SLOT_BYTES;
    h->slots_per_block = TW__SLOTS;
    h->arena_off = (uint64_t)(segment->arena - segment->map);
    h->arena_reserve_bytes = reserve;
    h->chunk_bytes = TW__CHUNK_BYTES;
    h->chunk_max = (uint32_t)(reserve / TW__CHUNK_BYTES);
    h->pid = tw__os_pid();
    h->uid = tw__os_uid();
    h->start_ticks = tw__os_start_ticks();
    h->pid_ns = tw__os_pid_ns();
    tw__os_boot_id(h->boot_id);
    h->started_ns = tw__os_started_ns(h->start_ticks);
    h->opened_ns = tw__clock_wall_ns();
    h->clock = segment->tsc ? TW__CLOCK_TSC : TW__CLOCK_MONOTONIC;
    h->payload_max = (uint32_t)options->payload_max;
    h->state = TW__SEGMENT_OPEN;
    h->recording = 1;
    copy_text(h->service, sizeof h->service, options->service);
    tw__os_host(h->host, sizeof h->host);
    tw__os_command(h->command, sizeof h->command);
}

static int make_path(struct tw__segment *segment, const struct tw__segment_options *options, char dir[TW__PATH_MAX])
{
    uint32_t salt;
    if (options->dir)
        copy_text(dir, TW__PATH_MAX, options->dir);
    else
        (void)snprintf(dir, TW__PATH_MAX, "/dev/shm/trackway-%u", tw__os_uid());
    int result = tw__os_make_private_dir(dir);
    if (result < 0) return result;
    tw__os_random(&salt, sizeof salt);
    /* The salt: after exec, or after shutdown and init, the same process makes another. */
    int n = snprintf(segment->path, sizeof segment->path, "%s/%u.%08x.segment", dir, tw__os_pid(), salt);
    if (n < 0 || (size_t)n >= sizeof segment->path) return TW_ERR_RANGE;
    (void)snprintf(segment->spare, sizeof segment->spare, "%.*s.making", n - (int)strlen(".segment"), segment->path);
    return 0;
}

struct plan {
    size_t arena, reserve, live_off, dict_off, blocks_off, arena_off;
};

static struct plan plan_of(size_t arena)
{
    struct plan plan = {.arena = arena, .live_off = TW__HEADER_BYTES};
    plan.reserve =
        arena < ((size_t)64 << 20) ? (size_t)256 << 20 : arena * 4; /* room to grow; costs address space only */
    plan.dict_off = plan.live_off + TW__LIVE_BYTES;
    plan.blocks_off = round_up(plan.dict_off + TW__DICT_BYTES, TW__BLOCK_BYTES);
    plan.arena_off = plan.blocks_off + (size_t)TW__BLOCK_MAX * TW__BLOCK_BYTES;
    return plan;
}

/* Everything that is in a segment before its first thread. */
static int fill(struct tw__segment *segment, const struct tw__segment_options *options, const struct plan *plan)
{
    segment->header = (struct tw__header *)(void *)segment->map;
    segment->live = (struct tw__live_page *)(void *)(segment->map + plan->live_off);
    segment->dict = segment->map + plan->dict_off;
    segment->blocks = segment->map + plan->blocks_off;
    segment->arena = segment->map + plan->arena_off;

    int result = tw__os_back(segment->backing.fd, segment->path, segment->map, 0, plan->dict_off + TW__DICT_STEP);
    if (result < 0) return result;
    segment->dict_backed = TW__DICT_STEP;
    fill_header(segment, options, plan->reserve);
    segment->header->first_calibration = read_clocks(segment);
    (void)tw__dict_text(segment, "?", 1); /* id 0 */
    if (options->previous) result = tw__dict_inherit(segment, options->previous);
    if (result == 0)
        result = tw__segment_resize(segment, plan->arena / TW__CHUNK_BYTES); /* ms: the clock's first baseline */
    if (result < 0) return result;
    segment->ticks_per_second = segment->tsc ? 1 : 1000000000u;
    tw__segment_calibrate(segment, segment->header->first_calibration.tick + 2);
    /* pairs with every reader: all the above is there when the magic is */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    memcpy(segment->header->magic, TW__MAGIC, sizeof segment->header->magic);
    return 0;
}

static int give_name(struct tw__segment *segment, const struct plan *plan)
{
    bool unnamed = !segment->backing.spare, again = false;
    int result = tw__backing_name(&segment->backing, segment->path);
    if (result < 0 || !unnamed) return result;
    result = tw__backing_map_again(&segment->backing, segment->path, segment->map, segment->map_len, plan->blocks_off,
                                   &again);
    if (result == 0 && again)
        result =
            tw__os_back(segment->backing.fd, segment->path, segment->map, 0, plan->dict_off + segment->dict_backed);
    if (result == 0 && again)
        result = tw__os_back(segment->backing.fd, segment->path, segment->map, plan->arena_off, plan->arena);
    if (result < 0) tw__os_unlink(segment->path);
    return result;
}

static int make(struct tw__segment *segment, const struct tw__segment_options *options, const char *dir, bool spare,
                const char **what)
{
    const struct plan plan = plan_of(round_up(options->arena_bytes, TW__CHUNK_BYTES));
    *what = "segment file";
    segment->map_len = plan.arena_off + plan.reserve;
    int result = tw__backing_new(&segment->backing, dir, segment->spare, spare, segment->map_len);
    if (result < 0) return result;
    result = tw__backing_map(&segment->backing, segment->map_len, 65536, plan.blocks_off, &segment->map);
    if (result < 0) goto close_file;
    *what = "memory of the segment (is the tmpfs full?)";
    result = fill(segment, options, &plan);
    if (result < 0) goto unmap;
    *what = "name of the segment file";
    result = give_name(segment, &plan);
unmap:
    if (result < 0) tw__os_unmap(segment->map, segment->map_len);
close_file:
    tw__backing_close(&segment->backing);
    return result;
}

int tw__segment_open(struct tw__segment *segment, const struct tw__segment_options *options, const char **what)
{
    size_t arena = round_up(options->arena_bytes, TW__CHUNK_BYTES);
    char dir[TW__PATH_MAX];
    int result = TW_ERR_SYSTEM;

    *what = "arena size";
    if (arena < TW__ARENA_MIN || arena > TW__ARENA_MAX) return TW_ERR_RANGE;
    for (int spare = options->force_spare; spare < 2 && (result == TW_ERR_SYSTEM || result == TW_ERR_PERMISSION);
         spare++) {
        *what = "folder of the segment";
        do {
            memset(segment, 0, sizeof *segment);
            segment->backing.fd = -1;
            segment->keep_file = options->keep_file;
            segment->tsc = !options->force_monotonic && tw__clock_tsc_trusted();
            result = make_path(segment, options, dir);
            if (result == TW_ERR_PERMISSION) *what = "folder of the segment (yours, for nobody else to write)";
            if (result < 0) return result;
            result = make(segment, options, dir, spare, what);
        } while (result == TW_ERR_SPACE && options->keep_dead && tw__dead_remove(dir, 1, 1) > 0);
    }
    if (result == 0 && options->keep_dead) (void)tw__dead_remove(dir, options->keep_dead, SIZE_MAX);
    return result;
}

int tw__segment_resize(struct tw__segment *segment, size_t chunks)
{
    struct tw__header *h = segment->header;
    if (chunks < TW__ARENA_MIN / TW__CHUNK_BYTES || chunks > h->chunk_max) return TW_ERR_RANGE;
    uint32_t count = tw__load_relaxed(&h->chunk_count), high = tw__load_relaxed(&h->chunk_high);
    size_t arena_off = (size_t)(segment->arena - segment->map);
    if (chunks > count) {
        int result = tw__os_back(segment->backing.fd, segment->path, segment->map,
                                 arena_off + (size_t)count * TW__CHUNK_BYTES, (chunks - count) * TW__CHUNK_BYTES);
        if (result < 0) return result;
    }
    if (chunks > high) tw__store_release(&h->chunk_high, (uint32_t)chunks); /* pairs with the reader's scan */
    tw__store_release(&h->chunk_count, (uint32_t)chunks);                   /* pairs with arena.c: take */
    /* Empty what is no longer in use, but for what a smaller arena would hold still; who still writes there, finishes.
     * Those chunks are never taken again: what is in them fades behind the bound that came with the new size. */
    uint64_t next = tw__load_relaxed(&h->next_ticket);
    for (uint32_t i = (uint32_t)chunks; i < count; i++) {
        struct tw__chunk *chunk = tw__chunk_at(segment, i);
        uint64_t word = tw__load_acquire(&chunk->word);
        bool ended = (word & 3) == TW__CHUNK_CLOSED ||
                     ((word & 3) == TW__CHUNK_OPEN && tw__arena_is_left(segment, chunk));
        if (ended && (word >> 16) + chunks < next)
            (void)tw__cas_acq_rel(&chunk->word, &word, TW__CHUNK_FREE);
    }
    return 0;
}

void tw__segment_close(struct tw__segment *segment)
{
    tw__store_relaxed(&segment->header->recording, 0);
    tw__store_release(&segment->header->state, TW__SEGMENT_CLOSED); /* pairs with the reader's state */
    if (!segment->keep_file) tw__os_unlink(segment->path);
}

void tw__segment_drop_arena(struct tw__segment *segment)
{
    size_t arena = (size_t)(segment->arena - segment->map);
    tw__os_replace_with_zero(segment->arena, segment->map_len - arena);
    segment->dropped = true;
}

void tw__segment_drop_dict(struct tw__segment *segment)
{
    tw__os_replace_with_zero(segment->dict, TW__DICT_BYTES);
}

void tw__segment_forget(struct tw__segment *segment)
{
    const uint8_t *end = segment->dropped ? segment->arena : segment->map + segment->map_len;
    if (segment->forgotten) return; /* by a parent: private memory, it came along */
    segment->forgotten = true;
    tw__os_fill_with_zero(segment->blocks, (size_t)(end - segment->blocks));
}
