/* A process can be killed between any two instructions. Here it is stopped between any two: the child is stepped one
 * instruction at a time through begin, tag, event, end and everything around them, and at each stop the parent reads
 * the segment as if the child were dead, which for shared memory is the same.
 *
 * The child says in a shared page what it is about to do and what it has done; so at each stop is known what must be
 * there:
 *
 *     done         it must be there, whole
 *     about to     it may be there, whole, or not at all
 *     not yet      it must not be there
 *
 * The page is written before and after each call, so "about to" is the few instructions of one call. A stop that is
 * looked at costs about 50 us, most of them the two switches of the processor. A sample of the stops ends in a real
 * SIGKILL. */
#define _GNU_SOURCE
#include "process/proc.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/atomics.h"
#include "ring/reader.h"
#include "ring/view.h"

enum { SPANS = 4, TAGS = 64, TEXT = 300 };

/* What the child has said: `before`, then the call, then `after`. Written by the child alone. */
struct said {
    uint32_t begun_before, begun_after;
    uint32_t tags_before, tags_after;
    uint32_t ended_before, ended_after;
};
struct page {
    struct said span[SPANS];
    uint32_t events_before, events_after;
    uint32_t fillers_before, fillers_after; /* spans without any tag, one after the other */
    uint32_t done;
    char path[PROC_PATH];
};
static struct page *page;

#define SAY(word) tw__store_release(&(word), tw__load_relaxed(&(word)) + 1)
#define BEGIN(n, call) (SAY(page->span[n].begun_before), at[n] = (call), SAY(page->span[n].begun_after))
#define TAG(n, call) (SAY(page->span[n].tags_before), call, SAY(page->span[n].tags_after))
#define TAG_MACRO(n, key, value)         \
    do {                                 \
        SAY(page->span[n].tags_before);  \
        tw_tag(at[n], key, value);       \
        SAY(page->span[n].tags_after);   \
    } while (0)
#define END(n) (SAY(page->span[n].ended_before), tw_span_end(at[n]), SAY(page->span[n].ended_after))
#define EVENT(call)                \
    do {                           \
        SAY(page->events_before);  \
        call;                      \
        SAY(page->events_after);   \
    } while (0)

/* The value of the n-th tag of a span, in the order they are set. Its kind goes by n: see tag_is_right. */
static int64_t number_of(uint32_t span, uint32_t n)
{
    return (int64_t)(0x0101010101010101u * (span + 1) + n * 0x1000u);
}

static void text_of(uint32_t span, uint32_t n, char text[TEXT + 1], size_t len)
{
    for (size_t i = 0; i < len; i++) text[i] = (char)('a' + (i * 7 + span * 5 + n) % 26);
    text[len] = 0;
}

/* -- what the child does. Spans are named s0 .. s3, their tags t0, t1 .. */

static void usual_work(void)
{
    tw_span at[SPANS];
    char text[TEXT + 1];
    BEGIN(0, tw_span_begin_root("s0"));
    TAG_MACRO(0, "t0", number_of(0, 0));
    BEGIN(1, tw_span_begin("s1"));
    TAG_MACRO(1, "t0", number_of(1, 0));
    TAG_MACRO(1, "t1", (uint64_t)number_of(1, 1));
    TAG_MACRO(1, "t2", "literal two");
    TAG_MACRO(1, "t3", (bool)true);
    text_of(1, 4, text, 5);
    TAG_MACRO(1, "t4", text);
    text_of(1, 5, text, 12);
    TAG_MACRO(1, "t5", text);
    text_of(1, 6, text, 40);
    TAG_MACRO(1, "t6", text);
    EVENT(tw_event("e"));
    EVENT(tw_event_tags("e", TW_ATTR("n", 7), TW_ATTR("s", "seven")));
    END(1);
    BEGIN(2, tw_span_begin("s2"));
    END(2);
    TAG_MACRO(0, "t1", (uint64_t)number_of(0, 1));
    END(0);
}

/* Fills the slot several times over; texts of more than 255 bytes among the tags. */
static void much_to_tag(void)
{
    tw_span at[SPANS];
    char key[16], text[TEXT + 1];
    BEGIN(0, tw_span_begin_root("s0"));
    for (uint32_t n = 0; n < 24; n++) {
        (void)snprintf(key, sizeof key, "t%u", n);
        if (n % 8 > 3) {
            static const size_t lengths[] = {5, 12, 40, TEXT};
            text_of(0, n, text, lengths[n % 8 - 4]);
            TAG(0, tw_span_set_str(at[0], key, text));
        } else if (n % 8 == 3) {
            TAG(0, tw_span_set_bool(at[0], key, true));
        } else if (n % 8 == 2) {
            TAG(0, tw_span_set_str(at[0], key, "literal two"));
        } else {
            TAG(0, tw_span_set_int(at[0], key, number_of(0, n)));
        }
    }
    END(0);
}

static void out_of_the_ordinary(void)
{
    tw_span at[SPANS];
    struct tw_context context, elsewhere = {.trace_id = {1}, .span_id = {2}, .flags = 1};
    const struct tw_span_options detached = {.detached = true, .kind = TW_KIND_SERVER};
    BEGIN(0, tw_span_begin_root("s0"));
    BEGIN(1, tw_span_begin_with("s1", &detached));
    BEGIN(2, tw_span_begin("s2"));
    END(0); /* not the innermost */
    TAG_MACRO(1, "t0", number_of(1, 0));
    CHECK(tw_span_context(at[1], &context));
    tw_attach held = tw_context_attach(&context);
    EVENT(tw_event("e"));
    BEGIN(3, tw_span_begin_under("s3", &elsewhere));
    TAG_MACRO(3, "t0", number_of(3, 0));
    tw_context_detach(held); /* below an open span */
    TAG_MACRO(3, "t1", (uint64_t)number_of(3, 1));
    END(3);
    TAG_MACRO(2, "t0", number_of(2, 0));
    END(2);
    END(1);
}

#define LAP(from, to, name)                                \
    (SAY(page->span[from].ended_before), SAY(page->span[to].begun_before), at[to] = tw_span_lap(at[from], name), \
     SAY(page->span[from].ended_after), SAY(page->span[to].begun_after))

static void laps(void)
{
    tw_span at[SPANS];
    BEGIN(0, tw_span_begin_root("s0"));
    BEGIN(1, tw_span_begin("s1"));
    LAP(1, 2, "s2");
    TAG_MACRO(2, "t0", number_of(2, 0));
    LAP(2, 3, "s3");
    END(3);
    END(0);
}

/* From one chunk into the next, and one more. */
static void into_the_next_chunk(void)
{
    tw_span at[SPANS];
    BEGIN(0, tw_span_begin_root("s0"));
    for (int i = 0; i < 140; i++) {
        SAY(page->fillers_before);
        tw_span_end(tw_span_begin("filler"));
        SAY(page->fillers_after);
    }
    END(0);
}

struct script {
    void (*work)(void);
    int warm_up;         /* how often it is done before the stepping begins */
    bool late;           /* look also with slots of a while ago */
    bool nothing_begun;  /* the child has recorded nothing yet: the segment comes into being under our eyes */
    unsigned long every; /* look at each so manieth stop */
};

static void forget_all(void)
{
    struct page fresh = {.done = 0};
    memcpy(fresh.path, page->path, sizeof fresh.path);
    memcpy(page, &fresh, sizeof fresh);
    CHECK(tw_recorder_clear() == 0);
}

static void child_of(const struct script *script)
{
    if (!script->nothing_begun) {
        const struct tw_config config = {.service = "stepped", .arena_bytes = 512 << 10};
        CHECK(tw_init(&config) == 0);
        tw_span_end(tw_span_begin("warm"));
        CHECK(tw_recorder_path(page->path, sizeof page->path) > 0);
        for (int i = 0; i < script->warm_up; i++) script->work();
        forget_all();
    }
    CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
    CHECK(raise(SIGSTOP) == 0);
    script->work();
    tw__store_release(&page->done, 1);
    for (;;) (void)pause();
}

/* -- what the parent sees */

static bool tag_is_right(uint32_t span, uint32_t n, const struct tw_tag_value *tag)
{
    static const size_t lengths[] = {5, 12, 40, TEXT};
    char text[TEXT + 1];
    switch (n % 8) {
    case 0: return tag->type == TW_TYPE_INT && tag->value.i == number_of(span, n);
    case 1: return (tag->type == TW_TYPE_UINT || tag->type == TW_TYPE_INT) && tag->value.i == number_of(span, n);
    case 2: return tag->type == TW_TYPE_STR && proc_text_is(tag->text, "literal two");
    case 3: return tag->type == TW_TYPE_BOOL && tag->value.u == 1;
    default: break;
    }
    text_of(span, n, text, lengths[n % 8 - 4]);
    return tag->type == TW_TYPE_STR && proc_text_is(tag->text, text);
}

/* The tags are the first so many of the span's, each right and once. */
static const char *check_tags(uint32_t span, const struct said *said, const struct tw_record *record)
{
    bool there[TAGS] = {false};
    uint32_t count = 0;
    for (size_t i = 0; i < record->tag_count; i++) {
        const struct tw_tag_value *tag = &record->tags[i];
        char digits[4] = "";
        if (tag->key.len < 2 || tag->key.len > 3 || tag->key.ptr[0] != 't') return "a key that was never set";
        memcpy(digits, tag->key.ptr + 1, tag->key.len - 1);
        uint32_t n = (uint32_t)strtoul(digits, NULL, 10);
        if (n >= TAGS) return "a key that was never set";
        if (!tag_is_right(span, n, tag)) return "a tag with another value";
        if (there[n]) return "a tag is there twice";
        count++;
        there[n] = true;
    }
    for (uint32_t n = 0; n < count; n++)
        if (!there[n]) return "a tag is missing between others";
    if (count < said->tags_after) return "a tag that was set is not there";
    if (count > said->tags_before) return "a tag that was not yet set is there";
    return NULL;
}

static const char *check_span(uint32_t n, const struct tw_records *records)
{
    static const char *const names[SPANS] = {"s0", "s1", "s2", "s3"};
    const struct said *said = &page->span[n];
    size_t open = proc_count(records, TW_RECORD_OPEN, names[n]), ended = proc_count(records, TW_RECORD_SPAN, names[n]);
    if (open + ended > 1) return "a span is there twice";
    if (open + ended < said->begun_after) return "a span that was begun is not there";
    if (open + ended > said->begun_before) return "a span that was not yet begun is there";
    if (ended < said->ended_after) return "a span that was ended is shown as open";
    if (ended > said->ended_before) return "a span that was not yet ended is shown as ended";
    const struct tw_record *record = proc_find(records, ended ? TW_RECORD_SPAN : TW_RECORD_OPEN, names[n]);
    return record ? check_tags(n, said, record) : NULL;
}

static const char *check_fixed(const struct tw_record *r)
{
    static const uint8_t none[16];
    if (r->name.len == 0 || proc_text_is(r->name, "?")) return "a record without a name";
    if (!proc_text_is(r->module, "test_kill_points")) return "a record of another module";
    if (memcmp(r->trace_id, none, 16) == 0) return "a record without a trace";
    if (memcmp(r->span_id, none, 8) == 0) return "a record without a span";
    if (r->kind == TW_RECORD_SPAN && r->end_ns < r->time_ns) return "a span that ends before it begins";
    return NULL;
}

static const char *check_all(const struct tw_records *records)
{
    const char *wrong = records->damaged ? "damaged" : records->missed ? "missed" : NULL;
    for (uint32_t n = 0; n < SPANS && !wrong; n++) wrong = check_span(n, records);
    for (size_t i = 0; i < records->count && !wrong; i++) wrong = check_fixed(&records->items[i]);
    if (wrong) return wrong;
    size_t events = proc_count(records, TW_RECORD_EVENT, "e");
    if (events < page->events_after || events > page->events_before) return "events are not as many as there should be";
    size_t open = proc_count(records, TW_RECORD_OPEN, "filler"), ended = proc_count(records, TW_RECORD_SPAN, "filler");
    if (ended < page->fillers_after) return "a span that was ended is not there";
    if (open + ended > page->fillers_before) return "spans are there that were not begun";
    return NULL;
}

/* The segment, once there is one. */
static struct tw_reader *find_segment(void)
{
    static struct proc_paths paths;
    struct tw_reader *reader = NULL;
    if (page->path[0]) {
        assert_int_equal(tw_reader_open(page->path, &reader, NULL), 0);
        return reader;
    }
    proc_list(&paths);
    if (paths.count == 0) return NULL;
    int result = tw_reader_open(paths.path[0], &reader, NULL);
    if (result != 0 && result != TW_ERR_FOREIGN) fail_msg("a segment that is being made: %s", tw_err_text(result));
    return result == 0 ? reader : NULL;
}

static void look(struct tw_reader *reader, unsigned long step)
{
    struct tw_records *records;
    assert_int_equal(tw_reader_read(reader, &(struct tw_query){.open_spans = true}, &records), 0);
    const char *wrong = check_all(records);
    if (wrong) {
        for (size_t i = 0; i < records->count && i < 12; i++) {
            const struct tw_record *r = &records->items[i];
            print_message("    %.*s kind %d, %zu tags\n", (int)r->name.len, r->name.ptr, (int)r->kind, r->tag_count);
        }
        for (int n = 0; n < SPANS; n++) {
            const struct said *s = &page->span[n];
            print_message("    s%d: begun %u %u tags %u %u ended %u %u\n", n, s->begun_before, s->begun_after,
                          s->tags_before, s->tags_after, s->ended_before, s->ended_after);
        }
        fail_msg("after %lu instructions: %s", step, wrong);
    }
    tw_records_free(records);
}

/* -- a reader that has copied the slots, and comes to the records later: an image of the segment with slots of a while
 * ago */

enum { BLOCKS = 4, APART = 701 };

static struct {
    uint8_t *bytes; /* private: what is not written here is the file's, as it is now */
    size_t len;
    struct tw_reader *reader;
    uint32_t tags_after; /* of s0, when the slots were copied */
    bool open;
    unsigned long looks;
} late;

static uint8_t *late_block(uint32_t index)
{
    return late.bytes + ((const struct tw__header *)(const void *)late.bytes)->blocks_off +
           (size_t)index * TW__BLOCK_BYTES;
}

static void late_begin(struct tw_reader *now)
{
    late.len = (size_t)now->shape.end;
    late.bytes = mmap(NULL, late.len, PROT_READ | PROT_WRITE, MAP_PRIVATE, now->fd, 0);
    assert_true(late.bytes != MAP_FAILED);
    assert_int_equal(tw__reader_over(late.bytes, late.len, "late", &late.reader, NULL), 0);
    late.looks = 0;
    late.open = false;
}

static void late_end(void)
{
    if (!late.reader) return;
    tw_reader_close(late.reader);
    assert_int_equal(munmap(late.bytes, late.len), 0);
    late.reader = NULL;
}

static void late_copy_slots(const struct tw_reader *now, bool heads)
{
    for (uint32_t b = 0; b < BLOCKS && b < tw__view_blocks(now); b++) {
        const uint8_t *from = (const uint8_t *)tw__view_block(now, b);
        if (heads)
            memcpy(late_block(b), from, TW__BLOCK_HEAD_BYTES);
        else
            memcpy(late_block(b) + TW__BLOCK_HEAD_BYTES, from + TW__BLOCK_HEAD_BYTES,
                   TW__BLOCK_BYTES - TW__BLOCK_HEAD_BYTES);
    }
}

/* Of s0 the tags must be there that were there when the slots were copied; others may be. Each once, none left out. */
static void look_late(struct tw_reader *now, unsigned long step)
{
    struct tw_records *records;
    if (!late.reader) late_begin(now);
    if (late.looks++ % APART == 0) {
        late_copy_slots(now, false);
        late.tags_after = page->span[0].tags_after;
        late.open = page->span[0].begun_after && !page->span[0].ended_before;
    }
    if (!late.open) return;
    late_copy_slots(now, true);
    assert_int_equal(tw_reader_read(late.reader, &(struct tw_query){.open_spans = true}, &records), 0);
    const struct tw_record *r = proc_find(records, TW_RECORD_OPEN, "s0");
    if (!r) r = proc_find(records, TW_RECORD_SPAN, "s0");
    const struct said said = {.tags_after = late.tags_after, .tags_before = page->span[0].tags_before};
    const char *wrong = r ? check_tags(0, &said, r) : "the span is not there";
    if (wrong)
        fail_msg("slots of %lu looks before, records of after %lu instructions: %s", (late.looks - 1) % APART, step,
                 wrong);
    tw_records_free(records);
}

static void end_child(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(proc_wait(pid), PROC_SIGNALED + SIGKILL);
}

/* Steps a child through a script; 0 as kill_after: to its end, looking, else so far, without. Returns the number of
 * steps. */
static unsigned long step_through(const struct script *script, unsigned long kill_after)
{
    memset(page, 0, sizeof *page);
    pid_t pid = fork();
    if (pid == 0) child_of(script);
    int status;
    struct tw_reader *reader = NULL;
    struct tw_process process;
    unsigned long steps = 0, looks = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    while (WIFSTOPPED(status) && !tw__load_acquire(&page->done) && (!kill_after || steps < kill_after)) {
        if (!kill_after && !reader && (steps % 64 == 0 || page->path[0])) reader = find_segment();
        if (!kill_after && reader && steps % script->every == 0) {
            look(reader, steps);
            if (script->late) look_late(reader, steps);
            looks++;
        }
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        steps++;
    }
    late_end();
    if (!WIFSTOPPED(status)) fail_msg("the child ended by itself: %x", (unsigned)status);
    if (kill_after) end_child(pid);
    if (!reader) reader = find_segment();
    if (reader) {
        look(reader, steps);
        assert_int_equal(tw_reader_process(reader, &process), 0);
        assert_int_equal(process.state, kill_after ? TW_PROCESS_DEAD : TW_PROCESS_LIVE);
        tw_reader_close(reader);
    }
    if (!kill_after) {
        end_child(pid);
        print_message("    %lu instructions, looked at %lu times\n", steps, looks);
        assert_true(looks > 20);
    }
    return steps;
}

/* Each child leaves a file; the next is to find its own. */
static void next_folder(void)
{
    assert_int_equal(proc_teardown(NULL), 0);
    assert_int_equal(proc_setup(NULL), 0);
}

/* Steps through, then kills at a sample of the places. */
static void at_every_instruction(struct script script)
{
#if defined(PROC_SANITIZED)
    script.every *= 7; /* ten times as many instructions */
#endif
    unsigned long steps = step_through(&script, 0), kills = steps > 20000 ? 1 : 6;
    for (unsigned long k = 1; k <= kills; k++) {
        next_folder();
        (void)step_through(&script, steps * k / (kills + 1) + k);
    }
}

static void begin_tag_event_and_end_are_whole_at_every_instruction(void **state)
{
    (void)state;
    at_every_instruction((struct script){.work = usual_work, .warm_up = 3, .every = 1});
}

static void sites_and_keys_may_be_new_at_every_instruction(void **state)
{
    (void)state;
    at_every_instruction((struct script){.work = usual_work, .every = 3});
}

static void the_segment_may_be_half_made_at_every_instruction(void **state)
{
    (void)state;
    at_every_instruction((struct script){.work = usual_work, .nothing_begun = true, .every = 9});
}

static void tags_beyond_the_slot_are_whole_at_every_instruction(void **state)
{
    (void)state;
    at_every_instruction((struct script){.work = much_to_tag, .warm_up = 1, .every = 5});
}

static void tags_count_once_for_a_reader_that_saw_the_slot_before(void **state)
{
    (void)state;
    at_every_instruction((struct script){.work = much_to_tag, .warm_up = 1, .every = 5, .late = true});
}

static void odd_orders_and_contexts_are_whole_at_every_instruction(void **state)
{
    (void)state;
    at_every_instruction((struct script){.work = out_of_the_ordinary, .warm_up = 2, .every = 1});
}

static void a_lap_is_whole_at_every_instruction(void **state)
{
    (void)state;
    at_every_instruction((struct script){.work = laps, .warm_up = 2, .every = 1});
}

static void nothing_is_lost_while_one_chunk_follows_another(void **state)
{
    (void)state;
    at_every_instruction((struct script){.work = into_the_next_chunk, .warm_up = 1, .every = 5});
}

static void nothing_newer_is_lost_while_the_oldest_chunk_is_overwritten(void **state)
{
    (void)state;
    at_every_instruction((struct script){.work = into_the_next_chunk, .warm_up = 80, .every = 5});
}

static void the_kernels_clock_makes_no_difference(void **state)
{
    (void)state;
    assert_int_equal(setenv("TRACKWAY_TSC", "off", 1), 0);
    at_every_instruction((struct script){.work = usual_work, .warm_up = 1, .every = 7});
    assert_int_equal(unsetenv("TRACKWAY_TSC"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROC(begin_tag_event_and_end_are_whole_at_every_instruction),
        PROC(sites_and_keys_may_be_new_at_every_instruction),
        PROC(the_segment_may_be_half_made_at_every_instruction),
        PROC(tags_beyond_the_slot_are_whole_at_every_instruction),
        PROC(tags_count_once_for_a_reader_that_saw_the_slot_before),
        PROC(odd_orders_and_contexts_are_whole_at_every_instruction),
        PROC(a_lap_is_whole_at_every_instruction),
        PROC(nothing_is_lost_while_one_chunk_follows_another),
        PROC(nothing_newer_is_lost_while_the_oldest_chunk_is_overwritten),
        PROC(the_kernels_clock_makes_no_difference),
    };
    page = proc_shared(sizeof *page);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
