#define _GNU_SOURCE
/* A bit of everything is recorded; what tw_reader_read makes of the file must be what tools/decode_segment.py makes of
 * it, which was written from docs/format/segment.md and shares nothing with our reader. */
#include "trace/recording.h"

#include <float.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static char lines[32 << 20];

static bool put(char *out, size_t cap, size_t *at, const char *text)
{
    size_t len = strlen(text);
    if (*at + len + 1 > cap) return false;
    memcpy(out + *at, text, len + 1);
    *at += len;
    return true;
}

struct line {
    char *text;
    size_t cap, at;
};

static void add(struct line *line, const char *text)
{
    if (!put(line->text, line->cap, &line->at, text)) fail_msg("no room");
}

static void add_hex(struct line *line, const void *bytes, size_t len)
{
    char digits[3];
    for (size_t i = 0; i < len; i++) {
        (void)snprintf(digits, sizeof digits, "%02x", ((const uint8_t *)bytes)[i]);
        add(line, digits);
    }
}

static void add_number(struct line *line, const char *name, uint64_t number)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%s%llu", name, (unsigned long long)number);
    add(line, text);
}

static void add_value(struct line *line, const struct tw_tag_value *t)
{
    if (t->type == TW_TYPE_STR || t->type == TW_TYPE_BYTES)
        add_hex(line, t->text.ptr, t->text.len);
    else
        add_hex(line, &t->value.u, 8);
}

/* The one form that both sides are brought to: texts in hex, doubles by their bits. */
static void add_record(struct line *line, const struct tw_record *r)
{
    add_number(line, "kind ", r->kind);
    add_number(line, " order ", r->order);
    add(line, " trace ");
    add_hex(line, r->trace_id, 16);
    add(line, " span ");
    add_hex(line, r->span_id, 8);
    add(line, " parent ");
    add_hex(line, r->parent_id, 8);
    add_number(line, " flags ", r->flags);
    add_number(line, " span_kind ", r->span_kind);
    add_number(line, " status ", r->status);
    const struct tw_text texts[] = {r->name, r->module, r->function, r->status_message};
    for (size_t i = 0; i < 4; i++) {
        add(line, " text ");
        add_hex(line, texts[i].ptr, texts[i].len);
    }
    add_number(line, " line ", r->line);
    add_number(line, " tid ", r->tid);
    for (size_t i = 0; i < r->parent_count; i++) {
        add(line, " and ");
        add_hex(line, r->parents[i].trace_id, 16);
        add(line, "/");
        add_hex(line, r->parents[i].span_id, 8);
        add_number(line, "/", r->parents[i].flags);
    }
    if (r->kind == TW_RECORD_LOG) add_number(line, " level ", r->level);
    for (size_t i = 0; i < r->arg_count; i++) {
        add_number(line, " arg ", r->args[i].type);
        add(line, "/");
        add_value(line, &r->args[i]);
    }
    for (size_t i = 0; i < r->tag_count; i++) {
        const struct tw_tag_value *t = &r->tags[i];
        add_number(line, " tag ", t->type);
        add(line, " ");
        add_hex(line, t->key.ptr, t->key.len);
        add(line, "=");
        add_value(line, t);
    }
    add(line, "\n");
}

static const char *const compare =
    "import json, os, struct, subprocess, sys\n"
    "kinds = {'span': 1, 'event': 2, 'mark': 3, 'send': 4, 'receive': 5, 'created': 6, 'exited': 7, 'log': 9, "
    "'request': 10, 'response': 11, 'open': 64}\n"
    "types = {int: None, bool: 4, float: 3, str: 5, dict: 6}\n"
    "def value(v, kind):\n"
    "    if isinstance(v, dict): return v['hex']\n"
    "    if kind == 5: return v.encode('utf-8').hex()\n"
    "    if kind == 3: return struct.pack('<d', float(v)).hex()\n"
    "    return struct.pack('<q' if v < 0 else '<Q', int(v)).hex()\n"
    "theirs = {}\n"
    "out = subprocess.run([sys.argv[1], sys.argv[2]], capture_output=True, text=True, check=True).stdout\n"
    "for line in out.splitlines():\n"
    "    r = json.loads(line)\n"
    "    order = 2**64 - 1 - r['offset'] if r['kind'] == 'open' else r['ticket'] << 13 | r['offset']\n"
    "    theirs[order] = r\n"
    "ours = [line.split(' ') for line in sys.stdin.read().splitlines()]\n"
    "bad = 0\n"
    "def say(order, what, a, b):\n"
    "    global bad\n"
    "    bad += 1\n"
    "    print('record %d: %s: ours %r, theirs %r' % (order, what, a, b))\n"
    "for words in ours:\n"
    "    field = dict(zip(words[0:20:2], words[1:20:2]))\n"
    "    rest, order = words, int(words[3])\n"
    "    r = theirs.pop(order, None)\n"
    "    if r is None:\n"
    "        say(order, 'record', 'there', 'missing'); continue\n"
    "    texts, tags, parents, plain, args, at = [], {}, [], {}, [], 0\n"
    "    while at < len(words):\n"
    "        if words[at] == 'text': texts.append(words[at + 1]); at += 2\n"
    "        elif words[at] == 'and': parents.append(words[at + 1]); at += 2\n"
    "        elif words[at] == 'arg': args.append(words[at + 1].split('/')); at += 2\n"
    "        elif words[at] == 'tag':\n"
    "            key, v = words[at + 2].split('=')\n"
    "            tags[key] = (int(words[at + 1]), v); at += 3\n"
    "        else: plain[words[at]] = words[at + 1]; at += 2\n"
    "    expect = {'kind': str(kinds[r['kind']]), 'trace': r['trace_id'], 'span': r['span_id'], 'parent': "
    "r['parent_id'],\n"
    "              'flags': str(r['flags']), 'span_kind': str(r['span_kind']), 'status': str(r['status']),\n"
    "              'line': str(r['line']), 'tid': str(r['tid'])}\n"
    "    for name, e in expect.items():\n"
    "        if plain.get(name) != e: say(order, name, plain.get(name), e)\n"
    "    e = [r[n].encode('utf-8').hex() for n in ('name', 'module', 'function', 'status_message')]\n"
    "    if texts != e: say(order, 'texts', texts, e)\n"
    "    e = ['%s/%s/%d' % (p['trace_id'], p['span_id'], p['flags']) for p in r['parents']]\n"
    "    if parents != e: say(order, 'parents', parents, e)\n"
    "    e = [[k, value(v, int(k))] for (k, _), v in zip(args, r.get('args', []))]\n"
    "    if args != e or len(args) != len(r.get('args', [])): say(order, 'args', args, r.get('args'))\n"
    "    if 'level' in r and plain.get('level') != str(r['level']): say(order, 'level', plain.get('level'), "
    "r['level'])\n"
    "    if set(tags) != {k.encode().hex() for k in r['tags']}: say(order, 'keys', sorted(tags), sorted(r['tags']))\n"
    "    for k, v in r['tags'].items():\n"
    "        kind, mine = tags.get(k.encode().hex(), (0, None))\n"
    "        if mine != value(v, kind): say(order, 'tag ' + k, mine, value(v, kind))\n"
    "for order in theirs: say(order, 'record', 'missing', theirs[order]['name'])\n"
    "print('%d records compared' % len(ours))\n"
    "sys.exit(1 if bad or not ours else 0)\n";

static void *also_records(void *data)
{
    (void)pthread_setname_np(pthread_self(), "helper");
    tw_attach at = tw_context_attach(data);
    tw_span span = tw_span_begin("on another thread");
    tw_mark("there");
    tw_span_end(span);
    (void)tw_span_begin("open when its thread exits");
    tw_context_detach(at);
    return NULL;
}

static void record_a_bit_of_everything(void)
{
    static char text[TW_TEXT_MAX + 100], bytes[300];
    static struct tw_context parents[100];
    const bool yes = true, no = false;
    memset(text, 'x', sizeof text - 1);
    memcpy(text + TW_TEXT_MAX - 2, "\xe2\x82\xac", 3); /* in the way of the cut */
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)i;
    for (uint8_t i = 0; i < 100; i++)
        parents[i] = (struct tw_context){.trace_id = {9, [15] = i}, .span_id = {8, [7] = i}, .flags = (uint8_t)(i & 3)};

    tw_span root = tw_span_begin("GET /\xc3\xa9t\xc3\xa9");
    tw_span_set_kind(root, TW_KIND_SERVER);
    for (int again = 0; again < 2; again++) {
        tw_span span = tw_span_begin("child");
        tw_tag(span, "int", INT64_MIN);
        tw_tag(span, "uint", UINT64_MAX);
        tw_tag(span, "double", -DBL_MIN);
        tw_tag(span, "yes", yes);
        tw_tag(span, "no", no);
        tw_tag(span, "literal", "a literal \"with\" quotes\n");
        tw_tag_strn(span, "text", text, 17);
        tw_tag_bytes(span, "bytes", bytes, 255);
        tw_tag_bytes(span, "more bytes", bytes, 256);
        tw_tag_strn(span, "cut", text, sizeof text - 1);
        tw_tag(span, "int", 7); /* the last counts */
        tw_span_fail(span, again ? text : "short");
        tw_span_rename(span, again ? "renamed" : "child");
        tw_event("cache.miss");
        tw_event_tags("retry", TW_ATTR("attempt", 2), TW_ATTR("host", "db1"));
        tw_span_end(span);
    }
    tw_span batch = tw_span_begin_joined("batch", parents, 100);
    for (int i = 0; i < 100; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key %d", i);
        tw_span_set_int(batch, key, i);
    }
    tw_span_end(batch);
    batch = tw_span_begin_joined("open batch", parents, 12);
    tw_span_set_str(batch, "so far", text);
    tw_span_set_status(batch, TW_STATUS_OK, NULL);

    struct tw_context ctx;
    assert_true(tw_span_context(root, &ctx));
    on_thread(also_records, &ctx);
    (void)tw_message_send(&(struct tw_message){.peer = "queue", .size = 5, .bytes = "hello", .byte_count = 5});
    tw_message_receive(&(struct tw_message){.peer = "queue", .id = 77}, &ctx);
    pthread_t thread;
    assert_int_equal(tw_thread_create(&thread, NULL, also_records, &ctx), 0);
    (void)pthread_join(thread, NULL);
    tw_mark_with("mark", (struct tw_attr[]){TW_ATTR("why", "because"), TW_ATTR("pi", 3.14159)}, 2);
    tw_span_event_with(TW_SPAN_NONE, "outside", NULL, 0, wall_now() - SECOND);
    tw_info("three: %d %u %ld", -7, 8u, -9L);
    for (int i = 0; i < 3; i++) tw_info("ints: %d %u %x", -i, 8u + (unsigned)i, 0xffffffffu);
    for (int i = 0; i < 2; i++) tw_notice("a text and a number: %s %.3f", text, i / 3.0);
    tw_meta_set(TW_ATTR("callid", "abc"), TW_ATTR("n", 5));
    tw_log_with(TW_LOG_WARNING, (TW_ATTR("request", 7), TW_ATTR("n", 6.5)), "%s and %.*s cost %*.1f%%", text, 3,
                "abcdef", 9, 2.25);
    tw_meta_clear();
    tw_log_at(&(struct tw_log_place){"src/x.c", "f", 77, 0}, TW_LOG_ERROR, "as it is", 8, NULL, 0);
    tw_emergency("nothing to add");
    static struct tw_entrypoint entrypoint = {.name = "login", .sensitive = "password"};
    struct tw_call call;
    const struct tw_value args[] = {TW_ARG("user", "ann"), TW_ARG("password", "secret")};
    tw_call_begin(&call, &entrypoint, &(struct tw_call_input){.args = args, .arg_count = 2});
    tw_call_fail(&call, &(struct tw_failure){.type = "E", .message = "no secret", .stack = text});
    tw_span phase = tw_span_begin("one");
    phase = tw_span_lap(phase, "two");
    phase = tw_span_lap(phase, "three");
    tw_span_end_at(phase, wall_now() + SECOND);
    tw_span_end(root); /* out of order: the batch is open */
    for (int i = 0; i < 300; i++) tw_span_end(tw_span_begin("fills more than one chunk"));
}

static void compare_with_the_oracle(const char *path)
{
    char why[TW_WHY_MAX] = "", script[] = "/tmp/trackway-compare-XXXXXX", command[1024];
    struct tw_reader *reader;
    struct tw_records *records;
    struct line line = {.text = lines, .cap = sizeof lines};
    if (tw_reader_open(path, &reader, why) != 0) fail_msg("%s", why);
    assert_int_equal(tw_reader_read(reader, &(struct tw_query){.open_spans = true}, &records), 0);
    assert_int_equal(records->damaged, 0);
    assert_true(records->count > 300);
    for (size_t i = 0; i < records->count; i++) add_record(&line, &records->items[i]);
    tw_records_free(records);
    tw_reader_close(reader);

    int fd = mkstemp(script);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, compare, strlen(compare)), strlen(compare));
    assert_int_equal(close(fd), 0);
    const char *root = getenv("TRACKWAY_ROOT");
    (void)snprintf(command, sizeof command, "/usr/bin/python3 %s %s/tools/decode_segment.py %s", script,
                   root ? root : ".", path);
    FILE *python = popen(command, "w");
    assert_non_null(python);
    assert_int_equal(fwrite(lines, 1, line.at, python), line.at);
    int status = pclose(python);
    (void)unlink(script);
    assert_int_equal(status, 0);
}

static void the_reader_and_the_oracle_agree_on_a_live_segment(void **state)
{
    (void)state;
    char path[256];
    record_a_bit_of_everything();
    assert_true(tw_recorder_path(path, sizeof path) > 0);
    compare_with_the_oracle(path);
    assert_int_equal(tw_recorder_clear(), 0);
    record_a_bit_of_everything();
    compare_with_the_oracle(path); /* what was cleared is gone for both */
}

static void the_reader_and_the_oracle_agree_on_a_segment_that_was_kept(void **state)
{
    (void)state;
    char path[256];
    struct tw_config config = small_config();
    assert_int_equal(tw_shutdown(SECOND), 0);
    assert_int_equal(setenv("TRACKWAY_KEEP", "1", 1), 0);
    assert_int_equal(setenv("TRACKWAY_PAYLOAD", "3", 1), 0);
    assert_int_equal(tw_init(&config), 0);
    assert_int_equal(unsetenv("TRACKWAY_KEEP") + unsetenv("TRACKWAY_PAYLOAD"), 0);
    record_a_bit_of_everything();
    assert_true(tw_recorder_path(path, sizeof path) > 0);
    assert_int_equal(tw_shutdown(SECOND), 0);
    compare_with_the_oracle(path);
    assert_int_equal(tw_init(&config), 0);
}

static void the_reader_and_the_oracle_agree_when_the_arena_has_gone_round(void **state)
{
    (void)state;
    char path[256];
    assert_true(tw_recorder_path(path, sizeof path) > 0);
    for (int i = 0; i < 30000; i++) tw_span_end(tw_span_begin("span"));
    record_a_bit_of_everything();
    assert_true(process_now().overwritten_bytes > 0);
    compare_with_the_oracle(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDING(the_reader_and_the_oracle_agree_on_a_live_segment),
        RECORDING(the_reader_and_the_oracle_agree_on_a_segment_that_was_kept),
        RECORDING(the_reader_and_the_oracle_agree_when_the_arena_has_gone_round),
    };
    return RUN_WITH_BOTH_CLOCKS("oracle", tests);
}
