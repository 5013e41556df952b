#include "ring/made.h"

#include <stdlib.h>
#include <string.h>

int made_setup(void **state)
{
    struct made *m = calloc(1, sizeof *m);
    if (!m) return -1;
    builder_init(&m->b, 2, 4, BUILDER_DICT_BYTES);
    m->site = builder_site(&m->b, "GET /cart", "cart", "handle", 17);
    m->key = builder_text(&m->b, "user.id");
    builder_thread(&m->b, 0, 77, "worker");
    builder_take(&m->b, 0, 1);
    *state = m;
    return 0;
}

int made_teardown(void **state)
{
    struct made *m = *state;
    tw_records_free(m->records);
    tw_reader_close(m->reader);
    builder_fini(&m->b);
    free(m);
    return 0;
}

struct builder_record made_span(const struct made *m, uint64_t id)
{
    return (struct builder_record){.type = TW__TYPE_SPAN,
                                   .site = m->site,
                                   .time = 1000 * id,
                                   .end = 1000 * id + 500,
                                   .trace = 5,
                                   .id = id,
                                   .tid = 77,
                                   .flags = 1};
}

struct builder_record made_event(const struct made *m, uint64_t time)
{
    return (struct builder_record){
        .type = TW__TYPE_EVENT, .site = m->site, .time = time, .trace = 5, .id = 1, .tid = 77};
}

void made_open(struct made *m)
{
    char why[TW_WHY_MAX] = "";
    if (m->reader) return;
    if (tw__reader_over(m->b.bytes, m->b.len, "made", &m->reader, why) != 0) fail_msg("%s", why);
}

const struct tw_records *made_read_with(struct made *m, const struct tw_query *query)
{
    made_open(m);
    tw_records_free(m->records);
    m->records = NULL;
    assert_int_equal(tw_reader_read(m->reader, query, &m->records), 0);
    return m->records;
}

const struct tw_records *made_read(struct made *m)
{
    return made_read_with(m, &(struct tw_query){.open_spans = true});
}

void assert_text(struct tw_text text, const char *expected)
{
    if (text.len != strlen(expected) || memcmp(text.ptr, expected, text.len) != 0)
        fail_msg("\"%.*s\" is not \"%s\"", (int)text.len, text.ptr, expected);
}
