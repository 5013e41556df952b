/* recorder: the flight recorder's questions, asked from inside.
 *
 * The same reader that serves other processes reads our own mapping; nothing is kept twice. dump remembers the places
 * (ticket of the chunk, offset) of what it has given out, so that each record is dumped once and what arrives meanwhile
 * stays; a place is forgotten when its chunk has been overwritten. clear is a time in the header that every reader
 * obeys.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/be64.h"
#include "ring/reader.h"
#include "trace/runtime.h"

/* Places already dumped: a hash set of ticket << 13 | offset. Under lock. */
static struct {
    pthread_mutex_t lock;
    const struct tw__segment *of;
    uint64_t *places; /* 0: empty */
    size_t cap, count;
} dumped = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t place_of(uint64_t place)
{
    return (size_t)((place * 0x9E3779B97F4A7C15u) >> 20) & (dumped.cap - 1);
}

static bool is_dumped(uint64_t place)
{
    if (!dumped.cap) return false;
    for (size_t i = place_of(place); dumped.places[i]; i = (i + 1) & (dumped.cap - 1))
        if (dumped.places[i] == place) return true;
    return false;
}

static void insert(uint64_t place)
{
    size_t i = place_of(place);
    while (dumped.places[i]) i = (i + 1) & (dumped.cap - 1);
    dumped.places[i] = place;
    dumped.count++;
}

static void forget_all(const struct tw__segment *segment)
{
    free(dumped.places);
    dumped.places = NULL;
    dumped.cap = dumped.count = 0;
    dumped.of = segment;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The tickets of all chunks, sorted. A slow thread may hold a chunk open while the others go round many times, so the
 * age of a ticket says nothing. NULL on lack of memory. */
static uint64_t *tickets_now(const struct tw__segment *segment, size_t *count)
{
    size_t high = tw__load_acquire(&segment->header->chunk_high); /* pairs with tw__segment_resize */
    uint64_t *tickets = calloc(high + 1, sizeof *tickets);
    if (!tickets) return NULL;
    for (size_t i = 0; i < high; i++) tickets[i] = tw__load_relaxed(&tw__chunk_at(segment, (uint32_t)i)->word) >> 16;
    qsort(tickets, high, sizeof *tickets, by_number);
    *count = high;
    return tickets;
}

/* Room for more places; drops those whose chunk has been overwritten. Returns 0 or TW_ERR_MEMORY. */
static int make_room(const struct tw__segment *segment, size_t more)
{
    if (dumped.cap && (dumped.count + more) * 2 <= dumped.cap) return 0;
    size_t cap = 1024, old_cap = dumped.cap, ticket_count = 0;
    while (cap < (dumped.count + more) * 2) cap *= 2;
    uint64_t *fresh = calloc(cap, sizeof *fresh), *old = dumped.places, *tickets = tickets_now(segment, &ticket_count);
    if (!fresh || !tickets) {
        free(fresh);
        free(tickets);
        return TW_ERR_MEMORY;
    }
    dumped.places = fresh;
    dumped.cap = cap;
    dumped.count = 0;
    for (size_t i = 0; i < old_cap; i++) {
        uint64_t ticket = old[i] >> 13;
        if (old[i] && bsearch(&ticket, tickets, ticket_count, sizeof ticket, by_number)) insert(old[i]);
    }
    free(old);
    free(tickets);
    return 0;
}

void tw__recorder_after_fork(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    dumped.lock = fresh;  /* its holder, if any, is in the parent */
    dumped.places = NULL; /* and may have been changing them */
    dumped.cap = dumped.count = 0;
    dumped.of = NULL;
}

static bool keep_not_dumped(void *data, uint64_t ticket, uint32_t offset)
{
    (void)data;
    return ticket == UINT64_MAX || !is_dumped(ticket << 13 | offset);
}

static int open_self(const struct tw__segment **segment, struct tw_reader **reader)
{
    *segment = tw__load_acquire(&tw__runtime.segment); /* pairs with runtime.c: begin */
    if (!*segment) return TW_ERR_OFF;
    return tw__reader_over((*segment)->map, (*segment)->map_len, (*segment)->path, reader, NULL);
}

/* Under lock: what has not been dumped. */
static int read_rest(const struct tw__segment *segment, struct tw_reader *reader, const struct tw_query *query,
                     struct tw_records **out)
{
    if (dumped.of != segment) forget_all(segment);
    return tw__reader_read_some(reader, query, keep_not_dumped, NULL, out);
}

/* Reads; with dump, remembers what was read. */
static int read_own(const uint8_t *trace_id, bool dump, struct tw_records **out)
{
    const struct tw__segment *segment;
    struct tw_reader *reader;
    int result = open_self(&segment, &reader);
    if (result < 0) return result;
    const struct tw_query query = {.trace_id = trace_id, .open_spans = true};
    pthread_mutex_lock(&dumped.lock);
    struct tw_records *records;
    result = read_rest(segment, reader, &query, &records);
    if (result == 0 && dump) {
        result = make_room(segment, records->count);
        if (result < 0) tw_records_free(records);
        for (size_t i = 0; result == 0 && i < records->count; i++)
            if (records->items[i].kind != TW_RECORD_OPEN) insert(records->items[i].order);
    }
    pthread_mutex_unlock(&dumped.lock);
    tw_reader_close(reader);
    if (result == 0) *out = records;
    return result;
}

static int read_own_u64(uint64_t trace_id, bool dump, struct tw_records **out)
{
    uint8_t id[16] = {0};
    tw__be64_put(trace_id, id + 8);
    return trace_id ? read_own(id, dump, out) : TW_ERR_RANGE;
}

int tw_recorder_get_trace_id(const uint8_t trace_id[16], struct tw_records **out)
{
    return trace_id ? read_own(trace_id, false, out) : TW_ERR_SYNTAX;
}

int tw_recorder_get_trace_u64(uint64_t trace_id, struct tw_records **out)
{
    return read_own_u64(trace_id, false, out);
}

int tw_recorder_get_trace(const char *trace, struct tw_records **out)
{
    uint8_t id[16];
    int result = trace ? tw_trace_id_parse(trace, strlen(trace), id) : TW_ERR_SYNTAX;
    return result < 0 ? result : read_own(id, false, out);
}

int tw_recorder_dump_trace_id(const uint8_t trace_id[16], struct tw_records **out)
{
    return trace_id ? read_own(trace_id, true, out) : TW_ERR_SYNTAX;
}

int tw_recorder_dump_trace_u64(uint64_t trace_id, struct tw_records **out)
{
    return read_own_u64(trace_id, true, out);
}

int tw_recorder_dump_trace(const char *trace, struct tw_records **out)
{
    uint8_t id[16];
    int result = trace ? tw_trace_id_parse(trace, strlen(trace), id) : TW_ERR_SYNTAX;
    return result < 0 ? result : read_own(id, true, out);
}

int tw_recorder_dump_all(struct tw_records **out)
{
    return read_own(NULL, false, out);
}

int tw_recorder_clear(void)
{
    const struct tw__segment *segment = tw__load_acquire(&tw__runtime.segment);
    if (!segment) return TW_ERR_OFF;
    tw__store_relaxed(&segment->header->cleared_tick, tw__segment_tick(segment));
    return 0;
}

int tw_recorder_set_buffer_size(size_t events)
{
    struct tw__segment *segment = tw__load_acquire(&tw__runtime.segment);
    if (!segment) return TW_ERR_OFF;
    if (events == 0 || events > segment->header->arena_reserve_bytes / 128) return TW_ERR_RANGE;
    size_t chunks = (events * 128 + TW__CHUNK_BYTES - 1) / TW__CHUNK_BYTES, least = TW__ARENA_MIN / TW__CHUNK_BYTES;
    if (chunks < least) chunks = least;
    pthread_mutex_lock(&dumped.lock);
    int result = tw__segment_resize(segment, chunks);
    if (result == 0) tw__store_relaxed(&segment->header->event_bound, events);
    pthread_mutex_unlock(&dumped.lock);
    return result;
}

int tw_recorder_stats(struct tw_stats *out)
{
    const struct tw__segment *segment;
    struct tw_reader *reader;
    int result = open_self(&segment, &reader);
    if (result < 0) return result;
    struct tw_records *records;
    const struct tw_query query = {0};
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&dumped.lock);
    result = read_rest(segment, reader, &query, &records);
    pthread_mutex_unlock(&dumped.lock);
    if (result == 0) {
        out->records = records->count;
        tw_records_free(records);
        result = tw_reader_process(reader, &out->process);
        out->enabled = tw_recorder_is_enabled();
        out->buffer_events = tw__load_relaxed(&segment->header->event_bound);
    }
    /* Texts of the process belong to the reader, which goes: the caller has them elsewhere. */
    memset(&out->process.service, 0, sizeof out->process.service);
    memset(&out->process.command, 0, sizeof out->process.command);
    memset(&out->process.host, 0, sizeof out->process.host);
    memset(&out->process.path, 0, sizeof out->process.path);
    memset(&out->process.sampler, 0, sizeof out->process.sampler);
    memset(&out->process.notice, 0, sizeof out->process.notice);
    tw_reader_close(reader);
    return result;
}
