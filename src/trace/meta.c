/* meta: what every line of a thread carries.
 *
 *     entries: key, place, size      bytes: the tags themselves, as they go into a record
 *
 * A line copies the bytes as they are. Memory of the thread's own, made at its first use and freed at its end; keys are
 * dictionary ids, which hold for the life of the process, also across recordings and in a forked child.
 *
 * While it is changed its length is 0: a signal handler that logs in the middle finds no metadata rather than half of
 * it.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomics.h"
#include "trace/log.h"
#include "trace/site.h"

_Thread_local struct tw__meta *tw__meta __attribute__((tls_model("initial-exec")));

static _Thread_local struct tw__meta *mine
    __attribute__((tls_model("initial-exec"))); /* also while tw__meta is NULL: empty */
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

enum { ENTRIES_MAX = sizeof((struct tw__meta *)0)->entries / sizeof((struct tw__meta *)0)->entries[0] };

static void at_thread_exit(void *data)
{
    tw__meta = mine = NULL;
    free(data);
}

static void make_key(void)
{
    (void)pthread_key_create(&key, at_thread_exit);
}

static struct tw__meta *own(void)
{
    if (mine) return mine;
    struct tw__meta *meta = calloc(1, sizeof *meta);
    if (!meta) return NULL;
    (void)pthread_once(&once, make_key);
    if (pthread_setspecific(key, meta) != 0) {
        free(meta);
        return NULL;
    }
    return mine = meta;
}

/* log_span: lines of few words look at nothing else, and are not to be written while there is metadata. */
static void begin_change(void)
{
    tw__meta = NULL;
    if (tw__me != &tw__nobody) tw__me->log_span = TW__NO_LOG;
    tw__signal_fence();
}

static void end_change(struct tw__meta *meta)
{
    tw__signal_fence();
    tw__meta = meta->len ? meta : NULL;
}

static void take_away(struct tw__meta *meta, uint16_t id)
{
    for (uint32_t i = 0; i < meta->count; i++) {
        struct tw__meta_entry gone = meta->entries[i];
        if (gone.key != id) continue;
        uint8_t *bytes = (uint8_t *)meta->bytes;
        memmove(bytes + gone.at, bytes + gone.at + gone.size, meta->len - gone.at - gone.size);
        meta->len -= gone.size;
        meta->count--;
        memmove(&meta->entries[i], &meta->entries[i + 1], (meta->count - i) * sizeof meta->entries[0]);
        for (uint32_t k = i; k < meta->count; k++) meta->entries[k].at = (uint16_t)(meta->entries[k].at - gone.size);
        return;
    }
}

static void put(struct tw__block *block, struct tw__meta *meta, const struct tw_attr *attr)
{
    struct tw__tag_in tag = tw__attr_tag(block, attr);
    uint32_t size = tw__tag_size(&tag);
    if (tag.key == 0) return; /* counted */
    take_away(meta, tag.key);
    if (meta->count == ENTRIES_MAX || meta->len + size > sizeof meta->bytes) {
        tw__count(&block->losses[TW__LOSS_cut_long]);
        return;
    }
    uint8_t *at = (uint8_t *)meta->bytes + meta->len;
    memset(at, 0, size);
    tw__tag_write(at, &tag);
    meta->entries[meta->count++] = (struct tw__meta_entry){tag.key, (uint16_t)meta->len, (uint16_t)size};
    meta->len += size;
}

void tw_meta_replace(const struct tw_attr *attrs, size_t count)
{
    struct tw__meta *meta = tw__load_relaxed(&tw__gate) ? own() : NULL;
    struct tw__block *block = meta ? tw__enter() : NULL;
    if (!block) return;
    begin_change();
    meta->len = meta->count = 0;
    for (size_t i = 0; i < count; i++) put(block, meta, &attrs[i]);
    end_change(meta);
    tw__leave(block);
}

void tw_meta_put(struct tw_attr attr)
{
    struct tw__meta *meta = tw__load_relaxed(&tw__gate) ? own() : NULL;
    struct tw__block *block = meta ? tw__enter() : NULL;
    if (!block) return;
    begin_change();
    put(block, meta, &attr);
    end_change(meta);
    tw__leave(block);
}

void tw_meta_remove(const char *name)
{
    struct tw__meta *meta = mine;
    struct tw__block *block = meta && name ? tw__enter() : NULL;
    if (!block) return;
    begin_change();
    take_away(meta, tw__key_id(block, name));
    end_change(meta);
    tw__leave(block);
}

void tw_meta_clear(void)
{
    struct tw__meta *meta = mine;
    if (!meta) return;
    begin_change();
    meta->len = meta->count = 0;
    end_change(meta);
}
