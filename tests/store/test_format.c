/* The bytes of the store. With a folder as argument: makes a store there, part of it in blocks and part in a journal,
 * and prints what is in it as lines that tools/read_store.py prints too; test_store_reader.py compares. */
#include "store/made.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hex.h"
#include "store/block.h"

enum { BLOCK_SEED = 11, JOURNAL_SEED = 12, SPANS = 700 };

static void print_hex(const void *bytes, size_t len)
{
    (void)putchar('"');
    for (size_t i = 0; i < len; i++) printf("%02x", ((const uint8_t *)bytes)[i]);
    (void)putchar('"');
}

static void print_text(struct tw_text text)
{
    print_hex(text.ptr, text.len);
}

static void print_tags(const struct tw_tag_value *tags, size_t count)
{
    (void)putchar('[');
    for (size_t i = 0; i < count; i++) {
        printf("%s[", i ? ", " : "");
        print_text(tags[i].key);
        printf(", %d, ", (int)tags[i].type);
        if (tags[i].type >= TW_TYPE_STR)
            print_text(tags[i].text);
        else if (tags[i].type == TW_TYPE_INT)
            printf("%" PRId64, tags[i].value.i);
        else
            printf("%" PRIu64, tags[i].value.u);
        if (tags[i].cut) printf(", %" PRIu64, tags[i].full_len);
        (void)putchar(']');
    }
    (void)putchar(']');
}

static void print_events(const struct tw__span *span)
{
    printf("{\"door\": %u, \"dropped\": [%u, %u, %u], \"end\": %" PRIu64 ", \"events\": [", span->door,
           span->dropped_tags, span->dropped_events, span->dropped_links, span->end_ns);
    for (uint32_t i = 0; i < span->event_count; i++) {
        const struct tw__span_event *event = &span->events[i];
        printf("%s[%" PRIu64 ", ", i ? ", " : "", event->time_ns);
        print_text(event->name);
        printf(", %d, %u, ", (int)event->kind, event->dropped_tags);
        print_tags(event->tags, event->tag_count);
        (void)putchar(']');
    }
    printf("], \"flags\": %u, \"kind\": %u, \"links\": [", span->flags, span->kind);
    for (uint32_t i = 0; i < span->link_count; i++) {
        const struct tw__span_link *link = &span->links[i];
        uint8_t both[24];
        memcpy(both, link->trace_id, 16);
        memcpy(both + 16, link->span_id, 8);
        printf("%s[", i ? ", " : "");
        print_hex(both, sizeof both);
        printf(", %u, ", link->flags);
        print_text(link->trace_state);
        printf(", %u, ", link->dropped_tags);
        print_tags(link->tags, link->tag_count);
        (void)putchar(']');
    }
}

/* Members in the order of their names, as Python sorts them. */
static void print_span(const struct tw__spans *spans, const struct tw__span *span)
{
    const struct tw__resource *resource = &spans->resources[span->resource];
    const struct tw__scope *scope = &spans->scopes[span->scope];
    print_events(span);
    printf("], \"message\": ");
    print_text(span->status_message);
    printf(", \"name\": ");
    print_text(span->name);
    printf(", \"open\": %d, \"parent\": ", span->open);
    print_hex(span->parent_id, 8);
    printf(", \"resource\": [");
    print_text(resource->service);
    printf(", ");
    print_text(resource->schema_url);
    printf(", %u, ", resource->dropped_tags);
    print_tags(resource->tags, resource->tag_count);
    printf("], \"scope\": [");
    print_text(scope->name);
    printf(", ");
    print_text(scope->version);
    printf(", ");
    print_text(scope->schema_url);
    printf(", %u, ", scope->dropped_tags);
    print_tags(scope->tags, scope->tag_count);
    printf("], \"span\": ");
    print_hex(span->span_id, 8);
    printf(", \"start\": %" PRIu64 ", \"state\": ", span->start_ns);
    print_text(span->trace_state);
    printf(", \"status\": %u, \"tags\": ", span->status);
    print_tags(span->tags, span->tag_count);
    printf(", \"trace\": ");
    print_hex(span->trace_id, 16);
    printf("}\n");
}

static uint64_t clock_of_test(void)
{
    return MADE_EPOCH_NS;
}

static void make(uint64_t seed, struct tw__spans *out)
{
    made_spans(seed, SPANS, out);
    for (size_t i = 0; i < SPANS; i += 50)
        out->items[i].start_ns = i % 100 ? i : out->items[i].start_ns + UINT64_C(5000000000000);
}

static int write_store(const char *folder)
{
    struct tw__store *store;
    struct tw__store_options options = {.folder = folder, .now_ns = clock_of_test};
    struct tw__spans in = {0};
    if (tw__store_open(&options, &store, NULL) < 0) return 1;
    make(BLOCK_SEED, &in);
    if (tw__store_write(store, &in) < 0 || tw__store_flush(store) < 0) return 2;
    tw__spans_reset(&in);
    make(JOURNAL_SEED, &in);
    return tw__store_write(store, &in) < 0 ? 3 : 0;
}

static int write_and_print(const char *folder)
{
    int status;
    pid_t pid = fork(); /* ends without closing the store */
    if (pid == 0) _exit(write_store(folder));
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) return 1;
    for (uint64_t seed = BLOCK_SEED; seed <= JOURNAL_SEED; seed++) {
        struct tw__spans in = {0};
        make(seed, &in);
        for (size_t i = 0; i < in.count; i++) print_span(&in, &in.items[i]);
        tw__spans_fini(&in);
    }
    return 0;
}

/* -- */

static void encode(uint64_t seed, size_t count, struct tw__spans *in, struct tw__block_bytes *bytes)
{
    struct tw__recent recent;
    struct tw__block_enc *enc = tw__block_enc_new();
    made_spans(seed, count, in);
    assert_int_equal(tw__recent_init(&recent), 0);
    assert_int_equal(tw__recent_add(&recent, in), 0);
    assert_int_equal(tw__block_enc(enc, &recent, recent.rows, count, bytes), 0);
    tw__block_enc_free(enc);
    tw__recent_fini(&recent);
}

static void fini(struct tw__block_bytes *bytes)
{
    tw__buf_fini(&bytes->index);
    tw__buf_fini(&bytes->head);
    tw__buf_fini(&bytes->tail);
}

static int decode(const struct tw__block_bytes *bytes, struct tw__spans *out)
{
    struct tw__pool pool = {.limit_bytes = 256 << 20};
    struct tw__head head;
    struct tw__tail tail;
    uint32_t rows[TW__BLOCK_ROWS];
    int error = tw__head_read(bytes->head.ptr, bytes->head.len, TW__HEAD_ALL, &pool, &head);
    if (!error) error = tw__tail_open(bytes->tail.ptr, bytes->tail.len, &head, &tail);
    for (uint32_t i = 0; !error && i < head.rows; i++) rows[i] = i;
    if (!error)
        error = tw__block_read(&(struct tw__block_read){.head = &head,
                                                        .tail = &tail,
                                                        .rows = rows,
                                                        .row_count = head.rows,
                                                        .parts = TW__PART_ALL,
                                                        .scratch = &pool},
                               out);
    tw__pool_fini(&pool);
    return error;
}

static void a_block_of_any_size_comes_back_whole(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 17, 300};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct tw__spans in = {0}, out = {0};
        struct tw__block_bytes bytes = {0};
        encode(s + 1, sizes[s], &in, &bytes);
        assert_int_equal(decode(&bytes, &out), 0);
        assert_int_equal(out.count, in.count);
        for (size_t i = 0; i < in.count; i++) assert_true(made_equal(&in, i, &out, i));
        tw__spans_fini(&in);
        tw__spans_fini(&out);
        fini(&bytes);
    }
}

static void a_byte_changed_anywhere_is_seen(void **state)
{
    (void)state;
    struct tw__spans in = {0};
    struct tw__block_bytes bytes = {0};
    encode(5, 40, &in, &bytes);
    for (size_t at = 0; at < bytes.head.len + bytes.tail.len; at += 1 + at / 97) {
        bool head = at < bytes.head.len;
        char *byte = head ? &bytes.head.ptr[at] : &bytes.tail.ptr[at - bytes.head.len];
        struct tw__spans out = {0};
        *byte = (char)(*byte ^ 0x41);
        assert_int_equal(decode(&bytes, &out), TW_ERR_CORRUPT);
        *byte = (char)(*byte ^ 0x41);
        tw__spans_fini(&out);
    }
    tw__spans_fini(&in);
    fini(&bytes);
}

static void a_block_cut_short_anywhere_is_seen(void **state)
{
    (void)state;
    struct tw__spans in = {0};
    struct tw__block_bytes bytes = {0};
    encode(6, 40, &in, &bytes);
    size_t whole = bytes.tail.len;
    for (size_t len = 0; len < whole; len += 1 + len / 50) {
        struct tw__spans out = {0};
        bytes.tail.len = len;
        assert_int_equal(decode(&bytes, &out), TW_ERR_CORRUPT);
        tw__spans_fini(&out);
    }
    tw__spans_fini(&in);
    fini(&bytes);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_of_any_size_comes_back_whole),
        cmocka_unit_test(a_byte_changed_anywhere_is_seen),
        cmocka_unit_test(a_block_cut_short_anywhere_is_seen),
    };
    if (argc > 1) return write_and_print(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
