#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring/opened.h"

static struct tw__segment *segment_of(void **state)
{
    return &((struct opened *)*state)->segment;
}

static const struct tw__entry *entry(const struct tw__segment *segment, uint32_t id)
{
    return (const struct tw__entry *)(const void *)(segment->dict + (size_t)id * 8);
}

static bool is_text(const struct tw__segment *segment, uint32_t id, const char *text)
{
    const struct tw__entry *e = entry(segment, id);
    return e->head == ((uint32_t)TW__ENTRY_TEXT << 24 | (uint32_t)strlen(text)) &&
           memcmp(e + 1, text, strlen(text)) == 0;
}

static uint32_t text_id(struct tw__segment *segment, const char *text)
{
    return tw__dict_text(segment, text, strlen(text));
}

static void id_0_is_a_question_mark(void **state)
{
    assert_true(is_text(segment_of(state), 0, "?"));
}

static void the_same_text_has_the_same_id(void **state)
{
    struct tw__segment *s = segment_of(state);
    uint32_t a = text_id(s, "GET /cart"), used = s->header->dict_used, b = text_id(s, "GET /carts");
    assert_int_not_equal(a, 0);
    assert_int_not_equal(a, b);
    used = s->header->dict_used;
    for (int i = 0; i < 100; i++) {
        char copy[] = "GET /cart";
        assert_int_equal(text_id(s, copy), a);
    }
    assert_int_equal(tw__dict_key(s, "GET /cart", 9), a); /* keys are texts */
    assert_int_equal(s->header->dict_used, used);
    assert_true(is_text(s, a, "GET /cart"));
    assert_true(is_text(s, b, "GET /carts"));
}

static void texts_of_every_length_are_entered_whole(void **state)
{
    struct tw__segment *s = segment_of(state);
    char text[301];
    uint32_t ids[300];
    memset(text, 't', sizeof text);
    for (size_t len = 0; len < 300; len++) {
        ids[len] = tw__dict_text(s, text, len);
        assert_int_not_equal(ids[len], 0);
        assert_int_equal(entry(s, ids[len])->units, (8 + len + 7) / 8);
    }
    for (size_t len = 1; len < 300; len++) assert_true(ids[len] >= ids[len - 1] + entry(s, ids[len - 1])->units);
    assert_int_equal(entry(s, ids[0])->head, (uint32_t)TW__ENTRY_TEXT << 24);
}

static void a_site_is_told_from_another_by_each_of_its_parts(void **state)
{
    struct tw__segment *s = segment_of(state);
    const struct tw__dict_site sites[] = {{"name", "module", "function", 7, 1, 0},
                                          {"Name", "module", "function", 7, 1, 0},
                                          {"name", "Module", "function", 7, 1, 0},
                                          {"name", "module", "Function", 7, 1, 0},
                                          {"name", "module", "function", 8, 1, 0},
                                          {"name", "module", "function", 7, 2, 0},
                                          {"name", "module", "function", 7, 1, 3},
                                          {"namem", "odule", "function", 7, 1, 0},
                                          {"", "", "", 0, 0, 0}};
    uint32_t ids[9];
    for (size_t i = 0; i < 9; i++) ids[i] = tw__dict_site(s, &sites[i]);
    for (size_t i = 0; i < 9; i++) {
        assert_int_not_equal(ids[i], 0);
        assert_int_equal(tw__dict_site(s, &sites[i]), ids[i]);
        for (size_t j = 0; j < i; j++) assert_int_not_equal(ids[i], ids[j]);
        const uint8_t *at = (const uint8_t *)(entry(s, ids[i]) + 1);
        uint32_t line;
        uint16_t lens[3];
        memcpy(&line, at, 4);
        memcpy(lens, at + 4, 6);
        assert_int_equal(line, sites[i].line);
        assert_int_equal(at[10], sites[i].type);
        assert_int_equal(at[11], sites[i].level);
        const char *texts[] = {sites[i].name, sites[i].module, sites[i].function};
        at += 12;
        for (int t = 0; t < 3; t++, at += lens[t - 1]) {
            assert_int_equal(lens[t], strlen(texts[t]));
            assert_memory_equal(at, texts[t], lens[t]);
        }
    }
}

/* Fills the dictionary with texts of len bytes until one is refused; how many were entered. */
static uint32_t fill(struct tw__segment *s, size_t len, bool keys)
{
    char text[300];
    memset(text, 'f', sizeof text);
    for (uint32_t n = 0;; n++) {
        (void)snprintf(text, sizeof text, "%u%s", n, keys ? "k" : "t");
        text[strlen(text)] = 'f';
        if ((keys ? tw__dict_key(s, text, len) : tw__dict_text(s, text, len)) == 0) return n;
    }
}

static void a_full_dictionary_gives_0_and_writes_nowhere(void **state)
{
    struct tw__segment *s = segment_of(state);
    uint32_t known = text_id(s, "known");
    struct tw__block *first = tw__block_take(s, TW__ROLE_THREAD);
    assert_non_null(first);
    s->blocks[0] = 0xee; /* the first byte behind it */
    assert_true(fill(s, 248, false) > 4000);
    assert_true(s->header->dict_used * 8 <= TW__DICT_BYTES);
    assert_int_equal(s->blocks[0], 0xee);
    assert_int_equal(text_id(s, "known"), known); /* what is there is found */
    (void)fill(s, 16, false); /* small ones may still fit */
    (void)fill(s, 8, false);
    assert_int_equal(text_id(s, "no room at all for this one"), 0);
    assert_int_equal(tw__dict_site(s, &(struct tw__dict_site){"n", "m", "f", 1, 1, 0}), 0);
    assert_int_equal(s->blocks[0], 0xee);
}

static void keys_are_in_the_first_half_only(void **state)
{
    struct tw__segment *s = segment_of(state);
    assert_true(fill(s, 250, true) > 1900);
    assert_true(s->header->dict_used >= TW__DICT_KEY_MAX);
    uint32_t text = text_id(s, "behind the half");
    assert_true(text >= TW__DICT_KEY_MAX);
    assert_int_equal(tw__dict_key(s, "behind the half", 15), 0); /* its id has no 16 bits */
    assert_int_equal(tw__dict_key(s, "a new key", 9), 0);
    assert_int_equal(text_id(s, "behind the half"), text);
}

static void every_entry_can_be_stepped_over(void **state)
{
    struct tw__segment *s = segment_of(state);
    uint32_t entered = fill(s, 30, false), found = 0;
    for (uint32_t id = 0; id < s->header->dict_used; id += entry(s, id)->units) {
        assert_int_not_equal(entry(s, id)->units, 0);
        assert_int_not_equal(entry(s, id)->head, 0);
        found++;
    }
    assert_int_equal(found, entered + 1); /* and the question mark */
}

static void the_next_segment_takes_the_ids_over(void **state)
{
    struct opened *opened = *state;
    struct tw__segment *s = &opened->segment;
    static struct tw__segment next;
    uint32_t ids[5000];
    for (int i = 0; i < 5000; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "text number %d", i);
        ids[i] = text_id(s, text);
    }
    opened_next(opened, &next, s);
    for (int i = 0; i < 5000; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "text number %d", i);
        assert_true(is_text(&next, ids[i], text));
    }
    assert_int_equal(text_id(&next, "text number 17"), ids[17]);
    uint32_t fresh = text_id(&next, "new");
    assert_true(fresh >= s->header->dict_used);
    opened_close(&next);
}

enum { THREADS = 4, TEXTS = 4000 };
static uint32_t found[THREADS][TEXTS];
static struct tw__segment *shared;

static void *enters_all(void *data)
{
    uint32_t *ids = data;
    for (int i = 0; i < TEXTS; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "text number %d", i);
        ids[i] = text_id(shared, text);
    }
    return NULL;
}

static void threads_that_enter_the_same_texts_at_once_all_get_good_ids(void **state)
{
    pthread_t threads[THREADS];
    shared = segment_of(state);
    for (int t = 0; t < THREADS; t++) assert_int_equal(pthread_create(&threads[t], NULL, enters_all, found[t]), 0);
    for (int t = 0; t < THREADS; t++) assert_int_equal(pthread_join(threads[t], NULL), 0);
    for (int t = 0; t < THREADS; t++)
        for (int i = 0; i < TEXTS; i++) {
            char text[32];
            (void)snprintf(text, sizeof text, "text number %d", i);
            if (!is_text(shared, found[t][i], text)) fail_msg("%u is not \"%s\"", found[t][i], text);
        }
}

static void texts_whose_hashes_collide_are_told_apart(void **state)
{
    struct tw__segment *s = segment_of(state);
    uint32_t other = text_id(s, "other");
    for (size_t i = 0; i < TW__DEDUP_SLOTS; i++) s->dedup[i] = other; /* as if all places were taken */
    uint32_t a = text_id(s, "GET /cart"), b = text_id(s, "GET /cart");
    assert_true(is_text(s, a, "GET /cart") && is_text(s, b, "GET /cart")); /* entered twice, both good */
    assert_int_equal(text_id(s, "other"), other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPENED(id_0_is_a_question_mark),
        OPENED(the_same_text_has_the_same_id),
        OPENED(texts_of_every_length_are_entered_whole),
        OPENED(a_site_is_told_from_another_by_each_of_its_parts),
        OPENED(a_full_dictionary_gives_0_and_writes_nowhere),
        OPENED(keys_are_in_the_first_half_only),
        OPENED(every_entry_can_be_stepped_over),
        OPENED(the_next_segment_takes_the_ids_over),
        OPENED(threads_that_enter_the_same_texts_at_once_all_get_good_ids),
        OPENED(texts_whose_hashes_collide_are_told_apart),
    };
    return cmocka_run_group_tests_name("dictionary", tests, NULL, NULL);
}
